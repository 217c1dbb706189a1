"""A span with what its row knows: the conventions' attributes and what the call costs, whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables, usage
from otel_llm_semconv.pricing import COMPONENTS
from otel_llm_semconv.pricing.contracts import Contracts

from ..decode import SpanRecord
from ..normalise import normalise

#: Columns that say what an attribute of the conventions says.
_TOLD: Final[Mapping[str, str]] = {
    **{column.name: column.attribute for column in tables.TABLES["spans"] if column.attribute},
    **usage.ATTRIBUTE_OF,
    "session_id": a.SESSION_ID,
}
#: Columns that are no part of the span's own story.
_LEFT_OUT: Final = frozenset({"emitted_cost_source", "continues", "sample_rate"})
_USD: Final = "USD"
_LOCAL: Final = "local"


def enrich(record: SpanRecord, received_ns: int, contracts: Contracts) -> None:
    """Add to a span of a model what it lacks, and put right what it spells in its own way: as our tables have it.

    An attribute that is replaced stays as `otel_llm.sent.<name>`.
    """
    row = normalise(record, received_ns, contracts).row
    corrected = frozenset(row.get("derived") or ())
    for column, name in _TOLD.items():
        value = row.get(column)
        if value is None or column in _LEFT_OUT or (name in record.attributes and column not in corrected):
            continue
        _put(record, name, value)
    for key, text in row["properties"]:
        if a.PROPERTY_PREFIX + key not in record.attributes:
            _put(record, a.PROPERTY_PREFIX + key, text)
    for name, value in _costs(row).items():
        _put(record, name, value)


def _costs(row: Mapping[str, Any]) -> dict[str, Any]:
    """Our figure, and its reason where there is none."""
    found: dict[str, Any] = {}
    if row.get("cost_status"):
        found[a.COST_STATUS] = row["cost_status"]
    if row.get("cost_usd") is not None:
        found |= {a.COST_AMOUNT: float(row["cost_usd"]), a.COST_CURRENCY: _USD, a.COST_SOURCE: _LOCAL}
        found[a.PRICE_VERSION] = row["price_version"]
        for component in COMPONENTS:
            if amount := row.get(f"cost_{component}_usd"):
                found[a.COST_COMPONENT_PREFIX + component] = float(amount)
    return {name: value for name, value in found.items() if value is not None}


def _put(record: SpanRecord, name: str, value: Any) -> None:
    old = record.attributes.get(name)
    new = _any_value(value)
    if old == new:
        return
    if old is not None:
        for pair in record.span.attributes:
            if pair.key == name:
                pair.key = a.SENT_PREFIX + name
    record.span.attributes.add(key=name, value=new)


def _any_value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case _:
            found = AnyValue()
            found.array_value.values.extend(AnyValue(string_value=text) for text in value)
            return found
