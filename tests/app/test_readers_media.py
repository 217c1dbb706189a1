"""Images, and what of the cache reads was audio or images: read where an answer counts them apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from otel_llm.providers import find_reader
from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing import price
from otel_llm_semconv.usage import Usage, to_attributes

FIXTURES = Path(__file__).parent / "fixtures"


def test_pictures_have_counts_of_their_own() -> None:
    answer = json.loads((FIXTURES / "openai_images/generation.json").read_text())["response"]
    found = to_attributes(find_reader("openai_images").read_usage(answer["usage"]))
    assert (found[a.USAGE_IMAGE_INPUT_TOKENS], found[a.USAGE_IMAGE_OUTPUT_TOKENS]) == (0, 540)


@pytest.mark.parametrize(
    ("name", "given", "made"),
    [
        ("openai_chat", "prompt_tokens_details", "completion_tokens_details"),
        ("openai_responses", "input_tokens_details", "output_tokens_details"),
        ("openai_images", "input_tokens_details", "output_tokens_details"),
    ],
)
def test_pictures_are_read_where_they_are_counted_and_nowhere_else(name: str, given: str, made: str) -> None:
    read_usage, counted = find_reader(name).read_usage, {"image_tokens": 7}
    one, other, neither = read_usage({given: counted}), read_usage({made: counted}), read_usage({given: {}, made: {}})
    assert (one.image_input_tokens, one.image_output_tokens) == (7, None)
    assert (other.image_input_tokens, other.image_output_tokens) == (None, 7)
    assert not neither.names_media()


def test_what_of_the_cache_was_heard_or_seen_is_read() -> None:
    cached = {"text_tokens": 1, "audio_tokens": 2, "image_tokens": 3}
    details = {"input_token_details": {"cached_tokens": 6, "cached_tokens_details": cached}}
    found = find_reader("openai_realtime").read_usage(details)
    assert found == Usage(cache_read_tokens=6, cache_read_audio_tokens=2, cache_read_image_tokens=3)


HEARD, SEEN = {"modality": "AUDIO", "tokenCount": 3}, {"modality": "IMAGE", "tokenCount": 5}
OTHERS = [{"modality": name, "tokenCount": 9} for name in ("TEXT", "VIDEO", "DOCUMENT", "MODALITY_UNSPECIFIED")]


def test_google_lists_them_by_modality() -> None:
    usage = {
        "promptTokenCount": 60,
        "candidatesTokenCount": 40,
        "cachedContentTokenCount": 30,
        "toolUsePromptTokenCount": 20,
        "promptTokensDetails": [HEARD, *OTHERS, SEEN],
        "toolUsePromptTokensDetails": [SEEN],
        "cacheTokensDetails": [*OTHERS, HEARD, SEEN],
        "candidatesTokensDetails": [SEEN, HEARD],
    }
    found = find_reader("gemini_content").read_usage(usage)
    assert (found.audio_input_tokens, found.image_input_tokens) == (3, 10)
    assert (found.cache_read_audio_tokens, found.cache_read_image_tokens) == (3, 5)
    assert (found.audio_output_tokens, found.image_output_tokens) == (3, 5)
    assert (found.input_tokens, found.output_tokens) == (80, 40)


def test_google_numbers_modalities_on_request_and_names_them_in_small_letters_elsewhere() -> None:
    numbered = {"promptTokensDetails": [{"modality": number, "tokenCount": 7} for number in range(1, 6)]}
    found = find_reader("gemini_content").read_usage(numbered)
    assert (found.image_input_tokens, found.audio_input_tokens) == (7, 7)
    small = [{"modality": "image", "tokens": 258}, {"modality": "text", "tokens": 8}]
    found = find_reader("gemini_interactions").read_usage({"input_tokens_by_modality": small})
    assert found == Usage(image_input_tokens=258)
    found = find_reader("gemini_embeddings").read_usage({"promptTokenCount": 9, "promptTokenDetails": [HEARD]})
    assert found == Usage(input_tokens=9, audio_input_tokens=3)


@pytest.mark.parametrize("odd", [None, {}, "TEXT", [None, 1, "x"], [{"modality": "AUDIO"}], [{"tokenCount": 1}]])
def test_what_lists_nothing_counts_nothing(odd: object) -> None:
    found = find_reader("gemini_content").read_usage({"promptTokenCount": 9, "promptTokensDetails": odd})
    assert found == Usage(input_tokens=9)


def test_a_picture_that_gemini_makes_costs_what_pictures_cost() -> None:
    """USD a million of gemini-2.5-flash-image: input 0.3, text 2.5, pictures 30."""
    answered = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 1_300,
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
    }
    usage = find_reader("gemini_content").read_usage(answered)
    found = price("gcp.gemini", "gemini-2.5-flash-image", usage, datetime(2026, 1, 15, tzinfo=UTC))
    assert found.amount == (Decimal("0.3") * 10 + Decimal("2.5") * 10 + 30 * 1_290) / 1_000_000
