"""Rates by provider, model and moment, read from genai-prices (MIT; bundled data, no network).

The library is imported on first use, its models are looked up once, and a rate card is memoised by everything
that can change it, so that pricing a row costs about a microsecond after the first of its kind.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from . import corrections, money, source
from .corrections import Correction, PriceText
from .names import model_names, provider_id, seller_of

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, PriceVariant, Provider

#: Price key of genai-prices -> (unit of our rate, divisor). Everything else there is not counted by us yet.
DIVISORS: Final[Mapping[str, int]] = {
    "input_mtok": 1_000_000,
    "cache_read_mtok": 1_000_000,
    "cache_write_mtok": 1_000_000,
    "cache_write_1h_mtok": 1_000_000,
    "output_mtok": 1_000_000,
    "output_reasoning_mtok": 1_000_000,
    "input_audio_mtok": 1_000_000,
    "output_audio_mtok": 1_000_000,
    "input_image_mtok": 1_000_000,
    "output_image_mtok": 1_000_000,
    "cache_audio_read_mtok": 1_000_000,
    "cache_image_read_mtok": 1_000_000,
    "web_searches_kcount": 1_000,
    "requests_kcount": 1_000,
}
#: Component -> price key; the component `x` is the column `cost_x_usd`, unless `SHOWN_AS` names another.
COMPONENTS: Final[Mapping[str, str]] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "image_input": "input_image_mtok",
    "image_output": "output_image_mtok",
    "cache_read_audio": "cache_audio_read_mtok",
    "cache_read_image": "cache_image_read_mtok",
    "web_search": "web_searches_kcount",
    "request": "requests_kcount",
}
#: Components that have a rate of their own and are shown as part of another.
SHOWN_AS: Final[Mapping[str, str]] = {
    "image_input": "image",
    "image_output": "image",
    "cache_read_audio": "cache_read",
    "cache_read_image": "cache_read",
}
#: Where a model has no rate for a part, the part is billed as what it is a part of.
_FALLBACK: Final[Mapping[str, tuple[str, ...]]] = {
    "cache_read": ("input",),
    "cache_write": ("input",),
    "cache_write_1h": ("cache_write", "input"),
    "reasoning": ("output",),
    "audio_input": ("input",),
    "audio_output": ("output",),
    "cache_read_audio": ("cache_read", "audio_input", "input"),  # no discount: what is cached is audio all the same
    "cache_read_image": ("cache_read", "image_input", "input"),
}
#: Parts that are a medium's. What is seen costs as what is read, where no list says otherwise.
MEDIA: Final = ("audio_input", "audio_output", "image_output", "cache_read_audio", "cache_read_image")
#: Providers that list what is heard apart where it costs otherwise than what is read.
_LIST_SOUND: Final = frozenset({"google"})
#: A word in the names of models that make nothing but a medium: their price of output is its price.
_MAKERS: Final[Mapping[str, str]] = {"audio_output": "tts", "image_output": "image"}
#: What is cached of a medium costs as text that is cached, unless the medium has a price of its own.
_HEARD_AGAIN: Final[Mapping[str, str]] = {"cache_read_audio": "audio_input", "cache_read_image": "image_input"}
_STANDARD_TIERS: Final = frozenset({"", "auto", "default", "on_demand", "standard"})
#: What genai-prices calls a mode: a tier of the service, Anthropic's fast mode, batch.
_MODE_NAMES: Final = ("service_tier", "speed", "processing")
_TOKENS: Final = "_mtok"
_INPUT: Final = COMPONENTS["input"]
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

    def times(self, factor: Decimal) -> Rate:
        """A share or a multiple of it."""
        return Rate(money.share(self.base, factor), tuple((start, money.share(r, factor)) for start, r in self.tiers))


@dataclass(frozen=True, slots=True)
class RateCard:
    """The rates of one model at one moment, by genai-prices' key; `tier_known` is False where the tier has none.

    Nobody tells what a call costs with more input tokens than `assumed_above`, nor what the `assumed_parts` of one do:
    they are charged as listed, or as what they are a part of.
    """

    rates: Mapping[str, Rate]
    tier_known: bool
    by_component: Mapping[str, Rate]
    assumed_above: int | None = None
    assumed_parts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Changes:
    """When rates may change: once (seconds since 1970), each day (second of the day, UTC), with the weekend."""

    once_s: frozenset[int] = frozenset()
    times_s: frozenset[int] = frozenset()
    is_weekly: bool = False

    def __or__(self, other: Changes) -> Changes:
        """Those of both."""
        return Changes(
            self.once_s | other.once_s, self.times_s | other.times_s, is_weekly=self.is_weekly or other.is_weekly
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A model of the price data, what corrects it, and whether its price depends on the time of day.

    It is borrowed where a provider sells the model of another, and has no price of its own in the data.
    """

    seller: str
    model: ModelInfo
    rows: tuple[Correction, ...]
    is_timed: bool
    is_borrowed: bool = False


_cards: dict[tuple[str, str, str, str, int], RateCard | None] = {}


