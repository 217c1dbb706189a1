"""OTLP in files: lines of JSON, or frames of JSON or protobuf, as OpenTelemetry's file exporter writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .. import journal
from ..receiver.otlp_json import request_from_document
from ..receiver.refusals import BadDataError, RefusedError
from ..receiver.soundness import Accepted, check
from ..signals import SIGNALS, Signal
from .told import Record, UnreadableError

_KEYS: Final = {
    "resourceSpans": SIGNALS[journal.TRACES],
    "resourceLogs": SIGNALS[journal.LOGS],
    "resourceMetrics": SIGNALS[journal.METRICS],
}
MARKS: Final = tuple(_KEYS)


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a file that can be stored, and what was left out of it."""

    signal: Signal
    payload: bytes
    accepted: Accepted


def requests(value: Record | bytes) -> Iterator[Request]:
    """The requests in an object or a frame's protobuf. UnreadableError for what is none."""
    try:
        if isinstance(value, bytes):
            yield _guessed(value)
            return
        for key, signal in _KEYS.items():
            if key in value:
                payload, accepted = check(signal, request_from_document(signal, {key: value[key]}))
                yield Request(signal, payload, accepted)
    except RefusedError as error:
        raise UnreadableError(error.reason) from None


def _guessed(payload: bytes) -> Request:
    """A file does not say which signal it holds: the one in which most of it is sound."""
    found: list[Request] = []
    for signal in SIGNALS.values():
        try:
            sound, accepted = check(signal, payload)
        except BadDataError:
            continue
        if sound and not accepted.rejected:
            return Request(signal, sound, accepted)
        if sound:
            found.append(Request(signal, sound, accepted))
    if not found:
        raise BadDataError("no OTLP request of traces, logs or metrics")
    return min(found, key=lambda request: request.accepted.rejected)


def times_of(signal: Signal, payload: bytes) -> list[int]:
    """When the items of a request ended, or were told; in nanoseconds since 1970."""
    request: Any = signal.request.FromString(payload)
    if signal.kind == journal.TRACES:
        spans = [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]
        return [max(span.start_time_unix_nano, span.end_time_unix_nano) for span in spans]
    if signal.kind == journal.LOGS:
        records = [found for one in request.resource_logs for scope in one.scope_logs for found in scope.log_records]
        return [record.time_unix_nano or record.observed_time_unix_nano for record in records]
    metrics = [metric for one in request.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return [point.time_unix_nano for metric in metrics for point in _points(metric)]


def _points(metric: Any) -> Any:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()
