"""Images, and what of the cache reads was audio or images: read where an answer counts them apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otel_llm.providers import find_reader
from otel_llm_semconv import attributes as a
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
