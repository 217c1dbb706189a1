"""MLflow: every value is JSON."""

from __future__ import annotations

from .costs import summed_cost
from .dialect import Dialect, Part, Reading, Span, Values
from .events import first_chunk_at
from .makers import tell_maker
from .messages import written
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
_COST = "mlflow.llm.cost"
_USAGE = "mlflow.chat.tokenUsage"
#: The request and the response, as the provider has them.
_ASKED, _ANSWERED = "mlflow.spanInputs", "mlflow.spanOutputs"
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
        "request_model": (Part(_ASKED, "model"), "mlflow.llm.model"),
        "response_model": (Part(_ANSWERED, "model"),),
        "response_id": (Part(_ANSWERED, "id"),),
        "provider": ("mlflow.llm.provider", "mlflow.message.format"),
        "stream": ("stream",),
        "finish_reasons": (
            Part(_ANSWERED, "choices.0.finish_reason"),
            Part(_ANSWERED, "stop_reason"),
            Part(_ANSWERED, "status"),
        ),
        "input_tokens": (Part(_USAGE, "input_tokens"), Part(_ANSWERED, "usage.prompt_tokens")),
        "output_tokens": (Part(_USAGE, "output_tokens"),),
        "cache_read_tokens": (Part(_USAGE, "cache_read_input_tokens"),),
        "cache_write_tokens": (Part(_USAGE, "cache_creation_input_tokens"),),
        "cache_write_1h_tokens": (Part(_USAGE, "cache_creation_input_tokens_above_1hr"),),
        "reasoning_tokens": (
            Part(_ANSWERED, "usage.completion_tokens_details.reasoning_tokens"),
            Part(_ANSWERED, "usage.output_tokens_details.reasoning_tokens"),
            Part(_ANSWERED, "usage.output_tokens_details.thinking_tokens"),
        ),
        "session_id": ("mlflow.trace.session",),
        "user_id": ("mlflow.trace.user",),
        "emitted_cost_usd": (Part(_COST, "total_cost"),),
    },
    content=(
        _ASKED,
        _ANSWERED,
        "contents",  # the arguments of the traced function, beside those that stand in one piece
        "functions",
        "instructions",
        "messages",
        "mlflow.chat.messages",
        "mlflow.chat.tools",
        "mlflow.chunk.value",
        "prompt",
        "system",
        "tools",
    ),
    complete=(
        _unquote,
        tell_maker,
        summed_cost(Part(_COST, "input_cost"), Part(_COST, "output_cost")),
        first_chunk_at("mlflow.chunk.item.0"),
        written((_ASKED,), (_ANSWERED,)),
    ),
)
