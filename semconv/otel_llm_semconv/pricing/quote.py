"""From token counts and a rate card to money: disjoint components, each rounded once, summed exactly."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ..usage import ESTIMATED, Usage, sum_known
from . import catalog, money, source
from .catalog import COMPONENTS, SHOWN_AS
from .names import provider_id

if TYPE_CHECKING:
    from .contracts import Contract
    from .source import PriceData

#: Why a figure is what it is. The first five carry money, the others leave it NULL.
EXACT: Final = "exact"
ASSUMED_TTL: Final = "assumed_ttl"  # cache writes without a TTL split, or a price for it, priced at the default TTL
ASSUMED_TIER: Final = "assumed_tier"  # a tier, a length or a medium without a price of its own, priced as the standard
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

_CARDS_MAX: Final = 1024
#: Parts that leave their whole where they have a rate of their own.
OUTPUT_PARTS: Final = ("reasoning", "audio_output", "image_output")
PARTS: Final = (*OUTPUT_PARTS, "audio_input", "image_input")
#: The unit of every call that few are charged for.
FEE: Final = "request"
#: A unit that never has a rate.
UNPRICED: Final = "unpriced"
_MEDIA: Final = operator.attrgetter(*(f"{part}_tokens" for part in catalog.MEDIA))
_AUDIO_INPUT: Final = COMPONENTS["audio_input"]
_AUDIO_OUTPUT: Final = COMPONENTS["audio_output"]
_REASONING: Final = COMPONENTS["reasoning"]


@dataclass(slots=True)
class Price:
    """What one call costs, in whole picodollars (1e-12 USD); nothing, with the reason in `status`, where unknown."""

    status: str
    version: str | None = None
    picos: Mapping[str, int] | None = None  # by component

    @property
    def pico(self) -> int | None:
        """The sum of the components."""
        return None if self.picos is None else sum(self.picos.values())

    @property
    def amount(self) -> Decimal | None:
        """The sum in USD, with 12 decimal places."""
        return None if self.picos is None else money.dollars(sum(self.picos.values()))

    @property
    def components(self) -> dict[str, Decimal]:
        """USD by component, each with 12 decimal places."""
        return {component: money.dollars(pico) for component, pico in (self.picos or {}).items()}


def use(data: PriceData) -> None:
    """Price by this data from now on, in this process."""
    source.override(data)
    forget()


def forget() -> None:
    """Remember no rate."""
    _cards.clear()
    catalog.forget()


def price_call(
    provider: str | None,
    models: Iterable[str | None],
    usage: Usage,
    at: datetime,
    *,
    service_tier: str | None = None,
    place: str | None = None,
    usage_status: str | None = None,
    contract: Contract | None = None,
    adviser: str | None = None,
) -> Price:
    """The price of one call by the first of its models that is known: the one that answered, then the one asked for.

    `at` is aware; `adviser` is the model that advised, whose tokens are charged by its own prices, in the components of
    input and output. Never raises for unknown or odd input. Components are rounded half-even to 12 decimal places of a
    USD; the amount is their exact sum.
    """
    return price_at(
        provider,
        tuple(models),
        usage,
        int(at.timestamp()),
        service_tier=service_tier,
        place=place,
        usage_status=usage_status,
        contract=contract,
        adviser=adviser,
    )


def price_at(
    provider: str | None,
    models: tuple[str | None, ...],
    usage: Usage,
    at_s: int,
    *,
    service_tier: str | None,
    place: str | None = None,
    usage_status: str | None,
    contract: Contract | None = None,
    adviser: str | None = None,
) -> Price:
    """As `price_call`, with the time in seconds since 1970: what an instrumented app runs for each of its calls."""
    if usage.is_empty():
        return Price(MISSING_USAGE)
    if not usage.is_consistent():
        return Price(INCONSISTENT_USAGE)
    if usage.input_tokens is None:  # output may be absent: embeddings have none, and some leave out a zero
        return Price(MISSING_USAGE)
    card = find_card(provider, models, at_s, service_tier, place) if provider else None
    if contract is not None:
        card = contract.applied(card)
    if usage.cache_write_tokens is None:
        usage = usage.completed()
    picos = None if card is None else _components(usage, card)
    if card is None or picos is None:
        return Price(UNKNOWN_MODEL)
    own = Price(_status(usage, card, usage_status), version_of(contract), picos)
    if not usage.is_advised():  # nearly always
        return own
    if contract is not None and not contract.is_about(provider or "", (adviser,), contract.endpoint):
        contract = None
    advised = price_at(
        provider,
        (adviser,),
        Usage(input_tokens=usage.advisor_input_tokens or 0, output_tokens=usage.advisor_output_tokens or 0),
        at_s,
        service_tier=service_tier,
        place=place,
        usage_status=usage_status,
        contract=contract,
    )
    return _together(own, advised)


def _together(own: Price, advised: Price) -> Price:
    """What a call and its adviser cost; nothing where the adviser's has no price: a part of the bill is no bill."""
    if own.picos is None or advised.picos is None:
        return Price(advised.status)
    shared = {name: own.picos.get(name, 0) + picos for name, picos in advised.picos.items() if picos}
    return Price(advised.status if own.status == EXACT else own.status, own.version, {**own.picos, **shared})


