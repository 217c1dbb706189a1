"""Langfuse's SDK: an open map of usage whose buckets leave each other out."""

from __future__ import annotations

from datetime import datetime

from .. import attributes as a
from ..usage import inclusive_input, sum_known
from .dialect import Dialect, Part, Reading, Span, Values
from .messages import written
from .values import part_of

_KINDS = {
    "agent": "invoke_agent",
    "chain": "invoke_workflow",
    "embedding": "embeddings",
    "generation": "chat",
    "retriever": "retrieval",
    "tool": "execute_tool",
}
_KIND = a.LANGFUSE_KIND
_USAGE = "langfuse.observation.usage_details"
_BEGAN = "langfuse.observation.completion_start_time"


def _sum_up(span: Span, reading: Reading) -> None:
    """The buckets leave each other out and sum to the total, unless input and output alone make it up already."""
    columns = reading.columns
    asked, answered = columns.get("input_tokens"), columns.get("output_tokens")
    total = part_of(span.attributes.get(_USAGE), Part(_USAGE, "total"))
    if total is not None and total == (asked or 0) + (answered or 0):
        return
    whole = inclusive_input(asked, columns.get("cache_read_tokens"), columns.get("cache_write_tokens"))
    for column, sum_ in (
        ("input_tokens", whole),
        ("output_tokens", sum_known(answered, columns.get("reasoning_tokens"))),
    ):
        if column in columns and sum_ is not None:
            columns[column] = sum_


def _time_first_chunk(span: Span, reading: Reading) -> None:
    """The moment of the first chunk is given, as a time."""
    began = span.attributes.get(_BEGAN)
    try:
        moment = datetime.fromisoformat(str(began).strip('"')) if began else None
    except ValueError:
        return
    if moment is not None and moment.tzinfo is not None and span.start_ns:
        waited = int(moment.timestamp() * 1_000_000) * 1000 - span.start_ns
        if waited >= 0:
            reading.columns["time_to_first_chunk_ns"] = waited


DIALECT = Dialect(
    "langfuse",
    "langfuse-python _client/attributes.py; langfuse@62751446 packages/shared/src/server/otel/attributes.ts",
    scope_prefixes=("langfuse-sdk",),
    mark_prefixes=("langfuse.",),
    columns={
        "operation": (Values(_KIND, _KINDS),),
        "request_model": ("langfuse.observation.model.name",),
        "input_tokens": (Part(_USAGE, "input"), Part(_USAGE, "prompt_tokens"), Part(_USAGE, "input_tokens")),
        "output_tokens": (Part(_USAGE, "output"), Part(_USAGE, "completion_tokens"), Part(_USAGE, "output_tokens")),
        "cache_read_tokens": (
            Part(_USAGE, "input_cached_tokens"),
            Part(_USAGE, "cache_read_input_tokens"),
            Part(_USAGE, "input_cache_read"),
        ),
        "cache_write_tokens": (
            Part(_USAGE, "cache_creation_input_tokens"),
            Part(_USAGE, "input_cache_creation"),
            Part(_USAGE, "input_cache_write"),
        ),
        "reasoning_tokens": (Part(_USAGE, "output_reasoning_tokens"), Part(_USAGE, "output_reasoning")),
        "session_id": (a.SESSION_ID, "langfuse.session.id"),
        "user_id": (a.USER_ID, "langfuse.user.id"),
        "prompt_name": ("langfuse.observation.prompt.name",),
        "prompt_version": ("langfuse.observation.prompt.version",),
        "emitted_cost_usd": (Part("langfuse.observation.cost_details", "total"),),
    },
    properties=("langfuse.trace.metadata.", "langfuse.observation.metadata."),
    content=(
        "langfuse.observation.input",
        "langfuse.observation.output",
        "langfuse.trace.input",
        "langfuse.trace.output",
    ),
    complete=(
        _sum_up,
        _time_first_chunk,
        written(("langfuse.observation.input",), ("langfuse.observation.output",)),
    ),
)
