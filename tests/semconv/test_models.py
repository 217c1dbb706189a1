"""Which names are of one model."""

from __future__ import annotations

import pytest

from otel_llm_semconv.models import undated


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o", "openai/gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("gpt-35-turbo", "gpt-3.5-turbo-0125"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("claude-3.5-sonnet", "anthropic/claude-3-5-sonnet-20241022"),
        ("claude-sonnet-4-0", "claude-sonnet-4-20250514"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
        ("models/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash-001"),
        ("gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("command-r-plus", "command-r-plus-08-2024"),
        ("grok-4", "xai/grok-4-0709"),
        ("llama3.2:latest", "llama3.2"),
        ("accounts/fireworks/models/gpt-oss-120b", "gpt-oss-120b"),
        ("GPT-4o", "gpt-4o"),
    ],
)
def test_names_of_one_model(one: str, other: str) -> None:
    assert undated(one) == undated(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4", "gpt-4o"),
        ("gpt-5", "gpt-5-mini-2025-08-07"),
        ("gpt-4o-audio-preview", "gpt-4o"),
        ("o3", "o3-mini"),
        ("claude-opus-4-1", "claude-opus-4"),
        ("claude-sonnet-4-5", "claude-sonnet-4"),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
        ("llama3.1:8b", "llama3.1:70b"),
        ("amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0"),
        ("grok-4", "grok-4-fast"),
    ],
)
def test_names_of_two_models(one: str, other: str) -> None:
    assert undated(one) != undated(other)


@pytest.mark.parametrize("name", ["", "0", "latest", "2024", "-2024", "a/b/", "us.", "...", "/"])
def test_any_name_has_something_left(name: str) -> None:
    assert isinstance(undated(name), str)
