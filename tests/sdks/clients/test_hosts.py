"""The hosts that the SDKs call by themselves are known. A proxy refuses the tunnel there; the span says whose it is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import boto3
import cerebras.cloud.sdk
import cohere
import fireworks
import groq
import huggingface_hub
import openai
import openrouter
import perplexity
import pytest
import together
from app.rawserver import RawServer
from app.recording import Recorded
from botocore.config import Config
from google import genai
from google.oauth2.credentials import Credentials
from huggingface_hub.constants import INFERENCE_PROXY_TEMPLATE
from mistralai.client import Mistral
from sdks.agreement import calls

from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": "m", "messages": HELLO}
OPTIONS: dict[str, Any] = {"api_key": "k", "max_retries": 0}
INFERENCE_PROXY = INFERENCE_PROXY_TEMPLATE.partition("/{")[0]
CLAUDE: dict[str, Any] = CHAT | {"model": "claude-haiku-4-5", "max_tokens": 9}


def ask_gemini() -> None:
    with genai.Client(api_key="k") as client:
        client.models.generate_content(model="m", contents="hello")


def ask_vertex() -> None:
    client = genai.Client(vertexai=True, project="p", location="europe-west4", credentials=Credentials(token="k"))
    client.models.generate_content(model="m", contents="hello")


def ask_bedrock() -> None:
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hello"}]}])


def ask_claude_on_vertex() -> None:
    client = anthropic.AnthropicVertex(region="us-east5", project_id="p", access_token="k", max_retries=0)
    client.messages.create(**CLAUDE)


def ask_claude_on_bedrock() -> None:
    client = anthropic.AnthropicBedrock(aws_region="us-east-1", aws_access_key="k", aws_secret_key="s", max_retries=0)
    client.messages.create(**CLAUDE)


def ask_hugging_face() -> None:
    client = huggingface_hub.InferenceClient(base_url=f"{INFERENCE_PROXY}/v1", token="hf_k")
    client.chat_completion(HELLO, model="a/b")


def ask_azure() -> None:
    client = openai.AzureOpenAI(azure_endpoint="https://clinic.openai.azure.com", api_version="2024-10-21", **OPTIONS)
    client.chat.completions.create(**CHAT)


#: Distribution, provider, a call of it.
ASKED: tuple[tuple[str, str, Callable[[], Any]], ...] = (
    ("anthropic", "anthropic", lambda: anthropic.Anthropic(**OPTIONS).messages.create(**CLAUDE)),
    ("anthropic", "aws.bedrock", ask_claude_on_bedrock),
    ("anthropic", "gcp.vertex_ai", ask_claude_on_vertex),
    ("boto3", "aws.bedrock", ask_bedrock),
    ("cerebras-cloud-sdk", "cerebras", lambda: cerebras.cloud.sdk.Cerebras(**OPTIONS).chat.completions.create(**CHAT)),
    ("cohere", "cohere", lambda: cohere.ClientV2(**OPTIONS).chat(**CHAT)),
    ("fireworks-ai", "fireworks_ai", lambda: fireworks.Fireworks(**OPTIONS).chat.completions.create(**CHAT)),
    ("google-genai", "gcp.gemini", ask_gemini),
    ("google-genai", "gcp.vertex_ai", ask_vertex),
    ("groq", "groq", lambda: groq.Groq(**OPTIONS).chat.completions.create(**CHAT)),
    ("huggingface_hub", "huggingface", ask_hugging_face),
    ("mistralai", "mistral_ai", lambda: Mistral(api_key="k").chat.complete(**CHAT)),
    ("openai", "azure.ai.openai", ask_azure),
    ("openai", "openai", lambda: openai.OpenAI(**OPTIONS).responses.create(model="m", input="hello")),
    ("openrouter", "openrouter", lambda: openrouter.OpenRouter(api_key="k").chat.send(**CHAT, retries=None)),
    ("perplexityai", "perplexity", lambda: perplexity.Perplexity(**OPTIONS).chat.completions.create(**CHAT)),
    ("together", "together_ai", lambda: together.Together(**OPTIONS).chat.completions.create(**CHAT)),
)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """Refuses every tunnel; nothing leaves the machine."""
    with RawServer(lambda connection: connection.head(403)) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        yield server


@pytest.mark.feature("its own host")
@pytest.mark.parametrize(
    ("provider", "ask"),
    [pytest.param(provider, ask, id=f"{sdk}-{provider}", marks=pytest.mark.sdk(sdk)) for sdk, provider, ask in ASKED],
)
def test_the_sdks_own_host_is_known(
    recorded: Recorded, proxy: RawServer, provider: str, ask: Callable[[], Any]
) -> None:
    with contextlib.suppress(Exception):  # each SDK has its own, of which the span tells
        ask()
    (span,) = calls(recorded)
    found = dict(span.attributes or {})
    assert found[a.PROVIDER] == provider
    tunnel = f"{found[a.SERVER_ADDRESS]}:443"
    assert tunnel in [request.headers.get("host", tunnel) for request in proxy.requests]  # urllib3 sends no header
    assert a.ERROR_TYPE in found
