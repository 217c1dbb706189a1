"""MLflow: every value is JSON."""

from __future__ import annotations

from .dialect import Dialect, Part, Reading, Span, Values
from .values import json_of

_KINDS = {
    "AGENT": "invoke_agent",
    "CHAIN": "invoke_workflow",
    "CHAT_MODEL": "chat",
    "EMBEDDING": "embeddings",
    "LLM": "chat",
    "RETRIEVER": "retrieval",
    "TOOL": "execute_tool",
}
#: As text in JSON: with its quotes.
_WORDS = {f'"{kind}"': operation for kind, operation in _KINDS.items()} | _KINDS
_USAGE = "mlflow.chat.tokenUsage"
_QUOTED = ("request_model", "provider", "session_id", "user_id")


def _unquote(span: Span, reading: Reading) -> None:
    for column in _QUOTED:
        value = reading.columns.get(column)
        if isinstance(value, str) and isinstance(said := json_of(value), str):
            reading.columns[column] = said


DIALECT = Dialect(
    "mlflow",
    "mlflow-tracing 3.17.2 tracing/constant.py",
    mark_prefixes=("mlflow.",),
    columns={
        "operation": (Values("mlflow.spanType", _WORDS),),
        "request_model": ("mlflow.llm.model",),
        "provider": ("mlflow.llm.provider",),
        "input_tokens": (Part(_USAGE, "input_tokens"),),
        "output_tokens": (Part(_USAGE, "output_tokens"),),
        "cache_read_tokens": (Part(_USAGE, "cache_read_input_tokens"),),
        "cache_write_tokens": (Part(_USAGE, "cache_creation_input_tokens"),),
        "cache_write_1h_tokens": (Part(_USAGE, "cache_creation_input_tokens_above_1hr"),),
        "session_id": ("mlflow.trace.session",),
        "user_id": ("mlflow.trace.user",),
        "emitted_cost_usd": (Part("mlflow.llm.cost", "total_cost"),),
    },
    content=("mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.messages"),
    complete=(_unquote,),
)
