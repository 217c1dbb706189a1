"""OpenLIT. Of Anthropic it passes on the provider's own count, which leaves out the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import NS_PER_S, Accounting, Dialect, Scaled, Span


def _accounting(span: Span, columns: Mapping[str, Any]) -> Accounting:
    return Accounting.EXCLUSIVE if columns.get("provider") == "anthropic" else Accounting.INCLUSIVE


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
    content=("gen_ai.prompt", "gen_ai.completion"),
)
