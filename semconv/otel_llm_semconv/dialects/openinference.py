"""OpenInference, of Arize and Phoenix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import attributes as a
from .costs import summed_cost
from .dialect import Accounting, Dialect, Part, Span, Values
from .events import first_chunk_at
from .makers import tell_maker
from .messages import flat, tools, written

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
#: What was asked and answered, as the provider has it.
_ASKED, _ANSWERED, _PARAMETERS = "input.value", "output.value", "llm.invocation_parameters"


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
        "request_model": (
            "llm.request.model_name",
            Part(_PARAMETERS, "model"),
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        "response_model": ("llm.response.model_name", "llm.model_name", Part(_ANSWERED, "model")),
        "response_id": (Part(_ANSWERED, "id"),),
        "stream": (Part(_PARAMETERS, "stream"), Part(_ASKED, "stream")),
        "provider": ("llm.provider", "llm.system"),
        "input_tokens": (f"{_TOKENS}prompt",),
        "output_tokens": (f"{_TOKENS}completion",),
        "cache_read_tokens": (f"{_TOKENS}prompt_details.cache_read",),
        "cache_write_tokens": (f"{_TOKENS}prompt_details.cache_write",),
        "cache_write_1h_tokens": (Part(_ANSWERED, "usage.cache_creation.ephemeral_1h_input_tokens"),),
        "reasoning_tokens": (f"{_TOKENS}completion_details.reasoning",),
        "audio_input_tokens": (f"{_TOKENS}prompt_details.audio",),
        "audio_output_tokens": (f"{_TOKENS}completion_details.audio",),
        "finish_reasons": ("llm.finish_reason", Part(_ANSWERED, "status")),
        "session_id": (a.SESSION_ID,),
        "user_id": (a.USER_ID,),
        "prompt_name": ("prompt.id", "llm.prompt_template.name"),
        "prompt_version": ("llm.prompt_template.version",),
        "agent_name": ("agent.name",),
        "tool_name": ("tool.name",),
        "emitted_cost_usd": ("llm.cost.total",),
    },
    accounting=_accounting,
    tags=("tag.tags",),
    properties=("metadata",),
    content=(
        _ASKED,
        _ANSWERED,
        "document.content",
        "document.metadata",
        "embedding.embeddings.",
        "embedding.text",
        "embedding.vector",
        "input.audio.",
        "input.images.",
        "llm.choices.",
        "llm.function_call",
        "llm.input_messages.",
        "llm.output_messages.",
        "llm.prompt_template.template",
        "llm.prompt_template.variables.",
        "llm.prompts.",
        "llm.tools.",
        "output.audio.",
        "output.images.",
        "reranker.input_documents.",
        "reranker.output_documents.",
        "reranker.query",
        "retrieval.documents.",
        "tool.json_schema",
        "tool.parameters",
    ),
    complete=(
        tell_maker,
        summed_cost("llm.cost.prompt", "llm.cost.completion"),
        first_chunk_at("First Token Stream Event"),
        flat("llm.input_messages.", "llm.output_messages.", "message"),
        written((_ASKED,), (_ANSWERED,)),
        tools("llm.tools.", "tool.json_schema"),
    ),
)
