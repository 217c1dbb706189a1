"""The corrections differ from the price data, are dated and sourced; and the whole price list stays within reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from otel_llm_semconv.pricing import catalog
from otel_llm_semconv.pricing.corrections import CORRECTIONS, Correction
from otel_llm_semconv.pricing.names import PROVIDER_IDS

NOW = datetime(2026, 11, 1, 2, tzinfo=UTC)  # a Sunday, in DeepSeek's peak hours
YOCTO_PER_MTOK = Decimal(10) ** 18
#: USD a million tokens. The dearest model ever sold asked 600 for its output; a fine-tune or fast mode no more.
DEAREST_USD = 700


def moments(row: Correction) -> Iterator[datetime]:
    """Times at which the row holds: the hours of a week before its end, or before now, or after its start."""
    start, end = row.during
    end = end or max(NOW + timedelta(hours=1), (start or NOW) + timedelta(days=8))
    yield from (end - timedelta(hours=hours) for hours in range(1, 24 * 8))


def names(row: Correction) -> Iterator[str]:
    sold = (model for seller in catalog._sellers(row.provider) for model in seller.models)
    yield from (model.id for model in sold if row.covers(row.provider, (model.id,)))
    yield row.models


def cards(row: Correction) -> Iterator[tuple[catalog.RateCard, catalog.RateCard]]:
    """What is charged with the row and without it, for the models and moments that it is about."""
    for name in names(row):
        found = catalog._find_model(row.provider, name)
        if found is None or row not in found.rows:
            continue
        without = replace(found, rows=tuple(one for one in found.rows if one is not row))
        for at in moments(row):
            if row.applies(at, row.mode, row.place):
                yield (
                    catalog._read_card(found, at, row.mode, row.place),
                    catalog._read_card(without, at, row.mode, row.place),
                )


@pytest.mark.parametrize("row", CORRECTIONS, ids=lambda row: f"{row.provider} {row.models} {row.mode}{row.place}")
def test_a_correction_still_says_something_else_than_the_price_data(row: Correction) -> None:
    """Where this fails, the price data has caught up: drop the row."""
    assert any(with_it != without for with_it, without in cards(row))
    assert row.source
    assert row.evidence[0] in ("N" if row.assumed_above is not None else "HCL")
    said = [row.prices, row.factor, row.another, row.as_at, row.assumed_above is not None]
    assert sum(map(bool, said)) == 1


#: Clouds, with how each names the models of makers, and the makers that charge more for long prompts.
CLOUDS = [
    ("aws", r"(?:global|regional)\.anthropic\.(claude-.*?)(?:-2025\d+)?(?:-v1:0)?", "anthropic"),
    ("aws", r"openai\.(.*)", "openai"),
    ("google", r"(claude-.*)", "anthropic"),
]


@pytest.mark.parametrize(("cloud", "pattern", "maker"), CLOUDS)
def test_a_long_prompt_that_a_maker_charges_more_for_is_charged_so_or_assumed(
    cloud: str, pattern: str, maker: str
) -> None:
    """A cloud whose list has no tier where the maker's has one is not believed."""
    compared = 0
    for model in catalog._sellers(cloud)[0].models:
        if not (named := re.fullmatch(pattern, model.id)):
            continue
        for at in (NOW, datetime(2026, 3, 1, tzinfo=UTC)):
            sold, made = catalog.rate_card(cloud, model.id, at, None), catalog.rate_card(maker, named[1], at, None)
            if sold is None or made is None or not (tiers := made.rates["input_mtok"].tiers):
                continue
            compared += 1
            assert sold.rates["input_mtok"].tiers or sold.assumed_above == tiers[0][0], (model.id, at)
    assert compared


def all_models() -> Iterator[tuple[str, Any]]:
    for provider in get_snapshot().providers:
        for model in provider.models:
            yield provider.id, model


def test_no_price_is_off_by_a_factor_of_a_thousand() -> None:
    """USD a million tokens between nothing and what the dearest model asks; cache and output in proportion to input."""
    odd = []
    for provider, model in all_models():
        for mode in ("", "batch", "priority", "fast"):
            found = catalog._Found(provider, model, (), is_timed=False)
            rates = catalog._read_card(found, NOW, mode, "").rates
            usd = {
                key: Decimal(rate.at(10**9)) / YOCTO_PER_MTOK for key, rate in rates.items() if key.endswith("_mtok")
            }
            if any(not 0 <= price <= DEAREST_USD for price in usd.values()) or not _is_proportionate(usd):
                odd.append((provider, model.id, mode, usd))
    assert odd == []


def _is_proportionate(usd: dict[str, Decimal]) -> bool:
    asked = usd.get("input_mtok")
    if not asked:
        return True
    read, made = usd.get("cache_read_mtok", Decimal(0)), usd.get("output_mtok", asked)
    return read <= asked * 2 and made <= asked * 200


def test_the_names_of_providers_lead_to_providers() -> None:
    known = {provider.id for provider in get_snapshot().providers}
    assert set(PROVIDER_IDS.values()) <= known
    assert list(PROVIDER_IDS) == sorted(PROVIDER_IDS)
    assert not [name for name, id in PROVIDER_IDS.items() if name == id]
