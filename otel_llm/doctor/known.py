"""Distributions that mean something to the doctor, by name. What has hooks is not listed here: the ledger knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Libraries that SDKs send their requests with.
HTTP_LIBRARIES: Final = frozenset(
    {"aiohttp", "botocore", "curl-cffi", "httpx", "httpx2", "niquests", "pycurl", "requests", "urllib3", "websockets"}
)

#: SDKs of model providers.
SDKS: Final = frozenset(
    {
        "ai21",
        "anthropic",
        "boto3",
        "cerebras-cloud-sdk",
        "cohere",
        "fireworks-ai",
        "google-cloud-aiplatform",
        "google-genai",
        "groq",
        "huggingface-hub",
        "litellm",
        "mistralai",
        "ollama",
        "openai",
        "replicate",
        "together",
        "voyageai",
        "xai-sdk",
    }
)

#: Of these the ones that call models over gRPC, whatever HTTP library they need besides.
GRPC_SDKS: Final = frozenset({"google-cloud-aiplatform", "xai-sdk"})

_ONE: Final = "one of the two is enough: leave its set-up out"


@dataclass(frozen=True, slots=True)
class Rival:
    """Another instrumentation of the same calls: a pattern of its distributions, whose it is, how to switch it off."""

    pattern: str
    name: str
    fix: str = _ONE

    def matches(self, distribution: str) -> bool:
        """True for a distribution of it."""
        return re.fullmatch(self.pattern, distribution) is not None


#: What becomes of a call that a rival sees, too.
OUTCOME: Final = (
    "makes spans of the same calls. Where its span is open around the call and follows the GenAI conventions, we write "
    "on it instead of adding ours; else the call is there twice"
)

RIVALS: Final = (
    Rival("langfuse", "Langfuse", f"{_ONE}; LANGFUSE_TRACING_ENABLED=false ends it"),
    Rival("logfire", "Logfire", f"{_ONE}: logfire.instrument_openai() and the like"),
    Rival("openlit", "OpenLIT", f"{_ONE}: openlit.init()"),
    Rival("openinference-instrumentation-.+", "OpenInference"),
    Rival(
        "opentelemetry-instrumentation-(alephalpha|anthropic|bedrock|cohere|crewai|google-generativeai|groq|haystack|"
        "langchain|llamaindex|mcp|mistralai|ollama|openai|openai-agents|replicate|sagemaker|together|transformers|"
        "vertexai|voyageai|watsonx|writer)|traceloop-sdk",
        "OpenLLMetry",
    ),
    Rival("opentelemetry-instrumentation-(genai-.+|google-genai|openai-v2|openai-agents-v2)", "OpenTelemetry"),
)