def price(
    provider: str | None,
    model: str | None,
    usage: Usage,
    at: datetime,
    *,
    service_tier: str | None = None,
    place: str | None = None,
    usage_status: str | None = None,
) -> Price:
    """The price of one call of `model`: see `price_call`."""
    return price_call(provider, (model,), usage, at, service_tier=service_tier, place=place, usage_status=usage_status)


_CardKey = tuple[str, tuple[str | None, ...], str | None, str | None, int]
_cards: Final[dict[_CardKey, catalog.RateCard | None]] = {}


def find_card(
    provider: str, models: tuple[str | None, ...], at_s: int, service_tier: str | None, place: str | None
) -> catalog.RateCard | None:
    """The rates of the first model that has any, remembered for a minute of time: prices change no faster.

    `at_s` is seconds since 1970. Bedrock's answers leave out the region that the model's name in the request has, and
    the price depends on.
    """
    key = provider, models, service_tier, place, at_s // 60
    try:
        return _cards[key]
    except KeyError:
        at = datetime.fromtimestamp(at_s, UTC)
        ordered = models[::-1] if provider_id(provider) == "aws" else models
        found = (catalog.rate_card(provider, model, at, service_tier, place) for model in ordered if model)
        card = next((card for card in found if card is not None and card.rates), None)
    if len(_cards) >= _CARDS_MAX:
        _cards.clear()
    _cards[key] = card
    return card


def version_of(contract: Contract | None) -> str:
    """What the version of a price is that the list, or a contract over it, says."""
    return catalog.version() if contract is None else f"{catalog.version()}+{contract.name}"


def _status(usage: Usage, card: catalog.RateCard, usage_status: str | None) -> str:
    if usage_status == ESTIMATED:
        return ESTIMATED_TOKENS
    if not card.tier_known or _is_assumed(usage, card):
        return ASSUMED_TIER
    two_ttls = COMPONENTS["cache_write_1h"] in card.rates
    if two_ttls and usage.cache_write_tokens and usage.cache_write_1h_tokens is None:
        return ASSUMED_TTL
    if usage.cache_write_1h_tokens and not two_ttls:
        return ASSUMED_TTL
    return EXACT


def _is_assumed(usage: Usage, card: catalog.RateCard) -> bool:
    """Whether something was used whose price nobody tells: a long prompt, or a medium."""
    if card.assumed_above is not None and (usage.input_tokens or 0) > card.assumed_above:
        return True
    if not (usage.audio_input_tokens or usage.audio_output_tokens or usage.names_media()):
        return False  # nearly always
    return any(part in card.assumed_parts for part, tokens in zip(catalog.MEDIA, _MEDIA(usage), strict=True) if tokens)


