"""Google's ADK. Versions before 2.3 tell of the cache and of thoughts in the response's JSON only."""

from __future__ import annotations

from .. import attributes as a
from ..usage import count
from .dialect import Dialect, Part, Reading, Span
from .messages import written
from .values import part_of

_REQUEST = "gcp.vertex.agent.llm_request"
_RESPONSE = "gcp.vertex.agent.llm_response"
_USED = "usage_metadata."
#: A count that older versions pass on, the one that they leave out of it, and their sum's column.
_LEFT_OUT = (
    ("prompt_token_count", "tool_use_prompt_token_count", "input_tokens"),
    ("candidates_token_count", "thoughts_token_count", "output_tokens"),
)


def _add_left_out(span: Span, reading: Reading) -> None:
    """Google counts thoughts beside the answer, and what tools bring beside the prompt; newer versions add them up."""
    for passed_on, left_out, column in _LEFT_OUT:
        whole, part = (
            count(part_of(span.attributes.get(_RESPONSE), Part(_RESPONSE, _USED + name)))
            for name in (passed_on, left_out)
        )
        if part and whole is not None and reading.columns.get(column) == whole:
            reading.columns[column] = whole + part


DIALECT = Dialect(
    "google_adk",
    "google-adk 2.13.0",
    scopes=("gcp.vertex.agent",),
    columns={
        "cache_read_tokens": (
            a.USAGE_CACHE_READ_TOKENS,
            Part(_RESPONSE, f"{_USED}cached_content_token_count"),
        ),
        "reasoning_tokens": (a.USAGE_REASONING_TOKENS, Part(_RESPONSE, f"{_USED}thoughts_token_count")),
        "tool_use_prompt_tokens": (
            a.USAGE_TOOL_USE_PROMPT_TOKENS,
            Part(_RESPONSE, f"{_USED}tool_use_prompt_token_count"),
        ),
        "session_id": (a.SESSION_ID, a.CONVERSATION_ID, "gcp.vertex.agent.session_id"),
    },
    content=(
        "gcp.vertex.agent.data",
        _REQUEST,
        _RESPONSE,
        "gcp.vertex.agent.tool_call_args",
        "gcp.vertex.agent.tool_response",
    ),
    complete=(_add_left_out, written((_REQUEST,), (_RESPONSE,))),
)
