"""LangSmith. Details of usage are Python's notation of a mapping; its session is a project."""

from __future__ import annotations

from collections.abc import Mapping

from .. import attributes as a
from ..usage import count, sum_known
from .dialect import Dialect, Reading, Span, Values
from .makers import tell_maker
from .messages import written
from .values import python_of

_KINDS = {
    "chain": "invoke_workflow",
    "embedding": "embeddings",
    "llm": "chat",
    "retriever": "retrieval",
    "tool": "execute_tool",
}
_METADATA = "langsmith.metadata."
#: Settings of the tracing itself, which it puts among the user's own metadata.
_OWN = ("LANGCHAIN_", "LANGSMITH_", "ls_", "revision_id", "usage_metadata")


def _read_details(span: Span, reading: Reading) -> None:
    asked, answered = (
        details if isinstance(details, Mapping) else {}
        for name in ("input", "output")
        for details in (python_of(span.attributes.get(f"gen_ai.usage.{name}_token_details")),)
    )
    kept_1h = count(asked.get("ephemeral_1h_input_tokens"))
    written = (count(asked.get("cache_creation")), count(asked.get("ephemeral_5m_input_tokens")), kept_1h)
    found = {
        "cache_read_tokens": count(asked.get("cache_read")),
        "cache_write_tokens": sum_known(*written),
        "cache_write_1h_tokens": kept_1h,
        "reasoning_tokens": count(answered.get("reasoning")),
    }
    for column, tokens in found.items():
        if tokens is not None:
            reading.columns.setdefault(column, tokens)


def _drop_own(span: Span, reading: Reading) -> None:
    reading.properties = {key: value for key, value in reading.properties.items() if not key.startswith(_OWN)}


DIALECT = Dialect(
    "langsmith",
    "langsmith 0.15.0 _internal/otel/_otel_exporter.py",
    mark_prefixes=("langsmith.",),
    columns={
        "operation": (Values("langsmith.span.kind", _KINDS),),
        "provider": (f"{_METADATA}ls_provider", a.PROVIDER, a.SYSTEM),
        "session_id": (
            a.SESSION_ID,
            f"{_METADATA}session_id",
            f"{_METADATA}thread_id",
            f"{_METADATA}conversation_id",
        ),
        "user_id": (a.USER_ID, f"{_METADATA}user_id"),
        "stream": ("langsmith.request.streaming",),
        "service_tier": ("gen_ai.response.service_tier",),
    },
    tags=("langsmith.span.tags",),
    properties=(_METADATA,),
    content=("gen_ai.prompt.", "gen_ai.completion."),
    complete=(_read_details, _drop_own, tell_maker, written(("gen_ai.prompt",), ("gen_ai.completion",))),
)
