"""Logfire's own instrumentations. Of a streamed call the span ends first, a second one logs what it used."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Part

_RAW = "gen_ai.usage.raw"  # as the provider has it


DIALECT = Dialect(
    "logfire",
    "pydantic/logfire@e484a6b5",
    scope_prefixes=("logfire",),
    among=("gen_ai.", "request_data", "response_data"),
    columns={
        "request_model": (a.REQUEST_MODEL, Part("request_data", "model")),
        "operation": (a.OPERATION,),
        "cache_write_1h_tokens": (Part(_RAW, "cache_creation.ephemeral_1h_input_tokens"),),
        "reasoning_tokens": (
            a.USAGE_REASONING_TOKENS,
            Part(_RAW, "completion_tokens_details.reasoning_tokens"),
            Part(_RAW, "output_tokens_details.reasoning_tokens"),
            Part(_RAW, "output_tokens_details.thinking_tokens"),
        ),
        "emitted_cost_usd": ("operation.cost",),
    },
    content=("request_data", "response_data"),
)
