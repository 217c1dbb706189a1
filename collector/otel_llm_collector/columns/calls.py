"""Which spans are counted calls, what they cost, and what their senders say that they cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage
from otel_llm_semconv.pricing import money, quote
from otel_llm_semconv.pricing.contracts import Contract, Contracts

from ..lake.schema import arrow_schema
from ..normalise import ANSWERED_TIERS, ASKED_TIERS, MONEY_MAX
from . import pricing
from .arrays import Bools, Column, Ints, dense, known_of, picodollars, texts, words_of
from .promoted import text_or_null
from .spans import Spans
from .speech import numbers, rows_with

pc: Final[Any] = pyarrow.compute
_PICO: Final = Decimal("1e-12")
#: Up to this many USD a double tells the picodollar, unless it lies between two of them.
_SURE_MAX: Final = 1.0
_DOUBT: Final = 1e-3
_MICROS: Final = 1_000_000
#: What a contract may be about, beside the endpoint.
_ABOUT: Final = ("provider", "response_model", "deployed_model", "request_model")
#: What stands beside the money of a call.
_BESIDE: Final = ("price_version", "usage_status", "service_tier", "inference_place", "deployed_model")


def is_genai(spans: Spans, dialect: Ints) -> Bools:
    """Spans that have to do with a model."""
    is_ours = np.array([name.startswith("gen_ai.") for name in spans.attributes.names], np.bool_)
    return np.asarray(spans.attributes.rows_with(is_ours) | (dialect >= 0))


def count(spans: Spans, columns: Mapping[str, Column], genai: Bools) -> tuple[Bools, Column]:
    """Which rows are one counted call each, and why those that look like one are not; see `normalise`."""
    is_inference = genai & _is_inference(columns, len(spans))
    is_echo = np.zeros(len(spans), np.bool_)
    echoes = spans.attributes.of(a.ECHO)
    is_echo[spans.attributes.row[echoes]] = spans.attributes.truths(echoes)
    carries_usage = np.zeros(len(spans), np.bool_)
    for name in usage.FIELDS:
        if columns[name].null_count < len(spans):
            carries_usage |= known_of(columns[name])
    reason = np.where(is_inference & is_echo, 1, np.where(genai & carries_usage & ~is_inference, 2, 0))
    return is_inference & ~is_echo, texts(reason, [None, "echo", "rollup"])


def _is_inference(columns: Mapping[str, Column], rows: int) -> Bools:
    operations = words_of(columns["operation"], rows)
    is_one: Bools = np.array([name in a.INFERENCE_OPERATIONS for name in operations.values], np.bool_)[operations.codes]
    is_other: Bools = np.array([name in a.OTHER_OPERATIONS for name in operations.values], np.bool_)[operations.codes]
    if (is_one | is_other).all():
        return is_one
    has_tokens: Bools = known_of(columns["input_tokens"]) | known_of(columns["output_tokens"])
    has_model: Bools = np.zeros(rows, np.bool_)
    for name in ("request_model", "response_model"):
        models = words_of(columns[name], rows)
        has_model |= np.array([bool(model) for model in models.values], np.bool_)[models.codes]
    return is_one | (~is_other & has_tokens & has_model)


def price(spans: Spans, columns: Mapping[str, Column], is_call: Bools, contracts: Contracts) -> dict[str, Column]:
    """The columns `cost_...` and those of `_BESIDE`; NULL in rows that are no call."""
    rows = np.flatnonzero(is_call)
    names = [name for name in arrow_schema("spans").names if name.startswith("cost_")]
    if not len(rows):
        nothing = {name: pa.nulls(len(spans), arrow_schema("spans").field(name).type) for name in names}
        return nothing | {name: pa.nulls(len(spans), pa.string()) for name in _BESIDE}
    is_whole = len(rows) == len(spans)
    chosen = pa.array(rows)

    def of(column: Column) -> Column:
        return column if is_whole else column.take(chosen)

    found, total = spans.attributes, len(spans)
    counts = {name: of(columns[name]) for name in usage.FIELDS}
    words = {name: of(columns[name]) for name in ("provider", "response_model", "request_model", "advisor_model")}
    words["deployed_model"] = _deployed(of(text_or_null(found, total, a.DEPLOYED_MODEL)), words, contracts)
    words["service_tier"] = of(_tier(spans))
    words["place"] = of(text_or_null(found, total, a.INFERENCE_PLACE))
    words["usage_status"] = _usage_status(of(text_or_null(found, total, a.USAGE_STATUS)), counts)
    at_us = spans.began_us[rows]
    contract = _contracts(spans, rows, at_us, words, contracts) if contracts.rows else None
    calls = pricing.Calls(at_us // _MICROS, words, counts, contracts.rows, contract)
    priced = pricing.price(calls).append_column("usage_status", words["usage_status"])
    priced = priced.append_column("service_tier", _told(words["service_tier"]))
    priced = priced.append_column("inference_place", _told(words["place"]))
    priced = priced.append_column("deployed_model", words["deployed_model"])
    if not is_whole:
        place = pa.array(np.cumsum(is_call) - 1, mask=~is_call)
        priced = priced.take(place)
    return {name: priced[name].combine_chunks() for name in priced.column_names}


def _tier(spans: Spans) -> Column:
    """The tier that served each call, else one that was asked for."""
    answered = _told(text_or_null(spans.attributes, len(spans), *ANSWERED_TIERS))
    asked = text_or_null(spans.attributes, len(spans), *ASKED_TIERS)
    is_served = pc.is_in(asked, value_set=pa.array(a.TIERS_AS_ASKED))
    return pc.coalesce(answered, pc.if_else(is_served, asked, None))


def _deployed(stated: Column, words: Mapping[str, Column], contracts: Contracts) -> Column:
    """The model behind each deployment: what the sender says, else what the settings say."""
    stated = _told(stated)
    if not contracts.deployments:
        return stated
    names, models = pa.array(list(contracts.deployments)), pa.array(list(contracts.deployments.values()))
    known = (models.take(pc.index_in(words[name], value_set=names)) for name in ("request_model", "response_model"))
    return pc.coalesce(stated, *known)


def _told(texts: Column) -> Column:
    """An empty text tells nothing."""
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _usage_status(stated: Column, counts: Mapping[str, Column]) -> Column:
    codes, values = words_of(stated, len(stated))
    is_empty = ~(known_of(counts["input_tokens"]) | known_of(counts["output_tokens"]))
    place = np.array([usage.STATUSES.index(value) if value in usage.STATUSES else -1 for value in values])[codes]
    derived = np.where(is_empty, usage.STATUSES.index(usage.MISSING), usage.STATUSES.index(usage.REPORTED))
    return texts(np.where(place < 0, derived, place), usage.STATUSES)


def _contracts(spans: Spans, rows: Ints, at_us: Ints, words: Mapping[str, Column], contracts: Contracts) -> Ints:
    """The place of the first contract that is the price of each call, or -1."""
    found = np.full(len(rows), -1, np.int64)
    endpoint = text_or_null(spans.attributes, len(spans), a.SERVER_ADDRESS).take(pa.array(rows))
    told = [words_of(column, len(rows)) for column in (*(words[name] for name in _ABOUT), endpoint)]
    group = np.zeros(len(rows), np.int64)
    for codes, values in told:
        group, firsts = dense(group * len(values) + codes)
    calls = [[values[codes[row]] for codes, values in told] for row in firsts.tolist()]
    for place, contract in reversed(list(enumerate(contracts.rows))):
        covers = np.array([_is_about(contract, *call[:-1], endpoint=call[-1]) for call in calls], np.bool_)[group]
        covers &= contract.since is None or at_us >= int(contract.since.timestamp() * _MICROS)
        covers &= contract.until is None or at_us < int(contract.until.timestamp() * _MICROS)
        for key, value in contract.properties.items():
            covers &= _has_property(spans, key, value)[rows]
        found[covers] = place
    return found


def _is_about(contract: Contract, provider: str | None, *models: str | None, endpoint: str | None) -> bool:
    return bool(provider) and contract.is_about(provider or "", models, endpoint or "")


def _has_property(spans: Spans, key: str, value: str) -> Bools:
    found = np.zeros(len(spans), np.bool_)
    entries = spans.attributes.of(a.PROPERTY_PREFIX + key)
    if len(entries):
        same: Any = pc.equal(spans.attributes.texts(entries), value)
        found[spans.attributes.row[entries[same.to_numpy(zero_copy_only=False)]]] = True
    return found


def emitted_cost(spans: Spans) -> tuple[Ints, Bools]:
    """What the senders say in picodollars, and where they say it in USD."""
    found = spans.attributes
    picos, known = np.zeros(len(spans), np.int64), np.zeros(len(spans), np.bool_)
    entries = found.of(a.COST_AMOUNT)
    amounts = numbers(spans, entries)
    with np.errstate(invalid="ignore"):
        is_cost = (amounts >= 0) & (amounts <= MONEY_MAX)
    entries, amounts = entries[is_cost], amounts[is_cost]
    exact = amounts * 1e12
    rounded = np.rint(exact)
    for place in np.flatnonzero((amounts > _SURE_MAX) | (np.abs(np.abs(exact - rounded) - 0.5) < _DOUBT)).tolist():
        said = Decimal(repr(numbers_of(found, entries[place])))
        rounded[place] = 0
        picos[found.row[entries[place]]] = int(money.CONTEXT.quantize(said, _PICO).scaleb(12))
    rows = found.row[entries]
    picos[rows] += rounded.astype(np.int64)
    known[rows] = True
    return picos, known & _is_usd(spans)


def numbers_of(found: Any, entry: int) -> float | int:
    """One value, an integer if it is one."""
    chosen = np.array([entry])
    return int(found.integers(chosen)[0]) if found.letter[entry] == ord("i") else float(found.doubles(chosen)[0])


def _is_usd(spans: Spans) -> Bools:
    if not rows_with(spans, a.COST_CURRENCY).any():
        return np.ones(len(spans), np.bool_)
    codes, values = words_of(text_or_null(spans.attributes, len(spans), a.COST_CURRENCY), len(spans))
    return np.asarray(np.array([value in (None, "USD") for value in values], np.bool_)[codes])


def declare(columns: dict[str, Column], picos: Ints, known: Bools) -> None:
    """Put what senders say beside our figures, and in their place where only the provider can know."""
    columns["emitted_cost_usd"] = picodollars(picos, known)
    statuses, sources = (
        words_of(columns["cost_status"], len(known)),
        words_of(columns["emitted_cost_source"], len(known)),
    )
    is_unknown = np.array([value == quote.UNKNOWN_MODEL for value in statuses.values], np.bool_)[statuses.codes]
    is_said = np.array([value == "provider" for value in sources.values], np.bool_)[sources.codes]
    declared = known & is_unknown & is_said
    if declared.any():
        chosen = pa.array(declared)
        columns["cost_usd"] = pc.if_else(chosen, columns["emitted_cost_usd"], columns["cost_usd"])
        columns["cost_status"] = pc.if_else(chosen, quote.PROVIDER_DECLARED, columns["cost_status"])
