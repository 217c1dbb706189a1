"""The stand-in as OpenAI Realtime: handshake, frames, the events of an answer, its usage and its failures."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from otel_llm_collector.demo.standin import Fault, Standin

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SAY: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "How urgent?"}]}
TOOL: Any = {"type": "function", "name": "admit", "parameters": {"type": "object", "properties": {}}}


class Client:
    """The client's side of a websocket, a frame at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def shake_hands(self, target: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
        lines = [f"GET {target} HTTP/1.1", "host: x", *(f"{name}: {value}" for name, value in headers.items())]
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._file.readline().decode()
        found = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(": ")
            found[name.lower()] = value
        return status, found

    def send_frame(self, opcode: int, data: bytes, final: bool = True) -> None:
        mask, size = os.urandom(4), len(data)
        head = bytes([(0x80 if final else 0) | opcode])
        if size <= 125:
            head += bytes([0x80 | size])
        else:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        self._connection.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def say(self, kind: str, **fields: Any) -> None:
        self.send_frame(TEXT, json.dumps({"type": kind, **fields}).encode())

    def read_frame(self) -> tuple[int, bytes]:
        first, size = self._file.read(2)
        if size > 125:
            size = int.from_bytes(self._file.read(2 if size == 126 else 8))
        return first & 0x0F, self._file.read(size)

    def hear(self) -> Any:
        opcode, data = self.read_frame()
        assert opcode == TEXT
        return json.loads(data)

    def hear_answer(self) -> list[Any]:
        events = [self.hear()]
        while events[-1]["type"] != "response.done":
            events.append(self.hear())
        return events

    def close(self) -> None:
        self._file.close()
        self._connection.close()


HANDSHAKE = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}


@contextmanager
def connected(standin: Standin, model: str = "gpt-realtime", **headers: str) -> Iterator[Client]:
    port = int(standin.url.rpartition(":")[2])
    client = Client(socket.create_connection(("127.0.0.1", port), timeout=10))
    try:
        key = base64.b64encode(os.urandom(16)).decode()
        more = {"sec-websocket-key": key} | {name.replace("_", "-"): value for name, value in headers.items()}
        status, found = client.shake_hands(f"/v1/realtime?model={model}", HANDSHAKE | more)
        assert status.split()[1] == "101"
        proof = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        assert found["sec-websocket-accept"] == base64.b64encode(proof).decode()
        assert client.hear()["session"]["model"] == model
        yield client
    finally:
        client.close()


def test_an_answer_comes_event_by_event_and_tells_its_usage(standin: Standin) -> None:
    with connected(standin) as client:
        client.say("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        assert client.hear()["type"] == "session.updated"
        client.say("conversation.item.create", item=SAY)
        assert [client.hear()["type"] for _ in range(2)] == ["conversation.item.added", "conversation.item.done"]
        client.say("response.create")
        events = client.hear_answer()
        client.send_frame(CLOSE, struct.pack(">H", 1000))
        assert client.read_frame() == (CLOSE, struct.pack(">H", 1000))
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["response.created", "response.output_item.added", "response.content_part.added"]
    assert kinds[-4:-1] == ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    done = events[-1]["response"]
    assert done["output"][0]["content"] == [{"type": "output_text", "text": text}]
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    [call] = standin.calls
    assert (call.method, call.endpoint, call.stream, call.id) == ("GET", "/v1/realtime", True, done["id"])
    assert call.usage == usage
    assert call.tokens == {
        "input": usage["input_tokens"],
        "output": usage["output_tokens"],
        "cache_read": usage["input_token_details"]["cached_tokens"],
        "audio_in": 0,
        "audio_out": 0,
    }


def test_every_answer_of_a_conversation_is_a_call(standin: Standin) -> None:
    with connected(standin) as client:
        for _ in range(2):
            client.say("conversation.item.create", item=SAY)
            client.hear(), client.hear()
            client.say("response.create", response={"metadata": {"turn": "x"}})
            client.hear_answer()
    first, second = standin.calls
    assert first.usage != second.usage  # the second one was asked with more before it
    assert first.id != second.id
    assert second.metadata == {"turn": "x"}


def test_tools_sound_and_limits(standin: Standin) -> None:
    with connected(standin) as client:
        client.say("session.update", session={"tools": [TOOL]})
        client.say("response.create", response={"max_output_tokens": 4})
        client.hear()
        events = client.hear_answer()
        assert events[-1]["response"]["output"][0]["name"] == "admit"
        assert events[-1]["response"]["status"] == "incomplete"
        client.say("input_audio_buffer.append", audio="AAAA")
        client.say("input_audio_buffer.commit")
        heard = [client.hear()["type"] for _ in range(3)]
        assert heard == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
        client.say("nonsense")
        assert client.hear()["error"]["type"] == "invalid_request_error"


def test_a_usage_that_is_dictated_is_reported_as_it_is(standin: Standin) -> None:
    told = {"input_tokens": 9, "output_tokens": 5, "input_token_details": {"cached_tokens": 4}}
    with connected(standin, x_standin_usage=json.dumps(told)) as client:
        client.say("response.create")
        assert client.hear_answer()[-1]["response"]["usage"] == told
    assert standin.calls[0].tokens == {"input": 9, "output": 5, "cache_read": 4}


def test_pings_are_answered_and_pieces_put_together(standin: Standin) -> None:
    with connected(standin) as client:
        text = json.dumps({"type": "conversation.item.create", "item": SAY, "padding": "x" * 300}).encode()
        client.send_frame(TEXT, text[:200], final=False)
        client.send_frame(PING, b"still there?")
        client.send_frame(0, text[200:])
        assert client.read_frame() == (PONG, b"still there?")
        assert client.hear()["type"] == "conversation.item.added"


def test_an_answer_can_fail_and_be_cut(standin: Standin) -> None:
    with connected(standin, model="standin-sse_error") as client:
        client.say("response.create")
        response = client.hear_answer()[-1]["response"]
        assert (response["status"], response["status_details"]["error"]["message"]) == ("failed", "Overloaded")
    with connected(standin, x_standin_fault="cut") as client:
        client.say("response.create")
        assert client.hear()["type"] == "response.created"
        with pytest.raises((ValueError, ConnectionError)):  # the end of the file, where a frame should be
            client.hear_answer()
    assert [(call.fault, call.usage) for call in standin.calls] == [("sse_error", None), ("cut", None)]


def test_a_rule_fails_an_answer_not_the_handshake() -> None:
    with Standin(faults=[Fault("429", "urgent", 1), Fault("drop", "urgent", 1)]) as running:
        with connected(running) as client:
            client.say("conversation.item.create", item=SAY)
            client.hear(), client.hear()
            client.say("response.create")
            assert client.hear_answer()[-1]["response"]["status"] == "failed"
            client.say("response.create")
            with pytest.raises((ValueError, ConnectionError)):
                client.hear()
        assert [(call.fault, call.status) for call in running.calls] == [("sse_error", 200), ("drop", 0)]


def test_a_handshake_can_be_refused(standin: Standin) -> None:
    port = int(standin.url.rpartition(":")[2])
    offers = [({"x-standin-fault": "429", "sec-websocket-key": "a2V5"}, "429"), ({}, "400")]
    for more, status in offers:
        client = Client(socket.create_connection(("127.0.0.1", port), timeout=10))
        line, _ = client.shake_hands("/v1/realtime?model=gpt-realtime", HANDSHAKE | more)
        client.close()
        assert line.split()[1] == status
    assert [call.status for call in standin.calls] == [429, 400]
