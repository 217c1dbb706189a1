"""Vendors that speak OpenAI's format: by OpenAI's SDK with a base URL, and by the SDKs of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import cerebras.cloud.sdk
import fireworks
import groq
import openai
import openrouter
import openrouter.errors
import perplexity
import pytest
import together
from app.recording import Recorded
from openrouter.utils import BackoffStrategy, RetryConfig
from sdks.agreement import one_call, one_failure

from otel_llm_collector.demo.standin import Fault, Standin
from otel_llm_semconv import attributes as a

As = Callable[[str], Recorded]
MODEL = "llama-3.3-70b-versatile"
HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": MODEL, "messages": HELLO}
STREAM: dict[str, Any] = CHAT | {"stream": True}

#: Vendors with a host row, by their names in the GenAI conventions where those have one, and three servers of the
#: user's own, whose hosts the settings name.
VENDORS = (
    "cerebras",
    "deepinfra",
    "deepseek",
    "fireworks",
    "groq",
    "hyperbolic",
    "llama_cpp",
    "lm_studio",
    "moonshot_ai",
    "nebius",
    "nvidia",
    "openrouter",
    "perplexity",
    "sambanova",
    "together",
    "vllm",
    "x_ai",
)


@pytest.mark.sdk("openai")
@pytest.mark.parametrize(
    "vendor", [pytest.param(name, marks=pytest.mark.feature(f"{name} by base URL")) for name in VENDORS]
)
@pytest.mark.parametrize("stream", [False, True])
def test_openais_sdk_at_a_vendor(recorded_as: As, standin: Standin, vendor: str, stream: bool) -> None:
    recorded = recorded_as(vendor)
    with openai.OpenAI(base_url=standin.openai_url, api_key="k") as client:
        options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer: Any = client.chat.completions.create(**CHAT, **options)
        assert list(answer) if stream else answer.id
    one_call(recorded, standin, operation="chat", provider=vendor)


OWN = [
    pytest.param(vendor, sync, async_client, id=vendor, marks=pytest.mark.sdk(distribution))
    for vendor, distribution, sync, async_client in (
        ("cerebras", "cerebras-cloud-sdk", cerebras.cloud.sdk.Cerebras, cerebras.cloud.sdk.AsyncCerebras),
        ("fireworks", "fireworks-ai", fireworks.Fireworks, fireworks.AsyncFireworks),
        ("groq", "groq", groq.Groq, groq.AsyncGroq),
        ("perplexity", "perplexityai", perplexity.Perplexity, perplexity.AsyncPerplexity),
        ("together", "together", together.Together, together.AsyncTogether),
    )
]


@pytest.mark.feature("chat")
@pytest.mark.parametrize(("vendor", "sync", "_async"), OWN)
def test_a_chat(recorded_as: As, standin: Standin, vendor: str, sync: Any, _async: Any) -> None:
    recorded = recorded_as(vendor)
    with sync(base_url=standin.url, api_key="k") as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content
    found = one_call(recorded, standin, operation="chat", provider=vendor)
    assert found[a.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.feature("chat stream")
@pytest.mark.parametrize(("vendor", "sync", "_async"), OWN)
def test_a_stream(recorded_as: As, standin: Standin, vendor: str, sync: Any, _async: Any) -> None:
    recorded = recorded_as(vendor)
    with sync(base_url=standin.url, api_key="k") as client:
        assert len(list(client.chat.completions.create(**STREAM))) > 3
    found = one_call(recorded, standin, operation="chat", provider=vendor)
    assert found[a.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.feature("async")
@pytest.mark.parametrize(("vendor", "_sync", "async_client"), OWN)
def test_async(recorded_as: As, standin: Standin, vendor: str, _sync: Any, async_client: Any) -> None:
    async def ask() -> Any:
        async with async_client(base_url=standin.url, api_key="k") as client:
            return await client.chat.completions.create(**CHAT)

    recorded = recorded_as(vendor)
    assert asyncio.run(ask()).choices
    one_call(recorded, standin, operation="chat", provider=vendor)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize(("vendor", "sync", "_async"), OWN)
def test_a_refusal(recorded_as: As, standin: Standin, vendor: str, sync: Any, _async: Any, status: int) -> None:
    recorded = recorded_as(vendor)
    with (
        sync(base_url=standin.url, api_key="k", max_retries=0) as client,
        pytest.raises(Exception, match=str(status)),
    ):
        client.chat.completions.create(model=f"standin-{status}", messages=HELLO)
    one_failure(recorded, standin, status=status, provider=vendor)


@pytest.mark.feature("retries")
@pytest.mark.parametrize(("vendor", "sync", "_async"), OWN)
def test_retries_are_one_call(recorded_as: As, refusing: Standin, vendor: str, sync: Any, _async: Any) -> None:
    recorded = recorded_as(vendor)
    with sync(base_url=refusing.url, api_key="k", max_retries=2) as client:
        assert client.chat.completions.create(**CHAT).id
    one_call(recorded, refusing, operation="chat", provider=vendor)
    assert len(refusing.calls) == 3


@pytest.mark.feature("retries")
@pytest.mark.parametrize(("vendor", "_sync", "async_client"), OWN)
def test_async_retries_are_one_call(
    recorded_as: As, refusing: Standin, vendor: str, _sync: Any, async_client: Any
) -> None:
    async def ask() -> Any:
        async with async_client(base_url=refusing.url, api_key="k", max_retries=2) as client:
            return await client.chat.completions.create(**CHAT)

    recorded = recorded_as(vendor)
    assert asyncio.run(ask()).choices
    one_call(recorded, refusing, operation="chat", provider=vendor)
    assert len(refusing.calls) == 3


@pytest.mark.sdk("together")
@pytest.mark.feature("embeddings")
def test_together_embeddings(recorded_as: As, standin: Standin) -> None:
    recorded = recorded_as("together")
    with together.Together(base_url=standin.url, api_key="k") as client:
        assert client.embeddings.create(model="BAAI/bge-base-en-v1.5", input="hello").data
    one_call(recorded, standin, operation="embeddings", provider="together")


# --- OpenRouter ----------------------------------------------------------------------------------------------


@pytest.mark.sdk("openrouter")
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(False, marks=pytest.mark.feature("chat")),
        pytest.param(True, marks=pytest.mark.feature("chat stream")),
    ],
)
def test_openrouter(recorded_as: As, standin: Standin, stream: bool) -> None:
    recorded = recorded_as("openrouter")
    with openrouter.OpenRouter(api_key="k", server_url=standin.openai_url) as client:
        answer: Any = client.chat.send(**CHAT, stream=stream)
        assert list(answer) if stream else answer.choices
    one_call(recorded, standin, operation="chat", provider="openrouter")


@pytest.mark.sdk("openrouter")
@pytest.mark.feature("async")
def test_openrouter_async(recorded_as: As, standin: Standin) -> None:
    async def ask() -> Any:
        async with openrouter.OpenRouter(api_key="k", server_url=standin.openai_url) as client:
            return await client.chat.send_async(**CHAT)

    recorded = recorded_as("openrouter")
    assert asyncio.run(ask()).choices
    one_call(recorded, standin, operation="chat", provider="openrouter")


@pytest.mark.sdk("openrouter")
@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [400, 429])
def test_openrouter_refuses(recorded_as: As, standin: Standin, status: int) -> None:
    recorded = recorded_as("openrouter")
    with (
        openrouter.OpenRouter(api_key="k", server_url=standin.openai_url) as client,
        pytest.raises(openrouter.errors.OpenRouterError),
    ):
        client.chat.send(model=f"standin-{status}", messages=HELLO)
    one_failure(recorded, standin, status=status, provider="openrouter")


@pytest.mark.sdk("openrouter")
@pytest.mark.feature("retries")
def test_openrouter_retries_are_one_call(recorded_as: As) -> None:
    retry = RetryConfig("backoff", BackoffStrategy(10, 20, 1.1, 5000), retry_connection_errors=False)
    recorded = recorded_as("openrouter")
    with (
        Standin(faults=[Fault("500", times=2)]) as standin,
        openrouter.OpenRouter(api_key="k", server_url=standin.openai_url, retry_config=retry) as client,
    ):
        assert client.chat.send(**CHAT).choices
        one_call(recorded, standin, operation="chat", provider="openrouter")
        assert len(standin.calls) == 3
