"""How a body ends with requests, aiohttp and botocore: always one span with what arrived, and the app's own ending."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import aiohttp
import httpx2
import pytest
import requests
from app.keptserver import KeptServer, held, redirected, sent
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from app.test_bytes import BODIES
from app.test_endings import BLOCK, EVENTS, HELLO, MESSAGE, PIECE, START, stream
from app.test_transport_streams import CONVERSE, bedrock, invoke
from botocore.exceptions import BotoCoreError
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

import otel_llm
from otel_llm_collector.demo.standin.event_stream import EVENT_STREAM, frame_event
from otel_llm_semconv import attributes as a

ASKED: Final = {"model": "claude-haiku-4-5", "messages": HELLO, "stream": True, "max_tokens": 9}
PATH: Final = "/v1/messages"
ARRIVED: Final = (START, BLOCK, PIECE)
WHOLE: Final = b"".join(MESSAGE)
Read = Callable[[Any], Any]


@pytest.fixture
def later() -> Iterator[Callable[[], Recorded]]:
    """Instruments when it is called, so that the same can be done before."""
    yield Recorded
    otel_llm.uninstrument()


def check(recorded: Recorded, *, error: str | None, status: str = "partial") -> ReadableSpan:
    """The one span: what it read of an answer that broke off, and how."""
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    assert (found[a.USAGE_STATUS], found.get(a.ERROR_TYPE)) == (status, error)
    assert (span.status.status_code is StatusCode.ERROR) == (error is not None)
    recorded.exporter.clear()
    return span


def check_arrived(span: ReadableSpan) -> None:
    """What stands in the first event is there, however much was read at once."""
    found = dict(span.attributes or {})
    assert (found[a.RESPONSE_ID], found[a.USAGE_INPUT_TOKENS]) == ("msg_1", 512)


#: Where a body breaks off.
FRAMINGS: Final = ("length", "in a chunk", "between chunks")


def broken(*pieces: bytes, framing: str) -> Callable[[Connection], None]:
    """Part of an answer, then the end of the connection, before that of the body."""

    def reply(connection: Connection) -> None:
        body = b"".join(pieces)
        if framing == "length":
            connection.head(content_type=EVENTS, content_length=str(len(body) + 100))
            connection.send(body)
        else:
            connection.head(content_type=EVENTS, transfer_encoding="chunked")
            begun = b"20\r\n" if framing == "in a chunk" else b""
            connection.send(b"%x\r\n%b\r\n%b" % (len(body), body, begun))

    return reply


def silent(server: RawServer) -> Callable[[Connection], None]:
    """Part of an answer, then nothing more until the server stops."""
    return stream(*ARRIVED, then=lambda _: server.stopping.wait(20) and None)


# --- requests --------------------------------------------------------------------------------------------------

REQUESTS: Final[Mapping[str, Read]] = {
    "content": lambda response: response.content,
    "iter_content": lambda response: list(response.iter_content(7)),
    "iter_lines": lambda response: list(response.iter_lines()),
    "raw.read": lambda response: response.raw.read(),
    "raw.read 9": lambda response: list(iter(lambda: response.raw.read(9), b"")),
    "raw.stream": lambda response: list(response.raw.stream(50)),
}


def refused(read: Callable[[], Any]) -> str:
    """The name of what is raised."""
    try:
        read()
    except Exception as error:
        return type(error).__qualname__
    raise AssertionError("read to the end")


def read_requests(url: str, read: Read, timeout_s: float = 20.0) -> str:
    with requests.post(url + PATH, json=ASKED, stream=True, timeout=timeout_s) as response:
        return refused(lambda: read(response))


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", REQUESTS)
def test_requests_cut(later: Callable[[], Recorded], name: str, framing: str) -> None:
    with RawServer(broken(*ARRIVED, framing=framing)) as server:
        plain = read_requests(server.url, REQUESTS[name])
        recorded = later()
        assert read_requests(server.url, REQUESTS[name]) == plain
    check_arrived(check(recorded, error="ProtocolError"))


def post_requests(url: str) -> Any:
    return requests.post(url + PATH, json=ASKED, timeout=20)


def post_httpx(url: str) -> Any:
    return httpx2.post(url + PATH, json=ASKED, timeout=20)


def post_httpx_async(url: str) -> Any:
    async def post() -> Any:
        async with httpx2.AsyncClient(timeout=20) as client:
            return await client.post(url + PATH, json=ASKED)

    return asyncio.run(post())


#: Ways to read a stream whole before the app sees anything of it, and what is raised where it breaks off.
AT_ONCE: Final[Mapping[str, tuple[Read, str]]] = {
    "requests": (post_requests, "ProtocolError"),
    "httpx": (post_httpx, "RemoteProtocolError"),
    "httpx, async": (post_httpx_async, "RemoteProtocolError"),
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", AT_ONCE)
def test_a_stream_that_is_read_at_once_and_cut(later: Callable[[], Recorded], name: str, framing: str) -> None:
    post, error = AT_ONCE[name]
    with RawServer(broken(*ARRIVED, framing=framing)) as server:
        plain = refused(lambda: post(server.url))
        recorded = later()
        assert refused(lambda: post(server.url)) == plain
    check_arrived(check(recorded, error=error))


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_stream_that_is_read_at_once(later: Callable[[], Recorded], name: str) -> None:
    post, _ = AT_ONCE[name]
    with RawServer(stream(*MESSAGE)) as server:
        plain = post(server.url)
        recorded = later()
        answer = post(server.url)
        assert (answer.content, answer.text, answer.status_code) == (plain.content, plain.text, plain.status_code)
        assert getattr(answer, "is_closed", None) == getattr(plain, "is_closed", None)
    check(recorded, error=None, status="reported")


@pytest.mark.parametrize("name", ["iter_content", "raw.read 9"])
def test_requests_timeout(recorded: Recorded, name: str) -> None:
    with RawServer(stream()) as server:
        server.replies = [silent(server)]
        read_requests(server.url, REQUESTS[name], timeout_s=0.2)
    check_arrived(check(recorded, error="ReadTimeoutError"))


def test_requests_without_an_answer(recorded: Recorded) -> None:
    with RawServer(lambda connection: connection.cut()) as server, pytest.raises(requests.ConnectionError):
        requests.post(server.url + PATH, json=ASKED, timeout=20)
    check(recorded, error="ConnectionError", status="missing")


def test_requests_closed_early_and_dropped(recorded: Recorded) -> None:
    with RawServer(stream(*MESSAGE)) as server:
        for ending in ("close", "with", "drop", "unread"):
            response = requests.post(server.url + PATH, json=ASKED, stream=True, timeout=20)
            if ending != "unread":
                assert response.raw.read(len(START)) == START
            if ending == "with":
                with response:
                    pass
            elif ending == "close":
                response.close()
            del response
            gc.collect()
            check(recorded, error=None)


@pytest.mark.parametrize("reads", ["all", "some", "none"])
def test_requests_keeps_its_connections_as_before(later: Callable[[], Recorded], reads: str) -> None:
    def ask(url: str) -> None:
        with requests.Session() as session:
            for _ in range(3):
                response = session.post(url + PATH, json=ASKED, stream=True, timeout=20)
                if reads == "all":
                    assert b"".join(response.iter_content(9)) == WHOLE
                elif reads == "some":
                    response.raw.read(9)
                response.close()

    found = []
    for begin in (lambda: None, later):
        begin()
        with KeptServer(sent(WHOLE, EVENTS, framing="chunked")) as server:
            ask(server.url)
            found.append(server.connections)
    assert found == [1 if reads == "all" else 3] * 2


def test_requests_reads_after_its_session_is_closed(later: Callable[[], Recorded]) -> None:
    def ask(url: str) -> bytes:
        with requests.Session() as session:
            response = session.post(url + PATH, json=ASKED, stream=True, timeout=20)
        return response.content

    with KeptServer(sent(WHOLE, EVENTS)) as server:
        plain = ask(server.url)
        recorded = later()
        assert ask(server.url) == plain == WHOLE
    check_arrived(check(recorded, error=None, status="reported"))


# --- aiohttp ---------------------------------------------------------------------------------------------------


async def each_line(response: aiohttp.ClientResponse) -> None:
    async for _ in response.content:
        pass


async def each_piece(response: aiohttp.ClientResponse) -> None:
    async for _ in response.content.iter_chunked(9):
        pass


AIOHTTP: Final[Mapping[str, Callable[[aiohttp.ClientResponse], Awaitable[Any]]]] = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text(),
    "content.read": lambda response: response.content.read(),
    "content": each_line,
    "iter_chunked": each_piece,
}


async def read_aiohttp(url: str, name: str, **timeouts: float) -> str:
    timeout = aiohttp.ClientTimeout(**timeouts)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(url + PATH, json=ASKED) as response,
    ):
        try:
            await AIOHTTP[name](response)
        except Exception as error:
            return type(error).__qualname__
    raise AssertionError("read to the end")


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", AIOHTTP)
def test_aiohttp_cut(later: Callable[[], Recorded], name: str, framing: str) -> None:
    with RawServer(broken(*ARRIVED, framing=framing)) as server:
        plain = asyncio.run(read_aiohttp(server.url, name))
        recorded = later()
        assert asyncio.run(read_aiohttp(server.url, name)) == plain == "ClientPayloadError"
    check_arrived(check(recorded, error="ClientPayloadError"))


@pytest.mark.parametrize(("limit", "error"), [("sock_read", "SocketTimeoutError"), ("total", "TimeoutError")])
@pytest.mark.parametrize("name", AIOHTTP)
def test_aiohttp_timeout(later: Callable[[], Recorded], name: str, limit: str, error: str) -> None:
    with RawServer(stream()) as server:
        server.replies = [silent(server)]
        plain = asyncio.run(read_aiohttp(server.url, name, **{limit: 0.2}))
        recorded = later()
        assert asyncio.run(read_aiohttp(server.url, name, **{limit: 0.2})) == plain == error
    check_arrived(check(recorded, error=error))


@pytest.mark.parametrize("name", AIOHTTP)
def test_aiohttp_cancelled_in_the_body(recorded: Recorded, name: str) -> None:
    async def main(url: str) -> None:
        begun = asyncio.Event()

        async def ask() -> None:
            async with aiohttp.ClientSession() as session, session.post(url + PATH, json=ASKED) as response:
                while response.content.total_bytes < sum(map(len, ARRIVED)):
                    await asyncio.sleep(0.005)
                begun.set()
                await AIOHTTP[name](response)

        task = asyncio.create_task(ask())
        await begun.wait()
        await asyncio.sleep(0)  # it waits for more
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with RawServer(stream()) as server:
        server.replies = [silent(server)]
        asyncio.run(main(server.url))
    check_arrived(check(recorded, error="CancelledError"))


def test_aiohttp_cancelled_before_the_answer(recorded: Recorded) -> None:
    asked = threading.Event()

    def reply(_: Connection) -> None:
        asked.set()
        server.stopping.wait(20)

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            task = asyncio.create_task(session.post(server.url + PATH, json=ASKED)._coro)  # type: ignore[arg-type]
            await asyncio.to_thread(asked.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with RawServer(reply) as server:
        asyncio.run(main())
    check(recorded, error="CancelledError", status="missing")


@pytest.mark.filterwarnings("ignore:Unclosed")
@pytest.mark.parametrize("ending", ["close", "release", "with", "drop"])
@pytest.mark.parametrize("reads", ["some", "none"])
def test_aiohttp_closed_early_and_dropped(recorded: Recorded, reads: str, ending: str) -> None:
    async def main(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            response = await session.post(url + PATH, json=ASKED)
            if reads == "some":
                assert await response.content.readexactly(len(START)) == START
            if ending == "with":
                async with response:
                    pass
            elif ending != "drop":
                getattr(response, ending)()
            del response
            gc.collect()
            if ending != "drop":
                check(recorded, error=None)
        gc.collect()

    with RawServer(stream()) as server:
        server.replies = [silent(server)]
        asyncio.run(main(server.url))
    gc.collect()
    if ending == "drop":
        check(recorded, error=None)


@pytest.mark.parametrize("reads", ["all", "some", "arrived"])
@pytest.mark.parametrize("ending", ["close", "release"])
def test_aiohttp_keeps_its_connections_as_before(later: Callable[[], Recorded], reads: str, ending: str) -> None:
    """A body that has arrived goes back, read or not; of one that is not over the connection is closed."""

    async def ask(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                response = await session.post(url + PATH, json=ASKED)
                while reads == "arrived" and not response.content.is_eof():
                    await asyncio.sleep(0.005)
                if reads == "all":
                    assert await response.read() == WHOLE
                elif reads == "some":
                    await response.content.read(9)
                getattr(response, ending)()

    found = []
    for begin in (lambda: None, later):
        begin()
        with KeptServer((held if reads == "some" else sent)(WHOLE, EVENTS, framing="chunked")) as server:
            asyncio.run(ask(server.url))
            found.append(server.connections)
    assert found == [3 if reads == "some" else 1] * 2


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_aiohttp_reads_after_its_session_is_closed(later: Callable[[], Recorded], size: int) -> None:
    """A body that is here already can be read; of a longer one the rest never comes."""
    body = b": padding\n\n" * (size // 10) + WHOLE

    async def ask(url: str) -> object:
        async with aiohttp.ClientSession() as session:
            response = await session.post(url + PATH, json=ASKED)
            while size == 100 and not response.content.is_eof():
                await asyncio.sleep(0.005)
        try:
            return await response.read()
        except (aiohttp.ClientError, RuntimeError) as error:
            return type(error)

    with KeptServer(sent(body, EVENTS)) as server:
        plain = asyncio.run(ask(server.url))
        recorded = later()
        assert asyncio.run(ask(server.url)) == plain
    gc.collect()
    (span,) = recorded.spans()
    assert (span.attributes or {})[a.USAGE_STATUS] == ("reported" if plain == body else "partial")


def test_aiohttp_goes_on_after_a_wait_in_vain_and_a_mistake(recorded: Recorded) -> None:
    goes_on = threading.Event()

    def rest(connection: Connection) -> None:
        goes_on.wait(20)
        connection.send(b"".join(MESSAGE[3:]))

    async def main(url: str) -> None:
        async with aiohttp.ClientSession() as session, session.post(url + PATH, json=ASKED) as response:
            content = response.content
            assert await content.readexactly(sum(map(len, MESSAGE[:3])))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(content.readany(), 0.05)
            waiting = asyncio.create_task(content.readexactly(len(MESSAGE[3])))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already waiting"):
                await content.readany()
            with pytest.raises(ValueError, match="Separator"):
                await content.readuntil(b"")
            assert recorded.spans() == []
            goes_on.set()
            assert await waiting == MESSAGE[3]
            assert await content.read() == b"".join(MESSAGE[4:])

    with RawServer(stream(*MESSAGE[:3], then=rest)) as server:
        asyncio.run(main(server.url))
    check_arrived(check(recorded, error=None, status="reported"))


# --- botocore --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"20\r\n", b""], ids=["in a chunk", "between chunks"])
def test_botocore_cut(later: Callable[[], Recorded], begun: bytes) -> None:
    """The model's own events up to the cut; a document that breaks off says nothing."""
    events = b"".join(frame_event(*event) for event in CONVERSE[:-1])

    def cut(connection: Connection) -> None:
        connection.head(content_type=EVENT_STREAM, transfer_encoding="chunked")
        connection.send(b"%x\r\n%b\r\n%b" % (len(events), events, begun))

    def ask(url: str) -> list[Any]:
        client, found = bedrock(url), []
        asked = {"modelId": "x", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
        try:
            for event in client.converse_stream(**asked)["stream"]:
                found.append(event)  # noqa: PERF402  # until it breaks off
        except Exception as error:
            return [*found, type(error)]
        finally:
            client.close()
        raise AssertionError("read to the end")

    with RawServer(cut) as server:
        plain = ask(server.url)
        recorded = later()
        assert ask(server.url) == plain
    span = check(recorded, error="ProtocolError")
    assert (span.attributes or {})[a.RESPONSE_FINISH_REASONS] == ("end_turn",)


@pytest.mark.parametrize("name", ["read", "read 7", "iter_lines", "iter_chunks"])
def test_botocore_bodies_cut(later: Callable[[], Recorded], name: str) -> None:
    def cut(connection: Connection) -> None:
        connection.head(content_type="application/json", content_length="999")
        connection.send(b'{"id": "msg_1"')

    def ask(url: str) -> str:
        client = bedrock(url)
        try:
            invoke(client, name)
        except BotoCoreError as error:
            return type(error).__qualname__
        finally:
            client.close()
        raise AssertionError("read to the end")

    with RawServer(cut) as server:
        plain = ask(server.url)
        recorded = later()
        assert ask(server.url) == plain
    check(recorded, error="ProtocolError" if name == "read" else "IncompleteRead")


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_botocore_closed_early_and_dropped(recorded: Recorded) -> None:
    body = b"".join(frame_event(*event) for event in CONVERSE)
    with KeptServer(sent(body, EVENT_STREAM, framing="chunked")) as server:
        client = bedrock(server.url)
        asked = {"modelId": "x", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
        for ending in ("close", "drop", "unread"):
            events = client.converse_stream(**asked)["stream"]
            if ending != "unread":
                assert "messageStart" in next(iter(events))
            if ending == "close":
                events.close()
            del events
            gc.collect()
            check(recorded, error=None)
        client.close()


# --- all -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_streamed", [True, False])
@pytest.mark.parametrize(("status", "keeps"), [(307, True), (308, True), (303, False)])
def test_redirects_are_part_of_the_call(recorded: Recorded, status: int, keeps: bool, is_streamed: bool) -> None:
    """307 and 308 send the body again; after 303 the answer is fetched."""
    _, _, body, _ = BODIES["json"]
    asked = {"model": "gpt-4o", "messages": HELLO}
    answer = sent(body, "application/json")

    async def ask_aiohttp(url: str) -> tuple[bytes, int]:
        async with aiohttp.ClientSession() as session, session.post(url, json=asked) as response:
            return await response.read(), len(response.history)

    def ask_requests(url: str) -> tuple[bytes, int]:
        response = requests.post(url, json=asked, stream=is_streamed, timeout=20)
        return response.content, len(response.history)

    for ask in (ask_requests, lambda url: asyncio.run(ask_aiohttp(url))):
        with KeptServer(redirected(status, "/v2/chat/completions"), answer) as server:
            assert ask(server.url + "/v1/chat/completions") == (body, 1)
        assert server.paths == ["/v1/chat/completions", "/v2/chat/completions"]
        assert [json.loads(sent_body or b"{}") for sent_body in server.bodies] == [asked, asked if keeps else {}]
        span = check(recorded, error=None, status="reported")
        assert (span.attributes or {})[a.USAGE_OUTPUT_TOKENS] == 20
