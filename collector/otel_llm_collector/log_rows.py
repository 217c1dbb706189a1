"""From a stored log request to rows of `logs` and, for the conventions' evaluation event, of `scores`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables
from otel_llm_semconv.identity import row_id

from .decode import attributes_of, text_of
from .normalise import SESSION_SOURCES, Row, moment_of, number_of, signed, string_in, take_properties
from .records import SentRecord

#: Before the protocol had a field for it, the name of an event was an attribute.
EVENT_NAME_OLD: Final = "event.name"
_TOLD: Final = (
    "time_unix_nano",
    "observed_time_unix_nano",
    "severity_number",
    "severity_text",
    "body",
    "attributes",
)
_SCORE_TEXTS: Final = tuple(
    (column.name, column.attribute)
    for column in tables.TABLES["scores"]
    if column.attribute and column.type == tables.TEXT
)


@dataclass(frozen=True, slots=True)
class LogRows:
    """The rows of one record. `score` is None where it is no evaluation."""

    key: int
    day: date
    row: Row
    score: Row | None


def log_rows(sent: SentRecord, received_ns: int) -> LogRows:
    """The rows of one record, received at `received_ns`. Total: whatever a valid record holds becomes a row."""
    attributes, repeated = attributes_of(sent.record)
    row = _row(sent, attributes, received_ns)
    row["side"] = _side(sent.record, attributes, repeated, row)
    is_score = row["event_name"] == a.EVALUATION_RESULT
    return LogRows(sent.key, row["date"], row, _score(attributes, row) if is_score else None)


def _row(sent: SentRecord, attributes: Mapping[str, AnyValue], received_ns: int) -> Row:
    record, about = sent.record, sent.resource_attributes
    stated_ns = record.time_unix_nano or record.observed_time_unix_nano
    moment, is_sound = moment_of(stated_ns, received_ns)
    body, body_type = text_of(record.body) if record.HasField("body") else (None, None)
    texts = {name: text_of(value) for name, value in attributes.items()}
    return {
        "row_id": row_id(sent.key),
        "date": moment.date(),
        "time": moment,
        "time_ns": signed(record.time_unix_nano),
        "observed_time_ns": signed(record.observed_time_unix_nano),
        "trace_id": _id(record.trace_id, 16),
        "span_id": _id(record.span_id, 8),
        "event_name": record.event_name or string_in(attributes, EVENT_NAME_OLD),
        "severity_number": record.severity_number or None,
        "severity_text": record.severity_text or None,
        "body": body,
        "body_type": body_type,
        "service_name": string_in(about, a.SERVICE_NAME),
        "environment": string_in(about, a.ENVIRONMENT, a.ENVIRONMENT_OLD),
        "session_id": string_in(attributes, *SESSION_SOURCES),
        "user_id": string_in(attributes, a.USER_ID),
        "clock_flag": None if is_sound else ("out_of_range" if stated_ns else "zero_time"),
        "attributes": [(name, text) for name, (text, _) in texts.items()],
        "attribute_types": "".join(letter for _, letter in texts.values()),
        "resource": sent.resource,
        "scope": sent.scope,
    }


def _id(sent: bytes, length: int) -> str | None:
    """The id in hex; None for one that the protocol calls invalid: all zero, or of another length."""
    return sent.hex() if len(sent) == length and any(sent) else None


def _side(record: LogRecord, attributes: Mapping[str, AnyValue], repeated: list[KeyValue], row: Row) -> bytes:
    """What no column tells: an id that is none, the event's name where an attribute gives one too, unknown fields."""
    rest: Any = LogRecord()
    rest.CopyFrom(record)
    for field in _TOLD:
        rest.ClearField(field)
    for field in ("trace_id", "span_id"):
        if row[field]:
            rest.ClearField(field)
    if EVENT_NAME_OLD not in attributes:
        rest.ClearField("event_name")
    rest.attributes.extend(repeated)
    return bytes(rest.SerializeToString())


def _score(attributes: Mapping[str, AnyValue], row: Row) -> Row:
    kept = ("row_id", "date", "time", "trace_id", "span_id", "service_name", "environment", "session_id", "user_id")
    value = attributes.get(a.EVALUATION_SCORE_VALUE)
    return {
        **{name: row[name] for name in kept},
        **{name: string_in(attributes, attribute) for name, attribute in _SCORE_TEXTS},
        "value": None if value is None else number_of(value),
        "properties": take_properties(dict(attributes)),
    }
