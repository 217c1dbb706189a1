"""The tracing that Anthropic's SDKs bring along."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Plus

DIALECT = Dialect(
    "anthropic_native",
    "anthropic 2.12.0 lib/_tracing; platform.claude.com/docs/en/api/opentelemetry",
    scope_prefixes=("com.anthropic.sdk.", "com.anthropic.claude-platform"),
    columns={
        "input_tokens": (Plus(a.USAGE_COMPACTION_INPUT_TOKENS, a.USAGE_INPUT_TOKENS), a.USAGE_INPUT_TOKENS),
        "output_tokens": (Plus(a.USAGE_COMPACTION_OUTPUT_TOKENS, a.USAGE_OUTPUT_TOKENS), a.USAGE_OUTPUT_TOKENS),
        "session_id": (a.SESSION_ID, "anthropic.session.id", a.CONVERSATION_ID),
        "finish_reasons": (a.RESPONSE_FINISH_REASONS, "anthropic.message.stop_reason"),
        "service_tier": ("anthropic.response.service_tier",),
    },
)
