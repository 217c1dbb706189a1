"""Codex: events that it logs. Counts may come as text."""

from __future__ import annotations

from .dialect import NS_PER_MS, Dialect, Logs, Reading, Scaled, Span

_USAGE = "input_token_count"


def _name_it(span: Span, reading: Reading) -> None:
    """The event that ends a response carries its usage, which one of the same name does not; others are no calls.

    Newer versions make spans, with usage by the conventions.
    """
    name = str(span.attributes.get("event.name") or span.name)
    if name == "codex.sse_event" and _USAGE in span.attributes:
        reading.columns |= {"operation": "chat", "provider": "openai", "stream": True}
    elif name == "codex.tool_result":
        reading.columns["operation"] = "execute_tool"
    elif reading.columns.get("input_tokens") is not None:
        reading.columns.setdefault("provider", "openai")


DIALECT = Dialect(
    "codex",
    "openai/codex codex-rs/otel/src/events/session_telemetry.rs @a2a5acbd",
    scope_prefixes=("codex",),
    mark_prefixes=("codex.",),
    columns={
        "request_model": ("model", "slug"),
        "input_tokens": (_USAGE,),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cached_token_count",),
        "cache_write_tokens": ("cache_write_token_count",),
        "reasoning_tokens": ("reasoning_token_count", "codex.usage.reasoning_output_tokens"),
        "time_to_first_chunk_ns": (Scaled("ttft_ms", NS_PER_MS),),
        "session_id": ("conversation.id",),
        "conversation_id": ("conversation.id",),
        "user_id": ("user.account_id", "user.email"),
        "tool_name": ("tool_name",),
        "error_type": ("error.message",),
    },
    content=("prompt", "arguments", "output"),
    logs=Logs(("codex.sse_event", "codex.tool_result"), Scaled("duration_ms", NS_PER_MS)),
    complete=(_name_it,),
)
