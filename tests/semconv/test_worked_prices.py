"""Prices worked out by hand from the providers' pages, and what the price data alone gets wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from otel_llm_semconv.pricing import Price, price, price_call, quote
from otel_llm_semconv.pricing.contracts import Contract
from otel_llm_semconv.usage import Usage

MTOK = Decimal(1_000_000)


def on(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


AUTUMN = on(2026, 11, 1, 12)
SPRING = on(2026, 5, 5, 12)

Case = tuple[str, str, datetime, Usage, dict[str, Any], str, str]

#: Provider, model, when, usage, how, dollars times a million (tokens times the price of a million), status.
WORKED: list[Case] = [
    ("openai", "gpt-4o-mini", AUTUMN, Usage(500, 300), {}, "500*0.15+300*0.6", "exact"),
    # the plain price holds where nothing else is said
    ("openai", "models/gpt-4o", AUTUMN, Usage(10, 0), {}, "10*2.5", "exact"),
    (
        "openai",
        "gpt-4o",
        AUTUMN,
        Usage(1000, 80, cache_read_tokens=400),  # predictions are part of the output
        {},
        "600*2.5+400*1.25+80*10",
        "exact",
    ),
    # cache writes without a split of their life: all at the default, and said so
    (
        "anthropic",
        "claude-haiku-4-5",
        AUTUMN,
        Usage(5000, 100, cache_read_tokens=1000, cache_write_tokens=3000),
        {},
        "1000*1+1000*0.1+3000*1.25+100*5",
        "assumed_ttl",
    ),
    (
        "anthropic",
        "claude-haiku-4-5",
        AUTUMN,
        Usage(5000, 100, cache_write_tokens=3000, cache_write_1h_tokens=2000),
        {},
        "2000*1+1000*1.25+2000*2+100*5",
        "exact",
    ),
    ("anthropic", "claude-haiku-4-5", AUTUMN, Usage(9, 1, web_searches=3), {}, "9*1+1*5+3*10000", "exact"),
    # a long prompt of Sonnet 4: the whole call at the higher price, the cache with it, above 200,000 only
    (
        "anthropic",
        "claude-sonnet-4-20250514",
        SPRING,
        Usage(200_000, 10),
        {},
        "200000*3+10*15",
        "exact",
    ),
    (
        "anthropic",
        "claude-sonnet-4-20250514",
        SPRING,
        Usage(200_001, 10, cache_read_tokens=100_000),
        {},
        "100001*6+100000*0.6+10*22.5",
        "exact",
    ),
    ("anthropic", "claude-opus-4-6", AUTUMN, Usage(100, 10), {"service_tier": "fast"}, "100*30+10*150", "exact"),
    ("anthropic", "claude-opus-4-6", AUTUMN, Usage(100, 10), {"place": "us"}, "100*5.5+10*27.5", "exact"),
    ("anthropic", "claude-opus-4-5", AUTUMN, Usage(100, 10), {"place": "us"}, "100*5+10*25", "exact"),
    (
        "anthropic",
        "claude-sonnet-4-6",
        SPRING,
        Usage(100, 10, web_searches=1),
        {"place": "us", "service_tier": "batch"},
        "100*1.65+10*8.25+10000",
        "exact",
    ),
    # thinking is output, at the price of a long prompt
    (
        "gcp.gemini",
        "gemini-2.5-pro",
        AUTUMN,
        Usage(200_001, 50_100, reasoning_tokens=50_000),
        {},
        "200001*2.5+50100*15",
        "exact",
    ),
    (
        "gcp.vertex_ai",
        "publishers/google/models/gemini-2.5-pro",
        AUTUMN,
        Usage(200_000, 9),
        {},
        "200000*1.25+9*10",
        "exact",
    ),
    (
        "gcp.gemini",
        "models/gemini-2.5-flash-preview-05-20",
        SPRING,
        Usage(1000, 700, reasoning_tokens=600, audio_input_tokens=100, cache_read_tokens=200),
        {},
        "700*0.15+100*1+200*0.0375+100*0.6+600*3.5",
        "exact",
    ),
    (
        "gcp.gemini",
        "gemini-2.5-pro",
        on(2025, 8, 15),
        Usage(1000, 0, cache_read_tokens=400),
        {},
        "600*1.25+400*0.31",
        "exact",
    ),
    ("gcp.gemini", "gemini-flash-latest", on(2026, 2, 1), Usage(100, 10), {}, "100*0.5+10*3", "exact"),
    # tiers and batch
    ("openai", "gpt-4o-mini", AUTUMN, Usage(100, 10), {"service_tier": "priority"}, "100*0.25+10*1", "exact"),
    ("openai", "gpt-4o-mini", SPRING, Usage(100, 10), {"service_tier": "priority"}, "100*0.15+10*0.6", "assumed_tier"),
    ("openai", "gpt-4o-mini", SPRING, Usage(100, 10), {"service_tier": "batch"}, "100*0.075+10*0.3", "exact"),
    ("openai", "text-embedding-3-small", AUTUMN, Usage(100), {"service_tier": "batch"}, "100*0.01", "exact"),
    (
        "anthropic",
        "claude-3-5-sonnet-20241022",
        SPRING,
        Usage(100, 10),
        {"service_tier": "batch"},
        "100*1.5+10*7.5",
        "exact",
    ),
    ("mistral_ai", "mistral-large-latest", AUTUMN, Usage(0, 0), {"service_tier": "priority"}, "0", "assumed_tier"),
    # DeepSeek: a night's discount that ended, peaks that have none at weekends
    ("deepseek", "deepseek-chat", on(2025, 9, 5, 15, 59), Usage(100, 10), {}, "100*0.27+10*1.1", "exact"),
    ("deepseek", "deepseek-chat", on(2025, 9, 5, 16), Usage(100, 10), {}, "100*0.56+10*1.68", "exact"),
    (
        "deepseek",
        "deepseek-reasoner",
        on(2025, 9, 6, 20),
        Usage(100, 10, cache_read_tokens=50),
        {},
        "50*0.56+50*0.07+10*1.68",
        "exact",
    ),
    (
        "deepseek",
        "deepseek-chat",
        AUTUMN,
        Usage(100, 10, cache_read_tokens=50),
        {},
        "50*0.28+50*0.028+10*0.42",
        "exact",
    ),
    ("deepseek", "deepseek-v4-flash", on(2026, 11, 2, 2), Usage(100, 10), {}, "100*0.3+10*1.2", "exact"),  # a Monday
    ("deepseek", "deepseek-v4-flash", on(2026, 11, 1, 2), Usage(100, 10), {}, "100*0.15+10*0.6", "exact"),  # a Sunday
    ("deepseek", "deepseek-v4-flash", on(2026, 6, 1, 2), Usage(100, 10), {}, "100*0.14+10*0.28", "exact"),
    ("deepseek", "deepseek-v4-pro", on(2026, 6, 1, 2), Usage(1000, 10), {}, "1000*0.435+10*0.87", "exact"),
    # sound, pictures, searches
    (
        "openai",
        "gpt-4o-audio-preview",
        AUTUMN,
        Usage(100, 50, audio_input_tokens=80, audio_output_tokens=40),
        {},
        "20*2.5+80*40+10*10+40*80",
        "exact",
    ),
    (
        "openai",
        "gpt-realtime",
        AUTUMN,
        Usage(
            1000,
            50,
            cache_read_tokens=300,
            audio_input_tokens=600,
            image_input_tokens=200,
            cache_read_audio_tokens=150,
            cache_read_image_tokens=50,
        ),
        {},
        "100*4+450*32+150*5+100*0.4+150*0.4+50*0.5+50*16",
        "exact",
    ),
    (
        "openai",
        "gpt-image-1.5",
        AUTUMN,
        Usage(340, 500, image_input_tokens=300, image_output_tokens=480),
        {},
        "40*5+300*8+20*10+480*32",
        "exact",
    ),
    ("openai", "gpt-4o", AUTUMN, Usage(340, 5, image_input_tokens=300), {}, "340*2.5+5*10", "exact"),
    ("x_ai", "grok-4", AUTUMN, Usage(100, 10, web_searches=2), {}, "100*3+10*15+2*5000", "exact"),
    # fine-tunes, which the price data lacks, or whose cache it does not know
    (
        "openai",
        "ft:gpt-4.1-mini-2025-04-14:clinic::a1",
        AUTUMN,
        Usage(1000, 100, cache_read_tokens=500),
        {},
        "500*0.8+500*0.2+100*3.2",
        "exact",
    ),
    (
        "openai",
        "ft:gpt-4.1-2025-04-14:clinic::a1",
        AUTUMN,
        Usage(1000, 100),
        {"service_tier": "batch"},
        "1000*1.5+100*6",
        "exact",
    ),
    ("openai", "ft:gpt-4.1-nano-2025-04-14:clinic::a1", AUTUMN, Usage(1000, 100), {}, "1000*0.2+100*0.8", "exact"),
    (
        "openai",
        "ft:gpt-4o-2024-08-06:clinic::a1",
        AUTUMN,
        Usage(1000, 100, cache_read_tokens=500),
        {},
        "500*3.75+500*1.875+100*15",
        "exact",
    ),
    (
        "openai",
        "ft:gpt-4o-mini-2024-07-18:clinic::a1",
        AUTUMN,
        Usage(1000, 100, cache_read_tokens=500),
        {},
        "500*0.3+500*0.15+100*1.2",
        "exact",
    ),
    (
        "gcp.gemini",
        "models/gemini-2.5-computer-use-preview-10-2025",
        AUTUMN,
        Usage(200_001, 10),
        {},
        "200001*2.5+10*15",
        "exact",
    ),
    (
        "gcp.gemini",
        "gemini-robotics-er-1.5-preview",
        AUTUMN,
        Usage(1000, 10, audio_input_tokens=400),
        {},
        "600*0.3+400*1+10*2.5",
        "exact",
    ),
    # what providers call the standard tier, and what nobody has a price for
    (
        "groq",
        "llama-3.3-70b-versatile",
        AUTUMN,
        Usage(100, 10),
        {"service_tier": "on_demand"},
        "100*0.59+10*0.79",
        "exact",
    ),
    ("openai", "gpt-4o-mini", AUTUMN, Usage(100, 10), {"service_tier": "scale"}, "100*0.15+10*0.6", "assumed_tier"),
    (
        "anthropic",
        "claude-sonnet-4-5",
        AUTUMN,
        Usage(100, 10),
        {"service_tier": "priority"},
        "100*3+10*15",
        "assumed_tier",
    ),
    # dated prices: the last day of one, the first of the next
    ("openai", "o3", on(2025, 6, 9, 23, 59), Usage(100, 100), {}, "100*10+100*40", "exact"),
    ("openai", "o3", on(2025, 6, 11), Usage(100, 100), {}, "100*2+100*8", "exact"),
    # a long prompt of Sonnet 4.5, with both lives of the cache
    (
        "anthropic",
        "claude-sonnet-4-5-20250929",
        AUTUMN,
        Usage(200_001, 1000, cache_read_tokens=100_000, cache_write_tokens=50_000, cache_write_1h_tokens=20_000),
        {},
        "50001*6+100000*0.6+30000*7.5+20000*12+1000*22.5",
        "exact",
    ),
    (
        "openai",
        "gpt-5",
        AUTUMN,
        Usage(1000, 100, cache_read_tokens=500),
        {"service_tier": "flex"},
        "500*0.625+500*0.0625+100*5",
        "exact",
    ),
    (
        "gcp.gemini",
        "gemini-3-pro-preview",
        AUTUMN,
        Usage(200_001, 1000, reasoning_tokens=900),
        {},
        "200001*4+1000*18",
        "exact",
    ),
    # Bedrock names
    (
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        AUTUMN,
        Usage(100, 10),
        {},
        "100*3.3+10*16.5",
        "exact",
    ),
    (
        "aws.bedrock",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        AUTUMN,
        Usage(100, 10),
        {},
        "100*3+10*15",
        "exact",
    ),
    ("azure.ai.openai", "gpt-4o-mini", AUTUMN, Usage(100, 10), {}, "100*0.15+10*0.6", "exact"),
    ("azure.ai.openai", "gpt-35-turbo-0125", AUTUMN, Usage(100, 10), {}, "100*0.5+10*1.5", "exact"),
    # what a maker charges more for, and the seller's list says nothing of: as listed, and said so
    ("aws.bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", AUTUMN, Usage(200_000), {}, "200000*3", "exact"),
    ("aws.bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", AUTUMN, Usage(200_001), {}, "200001*3", "assumed_tier"),
    ("gcp.vertex_ai", "claude-sonnet-4@20250514", AUTUMN, Usage(200_001), {}, "200001*3", "assumed_tier"),
    ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", AUTUMN, Usage(200_001), {}, "200001*6", "exact"),
    ("gcp.vertex_ai", "claude-sonnet-4-6", on(2026, 3, 12), Usage(200_001), {}, "200001*3", "assumed_tier"),
    ("gcp.vertex_ai", "claude-sonnet-4-6", on(2026, 3, 13), Usage(200_001), {}, "200001*3", "exact"),
    # a mode with one price, of a model whose long prompts cost more
    ("openai", "gpt-5.4", AUTUMN, Usage(272_001, 10), {"service_tier": "flex"}, "272001*2.5+10*11.25", "exact"),
    ("openai", "gpt-5.4", AUTUMN, Usage(272_000, 10), {"service_tier": "priority"}, "272000*5+10*30", "exact"),
    ("openai", "gpt-5.4", AUTUMN, Usage(272_001, 10), {"service_tier": "priority"}, "272001*5+10*30", "assumed_tier"),
    (
        "anthropic",
        "claude-opus-4-6",
        on(2026, 3, 12),
        Usage(200_001),
        {"service_tier": "fast"},
        "200001*30",
        "assumed_tier",
    ),
    ("anthropic", "claude-opus-4-6", on(2026, 3, 13), Usage(200_001), {"service_tier": "fast"}, "200001*30", "exact"),
    ("x_ai", "grok-4-0709", AUTUMN, Usage(128_000), {}, "128000*3", "exact"),
    ("x_ai", "grok-4-0709", AUTUMN, Usage(128_001), {}, "128001*3", "assumed_tier"),
    ("x_ai", "grok-4-fast-reasoning", AUTUMN, Usage(128_001, 10), {}, "128001*0.4+10*1", "exact"),
    ("gcp.gemini", "models/gemini-1.5-flash-8b", AUTUMN, Usage(100, 10), {}, "100*0.0375+10*0.15", "exact"),
    ("gcp.gemini", "models/gemini-1.5-flash-002", AUTUMN, Usage(100, 10), {}, "100*0.075+10*0.3", "exact"),
    # the names that litellm and others give, and those of clouds beside the maker's
    *(
        (provider, model, AUTUMN, Usage(100, 10), {}, by_hand, "exact")
        for provider, model, by_hand in (
            ("vertex_ai", "vertex_ai/gemini-2.5-flash", "100*0.3+10*2.5"),
            ("vertex_ai", "vertex_ai/google/gemini-2.5-flash", "100*0.3+10*2.5"),
            ("gcp.vertex_ai", "gemini-2.5-flash@default", "100*0.3+10*2.5"),
            ("gcp.gemini", "gemini/gemini-2.5-flash-001", "100*0.3+10*2.5"),
            ("azure", "azure/gpt-4o-mini", "100*0.15+10*0.6"),
            ("azure-openai", "gpt-4o-mini", "100*0.15+10*0.6"),
            ("bedrock", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "100*3.3+10*16.5"),
            ("AnthropicBedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "100*3.3+10*16.5"),
            ("fireworks_ai", "fireworks_ai/accounts/fireworks/models/gpt-oss-120b", "100*0.15+10*0.6"),
            ("fireworks_ai", "fireworks_ai/gpt-oss-120b", "100*0.15+10*0.6"),
            ("together_ai", "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", "100*0.88+10*0.88"),
            ("x_ai", "x_ai/grok-3", "100*3+10*15"),
            ("litellm", "vertex_ai/gemini-2.5-flash", "100*0.3+10*2.5"),
            ("litellm_proxy", "litellm_proxy/openai/gpt-4o-mini", "100*0.15+10*0.6"),
            ("litellm", "gpt-4o-mini", "100*0.15+10*0.6"),
            ("strands-agents", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "100*3.3+10*16.5"),
            ("gcp.vertex.agent", "gemini-2.5-flash", "100*0.3+10*2.5"),
            ("gcp.vertex.agent", "projects/p/locations/l/publishers/google/models/gemini-2.5-flash", "100*0.3+10*2.5"),
            ("gcp.vertex.agent", "anthropic/claude-haiku-4-5", "100*1+10*5"),
        )
    ),
    ("mistral_ai", "mistral-large-latest", on(2025, 12, 1, 23), Usage(100, 10), {}, "100*2+10*6", "exact"),
    ("mistral_ai", "mistral-large-latest", on(2025, 12, 2), Usage(100, 10), {}, "100*0.5+10*1.5", "exact"),
    ("perplexity", "sonar", AUTUMN, Usage(100, 10), {}, "100*1+10*1+1*5000", "exact"),
    ("perplexity", "sonar", AUTUMN, Usage(100, 10), {"service_tier": "low"}, "100*1+10*1+1*5000", "exact"),
    ("perplexity", "sonar-pro", AUTUMN, Usage(100, 10), {"service_tier": "high"}, "100*3+10*15+1*14000", "exact"),
    ("openai", "gpt-4o-mini-search-preview", AUTUMN, Usage(100, 10), {}, "100*0.15+10*0.6+1*25000", "exact"),
    ("openai", "gpt-5-search-api", AUTUMN, Usage(100, 10), {}, "100*1.25+10*10+1*10000", "exact"),
    # Azure sells the models of others: what corrects their prices holds there, their hours of the day do not
    (
        "azure.ai.inference",
        "claude-sonnet-4-20250514",
        SPRING,
        Usage(200_001, 10),
        {},
        "200001*6+10*22.5",
        "exact",
    ),
    ("azure.ai.openai", "gpt-4o-mini", SPRING, Usage(100, 10), {"service_tier": "batch"}, "100*0.075+10*0.3", "exact"),
    ("azure.ai.inference", "DeepSeek-R1", on(2025, 6, 1, 20), Usage(100, 10), {}, "100*0.55+10*2.19", "assumed_tier"),
    ("azure.ai.inference", "DeepSeek-R1", AUTUMN, Usage(100, 10), {}, "100*0.55+10*2.19", "assumed_tier"),
    (
        "azure.ai.inference",
        "DeepSeek-V4-Flash",
        on(2026, 11, 2, 2),
        Usage(100, 10),
        {},
        "100*0.15+10*0.6",
        "assumed_tier",
    ),
    *(
        ("azure.ai.openai", name, AUTUMN, Usage(1000, 100, cache_read_tokens=500), {}, by_hand, "assumed_tier")
        for name, by_hand in (
            ("ft:gpt-4.1-mini-2025-04-14:clinic::a1", "500*0.8+500*0.2+100*3.2"),
            ("gpt-4.1-mini-2025-04-14.ft-0e208cf33a6a466994aff31a08aba678", "500*0.8+500*0.2+100*3.2"),
            ("gpt-4o-2024-08-06.ft-0e208cf33a6a466994aff31a08aba678", "500*3.75+500*1.875+100*15"),
        )
    ),
]


def worth(sum_of_products: str) -> Decimal:
    total = Decimal(0)
    for product in sum_of_products.split("+"):
        units, _, rate = product.partition("*")
        total += Decimal(units) * Decimal(rate or 1)
    return (total / MTOK).quantize(Decimal("1e-12"))


@pytest.mark.parametrize("case", WORKED, ids=lambda case: f"{case[1]} {case[5]}")
def test_a_price_is_what_the_hand_says(case: Case) -> None:
    provider, model, at, used, how, by_hand, status = case
    found = price(provider, model, used, at, **how)
    assert (found.amount, found.status) == (worth(by_hand), status)


def test_a_call_of_which_the_input_is_not_known_has_no_cost() -> None:
    for used in (Usage(), Usage(None, 5), Usage(None, 5, cache_read_tokens=3)):
        found = price("openai", "gpt-4o-mini", used, AUTUMN)
        assert (found.amount, found.status, found.version) == (None, quote.MISSING_USAGE, None)
    assert price("openai", "text-embedding-3-small", Usage(5), AUTUMN).amount == Decimal("0.0000001")


def test_a_model_that_has_no_price_in_a_unit_that_is_counted_is_unknown() -> None:
    assert price("litellm", "gpt-oss-120b", Usage(100, 10), AUTUMN).status == quote.UNKNOWN_MODEL  # sold by many
    for model in ("gpt-realtime-whisper", "ft:gpt-9-2025-04-14:clinic::1", "nobody-knows"):
        found = price("openai", model, Usage(100, 10), AUTUMN)
        assert (found.amount, found.status) == (None, quote.UNKNOWN_MODEL)


@pytest.mark.parametrize(
    ("provider", "model", "used"),
    [
        ("mistral_ai", "mistral-large-latest", Usage(100, 10, web_searches=1)),
        ("openai", "text-embedding-3-small", Usage(100, 10)),
        ("aws.bedrock", "amazon.nova-pro-v1:0", Usage(100, 10, web_searches=2)),
    ],
)
def test_a_bill_of_which_a_part_has_no_price_is_unknown(provider: str, model: str, used: Usage) -> None:
    found = price(provider, model, used, AUTUMN)
    assert (found.amount, found.components, found.status) == (None, {}, quote.UNKNOWN_MODEL)
    nothing = replace(used, web_searches=0, output_tokens=0)
    assert price(provider, model, nothing, AUTUMN).status == quote.EXACT


def test_an_adviser_costs_by_its_own_model() -> None:
    used = Usage(100, 10, advisor_input_tokens=1000, advisor_output_tokens=200)
    models = ["claude-haiku-4-5"]
    found = price_call("anthropic", models, used, AUTUMN, adviser="claude-opus-4-5")
    # claude-haiku-4-5, USD a million: input 1, output 5; claude-opus-4-5: input 5, output 25
    assert found.amount == Decimal(100 * 1 + 10 * 5 + 1000 * 5 + 200 * 25) / 1_000_000
    told = {name: cost for name, cost in found.components.items() if cost}
    assert told == {"input": Decimal("0.0051"), "output": Decimal("0.00505")}
    assert found.status == quote.EXACT
    for unknown in (None, "nobody-knows"):
        assert price_call("anthropic", models, used, AUTUMN, adviser=unknown) == Price(quote.UNKNOWN_MODEL)
    halved = Contract("halved", 1, model="claude-haiku-*", multiplier=Decimal("0.5"))
    cheaper = price_call("anthropic", models, used, AUTUMN, adviser="claude-opus-4-5", contract=halved)
    assert cheaper.amount == Decimal("0.010075")  # the contract is about the one model, not its adviser
    fast = price_call("anthropic", models, used, AUTUMN, adviser="claude-opus-4-5", service_tier="nobody-has-this")
    assert fast.status == quote.ASSUMED_TIER


def test_what_is_billed_and_has_no_price_here_leaves_no_cost() -> None:
    found = price("anthropic", "claude-haiku-4-5", Usage(100, 10, unpriced_units=3), AUTUMN)
    assert (found.amount, found.status) == (None, quote.UNKNOWN_MODEL)
    assert price("anthropic", "claude-haiku-4-5", Usage(100, 10, unpriced_units=0), AUTUMN).status == quote.EXACT
