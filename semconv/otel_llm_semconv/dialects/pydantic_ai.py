"""Pydantic AI. The run of an agent repeats the counts of its calls."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect

DIALECT = Dialect(
    "pydantic_ai",
    "pydantic-ai-slim 2.68.0 usage.py, _instrumentation.py",
    scopes=("pydantic-ai",),
    columns={
        "cache_read_tokens": (a.USAGE_CACHE_READ_TOKENS, "gen_ai.usage.details.cache_read_tokens"),
        "cache_write_tokens": (
            a.USAGE_CACHE_WRITE_TOKENS,
            a.USAGE_CACHE_CREATION_TOKENS,
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "reasoning_tokens": (a.USAGE_REASONING_TOKENS, "gen_ai.usage.details.reasoning_tokens"),
        "agent_name": (a.AGENT_NAME, "agent_name"),
        "emitted_cost_usd": ("operation.cost",),
    },
    content=(
        "all_messages_events",
        "events",
        "final_result",
        "pydantic_ai.all_messages",
        "tool_arguments",
        "tool_response",
    ),
)
