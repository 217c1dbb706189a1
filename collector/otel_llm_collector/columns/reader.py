"""Stored requests as rows of the lake's tables: by columns what can be, the rest by the reference."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm.failures import swallow
from otel_llm_semconv.pricing.contracts import Contracts

from .. import decode, journal
from ..flow import OneByOne, Stored
from ..rows import Item, Rows, joined
from . import speech
from .assembly import messages_table, spans_table
from .request import Around, Requests, whole_of
from .spans import read
from .wire import Wire

#: What is worked on at once: bounds memory, however large or many the requests are.
ROWS_MAX: Final = 30_000
BYTES_MAX: Final = 48 * 1024 * 1024
#: A portion, which is worked on in equal parts, ends with the request that brings so many.
_ROWS: Final = ROWS_MAX * 4
#: A request of fewer spans than this is not cut in two, if it need not be.
_SHORT: Final = ROWS_MAX // 16
#: Fewer spans than this are read one by one: columns have a price of their own.
ROWS_MIN: Final = 64


class Reader:
    """Makes rows of the spans that a collector stored. `reference` reads what cannot be read by columns."""

    def __init__(self, collector_id: str, contracts: Contracts, reference: OneByOne) -> None:
        self._collector_id = collector_id
        self._contracts = contracts
        self._reference = reference

    def read(self, frames: Iterable[Stored]) -> Iterator[Rows]:
        """The rows of some requests, ROWS_MAX at most at once. Those of other signals are left to the reference."""
        others: list[Stored] = []
        for requests in _portions(_traces(frames, others)):
            wire = Wire(requests.taken())
            for first, last in _slices([size for size, _ in requests.runs]):
                yield self._rows(wire, requests, first, last)
            yield from self._reference.read(requests.odd)
        yield from self._reference.read(others)

    def _rows(self, wire: Wire, requests: Requests, first: int, last: int) -> Rows:
        """The rows of some spans. Where columns fail, it is for the reference to tell which span is at fault."""
        if last - first >= ROWS_MIN:
            try:
                return self._by_columns(wire, requests, first, last)
            except Exception as error:
                swallow("reading spans by columns", error)
        return self._reference.rows(self._one_by_one(wire, requests, range(first, last)))

    def _by_columns(self, wire: Wire, requests: Requests, first: int, last: int) -> Rows:
        found, is_odd = read(wire, requests, first, last)
        dialect, is_oddly_said = speech.judge(found)
        is_odd |= is_oddly_said
        spans = found.select(~is_odd)
        table = spans_table(spans, dialect[~is_odd], self._contracts, self._collector_id)
        messages, owner = messages_table(spans, table)
        rows = Rows(table, spans.key, (messages,), (owner,))
        odd = np.sort(found.place[is_odd])
        if not len(odd):
            return rows
        return joined([rows, self._reference.rows(self._one_by_one(wire, requests, odd.tolist()))])

    def _one_by_one(self, wire: Wire, requests: Requests, places: Iterable[int]) -> list[Item]:
        """What becomes of the spans at these places by the reference."""
        bounds = np.cumsum([size for size, _ in requests.runs])
        reading, found = self._reference.reading(journal.TRACES), list[Item]()
        for place in places:
            around = requests.runs[int(np.searchsorted(bounds, place, side="right"))][1]
            record = _record(wire.between(requests.starts[place], requests.ends[place]), around)
            found += self._reference.item(reading, record, around.segment, around.received_ns, around.tenant)
        return found


def _traces(frames: Iterable[Stored], others: list[Stored]) -> Iterator[Stored]:
    """The frames of traces; those of other signals go to `others`."""
    for segment, frame in frames:
        if frame.kind == journal.TRACES:
            yield segment, frame
        else:
            others.append((segment, frame))


def _slices(runs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """As few equal parts of the spans as there may be, between requests where these are short.

    What comes in one request belongs together: to settle it is quicker at once.
    """
    ends = np.cumsum([0, *runs])
    rows = int(ends[-1])
    parts = -(-rows // ROWS_MAX)
    bounds = np.linspace(0, rows, parts + 1).astype(int).tolist() if parts else [0]
    nearest = [int(ends[np.searchsorted(ends, bound, side="right") - 1]) for bound in bounds]
    yield from itertools.pairwise(
        near if bound - near < _SHORT else bound for bound, near in zip(bounds, nearest, strict=True)
    )


def _portions(frames: Iterable[Stored]) -> Iterator[Requests]:
    requests = Requests()
    for segment, frame in frames:
        whole = whole_of(frame.payload)
        if whole is not requests.whole or len(requests.starts) >= _ROWS or requests.size >= BYTES_MAX:
            if requests.starts or requests.odd:
                yield requests
            requests = Requests(whole)
        requests.add(segment, frame)
    if requests.starts or requests.odd:
        yield requests


def _record(octets: bytes, around: Around) -> decode.SpanRecord:
    resource, scope = around.resource, around.scope
    span = Span.FromString(octets)
    return decode.record_of(
        span,
        resource.attributes,
        resource.blob,
        scope_name=scope.name,
        scope=scope.blob,
        scope_version=scope.version,
    )
