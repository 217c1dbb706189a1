"""Claude Code: spans, and the events that it logs. Its input tokens leave out the cache."""

from __future__ import annotations

from .. import attributes as a
from .dialect import NS_PER_MS, Accounting, Dialect, Logs, Reading, Scaled, Span, Values

_CALLS = ("api_error", "api_request", "claude_code.api_error", "claude_code.api_request")
_OPERATIONS = {
    **dict.fromkeys(_CALLS, "chat"),
    "claude_code.interaction": "invoke_agent",
    "claude_code.llm_request": "chat",
    "claude_code.tool": "execute_tool",
    "claude_code.tool_result": "execute_tool",
    "interaction": "invoke_agent",
    "llm_request": "chat",
    "tool": "execute_tool",
    "tool_result": "execute_tool",
}


def _name_it(span: Span, reading: Reading) -> None:
    """An event is known by its name; all of them are Anthropic's, unless they say otherwise."""
    event = span.attributes.get("event.name")
    operation = _OPERATIONS.get(str(event or span.name))
    if operation and "operation" not in reading.columns:
        reading.columns["operation"] = operation
    if reading.columns.get("operation") == "chat":
        reading.columns.setdefault("provider", "anthropic")
        if event and (model := reading.columns.get("request_model")):
            reading.columns["response_model"] = model  # an event tells the one that answered


DIALECT = Dialect(
    "claude_code",
    "mlflow-tracing 3.17.2 translation/claude_code.py; code.claude.com/docs monitoring-usage",
    scope_prefixes=("com.anthropic.claude_code",),
    marks=("cache_creation_tokens",),
    mark_prefixes=("claude_code.",),
    columns={
        "operation": (Values("span.type", _OPERATIONS),),
        "request_model": (a.REQUEST_MODEL, "model"),
        "response_id": (a.RESPONSE_ID, "request_id"),
        "http_status": ("status_code",),
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cache_read_tokens": ("cache_read_tokens",),
        "cache_write_tokens": ("cache_creation_tokens",),
        "time_to_first_chunk_ns": (Scaled("ttft_ms", NS_PER_MS),),
        "session_id": (a.SESSION_ID,),
        "user_id": ("user.account_uuid", a.USER_ID, "user.email"),
        "tool_name": ("tool_name",),
        "error_type": ("error",),
        "emitted_cost_usd": ("cost_usd",),
    },
    accounting=Accounting.EXCLUSIVE,
    content=(
        "body",
        "new_context",
        "prompt",
        "response",
        "response.model_output",
        "system_prompt",
        "system_prompt_preview",
        "tool_input",
        "tool_parameters",
        "user_prompt",
        "user_system_prompt",
    ),
    logs=Logs((*_CALLS, "claude_code.tool_result", "tool_result"), Scaled("duration_ms", NS_PER_MS)),
    complete=(_name_it,),
)
