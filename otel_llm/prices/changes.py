"""`prices diff`: what differs between two price lists."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from otel_llm_semconv.pricing import catalog
from otel_llm_semconv.pricing.source import PriceData, bundled, read

from .rates import moment, usd

#: In place of a file: the list that genai-prices brings along.
BUNDLED: Final = "bundled"


def add_parts(parts: Any) -> None:
    """`diff`."""
    from . import add_format

    parser = parts.add_parser("diff", help="what differs between two lists, each a file or the word `bundled`")
    parser.add_argument("before", metavar="A")
    parser.add_argument("after", metavar="B")
    parser.add_argument("--at", type=moment, default=datetime.now(UTC), metavar="TIME", help="default: now")
    add_format(parser)
    parser.set_defaults(find=_find)


def _find(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    before, after = (_prices(_data(name), chosen.at) for name in (chosen.before, chosen.after))
    return [
        {"provider": provider, "model": model, "price": key, "before": before.get(place), "after": after.get(place)}
        for place in sorted(before.keys() | after.keys())
        if before.get(place) != after.get(place)
        for provider, model, key in (place,)
    ]


def _data(name: str) -> PriceData:
    return bundled() if name == BUNDLED else read(Path(name))


def _prices(data: PriceData, at: datetime) -> dict[tuple[str, str, str], Any]:
    return {place: price for place, price in _each(data, at) if price is not None}


def _each(data: PriceData, at: datetime) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Plain prices, as the list has them: without corrections, which are the same for both."""
    for provider in data.snapshot.providers:
        for model in provider.models:
            for key, rate in catalog.plain_rates(model, at).items():
                tiers = "".join(f" >{start}: {usd(yocto, catalog.DIVISORS[key])}" for start, yocto in rate.tiers)
                yield (provider.id, model.id, key), f"{usd(rate.base, catalog.DIVISORS[key])}{tiers}"
