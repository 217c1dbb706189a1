"""Whose model it is, by its name, where nobody says who was asked: only names that one provider alone gives."""

from __future__ import annotations

import re
from typing import Final

#: The first that begins like the name. Open models are sold by many, under one name: those tell nothing.
_MAKERS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), provider)
    for pattern, provider in (
        (r"(?:[a-z-]+\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen)\.[a-z]", "aws.bedrock"),
        (r"claude-[^@]+@", "gcp.vertex_ai"),
        (r"claude-", "anthropic"),
        (r"(?:ft:)?(?:chatgpt-|gpt-(?!oss)|o[134](?:-|$)|text-embedding-(?:3-|ada-002))", "openai"),
        (r"(?:models/)?gemini-", "gcp.gen_ai"),
        (r"grok-", "x_ai"),
        (r"(?:codestral|devstral|magistral|ministral|mistral|pixtral)-.*(?:latest|-\d{4})$", "mistral_ai"),
        (r"command-(?:a|r)(?:-|$)", "cohere"),
        (r"deepseek-(?:chat|reasoner)$", "deepseek"),
        (r"sonar(?:-|$)", "perplexity"),
    )
)


def maker_of(model: str) -> str | None:
    """The conventions' name of the provider whose model it is, or None."""
    return next((provider for pattern, provider in _MAKERS if pattern.match(model)), None)
