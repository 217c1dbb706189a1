"""What counts as one more attempt of a call, and what is a call of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest
import requests
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
BODY: Any = {"model": "gpt-4o", "messages": HELLO}


def reply(connection: Connection) -> None:
    """As many tokens as the request's own number says."""
    number = int(connection.headers.get("x-number", 1))
    usage = {"prompt_tokens": number, "completion_tokens": number, "total_tokens": 2 * number}
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    connection.json({"id": "c", "object": "x", "created": 1, "model": "gpt-4o", "choices": [choice], "usage": usage})


def busy(connection: Connection) -> None:
    connection.json({"error": {"message": "slow down", "type": "requests"}}, 429, retry_after_ms="1")


def seen(recorded: Recorded) -> list[tuple[Any, Any]]:
    """(output tokens, attempts) of each call, by tokens."""
    spans = [dict(span.attributes or {}) for span in recorded.spans()]
    return sorted(((found.get(a.USAGE_OUTPUT_TOKENS), found.get(a.ATTEMPTS)) for found in spans), key=str)


@pytest.mark.parametrize("later", [False, True], ids=["while it is under way", "after it has returned"])
def test_a_task_that_is_started_inside_a_call_makes_calls_of_its_own(recorded: Recorded, later: bool) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def main(url: str) -> None:
        returned = asyncio.Event()
        raw = httpx2.AsyncClient()

        async def background() -> None:
            if later:
                await returned.wait()
            await raw.post(url + "/chat/completions", json=BODY, headers={"x-number": "9"})

        async def start_one(request: Any) -> None:
            tasks.append(asyncio.create_task(background()))
            if not later:
                await tasks[-1]

        http = httpx2.AsyncClient(event_hooks={"request": [start_one]})
        async with raw, openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http) as client:
            await client.chat.completions.create(**BODY)
            returned.set()
            await asyncio.gather(*tasks)

    with RawServer(reply) as server:
        asyncio.run(main(server.url + "/v1"))
    assert seen(recorded) == [(1, None), (9, None)]


def test_a_request_between_two_attempts_to_another_path_is_none_of_them(recorded: Recorded) -> None:
    class Chatty(openai.OpenAI):
        """Asks somebody else before its second attempt."""

        def _prepare_request(self, request: Any) -> None:
            if server.requests:
                raw.post(server.url + "/other/chat/completions", json=BODY, headers={"x-number": "9"})

    with (
        RawServer(busy, reply) as server,
        httpx2.Client() as raw,
        Chatty(api_key="k", base_url=server.url, max_retries=1) as client,
    ):
        client.chat.completions.create(**BODY)
    assert seen(recorded) == [(1, 2), (9, None)]


def test_a_request_while_the_answer_is_still_awaited_is_a_call_of_its_own(recorded: Recorded) -> None:
    """Inside the SDK's method, but outside of the attempt: a task that the app starts before the first one."""

    class Busy(openai.AsyncOpenAI):
        waiting: Any = None

        async def _prepare_request(self, request: Any) -> None:
            self.waiting = asyncio.create_task(self.ask())

        async def ask(self) -> None:
            while not server.requests:
                await asyncio.sleep(0.01)
            async with httpx2.AsyncClient() as raw:
                await raw.post(server.url + "/chat/completions", json=BODY, headers={"x-number": "9"})
            answered.set()

    def held(connection: Connection) -> None:
        if "x-number" not in connection.headers:
            while not answered.is_set() and not server.stopping.wait(0.01):
                pass
        reply(connection)

    async def main() -> None:
        async with Busy(api_key="k", base_url=server.url, max_retries=0) as client:
            await client.chat.completions.create(**BODY)
            await client.waiting

    answered = asyncio.Event()
    server = RawServer(held)
    with server:
        asyncio.run(main())
    assert seen(recorded) == [(1, None), (9, None)]


@pytest.mark.parametrize("stream", [False, True])
def test_attempts_that_urllib3_makes_by_itself(recorded: Recorded, stream: bool) -> None:
    def later(connection: Connection) -> None:
        connection.json({"error": {"message": "slow down"}}, 429, retry_after="1")

    replies = [later, lambda connection: connection.cut(), reply]
    with RawServer(*replies) as server, requests.Session() as session:
        retries = Retry(total=3, backoff_factor=0, status_forcelist=[429], allowed_methods=None)
        session.mount("http://", HTTPAdapter(max_retries=retries))
        answer = session.post(server.url + "/v1/chat/completions", json=BODY, timeout=20, stream=stream)
        assert answer.json()["model"] == "gpt-4o"
    found = recorded.attributes()
    assert found[a.ATTEMPTS] == 3
    assert found[a.ATTEMPT_OUTCOMES] == ("429", "ProtocolError", "200")
    assert found[a.USAGE_OUTPUT_TOKENS] == 1
    assert found[a.RETRY_WAIT] >= 1
    assert recorded.call().status.is_unset
    events = [dict(event.attributes or {}) for event in recorded.call().events]
    assert [(event[a.ERROR_TYPE], event.get(a.RETRY_AFTER)) for event in events] == [
        ("429", "1"),
        ("ProtocolError", None),
    ]


def test_a_call_that_is_cancelled_while_its_sdk_waits_to_try_again(recorded: Recorded) -> None:
    async def main(url: str, refused: asyncio.Event) -> None:
        async def note(response: Any) -> None:
            refused.set()

        http = httpx2.AsyncClient(event_hooks={"response": [note]})
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http) as client:
            call = asyncio.create_task(client.chat.completions.create(**BODY))
            await refused.wait()
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with RawServer(lambda c: c.json({"error": {"message": "no", "type": "busy"}}, 429, retry_after="20")) as server:
        asyncio.run(main(server.url, asyncio.Event()))
    assert recorded.attributes()[a.ERROR_TYPE] == "CancelledError"
