"""Models over a websocket: each response is a call, whoever asked for it and however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import websockets.asyncio.client as asynchronous
import websockets.sync.client as synchronous
from app.recording import Recorded
from opentelemetry import propagate
from opentelemetry.trace import SpanKind, StatusCode
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.server import ServerConnection, serve

import otel_llm
from otel_llm.propagation import HEADERS
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

# the SDK still calls `connect` as websockets used to have it
pytestmark = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning")

SPOKEN = json.loads((Path(__file__).parent / "fixtures/openai_realtime/response_stream.json").read_text())
SAY: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How urgent?"}]}
CREATE = json.dumps({"type": "response.create"})

Script = Callable[[ServerConnection], None]


@contextlib.contextmanager
def scripted(script: Script, path: str = "/v1/realtime?model=gpt-realtime") -> Iterator[str]:
    """A websocket server that does what it is told with each connection; its URL."""
    with serve(script, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}{path}"
        server.shutdown()
        thread.join(5)


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})


def created(identity: str = "resp_1") -> str:
    return event("response.created", response={"id": identity, "status": "in_progress", "output": [], "usage": None})


def done(identity: str = "resp_1", status: str = "completed", **fields: Any) -> str:
    usage = {"input_tokens": 100, "output_tokens": len(identity), "total_tokens": 0}
    return event("response.done", response={"id": identity, "status": status, "output": [], "usage": usage, **fields})


def delta(text: str, identity: str = "resp_1") -> str:
    return event("response.output_text.delta", response_id=identity, output_index=0, content_index=0, delta=text)


def attributes(recorded: Recorded) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in recorded.spans()]


def test_each_response_of_the_sdk_is_a_call(recorded: Recorded, standin: Standin) -> None:
    client = openai.OpenAI(api_key="k", base_url=standin.openai_url, websocket_base_url=standin.realtime_url)
    with (
        client,
        recorded.tracer.start_as_current_span("work") as work,
        otel_llm.session("visit-1"),
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        for _ in range(2):
            connection.conversation.item.create(item=SAY)
            connection.response.create(response={"max_output_tokens": 900, "metadata": {"department": "triage"}})
            for heard in connection:
                if heard.type == "response.done":
                    break
    calls = [span for span in recorded.spans() if span.name != "work"]
    assert [span.name for span in calls] == ["chat gpt-realtime"] * 2
    for span, told in zip(calls, standin.calls, strict=True):
        assert (span.kind, span.status.status_code) == (SpanKind.CLIENT, StatusCode.UNSET)
        assert span.parent is not None
        assert span.parent.span_id == work.get_span_context().span_id
        found, usage = dict(span.attributes or {}), told.usage or {}
        assert (found[a.PROVIDER], found[a.SERVER_ADDRESS], found[a.REQUEST_STREAM]) == ("openai", "127.0.0.1", True)
        assert (found[a.REQUEST_MODEL], found[a.RESPONSE_MODEL]) == ("gpt-realtime", "gpt-realtime")
        assert (found[a.SESSION_ID], found[a.PROPERTY_PREFIX + "department"]) == ("visit-1", "triage")
        assert (found[a.REQUEST_MAX_TOKENS], found[a.OUTPUT_TYPE]) == (900, "text")
        assert (found[a.RESPONSE_ID], found[a.USAGE_STATUS]) == (told.id, "reported")
        assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS]) == (
            usage["input_tokens"],
            usage["output_tokens"],
        )
        assert found[a.USAGE_CACHE_READ_TOKENS] == usage["input_token_details"]["cached_tokens"]
        assert found[a.USAGE_AUDIO_INPUT_TOKENS] == usage["input_token_details"]["audio_tokens"]
        assert found[a.RESPONSE_TIME_TO_FIRST_CHUNK] > 0
        assert a.OUTPUT_MESSAGES not in found


def test_each_response_of_the_asynchronous_sdk_is_a_call(recorded: Recorded, standin: Standin) -> None:
    async def main() -> None:
        client = openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url, websocket_base_url=standin.realtime_url)
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            await connection.conversation.item.create(item=SAY)
            await connection.response.create()
            async for heard in connection:
                if heard.type == "response.done":
                    break

    asyncio.run(main())
    (found,) = attributes(recorded)
    (told,) = standin.calls
    assert (found[a.RESPONSE_ID], found[a.RESPONSE_FINISH_REASONS]) == (told.id, ("stop",))
    assert found[a.USAGE_OUTPUT_TOKENS] == (told.usage or {})["output_tokens"]


def test_the_handshake_carries_no_trace_headers(recorded: Recorded, standin: Standin) -> None:
    with recorded.tracer.start_as_current_span("work"):
        mine: dict[str, str] = {"x-mine": "1", "baggage": "user.id=alice"}
        propagate.inject(mine)
        assert "traceparent" in mine
        with synchronous.connect(standin.realtime_url + "/realtime?model=gpt-realtime", additional_headers=mine) as one:
            one.send(CREATE)
            while "response.done" not in str(one.recv()):
                pass
    assert "traceparent" in mine
    (told,) = standin.calls
    names = {name for name, _ in told.headers}
    assert "x-mine" in names
    assert not names & HEADERS


def test_other_connections_stay_as_they_are(recorded: Recorded) -> None:
    seen: list[Any] = []

    def echo(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(dict(connection.request.headers.raw_items()))
        connection.send(connection.recv())

    headers = {"traceparent": "mine"}
    with scripted(echo, "/feed") as url, synchronous.connect(url, additional_headers=headers) as connection:
        assert type(connection) is synchronous.ClientConnection
        connection.send(CREATE)
        assert connection.recv() == CREATE
    assert seen[0]["traceparent"] == "mine"
    assert recorded.spans() == []


def test_what_the_app_reads_and_the_kind_of_its_connection_do_not_change(recorded: Recorded) -> None:
    said = [created(), delta("ä\n"), done(), b"\x00\x01"]

    def script(connection: ServerConnection) -> None:
        for message in said:
            connection.send(message)

    async def main(url: str) -> list[Any]:
        async with asynchronous.connect(url) as connection:
            assert isinstance(connection, asynchronous.ClientConnection)
            assert type(connection).__qualname__ == "ClientConnection"
            return [message async for message in connection]

    with scripted(script) as url:
        with synchronous.connect(url) as connection:
            assert isinstance(connection, synchronous.ClientConnection)
            assert list(connection) == said
        assert asyncio.run(main(url)) == said
    assert len(recorded.spans()) == 2


def test_a_response_that_a_voice_set_off_is_a_call(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.send(event("session.created", session={"model": "gpt-realtime-2025-08-28"}))
        for message in SPOKEN["events"]:
            connection.send(json.dumps(message))

    with scripted(script) as url, synchronous.connect(url) as connection:
        assert len(list(connection)) == 1 + len(SPOKEN["events"])
    (found,) = attributes(recorded)
    assert (found[a.REQUEST_MODEL], found[a.RESPONSE_MODEL]) == ("gpt-realtime", "gpt-realtime-2025-08-28")
    assert (found[a.USAGE_AUDIO_INPUT_TOKENS], found[a.USAGE_AUDIO_OUTPUT_TOKENS]) == (400, 200)
    assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_CACHE_READ_TOKENS]) == (1003, 384)
    assert a.REQUEST_MAX_TOKENS not in found


def test_responses_beside_each_other_are_told_apart(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv(), connection.recv()
        for message in (created("a"), created("bb"), delta("x", "bb"), done("bb"), delta("y", "a"), done("a")):
            connection.send(message)

    with scripted(script) as url, synchronous.connect(url) as connection:
        for name in ("first", "second"):
            connection.send(json.dumps({"type": "response.create", "response": {"metadata": {"name": name}}}))
        list(connection)
    found = {one[a.RESPONSE_ID]: one for one in attributes(recorded)}
    assert {key: one[a.USAGE_OUTPUT_TOKENS] for key, one in found.items()} == {"a": 1, "bb": 2}
    assert [found[key][a.PROPERTY_PREFIX + "name"] for key in ("a", "bb")] == ["first", "second"]


@pytest.mark.parametrize(
    ("status", "details", "reason", "error"),
    [
        ("incomplete", {"reason": "max_output_tokens"}, "length", None),
        ("incomplete", {"reason": "content_filter"}, "content_filter", None),
        ("cancelled", {"reason": "turn_detected"}, "cancelled", None),
        ("failed", {"error": {"type": "server_error", "message": "broke"}}, None, "server_error"),
    ],
)
def test_how_a_response_ended(
    recorded: Recorded, status: str, details: dict[str, Any], reason: str | None, error: str | None
) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(created())
        connection.send(done(status=status, status_details={"type": status, **details}))

    with scripted(script) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        list(connection)
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    assert found.get(a.RESPONSE_FINISH_REASONS) == (reason and (reason,))
    assert (found[a.USAGE_STATUS], found[a.USAGE_INPUT_TOKENS]) == ("reported", 100)
    assert found.get(a.ERROR_TYPE) == error
    assert (span.status.status_code is StatusCode.ERROR) == (error is not None)


def test_an_error_ends_the_response_that_it_is_about(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv(), connection.recv()
        refusal = {"type": "invalid_request_error", "message": "no", "event_id": "mine-2"}
        for message in (event("error", error=refusal), created(), done()):
            connection.send(message)

    with scripted(script) as url, synchronous.connect(url) as connection:
        for name in ("mine-1", "mine-2"):
            connection.send(json.dumps({"type": "response.create", "event_id": name}))
        list(connection)
    outcomes = [(found.get(a.RESPONSE_ID), found.get(a.ERROR_TYPE)) for found in attributes(recorded)]
    assert outcomes == [(None, "invalid_request_error"), ("resp_1", None)]


def test_an_error_about_something_else_ends_no_response(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        refusal = {"type": "invalid_request_error", "message": "no", "param": "session.voice"}
        for message in (event("error", error=refusal), created(), done()):
            connection.send(message)

    with scripted(script) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        list(connection)
    (found,) = attributes(recorded)
    assert (found[a.RESPONSE_ID], a.ERROR_TYPE in found) == ("resp_1", False)


def wait(connection: ServerConnection) -> None:
    """Answer in part, then nothing more until the client goes."""
    connection.recv()
    connection.send(created())
    connection.send(delta("one "))
    with contextlib.suppress(ConnectionClosed):
        connection.recv()


def test_a_connection_that_the_app_closes_leaves_a_part(capturing: Recorded) -> None:
    with scripted(wait) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        connection.recv(), connection.recv()
    (span,) = capturing.spans()
    found = dict(span.attributes or {})
    assert (found[a.USAGE_STATUS], found[a.RESPONSE_ID]) == ("partial", "resp_1")
    assert (span.status.status_code, a.USAGE_OUTPUT_TOKENS in found) == (StatusCode.UNSET, False)


@pytest.mark.parametrize("orderly", [True, False])
def test_a_connection_that_the_server_ends(recorded: Recorded, orderly: bool) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(created())
        connection.close(1000 if orderly else 1011)

    async def main(url: str) -> None:
        async with asynchronous.connect(url) as connection:
            await connection.send(CREATE)
            with contextlib.suppress(ConnectionClosedError):
                async for _ in connection:
                    pass

    with scripted(script) as url:
        asyncio.run(main(url))
    (found,) = attributes(recorded)
    assert (found[a.USAGE_STATUS], found.get(a.ERROR_TYPE)) == (
        "partial",
        None if orderly else "ConnectionClosedError",
    )


def test_waiting_in_vain_is_no_end_and_a_cancelled_task_is_one(recorded: Recorded) -> None:
    async def main(url: str) -> None:
        async def listen() -> None:
            async with asynchronous.connect(url) as connection:
                await connection.send(CREATE)
                await connection.recv(), await connection.recv()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):
                        await connection.recv()
                assert recorded.spans() == []
                await connection.recv()

        task = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with scripted(wait) as url:
        asyncio.run(main(url))
        with synchronous.connect(url) as connection:
            connection.send(CREATE)
            connection.recv(), connection.recv()
            with pytest.raises(TimeoutError):
                connection.recv(timeout=0.01)
    assert [found.get(a.ERROR_TYPE) for found in attributes(recorded)] == ["CancelledError", None]
    assert {found[a.USAGE_STATUS] for found in attributes(recorded)} == {"partial"}


def test_a_response_that_cannot_be_asked_for(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.close()

    with scripted(script) as url, synchronous.connect(url) as connection:
        list(connection)
        with pytest.raises(ConnectionClosed):
            connection.send(CREATE)
    (found,) = attributes(recorded)
    assert found[a.ERROR_TYPE] == "ConnectionClosedOK"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_that_is_dropped_leaves_a_part(recorded: Recorded) -> None:
    async def main(url: str) -> None:
        connection = await asynchronous.connect(url)
        await connection.send(CREATE)
        await connection.recv()

    with scripted(wait) as url:
        asyncio.run(main(url))
        gc.collect()
        (found,) = attributes(recorded)
    assert found[a.USAGE_STATUS] == "partial"


def test_content_is_what_was_said_before_and_what_came_back(capturing: Recorded) -> None:
    item = SPOKEN["request"]["items"][0]
    silent = {**item, "content": [{"type": "input_audio", "transcript": None}]}

    def script(connection: ServerConnection) -> None:
        connection.recv(), connection.recv()
        connection.send(event("conversation.item.done", item=silent))
        heard = "conversation.item.input_audio_transcription.completed"
        connection.send(event(heard, item_id=item["id"], content_index=0, transcript="Name a river."))
        for message in SPOKEN["events"]:
            connection.send(json.dumps(message))

    with scripted(script) as url, synchronous.connect(url) as connection:
        connection.send(event("session.update", session={"instructions": "Be brief."}))
        connection.send(CREATE)
        list(connection)
    (found,) = attributes(capturing)
    assert json.loads(found[a.SYSTEM_INSTRUCTIONS]) == [{"type": "text", "content": "Be brief."}]
    (asked,) = json.loads(found[a.INPUT_MESSAGES])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "Name a river."}]}
    (said,) = json.loads(found[a.OUTPUT_MESSAGES])
    assert said == {
        "role": "assistant",
        "parts": [{"type": "text", "content": "One river."}],
        "finish_reason": "stop",
    }


def test_a_deployment_of_azure_is_the_model(recorded: Recorded) -> None:
    def script(connection: ServerConnection) -> None:
        connection.recv()
        for message in (event("session.created", session={"model": "gpt-realtime"}), created(), done()):
            connection.send(message)

    path = "/openai/realtime?api-version=2025-04-01-preview&deployment=voice"
    with scripted(script, path) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        list(connection)
    (found,) = attributes(recorded)
    assert (found[a.REQUEST_MODEL], found[a.RESPONSE_MODEL]) == ("voice", "gpt-realtime")


def test_responses_over_a_websocket_are_calls(recorded: Recorded) -> None:
    usage = {"input_tokens": 30, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 10}}
    whole = {"id": "resp_1", "model": "gpt-5-2025-08-07", "status": "completed", "output": [], "usage": usage}

    def script(connection: ServerConnection) -> None:
        connection.recv()
        begun = {**whole, "status": "in_progress", "usage": None}
        for message in (
            event("response.created", response=begun),
            delta("x"),
            event("response.completed", response=whole),
        ):
            connection.send(message)
        connection.recv()
        connection.send(event("error", status=400, error={"type": "invalid_request_error", "message": "no"}))

    ask = json.dumps({"type": "response.create", "model": "gpt-5", "input": "How urgent?", "temperature": 0.5})
    with scripted(script, "/v1/responses") as url, synchronous.connect(url) as connection:
        connection.send(ask)
        connection.recv(), connection.recv(), connection.recv()
        connection.send(ask)
        list(connection)
    good, bad = attributes(recorded)
    assert (good[a.REQUEST_MODEL], good[a.RESPONSE_MODEL]) == ("gpt-5", "gpt-5-2025-08-07")
    assert (good[a.REQUEST_TEMPERATURE], good[a.USAGE_INPUT_TOKENS], good[a.USAGE_CACHE_READ_TOKENS]) == (0.5, 30, 10)
    assert (bad[a.ERROR_TYPE], a.USAGE_INPUT_TOKENS in bad) == ("invalid_request_error", False)


def test_uninstrumented_connections_are_not_heard(standin: Standin) -> None:
    recorded = Recorded()
    otel_llm.uninstrument()
    with synchronous.connect(standin.realtime_url + "/realtime?model=gpt-realtime") as connection:
        assert type(connection) is synchronous.ClientConnection
        connection.send(CREATE)
        while "response.done" not in str(connection.recv()):
            pass
    assert recorded.spans() == []
