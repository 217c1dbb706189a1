"""One call of each kind that an app can make: what it does, and what it sees of it."""

from __future__ import annotations

import gzip
import inspect
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import aiohttp
import httpx
import httpx2
import openai
import websockets.asyncio.client as asynchronous
import websockets.sync.client as synchronous
from app.rawserver import Connection, RawServer
from app.test_bytes import BODIES, Pieces, read, read_async, transport
from app.test_endings import HELLO, USAGE, chunk
from app.test_realtime import CREATE, created, delta, done, event, scripted
from app.test_transports import CASES, TYPES, body_of, path_of
from app.ways import WAYS
from opentelemetry import propagate, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from websockets.sync.server import ServerConnection

import otel_llm
from otel_llm.providers import find_reader
from otel_llm_semconv import attributes as a

WHOLE, STREAMED = BODIES["json"][2], BODIES["chat"][2]
USAGE_EVENT: Final = chunk(usage=USAGE)
UNCOUNTED: Final = WHOLE.replace(b'"usage"', b'"nothing"')
BUSY: Final = b'{"error": {"message": "busy", "type": "server_error"}}'
ASKED: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": HELLO}
URL: Final = "http://llm.test/v1/chat/completions"
_LOGS: Final = LoggerProvider(shutdown_on_exit=False)
_METERS: Final = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)


class Kind(NamedTuple):
    """A function or coroutine function that is given the URL of the server."""

    name: str
    call: Callable[[str], Any]
    serve: Callable[[], AbstractContextManager[str]] = lambda: nullcontext("")
    settings: Mapping[str, Any] = MappingProxyType({})


def _document(status: int = 200, body: bytes = WHOLE) -> httpx2.MockTransport:
    headers = {"content-type": "application/json"}
    return httpx2.MockTransport(lambda _: httpx2.Response(status, headers=headers, stream=Pieces([body])))


def _events(encoding: str = "identity") -> httpx2.MockTransport:
    body = gzip.compress(STREAMED, mtime=0) if encoding == "gzip" else STREAMED
    return transport([body[:150], body[150:]], encoding, stream=True)


class _Cut(Pieces):
    """A body that breaks off."""

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        raise httpx2.ReadError("cut")

    async def __aiter__(self) -> Any:
        async for piece in super().__aiter__():
            yield piece
        raise httpx2.ReadError("cut")


def _cut_events() -> httpx2.MockTransport:
    headers = {"content-type": "text/event-stream"}
    return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=_Cut([STREAMED[:300]])))


def _refusal() -> httpx2.MockTransport:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    return httpx2.MockTransport(refuse)


def _post(sender: Callable[[], Any], **more: Any) -> Callable[[str], Any]:
    def call(_: str) -> Any:
        with httpx2.Client(transport=sender()) as client:
            response = client.post(URL, json=ASKED | more)
        return response.content

    return call


def _post_async(sender: Callable[[], Any], **more: Any) -> Callable[[str], Any]:
    async def call(_: str) -> Any:
        async with httpx2.AsyncClient(transport=sender()) as client:
            response = await client.post(URL, json=ASKED | more)
        return response.content

    return call


def _stream(sender: Callable[[], Any], **more: Any) -> Callable[[str], Any]:
    return lambda _: b"".join(read("iter_bytes", "chat/completions", ASKED | {"stream": True} | more, sender()))


def _stream_async(sender: Callable[[], Any], **more: Any) -> Callable[[str], Any]:
    async def call(_: str) -> Any:
        return b"".join(await read_async("iter_bytes", "chat/completions", ASKED | {"stream": True} | more, sender()))

    return call


