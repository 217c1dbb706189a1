"""VoltAgent."""

from __future__ import annotations

from .dialect import Dialect, Values

_KINDS = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool", "workflow": "invoke_workflow"}

DIALECT = Dialect(
    "voltagent",
    "mlflow-tracing 3.17.2 translation/voltagent.py",
    mark_prefixes=("voltagent.",),
    columns={
        "operation": (Values("span.type", _KINDS), Values("entity.type", _KINDS)),
        "request_model": ("llm.model", "ai.model.name"),
        "input_tokens": ("usage.prompt_tokens", "llm.usage.prompt_tokens"),
        "output_tokens": ("usage.completion_tokens", "llm.usage.completion_tokens"),
        "session_id": ("voltagent.conversation_id",),
        "conversation_id": ("voltagent.conversation_id",),
    },
    content=("input", "output", "llm.messages"),
)
