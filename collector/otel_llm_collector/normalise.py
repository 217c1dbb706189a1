"""From a span record to a row of `spans` and, where there is content, one of `messages`.

Reads the GenAI conventions; the columns and the attributes they come from are the rows of `tables.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables, usage
from otel_llm_semconv.dialects import Reading
from otel_llm_semconv.identity import row_id, row_key
from otel_llm_semconv.pricing import Price, money, price_call, quote
from otel_llm_semconv.pricing.contracts import Contracts

from . import foreign
from .decode import SpanRecord, strings_of, text_of

Row = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
#: A start further than this from the time of receipt is a broken clock: the row is dated by the receipt, and flagged,
#: so that it is found, is priced at a sane moment, and makes no partition of its own.
PAST_MAX: Final = timedelta(days=400)
FUTURE_MAX: Final = timedelta(days=1)
FUTURE_NS_MAX: Final = int(FUTURE_MAX.total_seconds()) * 10**9
_PICO: Final = Decimal("1e-12")
MONEY_MAX: Final = money.USD_MAX
_INT32_MAX: Final = 2**31 - 1

KINDS: Final = {number: name.removeprefix("SPAN_KIND_") for name, number in Span.SpanKind.items()}
STATUSES: Final = {n: name.removeprefix("STATUS_CODE_") for name, n in Status.StatusCode.items()}
PROMOTED: Final = tuple(c for c in tables.TABLES["spans"] if c.attribute)
CONTENT: Final = tuple(c for c in tables.TABLES["messages"] if c.attribute)
SESSION_SOURCES: Final = (a.SESSION_ID, a.CONVERSATION_ID)
_NO_CONTRACTS: Final = Contracts()


@dataclass(frozen=True, slots=True)
class Normalised:
    """One span's rows. `key` is the row's 64-bit identity, `message` None where the span carried no content."""

    key: int
    day: date
    row: Row
    message: Row | None


def normalise(record: SpanRecord, received_ns: int, contracts: Contracts = _NO_CONTRACTS) -> Normalised:
    """The rows of one span, received at `received_ns`. Total: whatever a valid span holds becomes a row."""
    key = row_key(record.span.trace_id, record.span.span_id)
    rest = dict(record.attributes)
    row = _identity(record, row_id(key), received_ns)
    reading = foreign.read(record)
    message = _take_content(rest, row, reading)
    _promote(rest, row)
    row["properties"] = take_properties(rest)
    _who(record.attributes, row)
    if reading is not None:
        foreign.fill(reading, record, rest, row)
    _count(record, row, reading)
    if row["is_llm_call"]:
        _price(record, row, reading, contracts)
    elif row["not_counted_reason"]:
        row["cost_status"] = quote.NOT_COUNTED
    _emitted_cost(record.attributes, row, reading)
    texts = {name: text_of(value) for name, value in rest.items()}
    row["attributes"] = [(name, text) for name, (text, _) in texts.items()]
    row["attribute_types"] = "".join(letter for _, letter in texts.values())
    return Normalised(key, row["date"], row, message)


def _identity(record: SpanRecord, identity: str, received_ns: int) -> Row:
    span = record.span
    start, duration = span.start_time_unix_nano, span.end_time_unix_nano - span.start_time_unix_nano
    began, is_sound = moment_of(start, received_ns)
    return {
        "row_id": identity,
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "date": began.date(),
        "start_time": began,
        "start_time_ns": signed(start),
        "duration_ns": signed(duration),
        "name": span.name,
        "kind": KINDS.get(span.kind, str(span.kind)),
        "status": STATUSES.get(span.status.code, str(span.status.code)),
        "status_message": span.status.message or None,
        "service_name": string_in(record.resource_attributes, a.SERVICE_NAME),
        "environment": string_in(record.resource_attributes, a.ENVIRONMENT, a.ENVIRONMENT_OLD),
        "clock_flag": _clock_flag(start, duration, is_sound, span.end_time_unix_nano - received_ns),
        "resource": record.resource,
        "scope": record.scope,
        "side": record.side,
    }


def moment_of(start_ns: int, received_ns: int) -> tuple[datetime, bool]:
    """When the operation began, and True; or, where the sender's clock cannot be right, when it was received."""
    received = _EPOCH + received_ns // 1000 * _US
    distance_us = (start_ns - received_ns) // 1000
    if not -PAST_MAX // _US <= distance_us <= FUTURE_MAX // _US:
        return received, False
    return _EPOCH + start_ns // 1000 * _US, True


def _clock_flag(start: int, duration: int, is_sound: bool, ahead_ns: int) -> str | None:
    """`ahead_ns` is how long after its receipt it ends."""
    if start == 0:
        return "zero_time"
    if not is_sound:
        return "out_of_range"
    if duration < 0:
        return "end_before_start"
    return "end_out_of_range" if ahead_ns > FUTURE_NS_MAX else None


