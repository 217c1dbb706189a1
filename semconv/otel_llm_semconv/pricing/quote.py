"""From token counts and a rate card to money: disjoint components, each rounded once, summed exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from ..usage import ESTIMATED, Usage
from . import catalog, money

#: Why a figure is what it is. The first five carry money, the others leave it NULL.
EXACT: Final = "exact"
ASSUMED_TTL: Final = "assumed_ttl"  # cache writes without a TTL split, priced at the default TTL
ASSUMED_TIER: Final = "assumed_tier"  # a service tier without a price of its own, priced as the standard tier
ESTIMATED_TOKENS: Final = "estimated_tokens"
PROVIDER_DECLARED: Final = "provider_declared"
UNKNOWN_MODEL: Final = "unknown_model"
MISSING_USAGE: Final = "missing_usage"
INCONSISTENT_USAGE: Final = "inconsistent_usage"
NOT_COUNTED: Final = "not_counted"
STATUSES: Final = (
    EXACT,
    ASSUMED_TTL,
    ASSUMED_TIER,
    ESTIMATED_TOKENS,
    PROVIDER_DECLARED,
    UNKNOWN_MODEL,
    MISSING_USAGE,
    INCONSISTENT_USAGE,
    NOT_COUNTED,
)

#: Component -> price key; the component `x` is the column `cost_x_usd`.
COMPONENTS: Final[Mapping[str, str]] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "request": "requests_kcount",
}
#: Where a model has no rate for a part, the part is billed as what it is a part of.
_FALLBACK: Final[Mapping[str, str]] = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
}


@dataclass(frozen=True, slots=True)
class Price:
    """USD of one call: `amount` is the sum of `components`, or None with the reason in `status`."""

    amount: Decimal | None
    status: str
    version: str | None = None
    components: Mapping[str, Decimal] = field(default_factory=dict)


def price_call(
    provider: str | None,
    models: Iterable[str | None],
    usage: Usage,
    at: datetime,
    *,
    service_tier: str | None = None,
    usage_status: str | None = None,
) -> Price:
    """The price of one call by the first of its models that is known: the one that answered, then the one asked for."""
    found = Price(None, UNKNOWN_MODEL)
    for model in dict.fromkeys((*models, None)):
        found = price(provider, model, usage, at, service_tier=service_tier, usage_status=usage_status)
        if found.status != UNKNOWN_MODEL:
            break
    return found


def price(
    provider: str | None,
    model: str | None,
    usage: Usage,
    at: datetime,
    *,
    service_tier: str | None = None,
    usage_status: str | None = None,
) -> Price:
    """The price of one call of `model` made at `at` (an aware datetime). Never raises for unknown or odd input.

    Components are rounded half-even to 12 decimal places of a USD; the amount is their exact sum.
    """
    if usage.is_empty():
        return Price(None, MISSING_USAGE)
    if not usage.is_consistent():
        return Price(None, INCONSISTENT_USAGE)
    card = catalog.rate_card(provider, model, at, service_tier) if provider and model else None
    if card is None or not card.rates:
        return Price(None, UNKNOWN_MODEL)
    usage = usage.completed()
    components = _components(usage, card)
    status = _status(usage, card, usage_status)
    return Price(money.total(components.values()), status, catalog.version(), components)


def _status(usage: Usage, card: catalog.RateCard, usage_status: str | None) -> str:
    if usage_status == ESTIMATED:
        return ESTIMATED_TOKENS
    if not card.tier_known:
        return ASSUMED_TIER
    two_ttls = COMPONENTS["cache_write_1h"] in card.rates
    if two_ttls and usage.cache_write_tokens and usage.cache_write_1h_tokens is None:
        return ASSUMED_TTL
    return EXACT


def _components(usage: Usage, card: catalog.RateCard) -> dict[str, Decimal]:
    whole_input = usage.input_tokens or 0
    priced = {}
    for component, units in _units(usage, card).items():
        rate = _rate_of(component, card)
        if rate is not None and units is not None:
            priced[component] = money.cost(rate.at(whole_input), units)
    return priced


def _units(usage: Usage, card: catalog.RateCard) -> dict[str, int | None]:
    """Disjoint unit counts: a part leaves its whole, unless it has no rate of its own (reasoning, audio)."""
    own = card.rates.keys()
    reasoning = usage.reasoning_tokens if COMPONENTS["reasoning"] in own else None
    audio_in = usage.audio_input_tokens if COMPONENTS["audio_input"] in own else None
    audio_out = usage.audio_output_tokens if COMPONENTS["audio_output"] in own else None
    write_1h = usage.cache_write_1h_tokens
    write = _minus(usage.cache_write_tokens, write_1h)
    return {
        "input": _minus(usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, audio_in),
        "output": _minus(usage.output_tokens, reasoning, audio_out),
        "cache_read": usage.cache_read_tokens,
        "cache_write": write,
        "cache_write_1h": write_1h,
        "reasoning": reasoning,
        "audio_input": audio_in,
        "audio_output": audio_out,
        "request": 1 if COMPONENTS["request"] in own else None,
    }


def _rate_of(component: str, card: catalog.RateCard) -> catalog.Rate | None:
    rate = card.rates.get(COMPONENTS[component])
    if rate is None and component in _FALLBACK:
        return _rate_of(_FALLBACK[component], card)
    return rate


def _minus(whole: int | None, *parts: int | None) -> int | None:
    """What is left of a whole. Cached audio can be in two parts at once, so the rest is never below zero."""
    return None if whole is None else max(0, whole - sum(part or 0 for part in parts))