def rate_card(
    provider: str, model: str, at: datetime, service_tier: str | None, place: str | None = None
) -> RateCard | None:
    """The rates for a call made at `at` (aware), or None where the model is unknown for that provider.

    `service_tier` is also a speed, or `batch`; `place` is the geography that the call was kept to, such as `us`.
    """
    found = _find_model(provider, model)
    if found is None:
        return None
    tier, place = (service_tier or "").lower(), (place or "").lower()
    key = (provider, model, tier, place, _moment(at, is_timed=found.is_timed))
    if key not in _cards:
        if len(_cards) >= _CARDS_MAX:
            _cards.clear()
        _cards[key] = _read_card(found, at.astimezone(UTC), "" if tier in _STANDARD_TIERS else tier, place)
    return _cards[key]


def warm() -> None:
    """Import the price data and touch it, so that a later `price()` is quick. Takes ~0.3 s of CPU; thread-safe."""
    _find_model("openai", "gpt-4o-mini")


def forget() -> None:
    """Remember nothing of the price data: another may be in use from now on."""
    _find_model.cache_clear()
    changes.cache_clear()
    version.cache_clear()
    _cards.clear()


@functools.cache
def version() -> str:
    """The price data's version, as it stands in every priced row."""
    return f"{source.current().version}+{corrections.version()}"


@functools.lru_cache(maxsize=_CARDS_MAX)
def _find_model(provider: str, model: str) -> _Found | None:
    provider, model = seller_of(provider, model)
    id = provider_id(provider)
    sellers = _sellers(id)
    for name in model_names(id, model):
        for place, seller in enumerate(sellers):
            if (found := seller.find_model(name)) is not None:
                rows = _rows(id, seller.id, (name.lower(), found.id))
                is_timed = (place == 0 and _has_time_of_day(found)) or any(map(_is_timed, rows))
                return _Found(id, found, rows, is_timed, is_borrowed=place > 0)
    asked = itertools.product(model_names(id, model), [seller.id for seller in sellers] or [id])
    return next(filter(None, (_unlisted(id, maker, name.lower()) for name, maker in asked)), None)


def _rows(seller: str, maker: str, names: tuple[str, ...]) -> tuple[Correction, ...]:
    """What corrects a model's price: what its maker says, where somebody else sells it, and what the seller does."""
    if seller == maker:
        return corrections.find(seller, names)
    return corrections.find(maker, names, is_borrowed=True) + corrections.find(seller, names)


def _sellers(id: str) -> list[Provider]:
    """A provider of the price data, then those whose models it sells, too."""
    snapshot = source.current().snapshot
    try:
        first = snapshot.find_provider(None, id, None)
        others = [snapshot.find_provider(None, other, None) for other in first.fallback_model_providers or ()]
    except LookupError:
        return []
    return [first, *others]


def _unlisted(seller: str, maker: str, name: str) -> _Found | None:
    """A model that the price data does not know, and the corrections give a price."""
    rows = _rows(seller, maker, (name,))
    if not any(row.is_plain and "input_mtok" in row.prices for row in rows):
        return None
    from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice

    model = ModelInfo(name, ClauseEquals(equals=name), prices=ModelPrice())
    return _Found(seller, model, rows, any(map(_is_timed, rows)), is_borrowed=seller != maker)


def _is_timed(row: Correction) -> bool:
    return row.as_at is not None or any(end is not None and end.hour for end in row.during)


def _moment(at: datetime, *, is_timed: bool) -> int:
    """The finest unit of time on which the model's price can depend: a day, or a minute for off-peak prices."""
    seconds = int(at.timestamp())
    return seconds // 60 if is_timed else -(seconds // 86_400) - 1


@functools.lru_cache(maxsize=_CARDS_MAX)
def changes(provider: str, model: str) -> Changes:
    """When the rates of a model may change."""
    found = _find_model(provider, model)
    return Changes() if found is None else _changes(found)


def _changes(found: _Found) -> Changes:
    from genai_prices.types import TimeOfDateConstraint

    total = Changes()
    for condition in _conditions(found.model):
        constraint = condition.constraint
        if isinstance(constraint, TimeOfDateConstraint):
            total |= Changes(times_s=frozenset(map(_second_of_day, (constraint.start_time, constraint.end_time))))
        elif constraint is not None:
            midnight = datetime.combine(constraint.start_date, time(), UTC)
            total |= Changes(frozenset({int(midnight.timestamp())}))
    for row in found.rows:
        bounds = frozenset(int(bound.timestamp()) for bound in row.during if bound is not None)
        total |= Changes(bounds, is_weekly=row.weekends_only)
        if row.another is not None and (other := _find_model(row.provider, row.another)) is not None:
            total |= _changes(other)
    return total