def signed(number: int) -> int:
    """A uint64 of the wire in a BIGINT: the same 64 bits."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def _take_content(rest: dict[str, AnyValue], row: Row, reading: Reading | None) -> Row | None:
    """Content leaves the span's row for its own table, as the JSON text it came as if that is in the schema.

    What came otherwise, as structured values or in attributes of a dialect's own, is there as it was sent, too.
    """
    retold = () if reading is None else reading.messages
    found: Row = {}
    kept: dict[str, tuple[str, str]] = {}
    for column in CONTENT:
        if column.attribute is None or column.attribute not in rest or column.name in retold:
            continue
        value = rest.pop(column.attribute)
        found[column.name] = _json_text(value)
        if value.WhichOneof("value") != "string_value":
            kept[column.attribute] = text_of(value)
    if reading is not None:
        found |= foreign.told(reading)
        kept |= {name: text_of(rest.pop(name)) for name in sorted(reading.content) if name in rest}
    if not found and not kept:
        return None
    if kept:
        found["attributes"] = [(name, text) for name, (text, _) in kept.items()]
        found["attribute_types"] = "".join(letter for _, letter in kept.values())
    return {name: row[name] for name in ("row_id", "date", "trace_id", "span_id")} | found


def _json_text(value: AnyValue) -> str:
    if value.WhichOneof("value") == "string_value":
        return value.string_value
    return MessageToJson(value, indent=None, ensure_ascii=False)


def _promote(rest: dict[str, AnyValue], row: Row) -> None:
    for column in PROMOTED:
        value = rest.get(column.attribute or "")
        if value is None:
            continue
        fitting = _FITS[column.type](value)
        if fitting is not None and not (column.unit == "tokens" and fitting < 0):
            row[column.name] = fitting
            del rest[column.attribute or ""]


def _text(value: AnyValue) -> str | None:
    return value.string_value if value.WhichOneof("value") == "string_value" else None


def _long(value: AnyValue) -> int | None:
    return value.int_value if value.WhichOneof("value") == "int_value" else None


def _int(value: AnyValue) -> int | None:
    number = _long(value)
    return number if number is not None and abs(number) <= _INT32_MAX else None


def _bool(value: AnyValue) -> bool | None:
    return value.bool_value if value.WhichOneof("value") == "bool_value" else None


#: Where the tier stands that served a call, and the one that was asked for.
ANSWERED_TIERS: Final = (a.OPENAI_RESPONSE_SERVICE_TIER, a.SERVICE_TIER, a.OLD_RESPONSE_SERVICE_TIER)
ASKED_TIERS: Final = (a.OPENAI_REQUEST_SERVICE_TIER, a.OLD_REQUEST_SERVICE_TIER)
_FITS: Final[Mapping[str, Callable[[AnyValue], Any]]] = {
    tables.TEXT: _text,
    tables.LONG: _long,
    tables.INT: _int,
    tables.BOOL: _bool,
    tables.TEXTS: strings_of,
}


def take_properties(rest: dict[str, AnyValue]) -> list[tuple[str, str]]:
    """`otel_llm.property.<key>` as <key>. One that is no string keeps its type among the attributes, too."""
    names = [name for name in rest if name.startswith(a.PROPERTY_PREFIX)]
    properties = []
    for name in names:
        text, letter = text_of(rest[name])
        properties.append((name.removeprefix(a.PROPERTY_PREFIX), text))
        if letter == "s":
            del rest[name]
    return properties


def _who(attributes: Mapping[str, AnyValue], row: Row) -> None:
    row["session_id"] = string_in(attributes, *SESSION_SOURCES)
    first_chunk = attributes.get(a.RESPONSE_TIME_TO_FIRST_CHUNK)
    if first_chunk is not None and (seconds := number_of(first_chunk)) is not None and 0 <= seconds < 1e9:
        row["time_to_first_chunk_ns"] = round(seconds * 1e9)
    write = attributes.get(a.USAGE_CACHE_WRITE_TOKENS) or attributes.get(a.USAGE_CACHE_CREATION_TOKENS)
    if write is not None and (tokens := _long(write)) is not None and tokens >= 0:
        row["cache_write_tokens"] = tokens


def _count(record: SpanRecord, row: Row, reading: Reading | None) -> None:
    """Decide whether the row is one counted call: an inference, as far as its own span tells."""
    genai = reading is not None or any(name.startswith("gen_ai.") for name in record.attributes)
    if reading is None:
        row["dialect"] = record.scope_name if genai else None
    is_inference = genai and _is_inference(row)
    is_echo = a.ECHO in record.attributes and record.attributes[a.ECHO].bool_value
    reason = "echo" if is_echo else None if reading is None else reading.reason
    row["is_llm_call"] = is_inference and reason is None
    carries_usage = any(row.get(name) is not None for name in usage.FIELDS)
    if is_inference and reason is not None:
        row["not_counted_reason"] = reason
    else:
        row["not_counted_reason"] = "rollup" if genai and carries_usage and not is_inference else None


def _is_inference(row: Row) -> bool:
    operation = row.get("operation")
    if operation in a.INFERENCE_OPERATIONS or operation in a.OTHER_OPERATIONS:
        return operation in a.INFERENCE_OPERATIONS
    has_tokens = row.get("input_tokens") is not None or row.get("output_tokens") is not None
    return has_tokens and bool(row.get("request_model") or row.get("response_model"))


def _price(record: SpanRecord, row: Row, reading: Reading | None, contracts: Contracts) -> None:
    counts = _counts(record, row, reading)
    stated = string_in(record.attributes, a.USAGE_STATUS)
    derived = usage.MISSING if counts.is_empty() else usage.REPORTED
    row["usage_status"] = stated if stated in usage.STATUSES else derived
    priced = _best_price(record, row, counts, reading, contracts)
    row["cost_usd"] = priced.amount
    row["cost_status"] = priced.status
    row["price_version"] = priced.version
    for component, amount in priced.components.items():
        row[f"cost_{component}_usd"] = amount


def _counts(record: SpanRecord, row: Row, reading: Reading | None) -> usage.Usage:
    """The row's counts; one that is no count, such as -1, as it was sent, so that the usage shows as inconsistent."""
    sent = {name: record.attributes.get(attribute) for name, attribute in usage.ATTRIBUTE_OF.items()}
    odd = {name: number for name, value in sent.items() if value and (number := _long(value)) is not None}
    if reading is not None:
        odd |= {name: reading.columns[name] for name in usage.FIELDS if name in reading.columns}
    return usage.Usage(**{name: row[name] if row.get(name) is not None else odd.get(name) for name in usage.FIELDS})


