"""Rates by provider, model and moment, read from genai-prices (MIT; bundled data, no network).

The library is imported on first use, its models are looked up once, and a rate card is memoised by everything
that can change it, so that pricing a row costs about a microsecond after the first of its kind.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from importlib.metadata import version as _installed
from typing import TYPE_CHECKING, Any, Final

from . import money
from .deferral import defer_package

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

#: Our provider names (GenAI conventions) -> those of the price data, where they differ.
PROVIDER_IDS: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}

#: Price key of genai-prices -> (unit of our rate, divisor). Everything else there is not counted by us yet.
_DIVISORS: Final[Mapping[str, int]] = {
    "input_mtok": 1_000_000,
    "cache_read_mtok": 1_000_000,
    "cache_write_mtok": 1_000_000,
    "cache_write_1h_mtok": 1_000_000,
    "output_mtok": 1_000_000,
    "output_reasoning_mtok": 1_000_000,
    "input_audio_mtok": 1_000_000,
    "output_audio_mtok": 1_000_000,
    "requests_kcount": 1_000,
}
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
_PREFIX = re.compile(r"^(?:models/|publishers/[^/]+/models/)")
_STANDARD_TIERS: Final = frozenset({"", "auto", "default", "standard"})
_TIER_NAMES: Final = ("service_tier", "speed")  # what genai-prices calls a tier; `speed` is Anthropic's fast mode
_CARDS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Yoctodollars (1e-24 USD) a unit.

    It is `base`, or the rate of the highest tier whose start the call's whole input exceeds (strictly).
    """

    base: int
    tiers: tuple[tuple[int, int], ...] = ()

    def at(self, input_tokens: int) -> int:
        for start, rate in reversed(self.tiers):
            if input_tokens > start:
                return rate
        return self.base


@dataclass(frozen=True, slots=True)
class RateCard:
    """The rates of one model at one moment, by genai-prices' key; `tier_known` is False where the tier has none."""

    rates: Mapping[str, Rate]
    tier_known: bool
    by_component: Mapping[str, Rate]


_cards: dict[tuple[str, str, str, int], RateCard | None] = {}


def rate_card(provider: str, model: str, at: datetime, service_tier: str | None) -> RateCard | None:
    """The rates for a call made at `at` (aware), or None where the model is unknown for that provider."""
    found, is_timed = _find_model(provider, model)
    if found is None:
        return None
    tier = (service_tier or "").lower()
    key = (provider, model, tier, _moment(at, is_timed=is_timed))
    if key not in _cards:
        if len(_cards) >= _CARDS_MAX:
            _cards.clear()
        _cards[key] = _read_card(found, at, "" if tier in _STANDARD_TIERS else tier)
    return _cards[key]


def warm() -> None:
    """Import the price data and touch it, so that a later `price()` is quick. Takes ~0.3 s of CPU; thread-safe."""
    _find_model("openai", "gpt-4o-mini")


@functools.cache
def version() -> str:
    """The price data's version, as it stands in every priced row."""
    return f"genai-prices-{_installed('genai-prices')}"


@functools.lru_cache(maxsize=_CARDS_MAX)
def _find_model(provider: str, model: str) -> tuple[ModelInfo | None, bool]:
    """The model, and whether its price depends on the time of day."""
    defer_package("genai_prices")
    from genai_prices.data_snapshot import get_snapshot

    name = provider.lower()
    try:
        with localcontext(money.CONTEXT):
            snapshot = get_snapshot()
        _, found = snapshot.find_provider_model(_PREFIX.sub("", model), None, PROVIDER_IDS.get(name, name), None)
    except LookupError:
        return None, False
    return found, _has_time_of_day(found)


def _moment(at: datetime, *, is_timed: bool) -> int:
    """The finest unit of time on which the model's price can depend: a day, or a minute for off-peak prices."""
    seconds = int(at.timestamp())
    return seconds // 60 if is_timed else -(seconds // 86_400) - 1


def _has_time_of_day(model: ModelInfo) -> bool:
    from genai_prices.types import TimeOfDateConstraint

    conditions = [*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ())]
    return any(isinstance(condition.constraint, TimeOfDateConstraint) for condition in conditions)


def _read_card(model: ModelInfo, at: datetime, tier: str) -> RateCard:
    asked = [{name: tier} for name in _TIER_NAMES] if tier else []
    variant = next((when for when in asked if any(v.when == when for v in model.price_variants or ())), None)
    with localcontext(money.CONTEXT):
        prices = model.get_prices(at.astimezone(UTC), variant or (asked[0] if asked else None))
    rates = {key: _read_rate(value, _DIVISORS[key]) for key, value in vars(prices).items() if _is_rate(key, value)}
    billed = {component: _rate_of(component, rates) for component in COMPONENTS}
    return RateCard(
        rates,
        not tier or variant is not None,
        {component: rate for component, rate in billed.items() if rate is not None},
    )


def _rate_of(component: str, rates: Mapping[str, Rate]) -> Rate | None:
    rate = rates.get(COMPONENTS[component])
    if rate is None and component in _FALLBACK:
        return _rate_of(_FALLBACK[component], rates)
    return rate


def _is_rate(key: str, value: Any) -> bool:
    return key in _DIVISORS and value is not None


def _read_rate(value: Any, divisor: int) -> Rate:
    if isinstance(value, Decimal):
        return Rate(money.per_unit(value, divisor))
    tiers = tuple((tier.start, money.per_unit(tier.price, divisor)) for tier in value.tiers)
    return Rate(money.per_unit(value.base, divisor), tiers)
