"""litellm's second OpenTelemetry callback."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect
from .litellm_v1 import drop_no_usage, tell_cached

DIALECT = Dialect(
    "litellm_v2",
    "litellm 1.109.1 integrations/otel/model/semconv.py",
    marks=("litellm.call_type", "litellm.cost.total"),
    columns={
        "response_model": (a.RESPONSE_MODEL, "litellm.provider.model"),
        "user_id": (a.USER_ID, "litellm.end_user.id"),
        "emitted_cost_usd": ("litellm.cost.total",),
    },
    properties=("litellm.metadata.",),
    complete=(drop_no_usage, tell_cached),
)
