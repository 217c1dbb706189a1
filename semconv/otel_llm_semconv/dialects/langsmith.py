"""LangSmith. Details of usage are Python's notation of a mapping; its session is a project."""

from __future__ import annotations

from .. import attributes as a
from ..usage import count
from .dialect import Dialect, Reading, Span, Values
from .values import python_of

_KINDS = {
    "chain": "invoke_workflow",
    "embedding": "embeddings",
    "llm": "chat",
    "retriever": "retrieval",
    "tool": "execute_tool",
}
_DETAILS = {
    "gen_ai.usage.input_token_details": {"cache_read": "cache_read_tokens", "cache_creation": "cache_write_tokens"},
    "gen_ai.usage.output_token_details": {"reasoning": "reasoning_tokens"},
}


def _read_details(span: Span, reading: Reading) -> None:
    for attribute, names in _DETAILS.items():
        details = python_of(span.attributes.get(attribute))
        for key, column in names.items() if isinstance(details, dict) else ():
            if (tokens := count(details.get(key))) is not None:
                reading.columns.setdefault(column, tokens)


DIALECT = Dialect(
    "langsmith",
    "langsmith 0.15.0 _internal/otel/_otel_exporter.py",
    mark_prefixes=("langsmith.",),
    columns={
        "operation": (Values("langsmith.span.kind", _KINDS),),
        "session_id": (
            a.SESSION_ID,
            "langsmith.metadata.session_id",
            "langsmith.metadata.thread_id",
            "langsmith.metadata.conversation_id",
        ),
        "user_id": (a.USER_ID, "langsmith.metadata.user_id"),
        "stream": ("langsmith.request.streaming",),
    },
    properties=("langsmith.metadata.",),
    content=("gen_ai.prompt", "gen_ai.completion"),
    complete=(_read_details,),
)
