"""Pydantic AI. The run of an agent repeats the counts of its calls."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "pydantic_ai",
    "pydantic-ai-slim 2.68.0 usage.py, _instrumentation.py",
    scopes=("pydantic-ai",),
    columns={
        "cache_read_tokens": ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.details.cache_read_tokens"),
        "cache_write_tokens": (
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.details.cache_write_tokens",
        ),
        "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.details.reasoning_tokens"),
        "agent_name": ("gen_ai.agent.name", "agent_name"),
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
