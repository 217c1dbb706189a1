"""OpenLIT. Of Anthropic it passes on the provider's own count, which leaves out the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import attributes as a
from .dialect import NS_PER_S, Accounting, Dialect, Reading, Scaled, Span


def _accounting(span: Span, columns: Mapping[str, Any]) -> Accounting:
    return Accounting.EXCLUSIVE if columns.get("provider") == "anthropic" else Accounting.BY_PROVIDER


def _time_streams_only(span: Span, reading: Reading) -> None:
    """Of an answer in one piece it calls the whole duration the time to the first token."""
    if reading.columns.get("stream") is False:
        reading.columns.pop("time_to_first_chunk_ns", None)


def _tell_failure(span: Span, reading: Reading) -> None:
    """A call that failed has no attribute at times, but its name: `chat MODEL`, in the scope of the provider."""
    operation, _, model = span.name.partition(" ")
    if operation in a.INFERENCE_OPERATIONS and a.OPERATION not in span.attributes:
        provider = span.scope.rpartition(".")[2]
        reading.columns |= {"operation": operation, "provider": provider, "request_model": model}


DIALECT = Dialect(
    "openlit",
    "openlit 1.45.0",
    scope_prefixes=("openlit",),
    marks=("gen_ai.usage.cost", "gen_ai.sdk.version"),
    columns={
        "time_to_first_chunk_ns": (Scaled("gen_ai.server.time_to_first_token", NS_PER_S),),
        "emitted_cost_usd": ("gen_ai.usage.cost",),
    },
    accounting=_accounting,
    content=("gen_ai.prompt.", "gen_ai.completion."),
    complete=(_time_streams_only, _tell_failure),
)