def _best_price(
    record: SpanRecord, row: Row, counts: usage.Usage, reading: Reading | None, contracts: Contracts
) -> Price:
    """The price of the model that answered; of the one that was asked for where the answer's name is unknown."""
    answered, asked = row.get("response_model"), row.get("request_model")
    deployed = string_in(record.attributes, a.DEPLOYED_MODEL) or contracts.deployed(asked, answered)
    row["deployed_model"] = deployed
    provider, models, contract = row.get("provider"), (answered, deployed, asked), None
    if contracts.rows and provider:
        endpoint = string_in(record.attributes, a.SERVER_ADDRESS) or ""
        contract = contracts.find(provider, models, row["start_time"], endpoint, dict(row["properties"]))
    said = {} if reading is None else reading.columns
    tier = string_in(record.attributes, *ANSWERED_TIERS) or said.get("service_tier") or _tier_as_asked(record)
    place = string_in(record.attributes, a.INFERENCE_PLACE) or said.get("place")
    row["service_tier"], row["inference_place"] = tier, place
    priced = price_call(
        provider,
        models,
        counts,
        row["start_time"],
        service_tier=tier,
        place=place,
        usage_status=row["usage_status"],
        contract=contract,
        adviser=row.get("advisor_model"),
    )
    return fit(priced)


def _tier_as_asked(record: SpanRecord) -> str | None:
    asked = string_in(record.attributes, *ASKED_TIERS)
    return asked if asked in a.TIERS_AS_ASKED else None


def fit(priced: Price) -> Price:
    """A call that costs more than MONEY_MAX is broken usage."""
    if priced.amount is not None and priced.amount > MONEY_MAX:
        return Price(quote.INCONSISTENT_USAGE)
    return priced


def _emitted_cost(attributes: Mapping[str, AnyValue], row: Row, reading: Reading | None) -> None:
    """What the sender said stays beside our figure, and is the figure where only the provider can know it."""
    sent = number_of(attributes[a.COST_AMOUNT]) if a.COST_AMOUNT in attributes else None
    amount = _decimal(sent) if reading is None or sent is not None else foreign.cost_of(reading)
    currency = string_in(attributes, a.COST_CURRENCY)
    if amount is None or currency not in (None, "USD") or not 0 <= amount <= MONEY_MAX:
        return
    row["emitted_cost_usd"] = money.CONTEXT.quantize(amount, _PICO)
    row |= declared(row)


def declared(row: Mapping[str, Any]) -> Row:
    """The figure of a row where only the provider can know it, and says it."""
    is_unknown, amount = row.get("cost_status") == quote.UNKNOWN_MODEL, row.get("emitted_cost_usd")
    if not is_unknown or amount is None or row.get("emitted_cost_source") != "provider":
        return {}
    return {"cost_usd": amount, "cost_status": quote.PROVIDER_DECLARED}


def _decimal(number: float | None) -> Decimal | None:
    """NaN and infinity are no amounts."""
    return Decimal(repr(number)) if number is not None and math.isfinite(number) else None


def number_of(value: AnyValue) -> float | None:
    match value.WhichOneof("value"):
        case "double_value":
            return value.double_value
        case "int_value":
            return value.int_value
        case _:
            return None


def string_in(attributes: Mapping[str, AnyValue], *names: str) -> str | None:
    for name in names:
        value = attributes.get(name)
        if value is not None and value.WhichOneof("value") == "string_value" and value.string_value:
            return value.string_value
    return None
