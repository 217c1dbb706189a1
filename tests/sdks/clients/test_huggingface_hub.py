"""Hugging Face's InferenceClient at an endpoint of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import huggingface_hub
import pytest
from app.recording import Recorded
from huggingface_hub.errors import HfHubHTTPError
from sdks.agreement import one_call, one_failure

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("huggingface_hub")
PROVIDER = "hugging_face"
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
HELLO: Any = [{"role": "user", "content": "hello"}]
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def recorded(recorded_as: Callable[[str], Recorded]) -> Iterator[Recorded]:
    yield recorded_as(PROVIDER)
    otel_llm.uninstrument()


@pytest.fixture
def client(standin: Standin) -> huggingface_hub.InferenceClient:
    return huggingface_hub.InferenceClient(base_url=standin.huggingface_url, api_key="k")


@pytest.mark.feature("chat_completion")
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat(recorded: Recorded, standin: Standin, client: huggingface_hub.InferenceClient, stream: bool) -> None:
    answer: Any = client.chat_completion(HELLO, model=MODEL, **(STREAM if stream else {}))
    assert list(answer) if stream else answer.choices
    found = one_call(recorded, standin, operation="chat", provider=PROVIDER)
    assert found[a.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.feature("text_generation")
@pytest.mark.parametrize("stream", [False, True])
def test_text_generation(recorded: Recorded, standin: Standin, stream: bool) -> None:
    path = "generate_stream" if stream else "generate"  # of a text-generation-inference server
    client = huggingface_hub.InferenceClient(model=f"{standin.huggingface_url}/{path}", token="k")
    answer: Any = client.text_generation("hello", stream=stream, details=True, max_new_tokens=500)
    assert list(answer) if stream else answer.generated_text
    one_call(recorded, standin, operation="text_completion", provider=PROVIDER)


@pytest.mark.feature("AsyncInferenceClient")
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, stream: bool) -> None:
    async def ask() -> Any:
        client = huggingface_hub.AsyncInferenceClient(base_url=standin.huggingface_url, api_key="k")
        async with client:
            answer: Any = await client.chat_completion(HELLO, model=MODEL, **(STREAM if stream else {}))
            return [chunk async for chunk in answer] if stream else answer

    assert asyncio.run(ask())
    one_call(recorded, standin, operation="chat", provider=PROVIDER)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal(recorded: Recorded, standin: Standin, client: huggingface_hub.InferenceClient, status: int) -> None:
    with pytest.raises(HfHubHTTPError):
        client.chat_completion(HELLO, model=f"standin-{status}")
    one_failure(recorded, standin, status=status, provider=PROVIDER)
