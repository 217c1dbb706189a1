"""Laminar."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Accounting, Dialect, Part, Reading, Span, Values
from .messages import flat

_KINDS = {"LLM": "chat", "TOOL": "execute_tool"}


def _tell_embeddings(span: Span, reading: Reading) -> None:
    """All calls of a model are of one type; `openai.embeddings` is known by its name."""
    if span.name.endswith(".embeddings") and a.OPERATION not in span.attributes:
        reading.columns["operation"] = a.OPERATION_EMBEDDINGS


DIALECT = Dialect(
    "laminar",
    "mlflow-tracing 3.17.2 translation/laminar.py",
    marks=("lmnr.span.type",),
    columns={
        "operation": (a.OPERATION, Values("lmnr.span.type", _KINDS)),
        "session_id": (a.SESSION_ID, "lmnr.association.properties.session_id"),
        "user_id": (a.USER_ID, "lmnr.association.properties.user_id"),
        "finish_reasons": (
            a.RESPONSE_FINISH_REASONS,
            Part(a.OUTPUT_MESSAGES, "0.finish_reason"),
            Part(a.OUTPUT_MESSAGES, "0.stop_reason"),
        ),
        "service_tier": ("anthropic.response.service_tier",),
        "emitted_cost_usd": ("gen_ai.usage.cost",),
    },
    accounting=Accounting.BY_PROVIDER,
    properties=("lmnr.association.properties.metadata.",),
    content=("gen_ai.prompt.", "gen_ai.completion.", "lmnr.span.input", "lmnr.span.output"),
    complete=(
        _tell_embeddings,
        flat("gen_ai.prompt.", "gen_ai.completion."),
    ),
)
