"""Ollama's SDK on its own API: chat, generate, embed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ollama
import pytest
from app.recording import Recorded
from sdks.agreement import one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("ollama")
MODEL = "llama3.2"
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def client(standin: Standin) -> Iterator[ollama.Client]:
    client = ollama.Client(host=standin.ollama_url)
    yield client
    client.close()


def seen(recorded: Recorded, standin: Standin, operation: str) -> None:
    found = one_call(recorded, standin, operation=operation, provider="ollama")
    assert found[a.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.feature("chat")
def test_a_chat(recorded: Recorded, standin: Standin, client: ollama.Client) -> None:
    assert client.chat(MODEL, HELLO).message.content
    seen(recorded, standin, "chat")


@pytest.mark.feature("chat stream")
def test_a_chat_stream(recorded: Recorded, standin: Standin, client: ollama.Client) -> None:
    assert list(client.chat(MODEL, HELLO, stream=True))[-1].done
    seen(recorded, standin, "chat")


@pytest.mark.feature("generate")
@pytest.mark.parametrize("stream", [False, True])
def test_generate(recorded: Recorded, standin: Standin, client: ollama.Client, stream: bool) -> None:
    answer: Any = client.generate(MODEL, "hello", stream=stream)
    assert list(answer)[-1].done if stream else answer.response
    seen(recorded, standin, "text_completion")


@pytest.mark.feature("embed")
def test_embeddings(recorded: Recorded, standin: Standin, client: ollama.Client) -> None:
    assert client.embed("nomic-embed-text", ["one", "two"]).embeddings
    one_call(recorded, standin, operation="embeddings", provider="ollama")


@pytest.mark.feature("async")
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, stream: bool) -> None:
    async def ask() -> Any:
        client = ollama.AsyncClient(host=standin.ollama_url)
        try:
            answer: Any = await client.chat(MODEL, HELLO, stream=stream)
            return [part async for part in answer] if stream else answer
        finally:
            await client.close()

    assert asyncio.run(ask())
    seen(recorded, standin, "chat")


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(recorded: Recorded, standin: Standin, client: ollama.Client, status: int, stream: bool) -> None:
    with pytest.raises(ollama.ResponseError):
        list(client.chat(f"standin-{status}", HELLO, stream=stream))
    one_failure(recorded, standin, status=status, provider="ollama")
