"""The Vercel AI SDK up to version 6. An outer span repeats what the inner ones say."""

from __future__ import annotations

from .. import attributes as a
from .dialect import NS_PER_MS, Accounting, Dialect, Part, Reading, Scaled, Span, Values
from .messages import written

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
        "cache_read_tokens": ("ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens"),
        "cache_write_tokens": (
            "ai.usage.inputTokenDetails.cacheWriteTokens",
            Part("ai.response.providerMetadata", "anthropic.cacheCreationInputTokens"),
        ),
        "reasoning_tokens": ("ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens"),
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
    accounting=Accounting.MIXED,
    properties=(_METADATA,),
    content=(
        "ai.prompt",
        "ai.prompt.",
        "ai.response.object",
        "ai.response.reasoning",
        "ai.response.text",
        "ai.response.toolCalls",
        "ai.toolCall.args",
        "ai.toolCall.result",
        "ai.value",
        "ai.values",
    ),
    complete=(_read_provider, written(("ai.prompt.messages", "ai.prompt"), ("ai.response.text",))),
)
