"""What the name of a model tells: whose it is, and which names are of one model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: The first that begins like the name, for a name that one provider alone gives. Open models, which many sell under one
#: name, tell nothing.
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


#: Who sells it, and where: `openai/`, `publishers/google/models/`, `us.anthropic.`
_SELLER: Final = re.compile(r"^(?:.*/)?(?:[a-z-]+\.){0,2}")
#: What may be added to a model's name: dates, versions of a date, and words for the newest of them.
_DATED: Final = re.compile(
    r"(?:[-@:](?:20\d{2}-?\d{2}-?\d{2}|\d{2}-20\d{2}|\d{2}-\d{2}|\d{4}|00\d|v\d+:\d+|latest|default|0))+$"
)
#: How Azure spells OpenAI's 3.5.
_UNDOTTED: Final = ("gpt-35-", "gpt-3-5-")


@lru_cache(maxsize=4096)
def undated(model: str) -> str:
    """What names of one model have in common: no date, no alias for the newest, nobody who sells it."""
    name = _SELLER.sub("", model.lower(), count=1).replace(".", "-").replace(*_UNDOTTED)
    return _DATED.sub("", name) or name
