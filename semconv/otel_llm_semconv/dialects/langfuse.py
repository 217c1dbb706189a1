"""Langfuse's SDK: an open map of usage whose buckets leave each other out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .. import attributes as a
from ..usage import count, inclusive_input, sum_known
from .costs import add_up
from .dialect import Accounting, Dialect, Part, Reading, Span, Values
from .makers import tell_maker
from .messages import written
from .values import json_of, part_of

_KINDS = {
    "agent": "invoke_agent",
    "chain": "invoke_workflow",
    "embedding": "embeddings",
    "generation": "chat",
    "retriever": "retrieval",
    "tool": "execute_tool",
}
_KIND = a.LANGFUSE_KIND
_CACHE = ("cache_read_tokens", "cache_write_tokens")
_CACHED = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
_COST = "langfuse.observation.cost_details"
_USAGE = "langfuse.observation.usage_details"
_METADATA = "langfuse.observation.metadata."
_MODEL = "langfuse.observation.model.name"  # the one that answered, once it did
_BEGAN = "langfuse.observation.completion_start_time"


def _sum_up(span: Span, reading: Reading) -> None:
    """The buckets leave each other out and sum to the total, unless input and output alone make it up already.

    A map that is the provider's own usage keeps to what the provider says.
    """
    columns = reading.columns
    asked, answered = columns.get("input_tokens"), columns.get("output_tokens")
    usage = span.attributes.get(_USAGE)
    total = part_of(usage, Part(_USAGE, "total")) or part_of(usage, Part(_USAGE, "total_tokens"))
    if total is not None and total == (asked or 0) + (answered or 0):
        return
    if not isinstance(said := json_of(usage), Mapping) or "input" not in said:
        if _is_apart(said):
            columns["input_tokens"] = inclusive_input(asked, *(columns.get(name) for name in _CACHE))
        return
    _add_lives(said, columns)
    cached = (said.get(name) for name in _CACHED)
    for column, sum_ in (
        ("input_tokens", inclusive_input(_bucket_sum(said, "input"), *map(count, cached))),
        ("output_tokens", _bucket_sum(said, "output")),
    ):
        if column in columns and sum_ is not None:
            columns[column] = sum_


def _sum_up_cost(span: Span, reading: Reading) -> None:
    """Costs are an open map, as usage is."""
    if isinstance(told := json_of(span.attributes.get(_COST)), Mapping):
        add_up(reading, list(told.values()))


def _bucket_sum(usage: Mapping[str, Any], kind: str) -> int | None:
    """The input, say, and all buckets beside it that begin like it."""
    buckets = (name for name in usage if name.startswith(f"{kind}_") and name != f"{kind}_tokens")
    return sum_known(count(usage.get(kind)), *(count(usage[name]) for name in buckets))


def _add_lives(usage: Mapping[str, Any], columns: dict[str, Any]) -> None:
    """LangChain tells of what was written to the cache by its life, and then nothing of the whole."""
    by_life = sum_known(*(count(usage.get(f"input_ephemeral_{life}_input_tokens")) for life in ("5m", "1h")))
    if by_life and not columns.get("cache_write_tokens"):
        columns["cache_write_tokens"] = by_life


def _is_apart(usage: Any) -> bool:
    """Anthropic's own: what was cached stands beside the input, and all of its names are flat."""
    return isinstance(usage, Mapping) and "input_tokens" in usage and not _CACHED.isdisjoint(usage)


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


def _tell_provider(span: Span, reading: Reading) -> None:
    """The wrapper of OpenAI's SDK names its spans for it; nothing else does."""
    if span.name.startswith("OpenAI-"):
        reading.columns.setdefault("provider", "openai")


def _unquote(span: Span, reading: Reading) -> None:
    """Metadata is JSON, text too."""
    said = {key: json_of(value) for key, value in reading.properties.items()}
    reading.properties.update({key: value for key, value in said.items() if isinstance(value, str)})
    if reasons := reading.columns.get("finish_reasons"):
        unquoted = ((json_of(reason), reason) for reason in reasons)
        reading.columns["finish_reasons"] = [new if isinstance(new, str) and new else old for new, old in unquoted]


DIALECT = Dialect(
    "langfuse",
    "langfuse-python _client/attributes.py; langfuse@62751446 packages/shared/src/server/otel/attributes.ts",
    scope_prefixes=("langfuse-sdk",),
    mark_prefixes=("langfuse.",),
    columns={
        "operation": (Values(_KIND, _KINDS),),
        "provider": (a.PROVIDER, f"{_METADATA}ls_provider"),
        "request_model": (_MODEL,),
        "response_model": (_MODEL,),
        "finish_reasons": (f"{_METADATA}finish_reason",),
        "service_tier": (Part("langfuse.observation.model.parameters", "service_tier"),),
        "input_tokens": (Part(_USAGE, "input"), Part(_USAGE, "prompt_tokens"), Part(_USAGE, "input_tokens")),
        "output_tokens": (Part(_USAGE, "output"), Part(_USAGE, "completion_tokens"), Part(_USAGE, "output_tokens")),
        "cache_read_tokens": (
            Part(_USAGE, "input_cached_tokens"),
            Part(_USAGE, "cache_read_input_tokens"),
            Part(_USAGE, "input_cache_read"),
            Part(_USAGE, "prompt_tokens_details.cached_tokens"),
            Part(_USAGE, "input_tokens_details.cached_tokens"),
        ),
        "cache_write_tokens": (
            Part(_USAGE, "cache_creation_input_tokens"),
            Part(_USAGE, "input_cache_creation"),
            Part(_USAGE, "input_cache_write"),
            Part(_USAGE, "input_tokens_details.cache_write_tokens"),
        ),
        "cache_write_1h_tokens": (
            Part(_USAGE, "input_ephemeral_1h_input_tokens"),
            Part(_USAGE, "cache_creation_ephemeral_1h_input_tokens"),
        ),
        "audio_input_tokens": (Part(_USAGE, "input_audio_tokens"), Part(_USAGE, "input_audio")),
        "audio_output_tokens": (Part(_USAGE, "output_audio_tokens"), Part(_USAGE, "output_audio")),
        "reasoning_tokens": (
            Part(_USAGE, "output_reasoning_tokens"),
            Part(_USAGE, "output_reasoning"),
            Part(_USAGE, "completion_tokens_details.reasoning_tokens"),
            Part(_USAGE, "output_tokens_details.reasoning_tokens"),
        ),
        "session_id": (a.SESSION_ID, "langfuse.session.id"),
        "user_id": (a.USER_ID, "langfuse.user.id"),
        "prompt_name": ("langfuse.observation.prompt.name",),
        "prompt_version": ("langfuse.observation.prompt.version",),
        "emitted_cost_usd": (Part(_COST, "total"),),
    },
    accounting=Accounting.BUCKETS,
    tags=("langfuse.trace.tags",),
    properties=("langfuse.trace.metadata.", _METADATA),
    content=(
        "langfuse.observation.input",
        "langfuse.observation.output",
        "langfuse.trace.input",
        "langfuse.trace.output",
    ),
    complete=(
        _tell_provider,
        tell_maker,
        _sum_up_cost,
        _unquote,
        _sum_up,
        _time_first_chunk,
        written(("langfuse.observation.input",), ("langfuse.observation.output",)),
    ),
)
