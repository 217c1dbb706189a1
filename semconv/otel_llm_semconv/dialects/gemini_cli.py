"""Gemini CLI: the conventions, with operations of its own, and the events that it logs."""

from __future__ import annotations

from .. import attributes as a
from .dialect import NS_PER_MS, Dialect, Logs, Reading, Scaled, Span, Values

_OPERATIONS = {"agent_call": "invoke_agent", "llm_call": "generate_content", "tool_call": "execute_tool"}


def _name_it(span: Span, reading: Reading) -> None:
    """An event is known by its name. Beside that of a response, one of the conventions tells the same."""
    match str(span.attributes.get("event.name") or span.name):
        case "gemini_cli.api_response" | "gemini_cli.api_error":
            reading.columns |= {"operation": a.OPERATION_GENERATE_CONTENT, "provider": "gcp.gemini"}
        case "gemini_cli.tool_call":
            reading.columns["operation"] = a.OPERATION_EXECUTE_TOOL
        case a.OPERATION_DETAILS:
            reading.reason = "echo"
    if reading.columns.get("operation") == a.OPERATION_GENERATE_CONTENT:
        reading.columns.setdefault("provider", "gcp.gemini")


DIALECT = Dialect(
    "gemini_cli",
    "mlflow-tracing 3.17.2 translation/gemini_cli.py",
    scope_prefixes=("gemini-cli",),
    columns={
        "operation": (Values(a.OPERATION, _OPERATIONS), a.OPERATION),
        "request_model": (a.REQUEST_MODEL, "model"),
        "response_model": (a.RESPONSE_MODEL,),
        "input_tokens": (a.USAGE_INPUT_TOKENS, "input_token_count"),
        "output_tokens": (a.USAGE_OUTPUT_TOKENS, "output_token_count"),
        "cache_read_tokens": (a.USAGE_CACHE_READ_TOKENS, "cached_content_token_count"),
        "reasoning_tokens": (a.USAGE_REASONING_TOKENS, "thoughts_token_count"),
        "tool_use_prompt_tokens": (a.USAGE_TOOL_USE_PROMPT_TOKENS, "tool_token_count"),
        "finish_reasons": (a.RESPONSE_FINISH_REASONS, "finish_reasons"),
        "tool_name": (a.TOOL_NAME, "function_name"),
        "error_type": (a.ERROR_TYPE, "error_type", "error.type"),
    },
    output_excludes_reasoning=True,
    content=("function_args", "hook_input", "hook_output", "prompt", "reasoning", "request_text", "response_text"),
    logs=Logs(
        ("gemini_cli.api_error", "gemini_cli.api_response", "gemini_cli.tool_call"), Scaled("duration_ms", NS_PER_MS)
    ),
    complete=(_name_it,),
)
