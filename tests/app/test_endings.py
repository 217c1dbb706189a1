"""Where a stream ends, however it is cut, whatever is written in it; `test_paths.py` has the ways it can end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
from app.keptserver import ENCODINGS
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from opentelemetry.trace import StatusCode

from otel_llm.finisher import Finisher
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
EVENTS = "text/event-stream"
SAYS_EVENTS = {"content-type": EVENTS}


def chunk(content: str | None = None, *, finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
    delta = {"content": content} if content else {}
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": choices}
    return b"data: " + json.dumps({**body, "usage": usage}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}
WHOLE = [chunk("one "), chunk("two"), chunk(finish="stop"), chunk(usage=USAGE), b"data: [DONE]\n\n"]


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 512, "output_tokens": 2},
    },
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
PIECE = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"})
DELTA = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 200})
STOP = event("message_stop")
MESSAGE = [START, event("ping"), BLOCK, PIECE, event("content_block_stop", index=0), DELTA, STOP]


def stream(*pieces: bytes, then: Callable[[Connection], None] | None = None) -> Callable[[Connection], None]:
    def reply(connection: Connection) -> None:
        connection.head(content_type=EVENTS)
        for piece in pieces:
            connection.send(piece)
        if then is not None:
            then(connection)

    return reply


def wait(server: RawServer) -> Callable[[Connection], None]:
    """Say nothing more until the server stops."""

    def silent(connection: Connection) -> None:
        server.stopping.wait(20)

    return silent


def check(recorded: Recorded, *, status: str, output: int) -> None:
    """The one call went well, and used so much."""
    span, found = recorded.call(), recorded.attributes()
    assert (found[a.USAGE_STATUS], found[a.USAGE_OUTPUT_TOKENS]) == (status, output)
    assert a.ERROR_TYPE not in found
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("wire", ["chat", "messages"])
def test_the_app_reads_the_same_bytes_and_we_the_same_usage_however_they_are_cut(
    recorded: Recorded, *, library: Any, newline: bytes, encoding: str, size: int, wire: str
) -> None:
    body = b"".join(WHOLE if wire == "chat" else MESSAGE).replace(b"\n", newline)
    raw = ENCODINGS[encoding](body)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]

    def handle(request: Any) -> Any:
        headers = {"content-type": EVENTS, "content-encoding": encoding}
        return library.Response(200, headers=headers, stream=_Pieces(pieces))

    class _Pieces(library.SyncByteStream):  # type: ignore[misc,name-defined]  # of either library
        def __init__(self, pieces: list[bytes]) -> None:
            self.pieces = pieces

        def __iter__(self) -> Any:
            return iter(self.pieces)

    url = "http://llm.test/v1/" + ("chat/completions" if wire == "chat" else "messages")
    request = {"model": "gpt-4o", "messages": HELLO, "stream": True, "max_tokens": 9}
    with (
        library.Client(transport=library.MockTransport(handle)) as client,
        client.stream("POST", url, json=request) as response,
    ):
        seen = list(response.iter_raw()) if encoding == "identity" else [response.read()]
    assert seen == (pieces if encoding == "identity" else [body])
    check(recorded, status="reported", output=20 if wire == "chat" else 200)


def test_the_response_keeps_its_own_ways(recorded: Recorded) -> None:
    with RawServer(stream(*WHOLE)) as server, httpx2.Client() as client:
        body = {"model": "gpt-4o", "messages": HELLO, "stream": True}
        with client.stream("POST", server.url + "/v1/chat/completions", json=body) as response:
            assert isinstance(response, httpx2.Response)
            assert isinstance(response.stream, httpx2.SyncByteStream)
            assert list(response.iter_lines())[-2:] == ["data: [DONE]", ""]
            assert response.num_bytes_downloaded == len(b"".join(WHOLE))
        assert response.is_closed
        assert response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
def test_a_stream_that_does_not_say_what_it_is_is_read(recorded: Recorded, content_type: str | None) -> None:
    body = (
        b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'
        b'data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n'
    )
    headers = {} if content_type is None else {"content-type": content_type}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=body))
    asked = {"model": "gpt-4o", "stream": True, "messages": []}
    with (
        httpx2.Client(transport=transport) as client,
        client.stream("POST", "http://127.0.0.1/v1/chat/completions", json=asked) as response,
    ):
        assert response.read() == body
    found = recorded.attributes()
    assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS], found[a.USAGE_STATUS]) == (3, 1, "reported")


@pytest.mark.parametrize(
    "quoted", ["[DONE]", "data: [DONE]", "\ndata: [DONE]\n", 'usage":{', "message_stop", '"error"']
)
@pytest.mark.parametrize("size", [1, 40, 100_000, None])
def test_what_the_model_writes_is_never_taken_for_an_end(recorded: Recorded, quoted: str, size: int | None) -> None:
    """However the events are cut; a size of None is one a chunk."""
    chat = [chunk("one "), chunk(quoted), chunk("two"), *WHOLE[2:]]
    said = event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"event: {quoted}"})
    messages = [START, BLOCK, said, PIECE, said, DELTA, STOP]
    for path, events in (("chat/completions", chat), ("messages", messages)):
        raw = b"".join(events)
        pieces = [raw[start : start + size] for start in range(0, len(raw), size)] if size else events
        content = iter(pieces)
        transport = httpx2.MockTransport(lambda _, c=content: httpx2.Response(200, headers=SAYS_EVENTS, content=c))
        asked = {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 9}
        with (
            httpx2.Client(transport=transport) as client,
            client.stream("POST", f"http://llm.test/v1/{path}", json=asked) as response,
        ):
            assert response.read() == raw
    found = [dict(span.attributes or {}) for span in recorded.spans()]
    assert [(one[a.USAGE_OUTPUT_TOKENS], one[a.USAGE_STATUS]) for one in found] == [(20, "reported"), (200, "reported")]


@pytest.mark.parametrize("mark", [b"data: [DONE]", b"data:[DONE]", b"data: [DONE] ", b"event: done\ndata: [DONE]"])
def test_the_end_mark_is_a_whole_line(recorded: Recorded, mark: bytes) -> None:
    """The call ends with it, though the body is never read to its end."""
    server = RawServer()
    server.replies = [stream(*WHOLE[:4], mark + b"\n\n", then=wait(server))]
    with server, httpx2.Client() as client:
        body = {"model": "gpt-4o", "messages": HELLO, "stream": True}
        with client.stream("POST", server.url + "/v1/chat/completions", json=body) as response:
            seen = b""
            for piece in response.iter_bytes():
                seen += piece
                if mark + b"\n\n" in seen:
                    break
    check(recorded, status="reported", output=20)


@pytest.mark.parametrize("together", range(1, 6))
@pytest.mark.parametrize("spacing", [(",", ":"), (", ", ": ")])
def test_events_that_share_a_chunk_with_the_last_end_the_call_at_once(
    recorded: Recorded, together: int, spacing: tuple[str, str]
) -> None:
    """The body is neither read on nor closed: litellm leaves it so."""
    for path, events in (("chat/completions", WHOLE), ("messages", MESSAGE)):
        spaced = [one if b"[DONE]" in one else respaced(one, spacing) for one in events]
        pieces = [*spaced[:-together], b"".join(spaced[-together:])]
        content = iter(pieces)
        transport = httpx2.MockTransport(lambda _, c=content: httpx2.Response(200, headers=SAYS_EVENTS, content=c))
        asked = {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 9}
        with httpx2.Client(transport=transport) as client:
            request = client.build_request("POST", f"http://llm.test/v1/{path}", json=asked)
            response = client.send(request, stream=True)
            body = response.iter_bytes()
            assert [next(body) for _ in pieces] == pieces
            found = recorded.spans()
            response.close()
        assert (found[-1].attributes or {}).get(a.USAGE_STATUS) == "reported"
        assert len(found) == 1, path
        recorded.exporter.clear()


def respaced(block: bytes, separators: tuple[str, str]) -> bytes:
    name, _, data = block.rstrip().rpartition(b"data: ")
    return name + b"data: " + json.dumps(json.loads(data), separators=separators).encode() + b"\n\n"


def test_a_flush_waits_for_the_job_that_the_thread_has_just_taken() -> None:
    """Between the queue and the work a job is in neither; a flush at that moment must not pass it by."""
    finisher = Finisher()
    finisher.prices_ready = True
    finisher.start()
    done: list[int] = []
    for number in range(2000):
        finisher.submit(lambda number=number: done.append(number))  # type: ignore[misc]
        finisher.drain(5)
        assert len(done) == number + 1


@pytest.mark.parametrize("size", [1, 40, None])
def test_what_a_cut_stream_has_said_is_kept(capturing: Recorded, size: int | None) -> None:
    """The last event of a Responses stream repeats all; where it never comes, the pieces before it are read."""
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    events = [event("response.output_text.delta", delta=word, **place) for word in ("one ", "two ", "three")]
    raw = b"".join(events)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)] if size else events
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=SAYS_EVENTS, content=iter(pieces)))
    asked = {"model": "gpt-4o", "input": "hello", "stream": True}
    with (
        httpx2.Client(transport=transport) as client,
        client.stream("POST", "http://llm.test/v1/responses", json=asked) as response,
    ):
        assert response.read() == raw
    found = capturing.attributes()
    assert found[a.USAGE_STATUS] == "partial"
    assert json.loads(str(found[a.OUTPUT_MESSAGES]))[0]["parts"] == [{"type": "text", "content": "one two three"}]
