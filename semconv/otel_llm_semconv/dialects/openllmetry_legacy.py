"""OpenLLMetry before it took over the conventions."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Accounting, Dialect, Reading, Span, Values
from .messages import flat, tools

_TYPES = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings", "rerank": "rerank"}


def _tell_chat(span: Span, reading: Reading) -> None:
    """Anthropic's messages are called completions, but for the span's name."""
    if span.name.endswith(".chat") and reading.columns.get("operation") == a.OPERATION_TEXT_COMPLETION:
        reading.columns["operation"] = a.OPERATION_CHAT


DIALECT = Dialect(
    "openllmetry_legacy",
    "opentelemetry-semantic-conventions-ai 0.4",
    marks=("gen_ai.completion.0.content", "gen_ai.prompt.0.content", "gen_ai.prompt.0.role", "llm.usage.total_tokens"),
    columns={
        "operation": (a.OPERATION, Values(a.OPENLLMETRY_REQUEST_TYPE, _TYPES)),
        "reasoning_tokens": ("llm.usage.reasoning_tokens", "gen_ai.usage.reasoning_tokens"),
        "user_id": ("traceloop.association.properties.user_id", "llm.user", a.USER_ID),
        "session_id": ("traceloop.association.properties.session_id", a.SESSION_ID),
        "stream": ("llm.is_streaming",),
        "finish_reasons": (
            "llm.response.finish_reason",
            "llm.response.stop_reason",
            "gen_ai.completion.0.finish_reason",
        ),
    },
    accounting=Accounting.MIXED,
    properties=("traceloop.association.properties.",),
    content=(
        "gen_ai.completion.",
        "gen_ai.prompt.",
        "llm.request.functions.",
        "traceloop.entity.input",
        "traceloop.entity.output",
    ),
    complete=(_tell_chat, flat("gen_ai.prompt.", "gen_ai.completion."), tools("llm.request.functions.")),
)