def _hiding() -> httpx2.MockTransport:
    """Sends the usage to who asks for it."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = STREAMED if "stream_options" in json.loads(request.content) else STREAMED.replace(USAGE_EVENT, b"")
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=Pieces([body[:150], body[150:]]))

    return httpx2.MockTransport(answer)


def _without_usage(call: Callable[[str], Any]) -> Callable[[str], Any]:
    """A fault may show the app the event that it did not ask for, which harms nobody; any other byte must be there."""

    def called(url: str) -> Any:
        return call(url).replace(USAGE_EVENT, b"")

    async def called_async(url: str) -> Any:
        return (await call(url)).replace(USAGE_EVENT, b"")

    return called_async if inspect.iscoroutinefunction(call) else called


def _closed(_: str) -> Any:
    """A stream that is closed after its first piece."""
    with (
        httpx2.Client(transport=_events()) as client,
        client.stream("POST", URL, json=ASKED | {"stream": True}) as response,
    ):
        return next(response.iter_raw())


async def _closed_async(_: str) -> Any:
    async with (
        httpx2.AsyncClient(transport=_events()) as client,
        client.stream("POST", URL, json=ASKED | {"stream": True}) as response,
    ):
        return await anext(response.aiter_raw())


def _dropped(_: str) -> Any:
    """A body that nobody reads or closes."""
    with httpx2.Client(transport=_events()) as client:
        request = client.build_request("POST", URL, json=ASKED | {"stream": True})
        return client.send(request, stream=True).status_code


async def _dropped_async(_: str) -> Any:
    async with httpx2.AsyncClient(transport=_events()) as client:
        request = client.build_request("POST", URL, json=ASKED | {"stream": True})
        return (await client.send(request, stream=True)).status_code


def _hooked(_: str) -> Any:
    """A client with a hook of the app's, which puts a trace header on."""
    seen: list[Any] = []

    def add(request: httpx2.Request) -> None:
        request.headers["x-mine"] = "1"

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.headers["x-mine"], request.content))
        return httpx2.Response(200, json=json.loads(WHOLE))

    with httpx2.Client(transport=httpx2.MockTransport(answer), event_hooks={"request": [add]}) as client:
        return client.post(URL, json=ASKED).json(), seen


def _service(_: str) -> Any:
    """A service of the user's that sends on to another place; an instrumentor below injects what it has."""
    statuses = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        propagate.inject(request.headers)
        status = 307 if request.url.host == "own.test" else 200
        statuses.append(status)
        return httpx2.Response(status, headers={"location": "http://other.test/"})

    with otel_llm.user("alice"), httpx2.Client(transport=httpx2.MockTransport(answer), follow_redirects=True) as client:
        return client.get("http://own.test/", headers={"baggage": "given=1"}).status_code, statuses


def _models(_: str) -> Any:
    """A request to a provider that calls no model."""
    with httpx2.Client(transport=_document()) as client:
        return client.get("https://api.openai.com/v1/models").content


_OPTIONS: Final[dict[str, Any]] = {"api_key": "k", "base_url": "http://llm.test/v1"}


def _sdk(sender: Callable[[], Any], retries: int = 0) -> Callable[[str], Any]:
    def call(_: str) -> Any:
        http = httpx2.Client(transport=sender())
        with openai.OpenAI(**_OPTIONS, http_client=http, max_retries=retries) as client:
            raw = client.chat.completions.with_raw_response.create(**ASKED)
            return type(raw), type(raw.parse()), raw.http_response.content

    return call


def _sdk_async(sender: Callable[[], Any], retries: int = 0) -> Callable[[str], Any]:
    async def call(_: str) -> Any:
        http = httpx2.AsyncClient(transport=sender())
        async with openai.AsyncOpenAI(**_OPTIONS, http_client=http, max_retries=retries) as client:
            raw = await client.chat.completions.with_raw_response.create(**ASKED)
            return type(raw), type(raw.parse()), raw.http_response.content

    return call


def _sdk_stream(_: str) -> Any:
    with openai.OpenAI(**_OPTIONS, http_client=httpx2.Client(transport=_events())) as client:
        return [chunk.to_json() for chunk in client.chat.completions.create(**ASKED, stream=True)]


