"""OpenLLMetry and Traceloop's SDK."""

from __future__ import annotations

from .. import attributes as a
from ..usage import count
from .dialect import Dialect, Reading, Span, Values
from .messages import flat, tools

_TYPES = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings", "rerank": "rerank"}
_KINDS = {"agent": "invoke_agent", "task": "task", "tool": "execute_tool", "workflow": "invoke_workflow"}
_NAMES = {"execute_tool": "tool_name", "invoke_agent": "agent_name", "invoke_workflow": "workflow_name"}
_ASSOCIATED = "traceloop.association.properties."


def _name_entity(span: Span, reading: Reading) -> None:
    """What is run has one name, whatever it is: a workflow, an agent or a tool."""
    column = _NAMES.get(reading.columns.get("operation", ""))
    if column and isinstance(name := span.attributes.get("traceloop.entity.name"), str) and name:
        reading.columns.setdefault(column, name)


def _add_thoughts(span: Span, reading: Reading) -> None:
    """Of Gemini it leaves the thoughts out of the output; the total has them."""
    columns = reading.columns
    asked, answered = columns.get("input_tokens"), columns.get("output_tokens")
    total = count(span.attributes.get("gen_ai.usage.total_tokens"))
    if "google" not in span.scope or total is None or asked is None or answered is None:
        return
    if total > asked + answered:
        columns |= {"reasoning_tokens": total - asked - answered, "output_tokens": total - asked}


DIALECT = Dialect(
    "openllmetry",
    "opentelemetry-semantic-conventions-ai 0.5.1; traceloop-sdk 0.62.4",
    scope_prefixes=("opentelemetry.instrumentation.", "traceloop."),
    marks=("traceloop.span.kind", a.OPENLLMETRY_REQUEST_TYPE),
    among=("gen_ai.", "llm.", "traceloop."),
    columns={
        "operation": (
            a.OPERATION,
            Values(a.OPENLLMETRY_REQUEST_TYPE, _TYPES),
            Values("traceloop.span.kind", _KINDS),
        ),
        "session_id": (f"{_ASSOCIATED}session_id", a.SESSION_ID, a.CONVERSATION_ID),
        "user_id": (
            f"{_ASSOCIATED}user_id",
            f"{_ASSOCIATED}customer_id",
            a.USER_ID,
            "gen_ai.user",
        ),
        "workflow_name": (a.WORKFLOW_NAME, "traceloop.workflow.name"),
        "prompt_name": (a.PROMPT_NAME, "traceloop.prompt.key"),
        "prompt_version": (a.PROMPT_VERSION, "traceloop.prompt.version"),
    },
    properties=(_ASSOCIATED,),
    content=(
        "gen_ai.completion.",
        "gen_ai.prompt.",
        "llm.completions.",
        "llm.prompts.",
        "llm.request.functions.",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "traceloop.prompt.template",
        "traceloop.prompt.template_variables.",
    ),
    complete=(
        _name_entity,
        flat("gen_ai.prompt.", "gen_ai.completion."),
        tools("llm.request.functions."),
        _add_thoughts,
    ),
)
