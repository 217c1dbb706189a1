"""What of a request can be stored: it is parsed, and items that nothing could ever find again are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from .. import journal
from ..signals import Signal
from .refusals import BadDataError
from .shape import count_spans

#: From this size on a request is weighed before it is parsed.
LARGE_BYTES_MIN: Final = 8 * 1024 * 1024
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)


@dataclass(frozen=True, slots=True)
class Accepted:
    """How many items of a request were stored, how many were not, and why those were not."""

    stored: int = 0
    rejected: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Where a signal's items lie, which of them are sound, what is said of the others, and where they may belong."""

    scopes: Callable[[Any], list[Any]]  # the lists of items of a request
    is_sound: Callable[[Any], bool]
    count: Callable[[Any], int]  # how many items a list of them stands for
    rows: Callable[[Any], int]  # how many of these become rows
    fault: str
    way_out: str


def check(signal: Signal, payload: bytes) -> tuple[bytes, Accepted]:
    """The request with its sound items only ('' if there is none to store), and what came of it.

    Raises BadDataError where the bytes are no request of this signal, or none of its items is sound; TooLargeError
    where parsing it would take too much memory.
    """
    if len(payload) >= LARGE_BYTES_MIN:
        from .weight import check_weight

        check_weight(payload, signal.kind)
    if count_spans and signal.kind == journal.TRACES and (spans := count_spans(payload)) is not None:
        return (payload if spans else b""), Accepted(spans)
    return check_by_parsing(signal, payload)


def check_by_parsing(signal: Signal, payload: bytes) -> tuple[bytes, Accepted]:
    """As `check`, by protobuf alone, of a request that is not too heavy for it."""
    try:
        request = signal.request.FromString(payload)
    except DecodeError:
        name = signal.request.DESCRIPTOR.name
        reason = f"the body is not an OTLP {name}: cut short, nested too deeply, or no UTF-8"
        raise BadDataError(reason) from None
    return _sound_part(signal, payload, request)


def _sound_part(signal: Signal, payload: bytes, request: Any) -> tuple[bytes, Accepted]:
    rule = _RULES[signal.kind]
    total = rejected = rows = 0
    for items in rule.scopes(request):
        unsound = [item for item in items if not rule.is_sound(item)]
        total += rule.count(items)
        if unsound:
            rejected += rule.count(unsound)
            _keep(items, rule.is_sound)
        rows += rule.rows(items)
    if rejected == 0:
        return (payload if total else b""), Accepted(rows)
    reason = f"{rejected} of {total} {signal.items} {rule.fault}"
    if rejected == total:
        raise BadDataError(f"{reason}; {rule.way_out}")
    return request.SerializeToString(), Accepted(rows, rejected, reason)


def _keep(items: Any, is_sound: Callable[[Any], bool]) -> None:
    """Deleting one by one would move all that follow, each time."""
    kept = [item for item in items if is_sound(item)]
    copies = [type(item).FromString(item.SerializeToString()) for item in kept]
    del items[:]
    items.extend(copies)


def _has_ids(span: Any) -> bool:
    trace_id, span_id = span.trace_id, span.span_id
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN


def _is_record(record: Any) -> bool:
    """An id of a wrong length is no id, which is fine. A span read as a record has no time and no content."""
    if record.time_unix_nano or record.observed_time_unix_nano:
        return True
    tells = record.HasField("body") or record.attributes or record.event_name
    return bool(tells) and len(record.trace_id) in (0, 16) and len(record.span_id) in (0, 8)


def _points(metrics: Any) -> int:
    return sum(_points_of(metric) for metric in metrics)


def _points_or_one(metrics: Any) -> int:
    """The points of some metrics; one for a metric without any, so that it is seen."""
    return sum(max(1, _points_of(metric)) for metric in metrics)


def _points_of(metric: Any) -> int:
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind else 0


_RULES: Final[Mapping[int, _Rule]] = {
    journal.TRACES: _Rule(
        lambda request: [scope.spans for resource in request.resource_spans for scope in resource.scope_spans],
        _has_ids,
        len,
        len,
        "have no valid trace id and span id",
        "if this is logs or metrics, send it to /v1/logs or /v1/metrics",
    ),
    journal.LOGS: _Rule(
        lambda request: [scope.log_records for resource in request.resource_logs for scope in resource.scope_logs],
        _is_record,
        len,
        len,
        "have neither a time nor content, or no time and broken ids",
        "if this is spans, send it to /v1/traces",
    ),
    journal.METRICS: _Rule(
        lambda request: [scope.metrics for resource in request.resource_metrics for scope in resource.scope_metrics],
        lambda metric: bool(metric.name),
        _points_or_one,
        _points,
        "belong to a metric without a name",
        "if this is spans or logs, send it to /v1/traces or /v1/logs",
    ),
}


def answer(signal: Signal, accepted: Accepted) -> Any:
    """The answer of success; `partial_success` stays unset unless there is something to say."""
    response = signal.answer()
    if accepted.rejected or accepted.reason:
        setattr(response.partial_success, signal.rejected, accepted.rejected)
        response.partial_success.error_message = accepted.reason
    return response
