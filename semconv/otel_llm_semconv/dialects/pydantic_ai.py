"""Pydantic AI. The run of an agent repeats the counts of its calls."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect

_DETAILS = "gen_ai.usage.details."  # its own words for a count, or the provider's


DIALECT = Dialect(
    "pydantic_ai",
    "pydantic-ai-slim 2.68.0 usage.py, _instrumentation.py",
    scopes=("pydantic-ai",),
    columns={
        "cache_read_tokens": (
            a.USAGE_CACHE_READ_TOKENS,
            f"{_DETAILS}cache_read_tokens",
            f"{_DETAILS}cache_read_input_tokens",
            f"{_DETAILS}cached_tokens",
            f"{_DETAILS}cached_content_tokens",
        ),
        "cache_write_tokens": (
            a.USAGE_CACHE_WRITE_TOKENS,
            a.USAGE_CACHE_CREATION_TOKENS,
            f"{_DETAILS}cache_write_tokens",
            f"{_DETAILS}cache_creation_input_tokens",
        ),
        "reasoning_tokens": (
            a.USAGE_REASONING_TOKENS,
            f"{_DETAILS}reasoning_tokens",
            f"{_DETAILS}thoughts_tokens",
        ),
        "audio_input_tokens": (a.USAGE_AUDIO_INPUT_TOKENS, f"{_DETAILS}input_audio_tokens"),
        "audio_output_tokens": (a.USAGE_AUDIO_OUTPUT_TOKENS, f"{_DETAILS}output_audio_tokens"),
        "cache_read_audio_tokens": (a.USAGE_CACHE_READ_AUDIO_TOKENS, f"{_DETAILS}cache_audio_read_tokens"),
        "agent_name": (a.AGENT_NAME, "agent_name"),
        "emitted_cost_usd": ("operation.cost",),
    },
    content=(
        "all_messages_events",
        "events",
        "final_result",
        "model_request_parameters",
        "pydantic_ai.all_messages",
        "tool_arguments",
        "tool_response",
    ),
)
