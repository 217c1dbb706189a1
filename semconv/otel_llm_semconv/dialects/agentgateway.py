"""agentgateway: costs are decimals, as text."""

from __future__ import annotations

from .dialect import Accounting, Dialect

DIALECT = Dialect(
    "agentgateway",
    "agentgateway 75b4e6ce6",
    scope_prefixes=("agentgateway",),
    mark_prefixes=("agw.ai.",),
    accounting=Accounting.BY_PROVIDER,
    columns={"emitted_cost_usd": ("agw.ai.usage.cost.total",)},
)