async def _sdk_stream_async(_: str) -> Any:
    async with openai.AsyncOpenAI(**_OPTIONS, http_client=httpx2.AsyncClient(transport=_events())) as client:
        return [chunk.to_json() async for chunk in await client.chat.completions.create(**ASKED, stream=True)]


def _sdk_body(_: str) -> Any:
    """A document that is read after the SDK's method has returned."""
    with (
        openai.OpenAI(**_OPTIONS, http_client=httpx2.Client(transport=_document())) as client,
        client.chat.completions.with_streaming_response.create(**ASKED) as response,
    ):
        return b"".join(response.iter_bytes())


def _twice() -> httpx2.MockTransport:
    """Too busy at first."""
    answers = [httpx2.Response(200, stream=Pieces([WHOLE]), headers={"content-type": "application/json"})]
    answers.insert(0, httpx2.Response(429, content=BUSY, headers={"retry-after-ms": "1"}))
    return httpx2.MockTransport(lambda _: answers.pop(0))


def _inside_foreign(call: Callable[[str], Any]) -> Callable[[str], Any]:
    """Inside a span of somebody else's that stands for the call."""

    def called(url: str) -> Any:
        span = _FOREIGN.get_tracer("somebody").start_span("chat", attributes={a.OPERATION: "chat"})
        with trace.use_span(span, end_on_exit=True):
            return call(url)

    return called


def _way(name: str, *, stream: bool) -> Kind:
    body, content_type = (STREAMED, "text/event-stream") if stream else (WHOLE, "application/json")

    def reply(connection: Connection) -> None:
        connection.head(200, content_type=content_type, content_length=str(len(body)))
        connection.send(body)

    @contextmanager
    def serve() -> Iterator[str]:
        with RawServer(reply) as server:
            yield server.url

    ask = ASKED | {"stream": stream}
    return Kind(name, lambda url: WAYS[name](f"{url}/v1/chat/completions", ask), serve)


async def _aiohttp_get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url + "/v1/chat/completions", json=ASKED) as response:
        return type(response), await response.json()


def _speak(connection: ServerConnection) -> None:
    """Answers what it is asked for; of what comes second it only begins the answer."""
    for identity in ("resp_1", "resp_2"):
        while CREATE not in connection.recv():
            connection.send(event("session.updated", session={"model": "gpt-realtime"}))
        connection.send(created(identity))
        connection.send(delta("hello", identity))
        if identity == "resp_1":
            connection.send(event("conversation.item.done", item={"id": "item_1", "type": "message"}))
            connection.send(done(identity))
    connection.send(event("error", error={"message": "broke", "type": "server_error"}))


def _spoken(url: str) -> Any:
    with synchronous.connect(url) as connection:
        connection.send(event("session.update", session={"output_modalities": ["text"]}))
        heard = [connection.recv()]
        for count in (4, 3):
            connection.send(CREATE)
            heard += [connection.recv() for _ in range(count)]
        return type(connection).__name__, heard


async def _spoken_async(url: str) -> Any:
    async with asynchronous.connect(url) as connection:
        await connection.send(event("session.update", session={"output_modalities": ["text"]}))
        heard = [await connection.recv()]
        for count in (4, 3):
            await connection.send(CREATE)
            heard += [await connection.recv() for _ in range(count)]
        return type(connection).__name__, heard


def _hung_up(connection: ServerConnection) -> None:
    """Goes away in the middle of an answer."""
    connection.recv()
    connection.send(created())
    connection.socket.shutdown(socket.SHUT_RDWR)


def _interrupted(url: str) -> Any:
    with synchronous.connect(url) as connection:
        connection.send(CREATE)
        return connection.recv(), connection.recv()


async def _interrupted_async(url: str) -> Any:
    async with asynchronous.connect(url) as connection:
        await connection.send(CREATE)
        return await connection.recv(), await connection.recv()


