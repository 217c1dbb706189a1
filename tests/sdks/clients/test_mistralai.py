"""Mistral's SDK: chat, fill in the middle, embeddings; it can trace itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from app.recording import Recorded
from mistralai.client import Mistral, errors
from mistralai.client.utils import BackoffStrategy, RetryConfig
from sdks.agreement import one_call, one_failure

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("mistralai")
PROVIDER = "mistral_ai"
HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": "mistral-small-latest", "messages": HELLO}


@pytest.fixture
def recorded(recorded_as: Callable[[str], Recorded]) -> Iterator[Recorded]:
    yield recorded_as(PROVIDER)
    otel_llm.uninstrument()


@pytest.fixture
def client(standin: Standin) -> Iterator[Mistral]:
    with Mistral(api_key="k", server_url=standin.mistral_url) as client:
        yield client


def chat_seen(recorded: Recorded, standin: Standin) -> dict[str, Any]:
    found = one_call(recorded, standin, operation="chat", provider=PROVIDER)
    assert found[a.RESPONSE_FINISH_REASONS] == ("stop",)
    return found


@pytest.mark.feature("chat")
def test_a_chat(recorded: Recorded, standin: Standin, client: Mistral) -> None:
    assert client.chat.complete(**CHAT).choices
    chat_seen(recorded, standin)


@pytest.mark.feature("chat stream")
def test_a_stream(recorded: Recorded, standin: Standin, client: Mistral) -> None:
    with client.chat.stream(**CHAT) as stream:
        assert len(list(stream)) > 1
    chat_seen(recorded, standin)


@pytest.mark.feature("async")
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, stream: bool) -> None:
    async def ask() -> Any:
        async with Mistral(api_key="k", server_url=standin.mistral_url) as client:
            if not stream:
                return await client.chat.complete_async(**CHAT)
            async with await client.chat.stream_async(**CHAT) as events:
                return [event async for event in events]

    assert asyncio.run(ask())
    chat_seen(recorded, standin)


@pytest.mark.feature("fill in the middle")
@pytest.mark.parametrize("stream", [False, True])
def test_fill_in_the_middle(recorded: Recorded, standin: Standin, client: Mistral, stream: bool) -> None:
    asked: Any = {"model": "codestral-latest", "prompt": "def f(", "suffix": "return a"}
    assert list(client.fim.stream(**asked)) if stream else client.fim.complete(**asked).choices
    one_call(recorded, standin, operation="text_completion", provider=PROVIDER)


@pytest.mark.feature("conversations")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [None, "conv_1"])
def test_a_conversation(recorded: Recorded, standin: Standin, client: Mistral, begun: str | None, stream: bool) -> None:
    conversations = client.beta.conversations
    asked: Any = {"model": "mistral-medium-latest"} if begun is None else {"conversation_id": begun}
    if stream:
        ask = conversations.start_stream if begun is None else conversations.append_stream
        with ask(inputs="hello", **asked) as events:
            assert len(list(events)) > 2
    else:
        ask = conversations.start if begun is None else conversations.append
        assert ask(inputs="hello", **asked).outputs
    found = chat_seen(recorded, standin)
    assert found[a.CONVERSATION_ID].startswith("conv_" if begun is None else begun)


@pytest.mark.feature("embeddings")
def test_embeddings(recorded: Recorded, standin: Standin, client: Mistral) -> None:
    assert client.embeddings.create(model="mistral-embed", inputs=["one", "two"]).data
    one_call(recorded, standin, operation="embeddings", provider=PROVIDER)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal(recorded: Recorded, standin: Standin, client: Mistral, status: int) -> None:
    with pytest.raises(errors.SDKError):
        client.chat.complete(model=f"standin-{status}", messages=HELLO)
    one_failure(recorded, standin, status=status, provider=PROVIDER)


@pytest.mark.feature("retries")
@pytest.mark.parametrize("is_async", [False, True])
def test_retries_are_one_call(recorded: Recorded, refusing: Standin, is_async: bool) -> None:
    retry = RetryConfig("backoff", BackoffStrategy(10, 20, 1.1, 5000), retry_connection_errors=False)
    client = Mistral(api_key="k", server_url=refusing.mistral_url, retry_config=retry)
    answer = asyncio.run(client.chat.complete_async(**CHAT)) if is_async else client.chat.complete(**CHAT)
    assert answer.choices
    chat_seen(recorded, refusing)
    assert len(refusing.calls) == 3