def _components(usage: Usage, card: catalog.RateCard) -> dict[str, int] | None:
    units_of = _units(usage, card)
    if not usage.names_media():
        return _priced(units_of, card, usage.input_tokens or 0)
    units_of.update(_media_units(usage, card))
    priced = _priced(units_of, card, usage.input_tokens or 0)
    if priced is None:
        return None
    found: dict[str, int] = {}
    for component, picos in priced.items():
        column = SHOWN_AS.get(component, component)
        found[column] = found.get(column, 0) + picos
    return found


def _priced(units_of: Mapping[str, int | None], card: catalog.RateCard, whole_input: int) -> dict[str, int] | None:
    """Picodollars of each component that has a rate and whose units are known, none of them included.

    None where something was used that has no rate: a part of the bill is no bill.
    """
    rates, priced = card.by_component, {}
    for component, units in units_of.items():
        if component in rates:
            if units:
                rate = rates[component]
                priced[component] = money.cost(rate.at(whole_input) if rate.tiers else rate.base, units)
            elif units is not None:
                priced[component] = 0
        elif units and component != FEE:
            return None
    return priced


def _units(usage: Usage, card: catalog.RateCard) -> dict[str, int | None]:
    """Disjoint unit counts: a part leaves its whole, unless it has no rate of its own (reasoning, audio).

    Where nobody says how much of the audio was cached, it is at least what does not fit beside the cache.
    """
    fresh, made, written = usage.input_tokens, usage.output_tokens, usage.cache_write_tokens
    found: dict[str, int | None] = {"cache_read": usage.cache_read_tokens, FEE: 1}
    if fresh is not None:
        fresh = max(0, fresh - (usage.cache_read_tokens or 0) - (written or 0))
    if (heard := usage.audio_input_tokens) is not None and _AUDIO_INPUT in card.rates:
        if heard and fresh is not None:
            heard = min(heard, fresh)
            fresh -= heard
        found["audio_input"] = heard
    if (reasoned := usage.reasoning_tokens) is not None and _REASONING in card.rates:
        made, found["reasoning"] = _less(made, reasoned), reasoned
    if (spoken := usage.audio_output_tokens) is not None and _AUDIO_OUTPUT in card.rates:
        made, found["audio_output"] = _less(made, spoken), spoken
    if written is not None:
        found["cache_write"] = max(0, written - (usage.cache_write_1h_tokens or 0))
        found["cache_write_1h"] = usage.cache_write_1h_tokens
    if usage.web_searches is not None:
        found["web_search"] = usage.web_searches
    if usage.unpriced_units:
        found[UNPRICED] = usage.unpriced_units
    found["input"], found["output"] = fresh, made
    return found


def _media_units(usage: Usage, card: catalog.RateCard) -> dict[str, int | None]:
    """The units that change where pictures are counted apart, or what of a cache read was audio or pictures.

    What is cached is a cache read and nothing else. What is not said to be cached fits beside the cache.
    """
    rated = {part: getattr(usage, f"{part}_tokens") for part in PARTS if COMPONENTS[part] in card.rates}
    heard, seen = usage.cache_read_audio_tokens, usage.cache_read_image_tokens
    read = sum_known(heard, seen) if usage.cache_read_tokens is None else usage.cache_read_tokens
    fresh = _less(usage.input_tokens, read, usage.cache_write_tokens)
    audio = _fitted(_less(rated.get("audio_input"), heard), fresh)
    image = _fitted(_less(rated.get("image_input"), seen), _less(fresh, audio))
    return {
        "input": _less(fresh, audio, image),
        "output": _less(usage.output_tokens, *(rated.get(part) for part in OUTPUT_PARTS)),
        "cache_read": _less(read, heard, seen),
        "audio_input": audio,
        "image_input": image,
        "image_output": rated.get("image_output"),
        "cache_read_audio": heard,
        "cache_read_image": seen,
    }


def _less(whole: int | None, *parts: int | None) -> int | None:
    return None if whole is None else max(0, whole - sum(part or 0 for part in parts))


def _fitted(part: int | None, room: int | None) -> int | None:
    return part if part is None or room is None else min(part, room)
