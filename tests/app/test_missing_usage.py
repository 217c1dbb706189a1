"""Streams whose usage nobody asked for: absent by default, asked for behind the app's back or estimated on request."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from app.rawserver import RawServer
from app.recording import Recorded

import otel_llm
from otel_llm.injection import UsageFilter
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}


@pytest.fixture
def asking() -> Iterator[Recorded]:
    yield Recorded(include_usage=True)
    otel_llm.uninstrument()


def test_usage_that_was_not_asked_for_is_absent(recorded: Recorded, standin: Standin) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        list(client.chat.completions.create(**ASKED, stream=True))
    found = recorded.attributes()
    assert found[a.USAGE_STATUS] == "missing"
    assert a.USAGE_INPUT_TOKENS not in found


def test_usage_is_asked_for_and_its_chunk_is_hidden(asking: Recorded, standin: Standin) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        chunks = list(client.chat.completions.create(**ASKED, stream=True))
    found = asking.attributes()
    assert all(chunk.choices for chunk in chunks)
    assert not any(chunk.usage for chunk in chunks)
    (call,) = standin.calls
    assert found[a.USAGE_STATUS] == "reported"
    assert call.usage is not None
    assert found[a.USAGE_INPUT_TOKENS] == call.usage["prompt_tokens"]


def test_the_same_for_an_async_client(asking: Recorded, standin: Standin) -> None:
    async def chat() -> list[Any]:
        async with openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url) as client:
            return [chunk async for chunk in await client.chat.completions.create(**ASKED, stream=True)]

    chunks = asyncio.run(chat())
    assert chunks
    assert all(chunk.choices for chunk in chunks)
    assert asking.attributes()[a.USAGE_STATUS] == "reported"


def test_a_stream_that_is_read_whole_says_what_it_used(asking: Recorded, standin: Standin) -> None:
    with httpx2.Client() as client:
        answer = client.post(standin.openai_url + "/chat/completions", json={**ASKED, "stream": True})
    assert b"data: [DONE]" in answer.content
    assert b'"usage":{' not in answer.content.replace(b" ", b"")
    assert asking.attributes()[a.USAGE_STATUS] == "reported"


def test_an_app_that_asks_itself_sees_what_it_asked_for(asking: Recorded, standin: Standin) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        *_, last = client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    assert last.usage
    assert asking.attributes()[a.USAGE_STATUS] == "reported"


def test_a_request_that_does_not_stream_leaves_as_it_is(asking: Recorded) -> None:
    seen: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content)
        return httpx2.Response(200, json={"choices": []})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        client.post("https://api.openai.com/v1/chat/completions", json=ASKED)
    assert json.loads(seen[0]) == ASKED


class OldServer:
    """Knows no `stream_options`, and streams."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[Any] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(json.loads(request.content))
        if "stream_options" in self.asked[-1]:
            return httpx2.Response(self.status, json={"error": {"message": "unknown field"}})
        assert request.headers["accept-encoding"] != "identity"
        body = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n'
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_server_that_refuses_the_option_is_asked_as_the_app_asked(
    asking: Recorded, status: int, is_async: bool
) -> None:
    server, url = OldServer(status), f"http://old-{status}-{is_async}.test/v1/chat/completions".lower()
    asked = {**ASKED, "stream": True}

    def stream_sync() -> bytes:
        client = httpx2.Client(transport=httpx2.MockTransport(server.answer))
        with client, client.stream("POST", url, json=asked) as response:
            return b"".join(response.iter_bytes())

    async def stream_async() -> bytes:
        client = httpx2.AsyncClient(transport=httpx2.MockTransport(server.answer))
        async with client, client.stream("POST", url, json=asked) as response:
            return b"".join([chunk async for chunk in response.aiter_bytes()])

    for _ in range(2):
        assert b'"hi"' in (asyncio.run(stream_async()) if is_async else stream_sync())
    assert ["stream_options" in one for one in server.asked] == [True, False, False]
    assert [(span.attributes or {})[a.USAGE_STATUS] for span in asking.spans()] == ["missing"] * 2
    assert all(a.ATTEMPTS not in (span.attributes or {}) and span.status.is_unset for span in asking.spans())


