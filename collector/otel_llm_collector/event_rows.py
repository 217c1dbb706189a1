"""From log records by which an emitter tells of its calls to rows of `spans`: Claude Code, Codex, Gemini CLI.

Such a row has the identity of its record, which is a row of `logs`, too. It has no span of its own: where the record
names one, that is its parent. A call that a span tells of as well is counted once, as any other (`counting`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import dialects
from otel_llm_semconv.dialects import Logs
from otel_llm_semconv.dialects.values import value_of
from otel_llm_semconv.identity import row_id
from otel_llm_semconv.pricing.contracts import Contracts

from . import foreign
from .decode import SpanRecord, attributes_of
from .log_rows import EVENT_NAME_OLD
from .normalise import Normalised, normalise, string_in
from .records import SentRecord, read_records

_NO_CONTRACTS: Final = Contracts()


@dataclass(frozen=True, slots=True)
class Event:
    """A log record that tells of a call or a tool, read as a span that ends with it. `key` is the record's identity."""

    key: int
    record: SpanRecord
    is_timed: bool  # it tells how long it took


def read_events(payload: bytes) -> Iterator[Event]:
    """The records of a stored log request that tell of a call or a tool, in their order there."""
    for sent in read_records(payload):
        attributes = attributes_of(sent.record)[0]
        dialect = dialects.find(sent.scope_name, attributes)
        name = string_in(attributes, EVENT_NAME_OLD) or sent.record.event_name  # Codex names its source file there
        if dialect is None or dialect.logs is None or name not in dialect.logs.events:
            continue
        event = _event(sent, name, attributes, dialect.logs)
        reading = foreign.read(event.record)
        if reading is not None and reading.columns.get("operation"):
            yield event


def event_rows(event: Event, received_ns: int, contracts: Contracts = _NO_CONTRACTS) -> Normalised:
    """The rows of one event, received at `received_ns`. Total, as `normalise` is."""
    found = normalise(event.record, received_ns, contracts)
    own = {"row_id": row_id(event.key), "trace_id": found.row["trace_id"] or None, "span_id": None}
    told = {"kind": None, "status": "ERROR" if found.row.get("error_type") else "UNSET"}
    row = found.row | own | told | ({} if event.is_timed else {"duration_ns": None})
    return replace(found, key=event.key, row=row, message=found.message and found.message | own)


def _event(sent: SentRecord, name: str, attributes: dict[str, AnyValue], logs: Logs) -> Event:
    record = sent.record
    duration_ns = value_of(logs.duration, {key: foreign.plain(value) for key, value in attributes.items()})
    is_timed = isinstance(duration_ns, int) and duration_ns >= 0
    end_ns = record.time_unix_nano or record.observed_time_unix_nano
    span = Span(
        name=name,
        trace_id=record.trace_id if any(record.trace_id) else b"",
        parent_span_id=record.span_id if any(record.span_id) else b"",
        start_time_unix_nano=max(0, end_ns - (duration_ns if is_timed else 0)),
        end_time_unix_nano=end_ns,
    )
    surroundings = (sent.resource_attributes, sent.resource, sent.scope_name, sent.scope)
    return Event(sent.key, SpanRecord(span, attributes, b"", *surroundings), is_timed)
