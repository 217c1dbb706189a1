"""Logfire's own instrumentations. Of a streamed call the span ends first, a second one logs what it used.

Before they told usage by the conventions, it stood in the answer alone, as the provider has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import attributes as a
from .dialect import Accounting, Dialect, Part, Reading, Span
from .values import part_of

_RAW = "gen_ai.usage.raw"  # as the provider has it
_ANSWER = "response_data"
_USAGE = "usage."
_CACHED = ("cache_read_input_tokens", "cache_creation_input_tokens")


def _used(*names: str) -> tuple[Part, ...]:
    return tuple(Part(_ANSWER, _USAGE + name) for name in names)


def _answered(span: Span) -> Mapping[str, Any]:
    """The provider's usage, where nothing else tells of it."""
    usage = part_of(span.attributes.get(_ANSWER), Part(_ANSWER, "usage"))
    return usage if isinstance(usage, Mapping) and a.USAGE_INPUT_TOKENS not in span.attributes else {}


def _accounting(span: Span, columns: Mapping[str, Any]) -> Accounting:
    """Anthropic's own count leaves the cache out."""
    usage = _answered(span)
    return Accounting.EXCLUSIVE if any(name in usage for name in _CACHED) else Accounting.INCLUSIVE


def _tell_call(span: Span, reading: Reading) -> None:
    """A span with usage is a call, of the provider that its scope names: `logfire.openai`."""
    if not _answered(span):
        return
    columns = reading.columns
    columns.setdefault("operation", "chat" if "output_tokens" in columns else "embeddings")
    if maker := span.scope.partition(".")[2]:
        columns.setdefault("provider", maker)


DIALECT = Dialect(
    "logfire",
    "pydantic/logfire@e484a6b5",
    scope_prefixes=("logfire",),
    among=("gen_ai.", "request_data", "response_data"),
    columns={
        "request_model": (a.REQUEST_MODEL, Part("request_data", "model")),
        "operation": (a.OPERATION,),
        "input_tokens": (a.USAGE_INPUT_TOKENS, *_used("input_tokens", "prompt_tokens")),
        "output_tokens": (a.USAGE_OUTPUT_TOKENS, *_used("output_tokens", "completion_tokens")),
        "cache_read_tokens": (
            a.USAGE_CACHE_READ_TOKENS,
            *_used(_CACHED[0], "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
        ),
        "cache_write_tokens": (a.USAGE_CACHE_WRITE_TOKENS, a.USAGE_CACHE_CREATION_TOKENS, *_used(_CACHED[1])),
        "cache_write_1h_tokens": (Part(_RAW, "cache_creation.ephemeral_1h_input_tokens"),),
        "reasoning_tokens": (
            a.USAGE_REASONING_TOKENS,
            Part(_RAW, "completion_tokens_details.reasoning_tokens"),
            Part(_RAW, "output_tokens_details.reasoning_tokens"),
            Part(_RAW, "output_tokens_details.thinking_tokens"),
            *_used("completion_tokens_details.reasoning_tokens", "output_tokens_details.reasoning_tokens"),
        ),
        "emitted_cost_usd": ("operation.cost",),
    },
    accounting=_accounting,
    tags=("logfire.tags",),
    content=("request_data", "response_data"),
    complete=(_tell_call,),
)
