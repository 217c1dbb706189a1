"""Spans of other emitters: what their dialect says, put into the columns; what they sent stays among the attributes."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv import dialects, tables
from otel_llm_semconv.dialects import Reading
from otel_llm_semconv.usage import FIELDS

from .decode import SpanRecord

Row = dict[str, Any]

_ATTRIBUTE_OF: Final = {column.name: column.attribute for column in tables.TABLES["spans"] if column.attribute}
#: What a reading may say beside the columns: what a price depends on.
_BESIDE: Final = ("emitted_cost_usd", "place", "service_tier")


def read(record: SpanRecord) -> Reading | None:
    """What a span says in its dialect; None of our own spans, and of those that have to do with no model."""
    if record.scope_name == a.SCOPE_APP:
        return None
    dialect = dialects.find(record.scope_name, record.attributes)
    return None if dialect is None else dialects.read_as(dialect, _plain(record))


def fill(reading: Reading, record: SpanRecord, rest: dict[str, AnyValue], row: Row) -> None:
    """Put what was read into the row. An attribute whose column was corrected goes back among the attributes.

    A column that was read as None is known to say nothing.
    """
    derived = list(reading.messages)
    for column, value in reading.columns.items():
        if column in _BESIDE or row.get(column) == value or _is_no_count(column, value):
            continue
        own = _ATTRIBUTE_OF.get(column)
        if own is not None and own in record.attributes:
            rest[own] = record.attributes[own]
        row[column] = value
        derived.append(column)
    told = dict(row["properties"])
    if more := [(key, value) for key, value in reading.properties.items() if key not in told]:
        # which of them came as attributes of ours is to be seen
        rest.update({a.PROPERTY_PREFIX + key: record.attributes[a.PROPERTY_PREFIX + key] for key in told})
        row["properties"] += more
        derived.append("properties")
    row["derived"] = sorted(derived) or None
    row["dialect"] = reading.dialect


def _is_no_count(column: str, value: Any) -> bool:
    """True for a negative count: it makes the usage inconsistent, and no sum may meet it."""
    return column in FIELDS and value is not None and value < 0


def told(reading: Reading) -> Row:
    """Content that was told in the dialect's own way, in the conventions' way."""
    return {
        column: json.dumps(messages, ensure_ascii=False, default=str) for column, messages in reading.messages.items()
    }


def cost_of(reading: Reading) -> Decimal | None:
    """What the sender says that the call cost, in USD."""
    said = reading.columns.get("emitted_cost_usd")
    try:
        found = None if said is None or isinstance(said, bool) else Decimal(str(said))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def _plain(record: SpanRecord) -> dialects.Span:
    span = record.span
    return dialects.Span(
        name=span.name,
        scope=record.scope_name,
        scope_version=record.scope_version,
        attributes={name: plain(value) for name, value in record.attributes.items()},
        resource={name: plain(value) for name, value in record.resource_attributes.items()},
        events=[
            dialects.Event(event.name, event.time_unix_nano, {pair.key: plain(pair.value) for pair in event.attributes})
            for event in span.events
        ],
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
    )


def plain(value: AnyValue) -> Any:
    """A value of the protocol as Python has it: text, numbers, bytes, lists, mappings."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
        case kind:
            return getattr(value, kind)
