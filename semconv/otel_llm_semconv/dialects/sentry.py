"""Sentry: the details of a count stand below its own name."""

from __future__ import annotations

from .. import attributes as a
from .dialect import NS_PER_S, Dialect, Scaled

DIALECT = Dialect(
    "sentry",
    "sentry-python consts.py, integrations/anthropic.py",
    scope_prefixes=("sentry",),
    marks=("gen_ai.request.messages", "gen_ai.request.available_tools"),
    columns={
        "cache_read_tokens": (a.USAGE_CACHE_READ_TOKENS, "gen_ai.usage.input_tokens.cached"),
        "cache_write_tokens": (
            a.USAGE_CACHE_WRITE_TOKENS,
            "gen_ai.usage.input_tokens.cache_write",
        ),
        "reasoning_tokens": (a.USAGE_REASONING_TOKENS, "gen_ai.usage.output_tokens.reasoning"),
        "time_to_first_chunk_ns": (Scaled("gen_ai.response.time_to_first_token", NS_PER_S),),
        "stream": (a.REQUEST_STREAM, "gen_ai.response.streaming"),
    },
    content=(
        "gen_ai.request.messages",
        "gen_ai.request.available_tools",
        "gen_ai.response.text",
        "gen_ai.response.tool_calls",
    ),
)
