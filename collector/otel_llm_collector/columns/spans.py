"""From stored requests to spans as arrays, in the order in which they stand in the lake's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ..normalise import FUTURE_MAX, PAST_MAX
from .arrays import Bools, Ints
from .attributes import Attributes
from .fields import END, KIND, PARENT, SPAN_ID, START, STATUS, TRACE_ID, Range, find, heads
from .request import Requests
from .wire import Wire

Words = npt.NDArray[np.uint64]

#: Tags of the fields of a Status.
_MESSAGE, _CODE = 0x12, 0x18
_KINDS_MAX, _CODES_MAX = 5, 2
DAY_US: Final = 86_400_000_000
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIXERS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans that can be read by columns.

    `place` is where each came among those of the requests, `run` the spans around it (see `Requests.runs`). `code` is
    that of the status, `message` where its description stands. `rest` has the places of fields that have no column.
    """

    wire: Wire
    requests: Requests
    place: Ints
    run: Ints
    single: Mapping[int, Range]
    kind: Ints
    code: Ints
    message: Range
    received_ns: Ints
    began_us: Ints
    is_sound: Bools
    key: Words
    attributes: Attributes
    has_events: Bools
    rest: Mapping[int, Sequence[tuple[int, int]]]

    def __len__(self) -> int:
        return len(self.place)

    @property
    def day(self) -> Ints:
        """Days since 1970."""
        return np.asarray(self.began_us // DAY_US)

    @property
    def start_ns(self) -> Ints:
        """As it was sent: the bits of an unsigned number."""
        return self._time(START)

    @property
    def end_ns(self) -> Ints:
        return self._time(END)

    def _time(self, tag: int) -> Ints:
        return self.single[tag].words(self.wire)

    def octets(self, tag: int, width: int) -> npt.NDArray[np.uint8]:
        """An identifier of so many bytes, whole words of them."""
        start = self.single[tag].start
        words = np.stack([self.wire.words[start + offset] for offset in range(0, width, 8)], axis=1)
        return words.view(np.uint8)

    def select(self, rows: Bools) -> Spans:
        """Some of them."""
        if rows.all():
            return self
        chosen = np.flatnonzero(rows)
        return Spans(
            self.wire,
            self.requests,
            self.place[chosen],
            self.run[chosen],
            {tag: found.at(chosen) for tag, found in self.single.items()},
            self.kind[chosen],
            self.code[chosen],
            self.message.at(chosen),
            self.received_ns[chosen],
            self.began_us[chosen],
            self.is_sound[chosen],
            self.key[chosen],
            self.attributes.select(rows),
            self.has_events[chosen],
            {row: self.rest[old] for row, old in enumerate(chosen.tolist()) if old in self.rest} if self.rest else {},
        )


def read(wire: Wire, requests: Requests, first: int, last: int) -> tuple[Spans, Bools]:
    """Some of the spans of requests, and which of them are odd. `place` counts from the first of all."""
    starts, ends = np.array(requests.starts[first:last], np.int64), np.array(requests.ends[first:last], np.int64)
    sizes = np.array([size for size, _ in requests.runs], np.int64)
    run = np.repeat(np.arange(len(sizes)), sizes)[first:last]
    received_ns = np.array([around.received_ns for _, around in requests.runs], np.int64)[run]
    order = _order(wire, starts, ends, received_ns)
    found, is_odd = find(wire, starts[order], ends[order])
    single = found.single
    _judge_ids(single, is_odd)
    kind = np.where(single[KIND].known, wire.varints(single[KIND].start)[0], 0)
    code, message, is_status = _status(wire, single[STATUS])
    is_odd |= ~is_status | (code < 0) | (code > _CODES_MAX) | (kind < 0) | (kind > _KINDS_MAX)
    received_ns = received_ns[order]
    began_us, is_sound = _began(single[START].words(wire), received_ns)
    spans = Spans(
        wire=wire,
        requests=requests,
        place=order + first,
        run=run[order],
        single=single,
        kind=kind,
        code=code,
        message=message,
        received_ns=received_ns,
        began_us=began_us,
        is_sound=is_sound,
        key=_keys(wire, single),
        attributes=found.attributes,
        has_events=found.has_events,
        rest=found.rest,
    )
    return spans, is_odd


def _order(wire: Wire, starts: Ints, ends: Ints, received_ns: Ints) -> Ints:
    """The spans by date, trace and start, as far as their first fields tell."""
    trace, started = heads(wire, starts, ends)
    day = _began(started, received_ns)[0] // DAY_US
    high, low = (wire.words[trace + offset].byteswap() for offset in (0, 8))
    keys: tuple[Any, ...] = (started, low, high)
    if len(day) and (day != day[0]).any():
        keys = (*keys, day)
    return np.asarray(np.lexsort(keys))


def _judge_ids(single: Mapping[int, Range], is_odd: Bools) -> None:
    for tag, width in ((TRACE_ID, 16), (SPAN_ID, 8)):
        is_odd |= single[tag].end - single[tag].start != width
    parent = single[PARENT]
    size = parent.end - parent.start
    is_odd |= (size != 8) & (size != 0)
    parent.known[size == 0] = False


def _began(started: Ints, received_ns: Ints) -> tuple[Ints, Bools]:
    """Microseconds since 1970; see `normalise.began`."""
    distance = started - received_ns
    past, future = (int(limit.total_seconds()) * 10**9 for limit in (PAST_MAX, FUTURE_MAX))
    is_sound = (started >= 0) & (distance >= -past) & (distance < future + 1000)
    return np.where(is_sound, started, received_ns) // 1000, is_sound


def _status(wire: Wire, status: Range) -> tuple[Ints, Range, Bools]:
    """Code and message, as every SDK spells them: the message before the code."""
    octets, at, end = wire.octets, status.start, status.end
    has_message = status.known & (at < end) & (octets[at] == _MESSAGE)
    size, start = wire.varints(np.where(has_message, at + 1, 0))
    message = Range(has_message & (size > 0), start, start + size)
    at = np.where(has_message, start + size, at)
    at = np.where(at <= end, at, end)
    has_code = status.known & (at < end) & (octets[at] == _CODE)
    code, after = wire.varints(np.where(has_code, at + 1, 0))
    at = np.where(has_code, after, at)
    is_sound = ~status.known | ((at == end) & (~has_message | (start + size <= end)))
    return np.where(has_code, code, 0), message, is_sound


def _keys(wire: Wire, single: Mapping[int, Range]) -> Words:
    """See `identity.row_key`."""
    trace, span = single[TRACE_ID].start, single[SPAN_ID].start
    key = _mix(wire.words[trace].byteswap())
    key = _mix(key ^ wire.words[trace + 8].byteswap())
    return _mix(key ^ wire.words[span].byteswap())


def _mix(word: Words) -> Words:
    word = word + _GOLDEN
    for shift, factor in _MIXERS:
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
    return word ^ (word >> np.uint64(31))
