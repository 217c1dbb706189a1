"""Every provider's usage in one convention: `input` includes the cache, `output` includes reasoning, absent is absent.

A spelling is a table: our name -> the places in a usage object whose numbers add up to it. A place is a path, or
several with `|` between them of which the first one found counts; `key=value` in a path picks from a list. Our names
are input, output, cache_read, cache_write, cache_write_1h, reasoning, audio_in and audio_out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Spelling = Mapping[str, tuple[str, ...]]

NONE: Final[Spelling] = {}
OPENAI_CHAT: Final[Spelling] = {
    "input": ("prompt_tokens",),
    "output": ("completion_tokens",),
    "cache_read": ("prompt_tokens_details.cached_tokens",),
    "cache_write": ("prompt_tokens_details.cache_write_tokens",),
    "reasoning": ("completion_tokens_details.reasoning_tokens",),
    "audio_in": ("prompt_tokens_details.audio_tokens",),
    "audio_out": ("completion_tokens_details.audio_tokens",),
}
OPENAI_RESPONSES: Final[Spelling] = {
    "input": ("input_tokens",),
    "output": ("output_tokens",),
    "cache_read": ("input_tokens_details.cached_tokens",),
    "cache_write": ("input_tokens_details.cache_write_tokens",),
    "reasoning": ("output_tokens_details.reasoning_tokens",),
}
OPENAI_EMBEDDINGS: Final[Spelling] = {"input": ("prompt_tokens",)}
OPENAI_IMAGES: Final[Spelling] = {"input": ("input_tokens",), "output": ("output_tokens",)}
OPENAI_AUDIO: Final[Spelling] = {**OPENAI_IMAGES, "audio_in": ("input_token_details.audio_tokens",)}
OPENAI_REALTIME: Final[Spelling] = {
    **OPENAI_AUDIO,
    "cache_read": ("input_token_details.cached_tokens",),
    "audio_out": ("output_token_details.audio_tokens",),
}
ANTHROPIC: Final[Spelling] = {
    "input": ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
    "output": ("output_tokens",),
    "cache_read": ("cache_read_input_tokens",),
    "cache_write": ("cache_creation_input_tokens",),
    "cache_write_1h": ("cache_creation.ephemeral_1h_input_tokens",),
    "reasoning": ("output_tokens_details.thinking_tokens",),
}
GEMINI: Final[Spelling] = {
    "input": ("promptTokenCount",),
    "output": ("candidatesTokenCount", "thoughtsTokenCount"),
    "cache_read": ("cachedContentTokenCount",),
    "reasoning": ("thoughtsTokenCount",),
}
GEMINI_INTERACTIONS: Final[Spelling] = {
    "input": ("total_input_tokens",),
    "output": ("total_output_tokens", "total_thought_tokens"),
    "cache_read": ("total_cached_tokens",),
    "reasoning": ("total_thought_tokens",),
}
VERTEX_PREDICT: Final[Spelling] = {"input": ("token_count",)}
_BEDROCK_READ: Final = "cacheReadInputTokens|cacheReadInputTokenCount"  # Converse says both, Nova the second one
_BEDROCK_WRITE: Final = "cacheWriteInputTokens|cacheWriteInputTokenCount"
BEDROCK: Final[Spelling] = {
    "input": ("inputTokens", _BEDROCK_READ, _BEDROCK_WRITE),
    "output": ("outputTokens",),
    "cache_read": (_BEDROCK_READ,),
    "cache_write": (_BEDROCK_WRITE,),
    "cache_write_1h": ("cacheDetails.ttl=1h.inputTokens",),
}
#: All families of InvokeModel: their keys do not meet.
BEDROCK_INVOKE: Final[Spelling] = {
    "input": (*BEDROCK["input"], *ANTHROPIC["input"], "inputTextTokenCount", "prompt_token_count"),
    "output": (*BEDROCK["output"], *ANTHROPIC["output"], "generation_token_count"),
    "cache_read": (*BEDROCK["cache_read"], *ANTHROPIC["cache_read"]),
    "cache_write": (*BEDROCK["cache_write"], *ANTHROPIC["cache_write"]),
    "cache_write_1h": ANTHROPIC["cache_write_1h"],
    "reasoning": ANTHROPIC["reasoning"],
}
COHERE: Final[Spelling] = {"input": ("billed_units.input_tokens",), "output": ("billed_units.output_tokens",)}
OLLAMA: Final[Spelling] = {"input": ("prompt_eval_count",), "output": ("eval_count",)}


def count(usage: Mapping[str, Any] | None, spelling: Spelling) -> dict[str, int] | None:
    """The tokens of a usage object; what it does not report is left out, None if that is everything."""
    found = {name: [_first(usage, place) for place in places] for name, places in spelling.items()}
    sums = {name: [n for n in numbers if n is not None] for name, numbers in found.items()}
    return {name: sum(numbers) for name, numbers in sums.items() if numbers} or None


def _first(usage: Any, place: str) -> int | None:
    return next((number for path in place.split("|") if (number := _at(usage, path)) is not None), None)


def _at(value: Any, path: str) -> int | None:
    for step in path.split("."):
        key, _, wanted = step.partition("=")
        if wanted:
            value = next((each for each in value or () if each.get(key) == wanted), None)
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return int(value) if isinstance(value, int | float) else None
