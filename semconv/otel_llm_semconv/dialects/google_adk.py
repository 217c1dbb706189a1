"""Google's ADK. Versions before 2.3 tell of the cache in the response's JSON only."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Part

_RESPONSE = "gcp.vertex.agent.llm_response"

DIALECT = Dialect(
    "google_adk",
    "google-adk 2.13.0",
    scopes=("gcp.vertex.agent",),
    columns={
        "cache_read_tokens": (
            a.USAGE_CACHE_READ_TOKENS,
            Part(_RESPONSE, "usage_metadata.cached_content_token_count"),
        ),
        "session_id": (a.SESSION_ID, a.CONVERSATION_ID, "gcp.vertex.agent.session_id"),
    },
    content=(
        "gcp.vertex.agent.data",
        "gcp.vertex.agent.llm_request",
        _RESPONSE,
        "gcp.vertex.agent.tool_call_args",
        "gcp.vertex.agent.tool_response",
    ),
)
