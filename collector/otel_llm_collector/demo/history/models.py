"""The models that the clinic uses: how they are told of, how fast they are, how they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Model:
    """A model at its provider. Times are medians of a call, in milliseconds; `faithful` is the mean of its scores.

    `network_ms` is the way there and back, which can be told from the rest where the provider `tells_time`.
    """

    name: str
    answers_as: str
    provider: str
    host: str
    id_prefix: str
    operation: str = "chat"
    first_chunk_ms: float = 400
    tokens_per_s: float = 80
    network_ms: float = 70
    tells_time: bool = True
    error: tuple[str, int] = ("rate_limit_exceeded", 429)
    error_rate: float = 0.008
    faithful: float = 0.9
    finish: str = "stop"


_OPENAI: Final = ("openai", "api.openai.com")
_ANTHROPIC: Final = ("anthropic", "api.anthropic.com")
_GEMINI: Final = ("gcp.gemini", "generativelanguage.googleapis.com")
_OVERLOADED: Final = ("overloaded_error", 529)
_UNAVAILABLE: Final = ("UNAVAILABLE", 503)

MODELS: Final = {
    model.name: model
    for model in (
        Model("gpt-4o", "gpt-4o-2024-08-06", *_OPENAI, "chatcmpl-", first_chunk_ms=480, tokens_per_s=90, faithful=0.91),
        Model("gpt-4o-mini", "gpt-4o-mini-2024-07-18", *_OPENAI, "chatcmpl-", first_chunk_ms=350, tokens_per_s=130),
        Model("gpt-5-mini", "gpt-5-mini-2025-08-07", *_OPENAI, "chatcmpl-", first_chunk_ms=900, tokens_per_s=110),
        Model(
            "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", *_ANTHROPIC, "msg_", first_chunk_ms=800,
            tokens_per_s=70, error=_OVERLOADED, finish="end_turn",
        ),
        Model(
            "claude-haiku-4-5", "claude-haiku-4-5-20251001", *_ANTHROPIC, "msg_", first_chunk_ms=400,
            tokens_per_s=150, error=_OVERLOADED, finish="end_turn",
        ),
        Model(
            "gemini-2.5-flash", "gemini-2.5-flash", *_GEMINI, "", "generate_content", first_chunk_ms=300,
            tokens_per_s=200, error=_UNAVAILABLE, error_rate=0.02, faithful=0.87, finish="STOP",
        ),
        Model(
            "mistral-small-latest", "mistral-small-latest", "mistral_ai", "api.mistral.ai", "", first_chunk_ms=300,
            tells_time=False,
        ),
        Model(
            "text-embedding-3-small", "text-embedding-3-small", *_OPENAI, "", "embeddings", first_chunk_ms=90,
            error_rate=0.002, finish="",
        ),
    )
}  # fmt: skip
