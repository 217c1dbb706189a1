"""Answers of OpenAI Realtime that were cut: what was said until then is kept, however the cut came about."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import Callable
from typing import Any, Final

import openai
import pytest
import websockets.asyncio.client as asynchronous
import websockets.sync.client as synchronous
from app.recording import Recorded
from app.test_realtime import CREATE, SPOKEN, attributes, created, delta, done, event, scripted
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.sync.server import ServerConnection

from otel_llm_semconv import attributes as a

# the SDK still calls `connect` as websockets used to have it
pytestmark = pytest.mark.filterwarnings("ignore:connect\\(\\) must be used as a context manager:DeprecationWarning")

WORDS: Final = ("one ", "two ", "three")
CANCEL: Final = event("response.cancel")
TOOL: Final = {"type": "function", "name": "look_up", "parameters": {"type": "object"}}
CALL: Final = {
    "id": "item_2",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": '{"patient": "Anna"}',
}


def said(found: dict[str, Any]) -> list[Any]:
    """The parts of the one message of the answer."""
    (message,) = json.loads(found[a.OUTPUT_MESSAGES])
    assert message["role"] == "assistant"
    parts: list[Any] = message["parts"]
    return parts


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


def sound(*deltas: str) -> list[str]:
    """An answer in sound: its transcript comes beside it."""
    place = {"response_id": "resp_1", "output_index": 0, "content_index": 0}
    pieces = []
    for piece in deltas:
        pieces.append(event("response.output_audio_transcript.delta", delta=piece, **place))
        pieces.append(event("response.output_audio.delta", delta="AAAA" * 9000, **place))
    return pieces


def talking(messages: list[str], then: Callable[[ServerConnection], None]) -> Callable[[ServerConnection], None]:
    """Answers in part; then something happens."""

    def script(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(created())
        for message in messages:
            connection.send(message)
        then(connection)

    return script


def wait(connection: ServerConnection) -> None:
    """Nothing more until the client goes."""
    with contextlib.suppress(ConnectionClosed):
        connection.recv()


def break_off(connection: ServerConnection) -> None:
    connection.close(1011)


TEXTS: Final = [delta(word) for word in WORDS]


@pytest.mark.parametrize("messages", [TEXTS, sound(*WORDS)], ids=["text", "sound"])
def test_the_app_closes(capturing: Recorded, messages: list[str]) -> None:
    with scripted(talking(messages, wait)) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        for _ in (created(), *messages):
            connection.recv()
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], said(found)) == ("partial", [text("one two three")])


@pytest.mark.parametrize("ending", ["close", "cancelled task"])
def test_the_app_closes_an_asynchronous_connection(capturing: Recorded, ending: str) -> None:
    async def listen(url: str, heard: asyncio.Event) -> None:
        async with asynchronous.connect(url) as connection:
            await connection.send(CREATE)
            for _ in (created(), *TEXTS):
                await connection.recv()
            heard.set()
            if ending != "close":
                await connection.recv()

    async def main(url: str) -> None:
        heard = asyncio.Event()
        task = asyncio.create_task(listen(url, heard))
        await heard.wait()
        if ending != "close":
            await asyncio.sleep(0)
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with scripted(talking(TEXTS, wait)) as url:
        asyncio.run(main(url))
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], said(found)) == ("partial", [text("one two three")])
    assert found.get(a.ERROR_TYPE) == (None if ending == "close" else "CancelledError")


def test_the_server_breaks_off(capturing: Recorded) -> None:
    with scripted(talking(TEXTS, break_off)) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        with pytest.raises(ConnectionClosedError):
            list(connection)
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], found[a.ERROR_TYPE]) == ("partial", "ConnectionClosedError")
    assert said(found) == [text("one two three")]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_connection_is_dropped(capturing: Recorded) -> None:
    async def main(url: str) -> None:
        connection = await asynchronous.connect(url)
        await connection.send(CREATE)
        for _ in (created(), *TEXTS):
            await connection.recv()

    with scripted(talking(TEXTS, wait)) as url:
        asyncio.run(main(url))
        gc.collect()
        (found,) = attributes(capturing)
    assert said(found) == [text("one two three")]


@pytest.mark.parametrize("repeats", [True, False], ids=["repeated", "not repeated"])
def test_the_app_cancels(capturing: Recorded, repeats: bool) -> None:
    """The last event has the usage of what was said, and repeats it or does not."""
    part = {"type": "output_text", "text": "one two"}
    output = [{"id": "item_2", "type": "message", "role": "assistant", "status": "incomplete", "content": [part]}]

    def cancelled(connection: ServerConnection) -> None:
        assert json.loads(connection.recv())["type"] == "response.cancel"
        details = {"type": "cancelled", "reason": "client_cancelled"}
        connection.send(done(status="cancelled", status_details=details, output=output if repeats else []))

    with scripted(talking(TEXTS, cancelled)) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        for _ in (created(), *TEXTS):
            connection.recv()
        connection.send(CANCEL)
        connection.recv()
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], found[a.RESPONSE_FINISH_REASONS]) == ("reported", ("cancelled",))
    assert (found[a.USAGE_INPUT_TOKENS], a.ERROR_TYPE in found) == (100, False)
    assert said(found) == [text("one two" if repeats else "one two three")]


def test_a_client_that_never_reads(capturing: Recorded) -> None:
    with scripted(talking(TEXTS, wait)) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], found[a.REQUEST_MODEL]) == ("partial", "gpt-realtime")
    assert (a.OUTPUT_MESSAGES in found, a.USAGE_INPUT_TOKENS in found, a.ERROR_TYPE in found) == (False, False, False)


def test_a_tool_is_called_and_its_result_is_asked_with(capturing: Recorded) -> None:
    result = {"id": "item_3", "type": "function_call_output", "call_id": "call_1", "output": "no known allergies"}
    arguments = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "call_id": "call_1"}
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "None."}]}

    def script(connection: ServerConnection) -> None:
        connection.recv(), connection.recv()
        for message in (
            created(),
            event("response.function_call_arguments.delta", delta='{"patient": ', **arguments),
            event("response.function_call_arguments.done", arguments=CALL["arguments"], **arguments),
            event("conversation.item.done", item=CALL),
            event("response.output_item.done", response_id="resp_1", output_index=0, item=CALL),
            done(output=[CALL]),
        ):
            connection.send(message)
        connection.recv(), connection.recv()
        for message in (event("conversation.item.done", item=result), created("b"), done("b", output=[answer])):
            connection.send(message)

    with scripted(script) as url, synchronous.connect(url) as connection:
        connection.send(event("session.update", session={"tools": [TOOL]}))
        connection.send(CREATE)
        while "response.done" not in str(connection.recv()):
            pass
        connection.send(event("conversation.item.create", item=result))
        connection.send(CREATE)
        list(connection)
    asked, answered = attributes(capturing)
    call = {"type": "tool_call", "id": "call_1", "name": "look_up", "arguments": {"patient": "Anna"}}
    assert (asked[a.RESPONSE_FINISH_REASONS], said(asked)) == (("tool_call",), [call])
    assert json.loads(asked[a.TOOL_DEFINITIONS])[0]["name"] == "look_up"
    assert (answered[a.RESPONSE_FINISH_REASONS], said(answered)) == (("stop",), [text("None.")])
    assert [message["parts"] for message in json.loads(answered[a.INPUT_MESSAGES])] == [
        [call],
        [{"type": "tool_call_response", "id": "call_1", "response": "no known allergies"}],
    ]


def test_a_tool_call_that_was_cut_after_it_was_whole(capturing: Recorded) -> None:
    item = event("response.output_item.done", response_id="resp_1", output_index=1, item=CALL)
    with scripted(talking([TEXTS[0], item], wait)) as url, synchronous.connect(url) as connection:
        connection.send(CREATE)
        for _ in range(3):
            connection.recv()
    (found,) = attributes(capturing)
    assert [part["type"] for part in said(found)] == ["text", "tool_call"]


def test_answers_of_one_session_after_each_other(capturing: Recorded) -> None:
    """A whole one, one that is cut by the next question, one that fails, and a whole one again."""

    def script(connection: ServerConnection) -> None:
        connection.recv()
        for message in SPOKEN["events"]:
            connection.send(json.dumps(message))
        connection.recv()
        cut = {"type": "cancelled", "reason": "turn_detected"}
        for message in (created("bb"), delta("half ", "bb"), done("bb", "cancelled", status_details=cut)):
            connection.send(message)
        connection.recv()
        failure = {"error": {"type": "server_error", "message": "broke"}}
        for message in (created("ccc"), done("ccc", "failed", status_details=failure)):
            connection.send(message)
        connection.recv()
        for message in (created("dddd"), delta("all", "dddd"), done("dddd")):
            connection.send(message)

    with scripted(script) as url, synchronous.connect(url) as connection:
        for _ in range(4):
            connection.send(CREATE)
            while "response.done" not in str(connection.recv()):
                pass
    whole, cut, failed, last = attributes(capturing)
    assert (said(whole), said(cut), said(last)) == ([text("One river.")], [text("half ")], [text("all")])
    assert a.OUTPUT_MESSAGES not in failed
    assert [one.get(a.ERROR_TYPE) for one in (whole, cut, failed, last)] == [None, None, "server_error", None]
    assert [one[a.USAGE_OUTPUT_TOKENS] for one in (cut, failed, last)] == [2, 3, 4]


def test_the_sdk_leaves_in_the_middle(capturing: Recorded) -> None:
    """`break`, then the end of the `with`, as an app does that has heard enough."""
    with scripted(talking(sound(*WORDS), wait), path="") as url:
        client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1", websocket_base_url=f"{url}/v1")
        with client, client.realtime.connect(model="gpt-realtime") as connection:
            connection.response.create()
            for heard in connection:
                if getattr(heard, "delta", "").startswith("two"):
                    break
    (found,) = attributes(capturing)
    assert (found[a.USAGE_STATUS], said(found)) == ("partial", [text("one two ")])
