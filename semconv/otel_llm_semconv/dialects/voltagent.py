"""VoltAgent."""

from __future__ import annotations

from .dialect import Accounting, Dialect, Reading, Span, Values
from .makers import tell_maker
from .messages import written

_KINDS = {"agent": "invoke_agent", "llm": "chat", "tool": "execute_tool", "workflow": "invoke_workflow"}
_KIND = "span.type"


def _tell_inner(span: Span, reading: Reading) -> None:
    """What an agent does beside its calls, such as reading its memory, is no run of it."""
    if _KIND in span.attributes and str(span.attributes[_KIND]) not in _KINDS:
        reading.columns.pop("operation", None)


DIALECT = Dialect(
    "voltagent",
    "mlflow-tracing 3.17.2 translation/voltagent.py",
    scopes=("@voltagent/core",),
    mark_prefixes=("voltagent.",),
    columns={
        "operation": (Values(_KIND, _KINDS), Values("entity.type", _KINDS)),
        "request_model": ("llm.model", "ai.model.name"),
        "input_tokens": ("usage.prompt_tokens", "llm.usage.prompt_tokens"),
        "output_tokens": ("usage.completion_tokens", "llm.usage.completion_tokens"),
        "cache_read_tokens": ("usage.cached_tokens", "llm.usage.cached_tokens"),
        "reasoning_tokens": ("usage.reasoning_tokens", "llm.usage.reasoning_tokens"),
        "stream": ("llm.stream",),
        "finish_reasons": ("llm.finish_reason", "ai.response.finish_reason"),
        "session_id": ("voltagent.conversation_id", "conversation.id"),
        "conversation_id": ("voltagent.conversation_id", "conversation.id"),
        "agent_name": ("entity.name",),
        "tool_name": ("tool.name",),
    },
    accounting=Accounting.BY_PROVIDER,
    content=(
        "agent.instructions",
        "agent.messages",
        "agent.messages.ui",
        "agent.stateSnapshot",
        "guardrail.input.",
        "guardrail.output.",
        "input",
        "llm.messages",
        "output",
    ),
    complete=(_tell_inner, tell_maker, written(("llm.messages",))),
)
