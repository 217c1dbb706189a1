"""Cohere's SDK, v2: chat, embed, rerank."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import cohere
import cohere.core
import pytest
from app.recording import Recorded
from sdks.agreement import one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("cohere")
HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": "command-a-03-2025", "messages": HELLO}


@pytest.fixture
def client(standin: Standin) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(api_key="k", base_url=standin.cohere_url, max_retries=0) as client:
        yield client


def chat_seen(recorded: Recorded, standin: Standin) -> None:
    found = one_call(recorded, standin, operation="chat", provider="cohere")
    assert found[a.RESPONSE_FINISH_REASONS] == ("COMPLETE",)


@pytest.mark.feature("chat")
def test_a_chat(recorded: Recorded, standin: Standin, client: cohere.ClientV2) -> None:
    assert client.chat(**CHAT).message.content
    chat_seen(recorded, standin)


@pytest.mark.feature("chat stream")
def test_a_stream(recorded: Recorded, standin: Standin, client: cohere.ClientV2) -> None:
    assert list(client.chat_stream(**CHAT))[-1].type == "message-end"
    chat_seen(recorded, standin)


@pytest.mark.feature("async")
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, stream: bool) -> None:
    async def ask() -> Any:
        async with cohere.AsyncClientV2(api_key="k", base_url=standin.cohere_url) as client:
            return [event async for event in client.chat_stream(**CHAT)] if stream else await client.chat(**CHAT)

    assert asyncio.run(ask())
    chat_seen(recorded, standin)


@pytest.mark.feature("embed")
def test_embeddings(recorded: Recorded, standin: Standin, client: cohere.ClientV2) -> None:
    asked: Any = {"model": "embed-v4.0", "texts": ["one", "two"], "embedding_types": ["float"]}
    assert client.embed(**asked, input_type="search_document").embeddings
    one_call(recorded, standin, operation="embeddings", provider="cohere")


@pytest.mark.feature("rerank")
def test_a_rerank(recorded: Recorded, standin: Standin, client: cohere.ClientV2) -> None:
    assert client.rerank(model="rerank-v3.5", query="heart", documents=["one", "two"]).results
    one_call(recorded, standin, operation="rerank", provider="cohere")


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal(recorded: Recorded, standin: Standin, client: cohere.ClientV2, status: int) -> None:
    with pytest.raises(cohere.core.ApiError):
        client.chat(model=f"standin-{status}", messages=HELLO)
    one_failure(recorded, standin, status=status, provider="cohere")


@pytest.mark.feature("retries")
def test_retries_are_one_call(recorded: Recorded, refusing: Standin) -> None:
    with cohere.ClientV2(api_key="k", base_url=refusing.cohere_url, max_retries=2) as client:
        assert client.chat(**CHAT).message.content
    chat_seen(recorded, refusing)
    assert len(refusing.calls) == 3
