"""The Vercel AI SDK up to version 6. An outer span repeats what the inner ones say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import attributes as a
from ..usage import count
from .dialect import NS_PER_MS, Accounting, Dialect, Part, Reading, Scaled, Span, Values
from .message_parts import members, tool_call
from .messages import written
from .values import json_of, part_of

_OPERATIONS = {
    "ai.embed": "invoke_workflow",
    "ai.embed.doEmbed": "embeddings",
    "ai.embedMany": "invoke_workflow",
    "ai.embedMany.doEmbed": "embeddings",
    "ai.generateObject": "invoke_workflow",
    "ai.generateObject.doGenerate": "chat",
    "ai.generateText": "invoke_workflow",
    "ai.generateText.doGenerate": "chat",
    "ai.streamObject": "invoke_workflow",
    "ai.streamObject.doStream": "chat",
    "ai.streamText": "invoke_workflow",
    "ai.streamText.doStream": "chat",
    "ai.toolCall": "execute_tool",
}


def _read_provider(span: Span, reading: Reading) -> None:
    """`openai.chat`, `anthropic.messages`, `amazon-bedrock`: the provider, and what of it was asked."""
    if said := reading.columns.get("provider"):
        reading.columns["provider"] = _PROVIDERS.get(said) or _PROVIDERS.get(name := said.partition(".")[0], name)
    if ".doStream" in str(span.attributes.get("ai.operationId")):
        reading.columns["stream"] = True


_PROVIDERS = {
    "amazon-bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "google": "gcp.gemini",
    "google.vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "xai": "x_ai",
}
_METADATA = "ai.telemetry.metadata."
_PROVIDER = "ai.response.providerMetadata"
#: Where that is.
_APART = (
    "anthropic.cacheReadInputTokens",
    "anthropic.cacheCreationInputTokens",
    "bedrock.usage.cacheReadInputTokens",
    "bedrock.usage.cacheWriteInputTokens",
)
_ANTHROPIC = "anthropic.usage."  # what is below it in the provider's metadata is the provider's own


def _accounting(span: Span, columns: Mapping[str, Any]) -> Accounting:
    """Anthropic's own count, which leaves out the cache, until version 3 of its package summed up."""
    own = count(part_of(span.attributes.get(_PROVIDER), Part(_PROVIDER, f"{_ANTHROPIC}input_tokens")))
    if own is None:
        is_summed = any(name.startswith("ai.usage.inputTokenDetails.") for name in span.attributes)
        return Accounting.EXCLUSIVE if not is_summed and _counts_apart(span) else Accounting.MIXED
    return Accounting.EXCLUSIVE if own == columns.get("input_tokens") else Accounting.INCLUSIVE


def _counts_apart(span: Span) -> bool:
    """Up to version 5 the cache of these providers was told in their metadata alone, and left out of the input."""
    said = (part_of(span.attributes.get(_PROVIDER), Part(_PROVIDER, place)) for place in _APART)
    return any(count(tokens) is not None for tokens in said)


def _add_thoughts(span: Span, reading: Reading) -> None:
    """Google's package left the reasoning out of the output; the total tells."""
    columns = reading.columns
    given, made, thought = (columns.get(f"{name}_tokens") for name in ("input", "output", "reasoning"))
    if (
        thought
        and made is not None
        and count(span.attributes.get("ai.usage.totalTokens")) == (given or 0) + made + thought
    ):
        columns["output_tokens"] = made + thought


def _tell_tools(span: Span, reading: Reading) -> None:
    """Tools that are called stand beside the text; those there are come as a list of JSON texts."""
    calls = [tool_call(one) for one in members(json_of(span.attributes.get("ai.response.toolCalls")))]
    if calls:
        reason = "tool_call"
        said = reading.messages.setdefault("output_messages", [{"role": "assistant", "parts": []}])
        reading.messages["output_messages"] = [
            {**said[0], "parts": [*said[0]["parts"], *calls], "finish_reason": reason}
        ]
    listed = span.attributes.get("ai.prompt.tools")
    tools = [json_of(one) for one in listed] if isinstance(listed, list) else []
    if found := [dict(one) for one in tools if isinstance(one, Mapping)]:
        reading.messages["tool_definitions"] = found


DIALECT = Dialect(
    "vercel_legacy",
    "vercel/ai packages/otel/src/legacy-open-telemetry.ts @ed857f50",
    marks=("ai.operationId",),
    columns={
        "operation": (Values("ai.operationId", _OPERATIONS),),
        "provider": (a.SYSTEM, "ai.model.provider"),
        "request_model": (a.REQUEST_MODEL, "ai.model.id"),
        "response_model": (a.RESPONSE_MODEL, "ai.response.model"),
        "response_id": (a.RESPONSE_ID, "ai.response.id"),
        "input_tokens": (
            a.USAGE_INPUT_TOKENS,
            "ai.usage.inputTokens",
            "ai.usage.promptTokens",
            "ai.usage.tokens",
        ),
        "output_tokens": (a.USAGE_OUTPUT_TOKENS, "ai.usage.outputTokens", "ai.usage.completionTokens"),
        "cache_read_tokens": (
            "ai.usage.inputTokenDetails.cacheReadTokens",
            "ai.usage.cachedInputTokens",
            Part(_PROVIDER, f"{_ANTHROPIC}cache_read_input_tokens"),
            Part(_PROVIDER, "anthropic.cacheReadInputTokens"),
            Part(_PROVIDER, "openai.cachedPromptTokens"),
            Part(_PROVIDER, "azure.cachedPromptTokens"),
            Part(_PROVIDER, "bedrock.usage.cacheReadInputTokens"),
            Part(_PROVIDER, "deepseek.promptCacheHitTokens"),
        ),
        "cache_write_tokens": (
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            Part(_PROVIDER, "anthropic.cacheCreationInputTokens"),
            Part(_PROVIDER, "bedrock.usage.cacheWriteInputTokens"),
        ),
        "cache_write_1h_tokens": (Part(_PROVIDER, f"{_ANTHROPIC}cache_creation.ephemeral_1h_input_tokens"),),
        "reasoning_tokens": (
            "ai.usage.outputTokenDetails.reasoningTokens",
            "ai.usage.reasoningTokens",
            Part(_PROVIDER, "openai.reasoningTokens"),
            Part(_PROVIDER, "azure.reasoningTokens"),
        ),
        "time_to_first_chunk_ns": (
            Scaled("ai.response.msToFirstChunk", NS_PER_MS),
            Scaled("ai.stream.msToFirstChunk", NS_PER_MS),
        ),
        "finish_reasons": (a.RESPONSE_FINISH_REASONS, "ai.response.finishReason"),
        "session_id": (f"{_METADATA}sessionId", a.SESSION_ID),
        "user_id": (f"{_METADATA}userId", a.USER_ID),
        "workflow_name": ("ai.telemetry.functionId", "resource.name"),
        "tool_name": ("ai.toolCall.name",),
    },
    accounting=_accounting,
    properties=(_METADATA,),
    content=(
        "ai.documents",
        "ai.embedding",
        "ai.embeddings",
        "ai.prompt.",
        "ai.query",
        "ai.response.files",
        "ai.response.object",
        "ai.response.reasoning",
        "ai.response.text",
        "ai.response.toolCalls",
        "ai.schema",
        "ai.toolCall.args",
        "ai.toolCall.result",
        "ai.value",
        "ai.values",
    ),
    complete=(
        _read_provider,
        _add_thoughts,
        written(("ai.prompt.messages", "ai.prompt"), ("ai.response.text",)),
        _tell_tools,
    ),
)
