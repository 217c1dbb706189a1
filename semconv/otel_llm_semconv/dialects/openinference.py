"""OpenInference, of Arize and Phoenix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import attributes as a
from .dialect import Accounting, Dialect, Span, Values
from .messages import flat, written

_KINDS = {
    "AGENT": "invoke_agent",
    "CHAIN": "invoke_workflow",
    "EMBEDDING": "embeddings",
    "EVALUATOR": "evaluation",
    "GUARDRAIL": "guardrail",
    "LLM": "chat",
    "RERANKER": "rerank",
    "RETRIEVER": "retrieval",
    "TOOL": "execute_tool",
}
_TOKENS = "llm.token_count."


def _accounting(span: Span, columns: Mapping[str, Any]) -> Accounting:
    """The agents of Bedrock pass on what leaves out the cache; LangChain's is a guess that may fail."""
    if span.scope.endswith(".bedrock"):
        return Accounting.MIXED
    return Accounting.MIXED if span.scope.endswith(".langchain") else Accounting.INCLUSIVE


DIALECT = Dialect(
    "openinference",
    "openinference-semantic-conventions 0.1.42",
    scope_prefixes=("openinference.instrumentation.", "@arizeai/openinference"),
    marks=(a.OPENINFERENCE_KIND,),
    columns={
        "operation": (Values(a.OPENINFERENCE_KIND, _KINDS),),
        "request_model": ("llm.request.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name"),
        "response_model": ("llm.response.model_name", "llm.model_name"),
        "provider": ("llm.provider", "llm.system"),
        "input_tokens": (f"{_TOKENS}prompt",),
        "output_tokens": (f"{_TOKENS}completion",),
        "cache_read_tokens": (f"{_TOKENS}prompt_details.cache_read",),
        "cache_write_tokens": (f"{_TOKENS}prompt_details.cache_write",),
        "reasoning_tokens": (f"{_TOKENS}completion_details.reasoning",),
        "audio_input_tokens": (f"{_TOKENS}prompt_details.audio",),
        "audio_output_tokens": (f"{_TOKENS}completion_details.audio",),
        "finish_reasons": ("llm.finish_reason",),
        "session_id": (a.SESSION_ID,),
        "user_id": (a.USER_ID,),
        "prompt_name": ("prompt.id", "llm.prompt_template.name"),
        "prompt_version": ("llm.prompt_template.version",),
        "agent_name": ("agent.name",),
        "tool_name": ("tool.name",),
        "emitted_cost_usd": ("llm.cost.total",),
    },
    accounting=_accounting,
    properties=("metadata", "llm.prompt_template.variables"),
    content=(
        "input.value",
        "llm.input_messages.",
        "llm.output_messages.",
        "llm.prompts.",
        "llm.tools.",
        "output.value",
        "retrieval.documents.",
        "tool.parameters",
    ),
    complete=(
        flat("llm.input_messages.", "llm.output_messages.", "message"),
        written(("input.value",), ("output.value",)),
    ),
)
