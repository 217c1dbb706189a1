"""The tracing that Anthropic's SDKs bring along."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "anthropic_native",
    "anthropic 2.12.0 lib/_tracing; platform.claude.com/docs/en/api/opentelemetry",
    scope_prefixes=("com.anthropic.sdk.", "com.anthropic.claude-platform"),
    columns={
        "session_id": ("session.id", "anthropic.session.id", "gen_ai.conversation.id"),
        "finish_reasons": ("gen_ai.response.finish_reasons", "anthropic.message.stop_reason"),
        "service_tier": ("anthropic.response.service_tier",),
    },
)
