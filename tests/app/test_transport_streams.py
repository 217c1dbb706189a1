"""Whatever an app calls to read a body with requests, aiohttp, botocore: its bytes as without us, one whole span."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import shutil
import zlib
from asyncio import IncompleteReadError
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import aiohttp
import aiohttp.streams
import boto3
import botocore.awsrequest
import botocore.client
import botocore.config
import botocore.httpsession
import pytest
import requests
import urllib3
from app.keptserver import ENCODINGS, FRAMINGS, KeptServer, sent
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from app.test_bytes import BODIES
from app.test_endings import EVENTS, HELLO, chunk

import otel_llm
from otel_llm.transports.bodies import decoder_of
from otel_llm_collector.demo.standin.event_stream import EVENT_STREAM, frame_event
from otel_llm_semconv import attributes as a

TYPES: Final = {"chat": EVENTS, "json": "application/json"}
USAGE: Final = (50, 20)
SIZE: Final = 7


@pytest.fixture
def later() -> Iterator[Callable[[], Recorded]]:
    """Instruments when it is called, so that the same can be done before."""
    yield Recorded
    otel_llm.uninstrument()


def check_span(recorded: Recorded, case: object, usage: tuple[int, int] = USAGE) -> None:
    """One span, whole, that is then forgotten."""
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    said = (found.get(a.USAGE_INPUT_TOKENS), found.get(a.USAGE_OUTPUT_TOKENS), found[a.USAGE_STATUS])
    assert said == (*usage, "reported"), case
    assert a.ERROR_TYPE not in found, case
    recorded.exporter.clear()


def until_empty(read: Callable[[], Any]) -> list[Any]:
    return list(iter(read, b""))


def asked(wire: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": HELLO, "stream": wire == "chat"}


# --- requests, and urllib3 under it ----------------------------------------------------------------------------


def copied(response: requests.Response) -> bytes:
    into = io.BytesIO()
    shutil.copyfileobj(response.raw, into, SIZE)
    return into.getvalue()


def filled(raw: Any) -> bytes:
    """What `readinto` gives."""
    buffer, found = bytearray(SIZE), b""
    while size := raw.readinto(buffer):
        found += bytes(buffer[:size])
    return found


#: How many bytes come at once depends on the socket where the pieces are joined; elsewhere they are compared.
REQUESTS: Final[Mapping[str, Callable[[requests.Response], Any]]] = {
    "content": lambda response: response.content,
    "text": lambda response: response.text,
    "json": lambda response: response.json(),
    "iter": list,
    "iter_content 1": lambda response: list(response.iter_content(1)),
    "iter_content 7": lambda response: list(response.iter_content(SIZE)),
    "iter_content None": lambda response: b"".join(response.iter_content(None)),
    "iter_content text": lambda response: list(response.iter_content(SIZE, decode_unicode=True)),
    "iter_lines": lambda response: list(response.iter_lines()),
    "iter_lines text": lambda response: list(response.iter_lines(SIZE, decode_unicode=True, delimiter="\n")),
    "raw.read": lambda response: response.raw.read(),
    "raw.read decoded": lambda response: response.raw.read(decode_content=True),
    "raw.read 7": lambda response: until_empty(lambda: response.raw.read(SIZE)),
    "raw.read 7 decoded": lambda response: until_empty(lambda: response.raw.read(SIZE, decode_content=True)),
    "raw.read1": lambda response: b"".join(until_empty(response.raw.read1)),
    "raw.read1 decoded": lambda response: b"".join(until_empty(lambda: response.raw.read1(SIZE, True))),
    "raw.readinto": lambda response: filled(response.raw),
    "raw.stream": lambda response: b"".join(response.raw.stream()),
    "raw.stream 7 decoded": lambda response: list(response.raw.stream(SIZE, decode_content=True)),
    "raw.data": lambda response: response.raw.data,
    "raw lines": lambda response: list(response.raw),
    "raw.readlines": lambda response: response.raw.readlines(),
    "raw buffered": lambda response: io.BufferedReader(response.raw).read(),
    "raw copied": copied,
}


def read_requests(url: str, wire: str, name: str, *, stream: bool) -> Any:
    with requests.post(url, json=asked(wire), stream=stream, timeout=20) as response:
        assert type(response) is requests.Response
        assert isinstance(response.raw, urllib3.HTTPResponse)
        assert type(response.raw).__qualname__ == "HTTPResponse"
        return REQUESTS[name](response)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("wire", TYPES)
def test_requests(later: Callable[[], Recorded], wire: str, encoding: str, framing: str) -> None:
    reply = sent(BODIES[wire][2], TYPES[wire], framing=framing, encoding=encoding)
    names = [name for name in REQUESTS if name != "json" or wire == "json"]
    with KeptServer(reply) as server:
        url = server.url + "/v1/chat/completions"
        plain = {name: read_requests(url, wire, name, stream=True) for name in names}
        recorded = later()
        for name in names:
            assert read_requests(url, wire, name, stream=True) == plain[name], name
            check_span(recorded, name)
        for name in ("content", "text", "iter_lines"):
            assert read_requests(url, wire, name, stream=False) == plain[name], name
            check_span(recorded, name)


# --- aiohttp ---------------------------------------------------------------------------------------------------


async def repeated(read: Callable[[], Awaitable[bytes]]) -> list[bytes]:
    found = []
    while piece := await read():
        found.append(piece)
    return found


async def exactly(content: aiohttp.StreamReader) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(await content.readexactly(SIZE))
    except IncompleteReadError as error:
        return [*found, error.partial]


async def chunks(content: aiohttp.StreamReader) -> bytes:
    found = b""
    while (piece := await content.readchunk()) != (b"", False):
        found += piece[0]
    return found


async def nowait(content: aiohttp.StreamReader) -> bytes:
    await content.wait_eof()
    return content.read_nowait(SIZE) + content.read_nowait()


async def listed(pieces: AsyncIterable[Any]) -> list[Any]:
    return [piece async for piece in pieces]


async def joined(pieces: AsyncIterable[bytes]) -> bytes:
    return b"".join(await listed(pieces))


AIOHTTP: Final[Mapping[str, Callable[[aiohttp.ClientResponse], Awaitable[Any]]]] = {
    "read": lambda response: response.read(),
    "text": lambda response: response.text(),
    "json": lambda response: response.json(),
    "content.read": lambda response: response.content.read(),
    "content.read 7": lambda response: repeated(lambda: response.content.read(SIZE)),
    "content.readany": lambda response: repeated(response.content.readany),
    "content.readexactly": lambda response: exactly(response.content),
    "content.readline": lambda response: repeated(response.content.readline),
    "content.readuntil": lambda response: repeated(lambda: response.content.readuntil(b":")),
    "content.readchunk": lambda response: chunks(response.content),
    "content.read_nowait": lambda response: nowait(response.content),
    "content": lambda response: listed(response.content),
    "content.iter_any": lambda response: joined(response.content.iter_any()),
    "content.iter_chunked": lambda response: listed(response.content.iter_chunked(1)),
    "content.iter_chunks": lambda response: listed(response.content.iter_chunks()),
}
#: How many bytes come at once depends on the socket.
UNEVEN: Final = ("content.readany", "content.read 7", "content.iter_chunks")


def even(name: str, seen: Any) -> Any:
    """What does not depend on the socket."""
    return b"".join(one[0] if isinstance(one, tuple) else one for one in seen) if name in UNEVEN else seen


async def read_aiohttp(url: str, wire: str, name: str, **options: Any) -> Any:
    async with aiohttp.ClientSession(**options) as session, session.post(url, json=asked(wire)) as response:
        assert type(response) is aiohttp.ClientResponse
        assert isinstance(response.content, aiohttp.StreamReader)
        assert type(response.content).__qualname__ == "StreamReader"
        return even(name, await AIOHTTP[name](response))


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("wire", TYPES)
def test_aiohttp(later: Callable[[], Recorded], wire: str, encoding: str, framing: str) -> None:
    reply = sent(BODIES[wire][2], TYPES[wire], framing=framing, encoding=encoding)
    names = [name for name in AIOHTTP if name != "json" or wire == "json"]
    with KeptServer(reply) as server:
        url = server.url + "/v1/chat/completions"

        async def main() -> None:
            plain = {name: await read_aiohttp(url, wire, name) for name in names}
            raw = await read_aiohttp(url, wire, "read", auto_decompress=False)
            recorded = later()
            for name in names:
                assert await read_aiohttp(url, wire, name) == plain[name], name
                check_span(recorded, name)
            assert await read_aiohttp(url, wire, "read", auto_decompress=False) == raw
            check_span(recorded, "raw")

        asyncio.run(main())


# --- botocore --------------------------------------------------------------------------------------------------

CONVERSED: Final = {"inputTokens": 50, "outputTokens": 20, "totalTokens": 70}
#: Events of Converse, and of Anthropic's own format in InvokeModel.
CONVERSE: Final[list[tuple[str, dict[str, Any]]]] = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": CONVERSED, "metrics": {"latencyMs": 1}}),
]
MESSAGE: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "one\ntwo\n"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 50, "output_tokens": 20},
}
BODY: Final[Mapping[str, Callable[[Any], Any]]] = {
    "read": lambda body: body.read(),
    "read 7": lambda body: until_empty(lambda: body.read(SIZE)),
    "readinto": filled,
    "readlines": lambda body: body.readlines(),
    "iter": list,
    "iter_lines": lambda body: list(body.iter_lines()),
    "iter_lines kept": lambda body: list(body.iter_lines(SIZE, keepends=True)),
    "iter_chunks": lambda body: list(body.iter_chunks(SIZE)),
    "with": lambda body: body.__enter__().read(),
    "json": json.load,
    "buffered": lambda body: io.BufferedReader(body).read(),
    "raw": lambda body: list(body._raw_stream.stream(SIZE)),
}


def bedrock(url: str) -> Any:
    config = botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=20)
    keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    return boto3.client("bedrock-runtime", endpoint_url=url, config=config, **keys)


def invoke(client: Any, name: str) -> Any:
    answer = client.invoke_model(modelId="anthropic.claude-haiku-4-5", body=json.dumps({"messages": HELLO}))
    return BODY[name](answer["body"])


def converse(client: Any) -> Any:
    asked = {"modelId": "x", "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    return list(client.converse_stream(**asked)["stream"])


@pytest.mark.parametrize("framing", FRAMINGS)
def test_botocore_bodies(later: Callable[[], Recorded], framing: str) -> None:
    reply = sent(json.dumps(MESSAGE, indent=1).encode(), "application/json", framing=framing)
    with KeptServer(reply) as server:
        client = bedrock(server.url)
        plain = {name: invoke(client, name) for name in BODY}
        recorded = later()
        for name in BODY:
            assert invoke(client, name) == plain[name], name
            check_span(recorded, name)
        client.close()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_botocore_event_streams(later: Callable[[], Recorded], framing: str) -> None:
    body = b"".join(frame_event(*event) for event in CONVERSE)
    with KeptServer(sent(body, EVENT_STREAM, framing=framing)) as server:
        client = bedrock(server.url)
        plain = converse(client)
        recorded = later()
        assert converse(client) == plain
        check_span(recorded, framing)
        client.close()


def exchange(session: Any, url: str, *, stream: bool) -> Any:
    """What a client of botocore does below its own parsing."""
    written = json.dumps({"messages": HELLO}).encode()
    headers = {"content-type": "application/json"}
    request = botocore.awsrequest.AWSRequest("POST", url, headers, written, stream_output=stream)
    response = session.send(request.prepare())
    assert type(response) is botocore.awsrequest.AWSResponse
    return list(response.raw.stream(SIZE)) if stream else response.content


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("stream", [True, False])
def test_botocore_passes_encoded_bodies_on(
    later: Callable[[], Recorded], stream: bool, framing: str, encoding: str
) -> None:
    reply = sent(json.dumps(MESSAGE).encode(), "application/json", framing=framing, encoding=encoding)
    with KeptServer(reply) as server:
        url, session = f"{server.url}/model/anthropic.claude-haiku-4-5/invoke", botocore.httpsession.URLLib3Session()
        plain = exchange(session, url, stream=stream)
        recorded = later()
        assert exchange(session, url, stream=stream) == plain
        check_span(recorded, encoding)
        session.close()


def raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


#: Encodings of which the libraries undo some, and which `response.raw` hands on as they came.
ODD: Final[Mapping[str, tuple[str, Callable[[bytes], bytes]]]] = {
    "gzip in members": ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    "deflate without a head": ("deflate", raw_deflate),
    "two": ("deflate, gzip", lambda body: gzip.compress(zlib.compress(body))),
    "two and none": ("deflate,identity, x-gzip", lambda body: gzip.compress(raw_deflate(body))),
}


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@pytest.mark.parametrize("name", ODD)
def test_odd_encodings_are_undone(name: str, size: int) -> None:
    header, encode = ODD[name]
    decoder, raw = decoder_of({"content-encoding": header}), encode(BODIES["chat"][2])
    assert decoder is not None
    assert b"".join(decoder.decode(raw[i : i + size]) for i in range(0, len(raw), size)) == BODIES["chat"][2]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_encoding_that_the_app_reads_raw(recorded: Recorded, name: str) -> None:
    header, encode = ODD[name]
    raw = encode(BODIES["chat"][2])

    def reply(connection: Connection) -> None:
        connection.head(content_type=EVENTS, content_encoding=header, content_length=str(len(raw)))
        connection.send(raw)

    asked = {"model": "gpt-4o", "messages": [], "stream": True}
    with RawServer(reply) as server:
        url = server.url + "/v1/chat/completions"
        with requests.post(url, json=asked, stream=True, timeout=20) as response:
            assert b"".join(iter(lambda: response.raw.read(5), b"")) == raw
    check_span(recorded, name)


# --- all -------------------------------------------------------------------------------------------------------


def test_a_long_stream_is_the_same_through_each(later: Callable[[], Recorded]) -> None:
    """Longer than what is read together, longer than the libraries' own buffers."""
    body = b"".join([*(chunk("é" * 200) for _ in range(1500)), BODIES["chat"][2]])
    with KeptServer(sent(body, EVENTS, framing="chunked", encoding="gzip")) as server:
        recorded, url = later(), server.url + "/v1/chat/completions"
        assert read_requests(url, "chat", "content", stream=True) == body
        check_span(recorded, "requests")
        assert read_requests(url, "chat", "iter_lines", stream=True) == body.splitlines()
        check_span(recorded, "requests, lines")
        assert asyncio.run(read_aiohttp(url, "chat", "read")) == body
        check_span(recorded, "aiohttp")
        assert asyncio.run(read_aiohttp(url, "chat", "content")) == body.splitlines(keepends=True)
        check_span(recorded, "aiohttp, lines")
