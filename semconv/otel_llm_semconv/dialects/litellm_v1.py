"""litellm's first OpenTelemetry callback."""

from __future__ import annotations

from collections.abc import Mapping

from .. import attributes as a
from .dialect import Dialect, Part, Reading, Span, Values
from .messages import flat, tools
from .values import part_of, python_of, whole

#: What is called, and the same asynchronously.
_CALLS = {
    "anthropic_messages": "chat",
    "completion": "chat",
    "embedding": "embeddings",
    "rerank": "rerank",
    "responses": "chat",
    "text_completion": "text_completion",
}
_OPERATIONS = _CALLS | {f"a{name}": operation for name, operation in _CALLS.items()}
_USAGE = "metadata.usage_object"  # Python's notation of a mapping
_ASKED_WITH = "metadata.requester_metadata"  # the user's own, same
_DETAILS = {
    "cache_read_tokens": "prompt_tokens_details.cached_tokens",
    "cache_write_tokens": "prompt_tokens_details.cache_creation_tokens",
    "cache_write_1h_tokens": "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
    "reasoning_tokens": "completion_tokens_details.reasoning_tokens",
}


def _read_details(span: Span, reading: Reading) -> None:
    usage = python_of(span.attributes.get(_USAGE))
    for column, path in _DETAILS.items() if isinstance(usage, Mapping) else ():
        if (tokens := whole(part_of(usage, Part(_USAGE, path)))) is not None:
            reading.columns.setdefault(column, tokens)


def _tell_provider(span: Span, reading: Reading) -> None:
    """Where nothing else says it, the model that was asked for does: `openai/text-embedding-3-small`."""
    provider, slash, _ = str(span.attributes.get("litellm.provider.model", "")).partition("/")
    if slash:
        reading.columns.setdefault("provider", provider)


def _read_metadata(span: Span, reading: Reading) -> None:
    told = python_of(span.attributes.get(_ASKED_WITH))
    for key, value in told.items() if isinstance(told, Mapping) else ():
        if isinstance(value, str | int | float):
            reading.properties.setdefault(str(key), str(value))


def drop_no_usage(span: Span, reading: Reading) -> None:
    """A call that failed is told with no tokens, which nobody counted."""
    columns = reading.columns
    if columns.get("input_tokens") == columns.get("output_tokens") == 0:
        columns |= {"input_tokens": None, "output_tokens": None}


def tell_cached(span: Span, reading: Reading) -> None:
    """An answer out of the proxy's own cache, for which no provider was asked."""
    if str(span.attributes.get("litellm.cache_hit")).lower() == "true":
        reading.reason = "cached"


#: Members of a request and its response as the provider has them, which come below its name.
_RAW = (
    "candidates",
    "choices",
    "content",
    "contents",
    "data",
    "functions",
    "input",
    "instructions",
    "messages",
    "output",
    "prompt",
    "system",
    "systemInstruction",
    "system_instruction",
    "tools",
)

DIALECT = Dialect(
    "litellm_v1",
    "litellm 1.109.1 integrations/opentelemetry.py",
    scopes=("litellm",),
    marks=("gen_ai.cost.total_cost", "metadata.user_api_key_hash"),
    columns={
        "operation": (Values(a.OPERATION, _OPERATIONS), a.OPERATION),
        "emitted_cost_usd": ("gen_ai.cost.total_cost",),
        "user_id": (a.USER_ID, "llm.user", "metadata.user_api_key_end_user_id", "metadata.user_api_key_user_id"),
        "stream": ("llm.is_streaming",),
        "response_id": (a.RESPONSE_ID, "hidden_params.response_id"),
        "service_tier": (a.OLD_RESPONSE_SERVICE_TIER,),
    },
    content=(
        "gen_ai.prompt.",
        "gen_ai.completion.",
        "guardrail_response",
        "llm.request.functions.",
        *(f"llm.*.{name}" for name in _RAW),
        "metadata.mcp_tool_call_metadata",
        "metadata.prompt_management_metadata",
        "metadata.vector_store_request_metadata",
    ),
    complete=(
        flat("gen_ai.prompt.", "gen_ai.completion."),
        tools("llm.request.functions."),
        _tell_provider,
        _read_details,
        _read_metadata,
        drop_no_usage,
        tell_cached,
    ),
)