def _fixture(path: Path) -> Kind:
    case, wire = json.loads(path.read_text()), path.parent.name
    framing = find_reader(wire).FRAMING
    body = body_of(case, framing)
    content_type = TYPES[framing] if "events" in case else "application/json"

    def call(_: str) -> Any:
        sender = httpx.MockTransport(
            lambda _: httpx.Response(200, headers={"content-type": content_type}, stream=httpx.ByteStream(body))
        )
        url = "http://llm.test" + path_of(case, wire)
        with httpx.Client(transport=sender) as client, client.stream("POST", url, json=case["request"]) as response:
            return response.read()

    return Kind(f"{wire}, {path.stem}", call)


_FOREIGN: Final = TracerProvider(shutdown_on_exit=False)
_ASKING: Final[dict[str, Any]] = {"include_usage": True}
_SPAN: Final[dict[str, Any]] = {"capture_content": "SPAN_ONLY"}


def _kinds() -> Iterator[Kind]:
    for name, is_async in (("sync", False), ("async", True)):
        post, stream, sdk = (_post_async, _stream_async, _sdk_async) if is_async else (_post, _stream, _sdk)
        yield Kind(f"document, {name}", post(_document), settings=_SPAN)
        yield Kind(f"events, {name}", stream(_events), settings=_SPAN)
        yield Kind(f"events without content, {name}", stream(_events))
        yield Kind(f"compressed events, {name}", stream(lambda: _events("gzip")))
        yield Kind(f"error, {name}", post(lambda: _document(500, BUSY)))
        yield Kind(f"refused, {name}", post(_refusal))
        yield Kind(f"cut, {name}", stream(_cut_events))
        yield Kind(f"closed, {name}", _closed_async if is_async else _closed)
        yield Kind(f"dropped, {name}", _dropped_async if is_async else _dropped)
        yield Kind(f"hidden usage, {name}", _without_usage(stream(_hiding)), settings=_ASKING)
        yield Kind(f"hidden usage, read at once, {name}", _without_usage(post(_hiding, stream=True)), settings=_ASKING)
        yield Kind(f"SDK, {name}", sdk(_document))
        yield Kind(f"SDK, error, {name}", sdk(lambda: _document(500, BUSY)))
        yield Kind(f"SDK, second attempt, {name}", sdk(_twice, retries=1))
        yield Kind(f"SDK, events, {name}", _sdk_stream_async if is_async else _sdk_stream)
    yield Kind("SDK, body read later", _sdk_body)
    yield Kind("hook of the app's", _hooked)
    yield Kind("no call of a model", _models)
    yield Kind("a service of the user's", _service, settings={"baggage_hosts": ["own.test"]})
    yield Kind("inside a foreign span", _inside_foreign(_stream(_events)))
    yield Kind("estimated", _post(lambda: _document(body=UNCOUNTED)), settings={"estimate_usage": True})
    yield Kind(
        "content as event", _post(_document), settings={"capture_content": "EVENT_ONLY", "logger_provider": _LOGS}
    )
    yield Kind("metrics", _stream(_events), settings={"meter_provider": _METERS})
    for way in ("httpx", "requests", "aiohttp", "botocore"):
        yield _way(way, stream=False)
        yield _way(f"{way} stream", stream=True)
    yield Kind("aiohttp, json", _aiohttp_get, _way("aiohttp", stream=False).serve)
    for name, spoken, interrupted in (
        ("sync", _spoken, _interrupted),
        ("async", _spoken_async, _interrupted_async),
    ):
        yield Kind(f"websocket, {name}", spoken, lambda: scripted(_speak), settings=_SPAN)
        yield Kind(f"websocket, interrupted, {name}", interrupted, lambda: scripted(_hung_up))
    yield from (_fixture(path) for path in CASES)


KINDS: Final = {kind.name: kind for kind in _kinds()}
