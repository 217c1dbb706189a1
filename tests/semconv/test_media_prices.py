"""Audio, images and what of them was cached: each token is charged once, whatever the provider leaves unsaid."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from otel_llm_semconv.pricing import Price, catalog, price, quote
from otel_llm_semconv.usage import FIELDS, Usage

AT = datetime(2026, 1, 15, tzinfo=UTC)
REALTIME = ("openai", "gpt-realtime")
IMAGE = ("openai", "gpt-image-1.5")
TEXT = [("openai", "gpt-4o"), ("anthropic", "claude-haiku-4-5"), ("gcp.gemini", "gemini-2.5-pro")]
MODELS = [*TEXT, REALTIME, IMAGE]
#: Parts small enough that many of these are consistent.
WHOLE = st.integers(10**3, 2 * 10**3)
MEDIA = st.builds(Usage, WHOLE, WHOLE, *(st.none() | st.integers(0, 400) for _ in FIELDS[2:-2]))


def priced(usage: Usage, model: tuple[str, str]) -> Price:
    return price(*model, usage, AT)


def usd(**micros: int) -> dict[str, Decimal]:
    return {name: Decimal(value) / 1_000_000 for name, value in micros.items()}


def test_cached_audio_costs_what_audio_costs_where_a_cache_saves_nothing() -> None:
    # gpt-audio has no price of cache reads, USD a million: text 2.5, audio 32, output 10
    usage = Usage(1000, 10, cache_read_tokens=300, audio_input_tokens=400, cache_read_audio_tokens=100)
    found = priced(usage, ("openai", "gpt-audio"))
    assert found.amount == (Decimal("2.5") * 600 + 32 * 400 + 10 * 10) / 1_000_000


def test_audio_that_does_not_fit_beside_the_cache_is_cached() -> None:
    found = priced(Usage(1000, 0, cache_read_tokens=700, audio_input_tokens=400), REALTIME)
    assert found.components == usd(input=0, cache_read=280, audio_input=300 * 32, output=0)


def test_cached_parts_without_their_sum_are_cache_reads() -> None:
    usage = Usage(100, 0, cache_read_audio_tokens=60, cache_read_image_tokens=10)
    assert priced(usage, REALTIME).components == usd(input=120, cache_read=29, output=0)
    assert priced(replace(usage, input_tokens=69), REALTIME).status == quote.INCONSISTENT_USAGE


def test_images_without_a_price_are_text() -> None:
    usage = Usage(1000, 100, cache_read_tokens=200, cache_write_tokens=100)
    images = replace(usage, image_input_tokens=600, cache_read_image_tokens=150)
    for model in TEXT:
        assert priced(images, model) == priced(usage, model)


def test_a_medium_without_a_price_is_charged_as_text_and_said_to_be_assumed() -> None:
    heard, said, drawn = (
        Usage(100, 10, audio_input_tokens=9),
        Usage(100, 10, audio_output_tokens=9),
        Usage(100, 10, image_output_tokens=9),
    )
    for media in (heard, said, drawn):
        found = priced(media, ("openai", "gpt-4o"))
        assert (found.amount, found.status) == (priced(Usage(100, 10), ("openai", "gpt-4o")).amount, quote.ASSUMED_TIER)
    assert priced(replace(heard, audio_input_tokens=0), ("openai", "gpt-4o")).status == quote.EXACT


def test_a_medium_that_is_priced_as_all_else_is_exact() -> None:
    """Google lists sound where it costs otherwise; what draws or speaks and nothing else has one price of output."""
    assert priced(Usage(100, 10, audio_input_tokens=9), ("gcp.gemini", "gemini-2.5-pro")).status == quote.EXACT
    assert priced(Usage(100, 10, image_output_tokens=10), ("openai", "gpt-image-1")).status == quote.EXACT
    assert priced(Usage(100, 10, audio_output_tokens=10), ("gcp.gemini", "gemini-2.5-flash-tts")).status == quote.EXACT
    realtime = Usage(1000, 50, cache_read_tokens=300, audio_input_tokens=600, cache_read_audio_tokens=150)
    assert priced(realtime, REALTIME).status == quote.EXACT


@given(MEDIA, st.sampled_from(MODELS))
def test_each_token_is_in_one_part(usage: Usage, model: tuple[str, str]) -> None:
    card = catalog.rate_card(*model, AT, None)
    if card is None or usage.input_tokens is None or usage.output_tokens is None or not usage.is_consistent():
        return
    usage = usage.completed()
    units = quote._units(usage, card)
    if usage.names_media():
        units |= quote._media_units(usage, card)
    parts = {name: units.get(name) or 0 for name in catalog.COMPONENTS if name not in ("request", "web_search")}
    made = sum(parts.pop(name) for name in ("output", "reasoning", "audio_output", "image_output"))
    assert made == usage.output_tokens
    written = usage.cache_write_tokens or 0
    read = usage.cache_read_tokens
    if read is None:
        read = (usage.cache_read_audio_tokens or 0) + (usage.cache_read_image_tokens or 0)
    if read + written <= usage.input_tokens:
        assert sum(parts.values()) == usage.input_tokens
