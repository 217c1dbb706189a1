"""Rows of `otel_traces`, the table that OpenTelemetry's exporter for ClickHouse fills, and with it OpenLIT's platform:
`SELECT * FROM otel_traces FORMAT JSONEachRow`, or CSVWithNames, or Parquet.

Columns as the exporter's documentation has them. Attributes are text there: what has a column with another type gets
that again, all else stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables
from otel_llm_semconv.dialects.values import texts, truth

from .told import Record, Told, UnreadableError, count_in, json_in, mapping_in, moment_ns, pairs, text_in

MARKS: Final = ("SpanAttributes",)
#: Type of a column -> how text becomes what its attribute was.
_READ: Final = {tables.LONG: count_in, tables.INT: count_in, tables.BOOL: truth, tables.TEXTS: texts}
_TYPED: Final = {
    column.attribute: _READ[column.type]
    for column in tables.TABLES["spans"]
    if column.attribute and column.type in _READ
}


def tell(record: Record) -> Told:
    """The span of a row. UnreadableError without ids or time."""
    try:
        ids = [bytes.fromhex(text_in(record.get(name)) or "") for name in ("TraceId", "SpanId", "ParentSpanId")]
    except ValueError:
        raise UnreadableError("an id that is not hex") from None
    start_ns = moment_ns(record.get("Timestamp"))
    if len(ids[0]) != 16 or len(ids[1]) != 8 or start_ns is None:
        raise UnreadableError("a span without ids or time")
    span = Span(
        trace_id=ids[0],
        span_id=ids[1],
        parent_span_id=ids[2],
        trace_state=text_in(record.get("TraceState")) or "",
        name=text_in(record.get("SpanName")) or "",
        kind=_word(Span.SpanKind, "SPAN_KIND_", record.get("SpanKind")),
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + max(0, count_in(record.get("Duration")) or 0),
        attributes=pairs(_attributes(record.get("SpanAttributes"))),
        events=_events(record),
    )
    if code := _word(Status.StatusCode, "STATUS_CODE_", record.get("StatusCode")):
        span.status.CopyFrom(Status(code=code, message=text_in(record.get("StatusMessage")) or ""))
    resource = {key: str(value) for key, value in mapping_in(record.get("ResourceAttributes")).items()}
    if service := text_in(record.get("ServiceName")):
        resource.setdefault(a.SERVICE_NAME, service)
    return Told(text_in(record.get("ScopeName")) or "", resource, [span])


def _word(kind: Any, prefix: str, value: Any) -> Any:
    """The number of an enum's word, which releases have spelled `Client` and `SPAN_KIND_CLIENT`."""
    name = prefix + str(value).upper().removeprefix(prefix)
    return kind.Value(name) if name in kind.keys() else 0  # noqa: SIM118 - an enum wrapper is no mapping


def _attributes(value: Any) -> dict[str, Any]:
    return {key: _typed(key, text) for key, text in mapping_in(value).items()}


def _typed(key: str, text: Any) -> Any:
    found = _TYPED[key](text) if key in _TYPED else None
    return text if found is None else found


def _events(record: Record) -> Iterator[Span.Event]:
    times, names, about = (json_in(record.get(f"Events.{name}")) or [] for name in ("Timestamp", "Name", "Attributes"))
    for moment, name, attributes in zip(times, names, about, strict=False):
        yield Span.Event(
            time_unix_nano=moment_ns(moment) or 0, name=str(name), attributes=pairs(mapping_in(attributes))
        )
