"""`prices list` and `prices show`: what is charged for models, at a moment."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from otel_llm_semconv.pricing import catalog, source
from otel_llm_semconv.pricing.names import provider_id

from ..errors import OtelLlmError

#: Columns of `list`: price keys.
_LISTED: Final = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
#: In place of a price: from so many tokens on the others are assumed to hold.
_ASSUMED: Final = "assumed_tier"
_YOCTO: Final = Decimal(10) ** -24


def add_parts(parts: Any) -> None:
    """`list` and `show`."""
    from . import add_format

    listing = parts.add_parser("list", help="all models, USD a million tokens")
    listing.add_argument("--provider", help="of this provider only")
    listing.set_defaults(find=_list)
    showing = parts.add_parser("show", help="every price of a model")
    showing.add_argument("model", metavar="MODEL")
    showing.add_argument("--provider", help="as sold by this provider; all without it")
    showing.set_defaults(find=_show)
    for parser in (listing, showing):
        parser.add_argument("--at", type=moment, default=datetime.now(UTC), metavar="TIME", help="default: now")
        parser.add_argument("--service-tier", metavar="TIER", help="such as flex, priority, fast, batch")
        add_format(parser)


def moment(written: str) -> datetime:
    """A date or time of ISO 8601, UTC where it does not say."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{written!r} is no date such as 2026-01-31 or 2026-01-31T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def usd(rate: int, divisor: int) -> Decimal:
    """A rate in yoctodollars a unit, as USD for so many."""
    return (Decimal(rate) * divisor * _YOCTO).normalize() + 0


def _list(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for provider, model in models(chosen.provider):
        card = catalog.rate_card(provider, model, chosen.at, chosen.service_tier)
        if card is not None and card.rates:
            base = {key: card.rates[key].base if key in card.rates else None for key in _LISTED}
            prices = {key: None if rate is None else usd(rate, 1_000_000) for key, rate in base.items()}
            rows.append({"provider": provider, "model": model, **prices})
    return rows


def models(provider: str | None = None) -> Iterator[tuple[str, str]]:
    """Provider and model of the whole list, or of one provider."""
    wanted = provider and provider_id(provider)
    found = [one for one in source.current().snapshot.providers if not wanted or one.id == wanted]
    if not found:
        raise OtelLlmError(f"no provider {provider!r} in the price list; `otel-llm prices list` has them all")
    for one in found:
        for model in one.models:
            yield one.id, model.id


def _show(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    providers = [provider_id(chosen.provider)] if chosen.provider else sorted({name for name, _ in models()})
    rows = [row for provider in providers for row in _prices(provider, chosen)]
    if not rows:
        raise OtelLlmError(f"no price of {chosen.model!r}; `otel-llm prices list` has all models")
    return rows


def _prices(provider: str, chosen: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row a price, and one without where nobody tells what a long prompt costs."""
    card = catalog.rate_card(provider, chosen.model, chosen.at, chosen.service_tier)
    if card is None:
        return
    told = {"provider": provider, "tier": (card.tier_known and chosen.service_tier) or "standard"}
    for key, rate in sorted(card.rates.items()):
        for above, yocto in ((None, rate.base), *rate.tiers):
            yield _price(told, key, usd(yocto, catalog.DIVISORS[key]), above)
    if card.rates and card.assumed_above is not None:
        yield _price(told, _ASSUMED, None, card.assumed_above)


def _price(told: dict[str, str], key: str, price: Decimal | None, above: int | None) -> dict[str, Any]:
    return {
        "provider": told["provider"],
        "price": key,
        "usd": price,
        "above_input_tokens": above,
        "tier": told["tier"],
    }