def test_a_model_that_refuses_the_option_does_not_speak_for_others_on_its_host(asking: Recorded) -> None:
    asked: list[tuple[str, bool]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        asked.append((body["model"], "stream_options" in body))
        if body["model"] == "old" and "stream_options" in body:
            return httpx2.Response(400, json={"error": {"message": "unknown field"}})
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=b"data: [DONE]\n\n")

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        for model in ("new", "old", "new", "old"):
            client.post("http://many.test/v1/chat/completions", json={**ASKED, "model": model, "stream": True})
    assert asked == [("new", True), ("old", True), ("old", False), ("new", True), ("old", False)]


def test_a_server_that_compresses_whatever_it_is_asked_for_is_asked_once(asking: Recorded) -> None:
    asked: list[bool] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append("stream_options" in json.loads(request.content))
        head = {"content-type": "text/event-stream", "content-encoding": "gzip"}
        body = httpx2.ByteStream(gzip.compress(b"data: [DONE]\n\n"))
        return httpx2.Response(200, headers=head, stream=body)

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as client:
        for _ in range(2):
            client.post("http://gzip.test/v1/chat/completions", json={**ASKED, "stream": True})
    assert asked == [True, False]


def test_a_request_that_is_wrong_by_itself_fails_as_it_would(asking: Recorded) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(400, json={"error": {"message": "no"}}))
    with httpx2.Client(transport=transport) as client:
        for _ in range(2):
            answer = client.post("http://wrong.test/v1/chat/completions", json={**ASKED, "stream": True})
            assert (answer.status_code, answer.json()) == (400, {"error": {"message": "no"}})
            assert json.loads(answer.request.content) == {**ASKED, "stream": True}
    assert [(span.attributes or {})[a.ERROR_TYPE] for span in asking.spans()] == ["400"] * 2


EVENTS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"\\"usage\\" of \\"choices\\":[]"}}],"usage":null}',
    b'data: {"choices":[],"usage":{"prompt_tokens":1}}',
    b"data: [DONE]",
]


@pytest.mark.parametrize("separator", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 10_000])
def test_one_chunk_is_left_out_however_the_bytes_are_cut(size: int, separator: bytes) -> None:
    body = b"".join(event + separator for event in EVENTS)
    usage = UsageFilter()
    seen = b"".join(usage.take(body[place : place + size]) for place in range(0, len(body), size)) + usage.rest()
    assert seen == EVENTS[0] + separator + EVENTS[2] + separator


def test_an_estimate_is_marked_as_one(standin: Standin) -> None:
    recorded = Recorded(estimate_usage=True)
    try:
        with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
            chunks = list(client.chat.completions.create(**ASKED, stream=True))
        found = recorded.attributes()
    finally:
        otel_llm.uninstrument()
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert found[a.USAGE_STATUS] == "estimated"
    assert found[a.COST_STATUS] == "estimated_tokens"
    assert found[a.USAGE_INPUT_TOKENS] == -(-len("hello there") // 4)
    assert found[a.USAGE_OUTPUT_TOKENS] == -(-len(text.encode()) // 4)
    assert a.INPUT_MESSAGES not in found


def test_what_failed_is_not_estimated() -> None:
    recorded = Recorded(estimate_usage=True)
    try:
        with RawServer(lambda c: c.json({"error": {"message": "no"}}, status=500)) as server, httpx2.Client() as client:
            client.post(server.url + "/v1/chat/completions", json=ASKED)
        assert a.USAGE_INPUT_TOKENS not in recorded.attributes()
    finally:
        otel_llm.uninstrument()
