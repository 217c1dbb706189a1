"""OpenLLMetry and Traceloop's SDK."""

from __future__ import annotations

from .dialect import Dialect, Values

_TYPES = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings", "rerank": "rerank"}
_KINDS = {"agent": "invoke_agent", "task": "task", "tool": "execute_tool", "workflow": "invoke_workflow"}
_ASSOCIATED = "traceloop.association.properties."

DIALECT = Dialect(
    "openllmetry",
    "opentelemetry-semantic-conventions-ai 0.5.1; traceloop-sdk 0.62.4",
    scope_prefixes=("opentelemetry.instrumentation.", "traceloop."),
    marks=("traceloop.span.kind", "llm.request.type"),
    among=("gen_ai.", "llm.", "traceloop."),
    columns={
        "operation": (
            "gen_ai.operation.name",
            Values("llm.request.type", _TYPES),
            Values("traceloop.span.kind", _KINDS),
        ),
        "session_id": (f"{_ASSOCIATED}session_id", "session.id", "gen_ai.conversation.id"),
        "user_id": (
            f"{_ASSOCIATED}user_id",
            f"{_ASSOCIATED}customer_id",
            "user.id",
            "gen_ai.user",
        ),
        "workflow_name": ("gen_ai.workflow.name", "traceloop.workflow.name"),
        "prompt_name": ("gen_ai.prompt.name", "traceloop.prompt.key"),
        "prompt_version": ("gen_ai.prompt.version", "traceloop.prompt.version"),
    },
    properties=(_ASSOCIATED,),
    content=("traceloop.entity.input", "traceloop.entity.output", "gen_ai.prompt.", "gen_ai.completion."),
)
