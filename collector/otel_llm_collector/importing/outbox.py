"""What is read goes out in requests of a bounded size, as from an exporter."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing.contracts import Contracts

from .. import journal
from ..delivery import Delivery
from ..forward.destination import Destination
from ..forward.filters import filter_of
from ..normalise import PAST_MAX
from ..scores import Score, request_of
from ..signals import SIGNALS
from .otlp import Request, times_of
from .told import Told, pairs

_ITEMS_MAX: Final = 1000
_BYTES_MAX: Final = 1024 * 1024
_PAST_NS: Final = int(PAST_MAX.total_seconds()) * 10**9
_SILENT: Final = Destination("http://import", without_content=True)
_Around = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Sent:
    """What went out: `items` by the name of their signal, scores among the log records; `old` of them began longer ago
    than a collector dates by their own time."""

    items: Counter[str] = field(default_factory=Counter)
    scores: int = 0
    rejected: int = 0
    old: int = 0


class Outbox:
    """Gathers what is told, and brings it in. `without_content` leaves prompts and answers out."""

    def __init__(self, delivery: Delivery, service: str | None, *, without_content: bool = False) -> None:
        self._delivery = delivery
        self._service = service
        self._filter = filter_of(_SILENT, Contracts()) if without_content else None
        self._spans: dict[_Around, list[Span]] = {}
        self._scores: dict[bytes, Score] = {}  # told twice, it is one
        self._count = self._size = 0
        self.sent = Sent()

    def add(self, told: Told) -> None:
        """Take over what a record tells."""
        resource = {**told.resource, **({a.SERVICE_NAME: self._service} if self._service else {})}
        self._spans.setdefault((told.scope, tuple(sorted(resource.items()))), []).extend(told.spans)
        self._scores |= {score.record().SerializeToString(): score for score in told.scores}
        self._count += len(told.spans) + len(told.scores)
        self._size += sum(span.ByteSize() for span in told.spans)
        if self._count >= _ITEMS_MAX or self._size >= _BYTES_MAX:
            self.flush()

    def send(self, request: Request) -> None:
        """Bring in a request as it is."""
        self._bring(request.signal.kind, request.payload, times_of(request.signal, request.payload))
        self.sent.items[request.signal.name] += request.accepted.stored

    def flush(self) -> None:
        """Bring in what is gathered."""
        spans = [span for listed in self._spans.values() for span in listed]
        if spans:
            times = [span.end_time_unix_nano for span in spans]
            self._bring(journal.TRACES, _request(self._spans), times)
            self.sent.items[SIGNALS[journal.TRACES].name] += len(spans)
        if self._scores:
            scores = self._scores.values()
            self._bring(journal.LOGS, request_of(scores), [score.time_ns for score in scores])
            self.sent.scores += len(scores)
        self._spans, self._scores, self._count, self._size = {}, {}, 0, 0

    def _bring(self, kind: int, payload: bytes, times_ns: Iterable[int]) -> None:
        """The newest of what is in a request says when it counts as received: then all of it is dated by itself."""
        now_ns = time.time_ns()
        known = [moment for moment in times_ns if moment]
        self.sent.old += sum(moment < now_ns - _PAST_NS for moment in known)
        received_ns = min(now_ns, max(known, default=now_ns))
        kept: Any = payload if self._filter is None else self._filter(kind, payload, received_ns)
        if kept:
            self.sent.rejected += self._delivery.take(kind, kept, received_ns)


def _request(spans: dict[_Around, list[Span]]) -> bytes:
    request = ExportTraceServiceRequest()
    for (scope, resource), listed in spans.items():
        if listed:
            outer = request.resource_spans.add()
            outer.resource.attributes.extend(pairs(dict(resource)))
            inner = outer.scope_spans.add()
            inner.scope.name = scope
            inner.spans.extend(listed)
    return request.SerializeToString()