def _second_of_day(moment: time) -> int:
    """In UTC; the first whole second that is not before it."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = datetime.combine(date(1970, 1, 1), moment).astimezone(UTC)
    return found.hour * 3600 + found.minute * 60 + found.second + (found.microsecond > 0)


def _has_time_of_day(model: ModelInfo) -> bool:
    from genai_prices.types import TimeOfDateConstraint

    return any(isinstance(condition.constraint, TimeOfDateConstraint) for condition in _conditions(model))


def _conditions(model: ModelInfo) -> Iterator[ConditionalPrice | PriceVariant]:
    """What of its prices depends on the time."""
    yield from model.prices if isinstance(model.prices, list) else ()
    yield from model.price_variants or ()


def _read_card(found: _Found, at: datetime, mode: str, place: str) -> RateCard:
    rates = _plain_rates(found, at)
    plain_input = rates.get(_INPUT)
    mode_known = not mode or _put_mode(rates, found, at, mode)
    for row in found.rows:
        if row.place and row.applies(at, row.mode and mode, place):
            _correct(rates, row)
    bounds = [row.assumed_above for row in found.rows if row.applies(at, "", "")]
    bounds += [_end_of_mode(plain_input, rates.get(_INPUT))]
    assumed_above = min((bound for bound in bounds if bound is not None), default=None)
    return RateCard(rates, mode_known, billed(rates), assumed_above, _assumed_parts(found, rates))


def _end_of_mode(plain: Rate | None, rate: Rate | None) -> int | None:
    """How long a prompt may be where long ones cost more, and the list has one price of the mode."""
    return plain.tiers[0][0] if plain and rate and plain.tiers and not rate.tiers else None


def _assumed_parts(found: _Found, rates: Mapping[str, Rate]) -> frozenset[str]:
    """The media for which a price of their own is to be expected, and there is none."""
    missing = {part for part in MEDIA if COMPONENTS[part] not in rates}
    missing -= {part for part, whole in _HEARD_AGAIN.items() if COMPONENTS[whole] not in rates}
    missing -= {part for part, word in _MAKERS.items() if word in found.model.id}
    return frozenset(missing - {"audio_input"} if found.seller in _LIST_SOUND else missing)


def billed(rates: Mapping[str, Rate]) -> dict[str, Rate]:
    """The rate of each component: its own, or that of what it is a part of."""
    found = {component: _rate_of(component, rates) for component in COMPONENTS}
    return {component: rate for component, rate in found.items() if rate is not None}


def _plain_rates(found: _Found, at: datetime) -> dict[str, Rate]:
    rows = [row for row in found.rows if row.is_plain and row.applies(at, "", "")]
    if found.is_borrowed:  # hours of the day are those of its maker
        at = datetime.combine(at, corrections.NOON)
    for row in rows:
        if row.another is not None and (other := _find_model(row.provider, row.another)) is not None:
            return _plain_rates(other, at)
        if row.as_at is not None:
            at = datetime.combine(at, row.as_at)
    rates = plain_rates(found.model, at)
    for row in rows:
        _correct(rates, row)
    return rates


def plain_rates(model: ModelInfo, at: datetime) -> dict[str, Rate]:
    """By the library's key, what its data says of a model at a moment (UTC), uncorrected."""
    with localcontext(money.CONTEXT):
        return _read_prices(model.get_prices(at))


def _put_mode(rates: dict[str, Rate], found: _Found, at: datetime, mode: str) -> bool:
    """Put the mode's own rates in. False where it has none: then the plain ones are assumed."""
    for variant in found.model.price_variants or ():
        is_active = variant.constraint is None or variant.constraint.active(at)
        if is_active and any(variant.when == {name: mode} for name in _MODE_NAMES):
            with localcontext(money.CONTEXT):
                rates.update(_read_prices(variant.prices))
            return True
    rows = [row for row in found.rows if row.mode == mode and not row.place and row.applies(at, mode, "")]
    for row in rows:
        _correct(rates, row)
    return bool(rows)


def _correct(rates: dict[str, Rate], row: Correction) -> None:
    """A factor is one on tokens: what is charged for a search or a request has a price of its own."""
    for key, price in row.prices.items():
        rates[key] = _read_text(price, DIVISORS[key])
    if row.factor is not None:
        factor = Decimal(row.factor)
        rates.update({key: rate.times(factor) for key, rate in rates.items() if key.endswith(_TOKENS)})


def _read_prices(prices: Any) -> dict[str, Rate]:
    return {key: _read_rate(value, DIVISORS[key]) for key, value in vars(prices).items() if _is_rate(key, value)}


def _read_text(price: PriceText, divisor: int) -> Rate:
    if isinstance(price, str):
        return Rate(money.per_unit(Decimal(price), divisor))
    base, *tiers = price
    read = tuple((start, money.per_unit(Decimal(text), divisor)) for start, text in tiers)
    return Rate(money.per_unit(Decimal(base), divisor), read)


def _rate_of(component: str, rates: Mapping[str, Rate]) -> Rate | None:
    names = (component, *_FALLBACK.get(component, ()))
    return next((rates[key] for name in names if (key := COMPONENTS[name]) in rates), None)


def _is_rate(key: str, value: Any) -> bool:
    return key in DIVISORS and value is not None


def _read_rate(value: Any, divisor: int) -> Rate:
    if isinstance(value, Decimal):
        return Rate(money.per_unit(value, divisor))
    tiers = tuple((tier.start, money.per_unit(tier.price, divisor)) for tier in value.tiers)
    return Rate(money.per_unit(value.base, divisor), tiers)
