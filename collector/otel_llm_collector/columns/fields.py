"""Where the fields of many spans stand: found in NumPy, or by the native wheel where it is installed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ..native import native
from .arrays import Bools, Ints
from .attributes import Attributes
from .keyed import Keyed, lettered
from .wire import Fields, Wire, walk

#: Tags of the fields of a Span that are read here.
TRACE_ID, SPAN_ID, PARENT, NAME, KIND, START, END, ATTRIBUTE = 0x0A, 0x12, 0x22, 0x2A, 0x30, 0x39, 0x41, 0x4A
EVENT, STATUS, FLAGS = 0x5A, 0x7A, 0x85
SINGLE: Final = (TRACE_ID, SPAN_ID, PARENT, NAME, KIND, START, END, STATUS, FLAGS)
#: As every SDK writes them, trace and start are among so many.
_FIRST_FIELDS: Final = 7


class Range(NamedTuple):
    """Where a field of each span stands, and which spans have it."""

    known: Bools
    start: Ints
    end: Ints

    def at(self, rows: Any) -> Range:
        return Range(*(part[rows] for part in self))

    def words(self, wire: Wire) -> Ints:
        """The eight bytes that a field has; 0 where it is missing."""
        return np.where(self.known, wire.words[self.start].view(np.int64), 0)


class Found(NamedTuple):
    """What was found of spans, a row each; see `spans.Spans`."""

    single: Mapping[int, Range]
    attributes: Attributes
    has_events: Bools
    rest: Mapping[int, Sequence[tuple[int, int]]]


def heads(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Of each span where its trace id stands and when it began, as far as its first fields tell; else 0."""
    if native:
        trace, started = native.heads(wire.octets, starts, ends)
        return trace, started
    is_odd = np.zeros(len(starts), np.bool_)
    fields = defaultdict[int, list[Fields]](list)
    for tag, part in walk(wire, starts, ends, is_odd, _FIRST_FIELDS):
        fields[tag].append(part)
    return _range(fields[TRACE_ID], is_odd).start, _range(fields[START], is_odd).words(wire)


def find(wire: Wire, starts: Ints, ends: Ints) -> tuple[Found, Bools]:
    """What is found of the spans between these places, and which of them are odd."""
    return _natively(wire, starts, ends) if native else _by_steps(wire, starts, ends)


def _natively(wire: Wire, starts: Ints, ends: Ints) -> tuple[Found, Bools]:
    spans = native.read(wire.octets, starts, ends)
    single = {tag: Range(end > 0, start, end) for tag, start, end in zip(SINGLE, spans.starts, spans.ends, strict=True)}
    attributes = Attributes(
        wire, len(starts), spans.row, spans.order, spans.letter, spans.value, spans.names, spans.bounds
    )
    rest = defaultdict[int, list[tuple[int, int]]](list)
    for row, begin, end in spans.rest:
        rest[row].append((begin, end))
    spans.is_odd[lettered(attributes)] = True
    return Found(single, attributes, spans.has_events, rest), spans.is_odd


def _by_steps(wire: Wire, starts: Ints, ends: Ints) -> tuple[Found, Bools]:
    is_odd, has_events = (np.zeros(len(starts), np.bool_) for _ in range(2))
    fields, keyed = defaultdict[int, list[Fields]](list), Keyed(wire, is_odd)
    for tag, part in walk(wire, starts, ends, is_odd):
        if tag == ATTRIBUTE:
            keyed.add(part)
        else:
            fields[tag].append(part)
    single = {tag: _range(fields[tag], is_odd) for tag in SINGLE}
    for part in fields[EVENT]:
        has_events[part.owner] = True
    return Found(single, keyed.attributes(), has_events, _rest(fields)), is_odd


def _range(parts: Sequence[Fields], is_odd: Bools) -> Range:
    """Where a field stands that a span has once at most; a span that repeats it is odd."""
    rows = len(is_odd)
    known, start, end = np.zeros(rows, np.bool_), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for part in parts:
        is_odd[part.owner[known[part.owner]]] = True
        known[part.owner], start[part.owner], end[part.owner] = True, part.start, part.end
    return Range(known, start, end)


def _rest(fields: Mapping[int, Sequence[Fields]]) -> dict[int, list[tuple[int, int]]]:
    """Of each row the places of the fields that are not read here, if it has any, in the order of the wire."""
    found: dict[int, list[tuple[int, int]]] = {}
    for parts in (parts for tag, parts in fields.items() if tag not in SINGLE):
        for part in parts:
            for owner, begin, end in zip(part.owner.tolist(), part.begin.tolist(), part.end.tolist(), strict=True):
                found.setdefault(owner, []).append((begin, end))
    return {row: sorted(places) for row, places in found.items()}
