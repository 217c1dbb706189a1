"""litellm's second OpenTelemetry callback."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "litellm_v2",
    "litellm 1.109.1 integrations/otel/model/semconv.py",
    marks=("litellm.call_id", "litellm.cost.total"),
    columns={
        "response_model": ("gen_ai.response.model", "litellm.provider.model"),
        "user_id": ("user.id", "litellm.end_user.id"),
        "emitted_cost_usd": ("litellm.cost.total",),
    },
    properties=("litellm.metadata.",),
)
