"""OpenAI's SDK: every endpoint that calls a model, every way its SDK offers to call it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from app.recording import Recorded
from pydantic import BaseModel
from sdks.agreement import calls, one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("openai")
AZURE = "azure.ai.openai"
MODEL = "gpt-4o-mini"
HELLO: Any = [{"role": "user", "content": "hello"}]
CHAT: dict[str, Any] = {"model": MODEL, "messages": HELLO}
STREAM: dict[str, Any] = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
TOOL: Any = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"name": {"type": "string"}}}},
}


class Patient(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(standin: Standin) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=standin.openai_url, websocket_base_url=standin.realtime_url, api_key="k", max_retries=0
    ) as client:
        yield client


def chat_seen(recorded: Recorded, standin: Standin, finish: str = "stop") -> dict[str, Any]:
    found = one_call(recorded, standin, operation="chat", provider="openai")
    assert found[a.RESPONSE_FINISH_REASONS] == (finish,)
    return found


# --- chat completions ----------------------------------------------------------------------------------------


@pytest.mark.feature("chat")
def test_a_chat(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(**CHAT)
    found = chat_seen(recorded, standin)
    assert answer.usage
    assert (found[a.USAGE_INPUT_TOKENS], found[a.RESPONSE_ID]) == (answer.usage.prompt_tokens, answer.id)


@pytest.mark.feature("chat tools")
def test_a_tool_call(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.chat.completions.create(**CHAT, tools=[TOOL]).choices[0].message.tool_calls
    chat_seen(recorded, standin, "tool_calls")


@pytest.mark.feature("chat stream")
def test_a_chat_stream(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert len(list(client.chat.completions.create(**STREAM))) > 3
    chat_seen(recorded, standin)


@pytest.mark.feature("chat stream")
def test_a_chat_stream_without_usage_has_no_tokens(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    list(client.chat.completions.create(**CHAT, stream=True))
    found = chat_seen(recorded, standin)
    assert a.USAGE_INPUT_TOKENS not in found
    assert found[a.USAGE_STATUS] == "missing"


@pytest.mark.feature("chat stream helper")
def test_the_stream_helper(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    with client.chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as stream:
        assert stream.get_final_completion().choices[0].message.content
    chat_seen(recorded, standin)


@pytest.mark.feature("chat parse")
def test_parse(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.chat.completions.parse(**CHAT, response_format=Patient).choices[0].message.parsed
    chat_seen(recorded, standin)


@pytest.mark.feature("with_raw_response")
def test_the_raw_response(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(**CHAT)
    assert raw.headers["x-request-id"] == standin.calls[0].request_id
    assert raw.parse().choices
    chat_seen(recorded, standin)


@pytest.mark.feature("with_streaming_response")
@pytest.mark.parametrize("way", ["iter_lines", "iter_bytes", "iter_text"])
def test_the_streaming_response(recorded: Recorded, standin: Standin, client: openai.OpenAI, way: str) -> None:
    with client.chat.completions.with_streaming_response.create(**STREAM) as response:
        assert list(getattr(response, way)())
    chat_seen(recorded, standin)


@pytest.mark.feature("AsyncOpenAI")
def test_async_calls_at_once(recorded: Recorded, standin: Standin) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=standin.openai_url, api_key="k") as client:
            asked = (client.chat.completions.create(**CHAT, seed=i) for i in range(5))
            return await asyncio.gather(*asked)

    ids = {answer.id for answer in asyncio.run(ask())}
    spans = calls(recorded)
    assert {(span.attributes or {})[a.RESPONSE_ID] for span in spans} == ids
    assert len(spans) == 5


@pytest.mark.feature("AsyncOpenAI")
def test_an_async_stream(recorded: Recorded, standin: Standin) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=standin.openai_url, api_key="k") as client:
            return [chunk async for chunk in await client.chat.completions.create(**STREAM)]

    assert len(asyncio.run(ask())) > 3
    chat_seen(recorded, standin)


# --- failures ------------------------------------------------------------------------------------------------


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(recorded: Recorded, standin: Standin, client: openai.OpenAI, status: int, stream: bool) -> None:
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model=f"standin-{status}", messages=HELLO, stream=stream)
    one_failure(recorded, standin, status=status, provider="openai")


@pytest.mark.feature("retries")
def test_retries_are_one_call(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    patient = client.with_options(max_retries=2)
    assert patient.chat.completions.create(**CHAT, extra_headers={"x-standin-fault": "429*2"}).id
    assert chat_seen(recorded, standin)[a.ATTEMPTS] == 3


@pytest.mark.feature("errors")
def test_an_error_event(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**{**STREAM, "model": "standin-sse_error"}))
    (span,) = calls(recorded)
    assert (span.attributes or {})[a.ERROR_TYPE] == "server_error"


# --- responses -----------------------------------------------------------------------------------------------


@pytest.mark.feature("responses")
def test_a_response(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="hello")
    assert answer.output_text
    found = one_call(recorded, standin, operation="chat", provider="openai")
    assert found[a.RESPONSE_ID] == answer.id


@pytest.mark.feature("responses stream")
def test_a_response_stream(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert list(client.responses.create(model=MODEL, input="hello", stream=True))[-1].type == "response.completed"
    one_call(recorded, standin, operation="chat", provider="openai")


@pytest.mark.feature("responses stream helper")
def test_the_response_stream_helper(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="hello") as stream:
        assert stream.get_final_response().output_text
    one_call(recorded, standin, operation="chat", provider="openai")


@pytest.mark.feature("responses parse")
def test_a_parsed_response(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.responses.parse(model=MODEL, input="hello", text_format=Patient).output_parsed
    one_call(recorded, standin, operation="chat", provider="openai")


@pytest.mark.feature("responses")
def test_an_async_response(recorded: Recorded, standin: Standin) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=standin.openai_url, api_key="k") as client:
            return await client.responses.create(model=MODEL, input="hello")

    assert asyncio.run(ask()).output_text
    one_call(recorded, standin, operation="chat", provider="openai")


@pytest.mark.feature("responses")
def test_a_stored_response_is_no_call(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    stored = client.responses.create(model=MODEL, input="hello")
    fetched = client.responses.with_raw_response.retrieve(stored.id)
    assert fetched.status_code == 200
    assert len(calls(recorded)) == 1


# --- the other endpoints -------------------------------------------------------------------------------------


@pytest.mark.feature("completions")
def test_a_completion(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello").choices[0].text
    one_call(recorded, standin, operation="text_completion", provider="openai")


@pytest.mark.feature("completions stream")
def test_a_completion_stream(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    assert list(client.completions.create(model="gpt-3.5-turbo-instruct", prompt="hello", **options))
    one_call(recorded, standin, operation="text_completion", provider="openai")


@pytest.mark.feature("embeddings")
def test_embeddings(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]).data[1].embedding
    found = one_call(recorded, standin, operation="embeddings", provider="openai")
    assert a.USAGE_OUTPUT_TOKENS not in found


@pytest.mark.feature("moderation is no call")
def test_moderation_is_no_call(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    assert client.moderations.create(model="omni-moderation-latest", input="hello").results
    assert calls(recorded) == []


# --- other clients -------------------------------------------------------------------------------------------


@pytest.mark.feature("AzureOpenAI")
@pytest.mark.parametrize("stream", [False, True])
def test_azure(recorded_as: Callable[[str], Recorded], standin: Standin, stream: bool) -> None:
    recorded = recorded_as(AZURE)
    with openai.AzureOpenAI(azure_endpoint=standin.azure_url, api_key="k", api_version="2025-04-01-preview") as client:
        answer: Any = client.chat.completions.create(**(STREAM if stream else CHAT))
        assert list(answer) if stream else answer.id
    one_call(recorded, standin, operation="chat", provider=AZURE)


@pytest.mark.feature("Azure by base URL")
def test_azures_newer_api(recorded_as: Callable[[str], Recorded], standin: Standin) -> None:
    recorded = recorded_as(AZURE)
    with openai.OpenAI(base_url=f"{standin.azure_url}/openai/v1/", api_key="k") as client:
        client.chat.completions.create(**CHAT)
    one_call(recorded, standin, operation="chat", provider=AZURE)
