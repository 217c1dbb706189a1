"""THE registry of what is recognised on the wire.

Add a wire format: one file beside this one, one row in PROVIDERS and one in PATHS, one fixture. Add a vendor that
speaks a known format: one row in HOSTS, one fixture. Add an SDK that retries inside one call: one row in SDK_CALLS.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from ..wire import Reader

#: Wire format -> module of its reader, imported when the first such call is seen.
PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic_complete": "otel_llm.providers.anthropic_complete",
    "anthropic_messages": "otel_llm.providers.anthropic_messages",
    "bedrock_converse": "otel_llm.providers.bedrock_converse",
    "bedrock_invoke": "otel_llm.providers.bedrock_invoke",
    "bedrock_knowledge_base": "otel_llm.providers.bedrock_knowledge_base",
    "cohere_chat": "otel_llm.providers.cohere_chat",
    "cohere_embed": "otel_llm.providers.cohere_embed",
    "cohere_generate": "otel_llm.providers.cohere_generate",
    "cohere_rerank": "otel_llm.providers.cohere_rerank",
    "gemini_content": "otel_llm.providers.gemini_content",
    "gemini_embeddings": "otel_llm.providers.gemini_embeddings",
    "gemini_interactions": "otel_llm.providers.gemini_interactions",
    "huggingface_text": "otel_llm.providers.huggingface_text",
    "mistral_conversations": "otel_llm.providers.mistral_conversations",
    "ollama": "otel_llm.providers.ollama",
    "openai_audio": "otel_llm.providers.openai_audio",
    "openai_chat": "otel_llm.providers.openai_chat",
    "openai_completions": "otel_llm.providers.openai_completions",
    "openai_embeddings": "otel_llm.providers.openai_embeddings",
    "openai_images": "otel_llm.providers.openai_images",
    "openai_realtime": "otel_llm.providers.openai_realtime",
    "openai_responses": "otel_llm.providers.openai_responses",
    "vertex_predict": "otel_llm.providers.vertex_predict",
}

#: End of a URL's path -> wire format, the longest first; `*` stands for any text. Everything else is passed on
#: after a look-up of the path's last word, which is what follows the last `/` or `:`, and one of the folder before it,
#: for what an id follows. A message on a websocket has its type behind the connection's path.
PATHS: Final[Mapping[str, str]] = {
    "/": "huggingface_text",
    "/agents/completions": "openai_chat",
    "/api/chat": "ollama",
    "/api/embed": "ollama",
    "/api/embeddings": "ollama",
    "/api/generate": "ollama",
    "/api/v1/images": "openai_images",
    "/audio/speech": "openai_audio",
    "/audio/transcriptions": "openai_audio",
    "/audio/translations": "openai_audio",
    "/chat/completions": "openai_chat",
    "/completions": "openai_completions",
    "/conversations": "mistral_conversations",
    "/conversations/*": "mistral_conversations",
    "/conversations/*/restart": "mistral_conversations",
    "/embeddings": "openai_embeddings",
    "/generate": "huggingface_text",
    "/generate_stream": "huggingface_text",
    "/images/edits": "openai_images",
    "/images/generations": "openai_images",
    "/images/variations": "openai_images",
    "/interactions": "gemini_interactions",
    "/model/*/converse": "bedrock_converse",
    "/model/*/converse-stream": "bedrock_converse",
    "/model/*/invoke": "bedrock_invoke",
    "/model/*/invoke-with-response-stream": "bedrock_invoke",
    "/models/imagen*:predict": "vertex_predict",
    "/pipeline/feature-extraction": "huggingface_text",
    "/publishers/anthropic/models/claude*:rawPredict": "anthropic_messages",
    "/publishers/anthropic/models/claude*:streamRawPredict": "anthropic_messages",
    "/publishers/google/models/*:predict": "vertex_predict",
    "/publishers/mistralai/models/*:rawPredict": "openai_chat",
    "/publishers/mistralai/models/*:streamRawPredict": "openai_chat",
    "/realtime:response.create": "openai_realtime",
    "/rerank": "cohere_rerank",
    "/responses": "openai_responses",
    "/responses:response.create": "openai_responses",
    "/retrieveAndGenerate": "bedrock_knowledge_base",
    "/retrieveAndGenerateStream": "bedrock_knowledge_base",
    "/v1/chat": "cohere_chat",
    "/v1/complete": "anthropic_complete",
    "/v1/embed": "cohere_embed",
    "/v1/generate": "cohere_generate",
    "/v1/messages": "anthropic_messages",
    "/v2/chat": "cohere_chat",
    "/v2/embed": "cohere_embed",
    ":batchEmbedContents": "gemini_embeddings",
    ":embedContent": "gemini_embeddings",
    ":generateContent": "gemini_content",
    ":streamGenerateContent": "gemini_content",
}

#: Host -> provider, by its name in the GenAI conventions. `*` stands for any text.
HOSTS: Final[Mapping[str, str]] = {
    "*-aiplatform.googleapis.com": "gcp.vertex_ai",
    "*-aiplatform.mtls.googleapis.com": "gcp.vertex_ai",
    "*.api.openai.com": "openai",
    "*.api.x.ai": "x_ai",
    "*.bedrock-runtime.*.vpce.amazonaws.com": "aws.bedrock",
    "*.cognitiveservices.azure.com": "azure.ai.openai",
    "*.endpoints.huggingface.cloud": "huggingface",
    "*.inference.ai.azure.com": "azure.ai.inference",
    "*.openai.azure.com": "azure.ai.openai",
    "*.openai.azure.us": "azure.ai.openai",
    "*.services.ai.azure.com": "azure.ai.inference",
    "ai.api.nvidia.com": "nvidia",
    "aiplatform.*.rep.googleapis.com": "gcp.vertex_ai",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "aiplatform.mtls.googleapis.com": "gcp.vertex_ai",
    "api-inference.huggingface.co": "huggingface",
    "api-inference.together.ai": "together_ai",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepinfra.com": "deepinfra",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks_ai",
    "api.groq.com": "groq",
    "api.hyperbolic.xyz": "hyperbolic",
    "api.mistral.ai": "mistral_ai",
    "api.moonshot.ai": "moonshot_ai",
    "api.moonshot.cn": "moonshot_ai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.sambanova.ai": "sambanova",
    "api.studio.nebius.ai": "nebius",
    "api.studio.nebius.com": "nebius",
    "api.together.ai": "together_ai",
    "api.together.xyz": "together_ai",
    "api.tokenfactory.nebius.com": "nebius",
    "api.x.ai": "x_ai",
    "aws-external-anthropic.*.api.aws": "anthropic",
    "bedrock-agent-runtime.*.amazonaws.com": "aws.bedrock",
    "bedrock-mantle.*.api.aws": "aws.bedrock",
    "bedrock-runtime-fips.*.amazonaws.com": "aws.bedrock",
    "bedrock-runtime.*.amazonaws.com": "aws.bedrock",
    "bedrock-runtime.*.amazonaws.com.cn": "aws.bedrock",
    "bedrock-runtime.*.api.aws": "aws.bedrock",
    "claude.googleapis.com": "anthropic",
    "codestral.mistral.ai": "mistral_ai",
    "eu.openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "generativelanguage.mtls.googleapis.com": "gcp.gemini",
    "integrate.api.nvidia.com": "nvidia",
    "ollama.com": "ollama",
    "openrouter.ai": "openrouter",
    "router.huggingface.co": "huggingface",
}

#: (header, text in its value): all pairs of one row stand on the requests of an official SDK, whatever its host.
MARKERS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "anthropic": (("anthropic-version", ""),),
    "cerebras": (("x-stainless-lang", ""), ("user-agent", "Cerebras/")),
    "cohere": (("user-agent", "cohere/"), ("x-fern-language", "")),
    "fireworks": (("x-stainless-lang", ""), ("user-agent", "Fireworks/")),
    "google-genai": (("x-goog-api-client", "google-genai-sdk/"),),
    "groq": (("x-stainless-lang", ""), ("user-agent", "Groq/")),
    "mistralai": (("user-agent", "mistral-client-python/"),),
    "ollama": (("user-agent", "ollama-python/"),),
    "openai": (("x-stainless-lang", ""), ("user-agent", "OpenAI/")),
    "openrouter": (("user-agent", "speakeasy-sdk/python"), ("user-agent", "openrouter")),
    "perplexity": (("x-stainless-lang", ""), ("user-agent", "Perplexity/")),
    "together": (("x-stainless-lang", ""), ("user-agent", "Together/")),
}

#: Methods (module:Class.method) inside which an SDK retries: one span covers all attempts of one such call.
SDK_CALLS: Final = (
    "aiobotocore.client:AioBaseClient._make_api_call",
    "anthropic._base_client:AsyncAPIClient.request",
    "anthropic._base_client:SyncAPIClient.request",
    "botocore.client:BaseClient._make_api_call",
    "cerebras.cloud.sdk._base_client:AsyncAPIClient.request",
    "cerebras.cloud.sdk._base_client:SyncAPIClient.request",
    "cohere.core.http_client:AsyncHttpClient.request",
    "cohere.core.http_client:HttpClient.request",
    "dspy.clients.base_lm:BaseLM.__call__",
    "dspy.clients.base_lm:BaseLM.acall",
    "fireworks._base_client:AsyncAPIClient.request",
    "fireworks._base_client:SyncAPIClient.request",
    "google.genai._api_client:BaseApiClient._async_request",
    "google.genai._api_client:BaseApiClient._request",
    "google.genai._gaos.basesdk:AsyncBaseSDK.do_request_async",
    "google.genai._gaos.basesdk:BaseSDK.do_request",
    "groq._base_client:AsyncAPIClient.request",
    "groq._base_client:SyncAPIClient.request",
    "mistralai.azure.client.basesdk:BaseSDK.do_request",
    "mistralai.azure.client.basesdk:BaseSDK.do_request_async",
    "mistralai.client.basesdk:BaseSDK.do_request",
    "mistralai.client.basesdk:BaseSDK.do_request_async",
    "mistralai.gcp.client.basesdk:BaseSDK.do_request",
    "mistralai.gcp.client.basesdk:BaseSDK.do_request_async",
    "openai._base_client:AsyncAPIClient.request",
    "openai._base_client:SyncAPIClient.request",
    "openrouter.basesdk:BaseSDK.do_request",
    "openrouter.basesdk:BaseSDK.do_request_async",
    "perplexity._base_client:AsyncAPIClient.request",
    "perplexity._base_client:SyncAPIClient.request",
    "together._base_client:AsyncAPIClient.request",
    "together._base_client:SyncAPIClient.request",
)


@functools.cache
def find_reader(wire_format: str) -> Reader:
    """The reader of a wire format that PROVIDERS names."""
    return cast(Reader, import_module(PROVIDERS[wire_format]).reader)


@functools.lru_cache(maxsize=1024)
def find_format(path: str) -> str | None:
    """The wire format of a URL's path."""
    rows = _ROWS.get(last_word(path)) or _ROWS.get(_folder(path))
    if rows is not None:
        for ending, wire_format in rows:
            if ending.search(path):
                return wire_format
    return None


def last_word(path: str) -> str:
    """What follows the last `/` or `:` of a path."""
    return path.rpartition("/")[2].rpartition(":")[2]


def _folder(path: str) -> str:
    """The last word of what a path lies in, with `/*` for what follows: nothing else has a word like this."""
    return path.rpartition("/")[0].rpartition("/")[2] + "/*"


def pattern(text: str, *, start: str = "") -> re.Pattern[str]:
    """A row's text as an expression that matches up to the end; `*` stands for any text."""
    return re.compile(start + ".+".join(re.escape(piece) for piece in text.split("*")) + r"\Z")


def _rows_by_last_word() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    rows: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for ending in sorted(PATHS, key=len, reverse=True):
        start = r"\A" if ending == "/" else ""  # the root alone, not every path that ends like it
        key = _folder(ending) if ending.endswith("/*") else last_word(ending)
        rows.setdefault(key, []).append((pattern(ending, start=start), PATHS[ending]))
    return rows


_ROWS: Final = _rows_by_last_word()
