"""litellm's first OpenTelemetry callback."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect
from .messages import flat

DIALECT = Dialect(
    "litellm_v1",
    "litellm 1.109.1 integrations/opentelemetry.py",
    scopes=("litellm",),
    marks=("gen_ai.cost.total_cost", "metadata.user_api_key_hash"),
    columns={
        "emitted_cost_usd": ("gen_ai.cost.total_cost",),
        "user_id": (a.USER_ID, "llm.user", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
        "stream": ("llm.is_streaming",),
        "response_id": (a.RESPONSE_ID, "hidden_params.response_id"),
    },
    properties=("metadata.",),
    content=("gen_ai.prompt.", "gen_ai.completion."),
    complete=(flat("gen_ai.prompt.", "gen_ai.completion."),),
)
