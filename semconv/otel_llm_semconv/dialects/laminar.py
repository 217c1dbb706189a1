"""Laminar."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Values
from .messages import flat

_KINDS = {"LLM": "chat", "TOOL": "execute_tool"}

DIALECT = Dialect(
    "laminar",
    "mlflow-tracing 3.17.2 translation/laminar.py",
    marks=("lmnr.span.type",),
    columns={
        "operation": (a.OPERATION, Values("lmnr.span.type", _KINDS)),
        "session_id": (a.SESSION_ID, "lmnr.association.properties.session_id"),
        "user_id": (a.USER_ID, "lmnr.association.properties.user_id"),
        "emitted_cost_usd": ("gen_ai.usage.cost",),
    },
    properties=("lmnr.association.properties.metadata.",),
    content=("gen_ai.prompt.", "gen_ai.completion.", "lmnr.span.input", "lmnr.span.output"),
    complete=(flat("gen_ai.prompt.", "gen_ai.completion."),),
)
