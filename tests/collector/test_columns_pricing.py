"""Prices by columns are those of the reference, to the last digit, whatever the counts are."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from otel_llm_collector.columns import pricing
from otel_llm_collector.normalise import fit
from otel_llm_semconv.pricing import price_call
from otel_llm_semconv.pricing.catalog import Rate
from otel_llm_semconv.pricing.contracts import Contract
from otel_llm_semconv.usage import FIELDS, Usage

NOON = int(datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp())
WORDS = (
    "provider",
    "response_model",
    "deployed_model",
    "request_model",
    "service_tier",
    "place",
    "usage_status",
    "advisor_model",
)
#: Providers, each with the model that answered, the one behind a deployment, and the one that was asked for.
#: Tiers, times of day, two cache lives, places, modes, media, names that nobody knows, and none at all.
MODELS: list[tuple[str | None, ...]] = [
    (provider, answered, None, asked)
    for provider, answered, asked in [
        ("openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai", "gpt-realtime", None),
        ("openai", None, "gpt-image-1.5"),
        ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4-6", None),
        ("gcp.gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
        ("gcp.gemini", "my-deployment", "gemini-2.5-flash"),
        ("aws.bedrock", "claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("deepseek", "deepseek-chat", "deepseek-chat"),
        ("perplexity", "sonar", "sonar"),
        ("x_ai", "grok-4", "grok-4"),
        ("azure.ai.inference", None, "DeepSeek-R1"),
        ("openai", "text-embedding-3-small", None),
        ("mistral_ai", "mistral-large-latest", None),
        ("openai", "nobody-knows-1", "nobody-knows"),
        (None, "gpt-4o-mini", None),
        ("openai", None, None),
    ]
]
MODELS += [("azure.ai.openai", "chat-prod", "gpt-4o", "chat-prod"), ("openai", "gpt-4o-mini", "gpt-4o", None)]
CONTRACTS = (
    Contract("halved", 1, multiplier=Decimal("0.5")),
    Contract("odd", 2, multiplier=Decimal("0.3333333333333333333333")),
    Contract("own", 3, rates={"input_mtok": Rate(10**30), "output_mtok": Rate(7 * 10**11)}),
    Contract("output alone", 4, rates={"output_mtok": Rate(7 * 10**11)}),
)
SMALL = st.none() | st.integers(0, 2000)
COUNT = SMALL | st.sampled_from([-1, 0, 200_000, 200_001, 10**7, 10**9, 1 << 40, (1 << 40) + 1, 1 << 62, (1 << 63) - 1])
PARTS = *(st.none() | st.integers(0, 400) for _ in FIELDS[2:-2]), st.none(), st.none()
USAGES = (
    st.builds(Usage, *(st.one_of(SMALL, COUNT) for _ in FIELDS[:-2]))
    | st.builds(Usage, st.integers(1000, 400_000), st.integers(1000, 2000), *PARTS)
    | st.builds(Usage, SMALL, SMALL, advisor_input_tokens=COUNT, advisor_output_tokens=SMALL)
)
CALLS = st.tuples(
    st.sampled_from(MODELS),
    st.sampled_from([None, "", "default", "flex", "priority", "batch", "fast", "nobody-has-this"]),
    st.sampled_from([None, "us", "eu"]),
    st.sampled_from([None, "reported", "partial", "estimated"]),
    st.integers(-400, 400).map(lambda days: NOON + days * 86_400) | st.integers(NOON, NOON + 86_400),
    st.integers(-1, len(CONTRACTS) - 1),
    USAGES,
    st.sampled_from([None, "claude-opus-4-8", "gpt-4o", "nobody-knows"]),
)


def reference(call: Any) -> dict[str, Any]:
    (provider, *models), tier, place, stated, at_s, contract, usage, adviser = call
    found = fit(
        price_call(
            provider,
            models,
            usage,
            datetime.fromtimestamp(at_s, UTC),
            service_tier=tier,
            place=place,
            usage_status=stated,
            contract=CONTRACTS[contract] if contract >= 0 else None,
            adviser=adviser,
        )
    )
    costs = {f"cost_{name}_usd": found.components.get(name) for name in pricing.SHOWN}
    return {"cost_usd": found.amount, **costs, "cost_status": found.status, "price_version": found.version}


def by_columns(calls: list[Any], *, with_contracts: bool = True) -> list[dict[str, Any]]:
    told = [(*models, tier, place, stated, adviser) for models, tier, place, stated, *_, adviser in calls]
    found = pricing.price(
        pricing.Calls(
            at_s=np.array([call[4] for call in calls], np.int64),
            words={name: pa.array([one[i] for one in told], pa.string()) for i, name in enumerate(WORDS)},
            counts={name: pa.array([getattr(call[6], name) for call in calls], pa.int64()) for name in FIELDS},
            contracts=CONTRACTS if with_contracts else (),
            contract=np.array([call[5] for call in calls], np.int64) if with_contracts else None,
        )
    )
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


@settings(deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=30))
@example([(MODELS[0], None, None, None, NOON, 2, Usage(10**12, 3), None)])  # rounds a half
@example(
    [
        (MODELS[0], None, None, None, NOON, 2, Usage(1, 1), None),
        (MODELS[5], None, None, None, NOON, 2, Usage(5, 5), None),
    ]
)
def test_a_row_costs_what_the_reference_says(calls: list[Any]) -> None:
    assert by_columns(calls) == [reference(call) for call in calls]


def test_more_groups_than_numbers_are_numbered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    usage, tiers = Usage(1000, 100), (None, "flex", "priority")
    calls = [(models, tier, None, None, NOON, -1, usage, None) for models in MODELS for tier in tiers]
    expected = by_columns(calls)
    monkeypatch.setattr(pricing, "_GROUPS_MAX", 2)
    assert by_columns(calls) == expected == [reference(call) for call in calls]


def test_no_rows_are_no_rows() -> None:
    assert by_columns([]) == []
    assert by_columns([], with_contracts=False) == []


def test_halves_are_rounded_to_even() -> None:
    """At 0.7 picodollars a token."""
    calls = [(MODELS[0], None, None, None, NOON, 2, Usage(0, tokens), None) for tokens in range(20)]
    found = [int(row["cost_output_usd"] * 10**12) for row in by_columns(calls)]
    assert found == [round(7 * tokens / 10) for tokens in range(20)]


@pytest.mark.parametrize("input_tokens", [199_999, 200_000, 200_001])
def test_a_tier_begins_above_its_start(input_tokens: int) -> None:
    call = (MODELS[5], None, None, None, NOON, -1, Usage(input_tokens, 1000), None)
    (row,) = by_columns([call])
    per_million = Decimal("1.25") if input_tokens <= 200_000 else Decimal("2.5")
    assert row["cost_input_usd"] == per_million * input_tokens / 1_000_000
