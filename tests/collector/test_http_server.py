"""HTTP as clients really speak it, and as those do who mean no good: answered, bounded, never hung."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector import journal
from otel_llm_collector.config_file import Configured
from otel_llm_collector.receiver import connection, server
from otel_llm_collector.receiver.access import Access
from otel_llm_collector.receiver.http import HttpDoor
from otel_llm_collector.receiver.intake import Intake
from otel_llm_collector.receiver.pages import Pages
from otel_llm_collector.receiver.refusals import TooLargeError
from otel_llm_collector.receiver.room import Room
from otel_llm_collector.receiver.server import HttpServer
from otel_llm_collector.receiver.sql import SqlDoor
from otel_llm_collector.receiver.telemetry import Telemetry

BODY = otlp.request(otlp.span(otlp.chat())).SerializeToString()
LIMIT = 1_000_000
MEMORY = 2_000_000
_STRAIGHT = (connection._STRAIGHT_BYTES_MIN, connection._STRAIGHT_BYTES_MAX)
#: Notes that make bodies a little shorter and longer than those which are read to where they stay.
LONG = [size + more for size in _STRAIGHT for more in (-1000, -300, 0, 300_000)]


def post(body: bytes = BODY, *headers: str, path: str = "/v1/traces", length: int | None = None) -> bytes:
    head = [f"POST {path} HTTP/1.1", "host: h", "content-type: application/x-protobuf", *headers]
    if not any(header.lower().startswith("transfer-encoding") for header in headers):
        head.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Client:
    """A connection whose bytes are chosen by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, *pieces: bytes) -> int:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
        return await self.status()

    async def status(self) -> int:
        """The status of the next answer, which is read to its end."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if b"content-length" in head else 0
        self.body = await self.reader.readexactly(length)
        self.head = head
        return int(head.split()[1])

    async def is_closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(1), 10) == b""


class Served:
    """A server in this process, and what its journal took."""

    def __init__(self, data: Path, tls: ssl.SSLContext | None, limit: int) -> None:
        config = Configured({}, {}, None).config
        telemetry = Telemetry(data)
        self.intake = Intake(journal.Writer(data), Room(data, config), telemetry, MEMORY)
        queries = SqlDoor(Access(config), config, telemetry, None)
        site = HttpDoor(self.intake, Access(config), Pages(self.intake, telemetry).by_path, queries, limit)
        self.server = HttpServer(site, "127.0.0.1:0", tls)
        self.data = data

    @contextlib.asynccontextmanager
    async def client(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
        host, _, port = self.server.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def idle(self) -> bool:
        """True once nobody is connected and all memory is given back."""
        for _ in range(500):
            if not self.server.connections and not self.intake.budget.taken:
                return True
            await asyncio.sleep(0.01)
        return False


def certified() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and a client have that trust each other."""
    authority, ours = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    theirs = ssl.create_default_context()
    authority.configure_trust(theirs)
    return ours, theirs


def serve(
    data: Path,
    talk: Callable[[Served], Coroutine[Any, Any, None]],
    tls: ssl.SSLContext | None = None,
    *,
    limit: int = LIMIT,
) -> list[bytes]:
    """Let `talk` speak with a server; the payloads that the journal took. Afterwards nothing is held any more."""

    async def main() -> None:
        served = Served(data, tls, limit)
        await served.server.start()
        try:
            await talk(served)
            assert await served.idle()
        finally:
            await served.server.stop(1)
            await served.intake.close()

    asyncio.run(main())
    segments = journal.closed_segments(journal.journal_dir(data))
    return [frame.payload for segment in segments for frame in journal.read_frames(segment.path)]


def test_a_connection_is_kept_and_requests_are_answered_in_their_order(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(post()) == 200
            client.writer.write(post() + post(b"\x0a\xff\xff") + post() + post(path="/nowhere") + post())
            assert [await client.status() for _ in range(5)] == [200, 400, 200, 404, 200]

    assert serve(tmp_path, talk) == [BODY] * 4


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_may_come_in_any_pieces(tmp_path: Path, size: int) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            for sent in (post(), post(chunked(BODY, 50), "transfer-encoding: chunked")):
                assert await client.ask(*(sent[place : place + size] for place in range(0, len(sent), size))) == 200

    assert serve(tmp_path, talk) == [BODY] * 2


def noted(size: int) -> bytes:
    """A request of about so many bytes."""
    return otlp.request(otlp.span(otlp.chat(note="x" * size))).SerializeToString()


@pytest.mark.parametrize("pieces", [1, 3, 1000])
@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "tls"])
def test_long_bodies_are_read_to_where_they_stay(tmp_path: Path, pieces: int, over_tls: bool) -> None:
    bodies = [noted(size) for size in LONG]
    ours, theirs = certified() if over_tls else (None, None)

    async def talk(served: Served) -> None:
        served.intake.budget.bytes_max = 4 * max(LONG)
        async with served.client(theirs) as client:
            for body in bodies:
                sent = post(body) + post()  # what follows belongs to the next request
                step = len(sent) // pieces + 1
                assert await client.ask(*(sent[place : place + step] for place in range(0, len(sent), step))) == 200
                assert await client.status() == 200

    expected = [payload for body in bodies for payload in (body, BODY)]
    assert serve(tmp_path, talk, ours, limit=2 * max(LONG)) == expected


def test_a_long_body_that_ends_early_is_nothing(tmp_path: Path) -> None:
    body = noted(200_000)

    async def talk(served: Served) -> None:
        async with served.client() as client:
            client.writer.write(post(body[:-1], length=len(body)))
            client.writer.write_eof()
            assert await client.is_closed()

    assert serve(tmp_path, talk) == []


def test_a_client_may_ask_before_it_sends_its_body(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(post(b"", "expect: 100-continue", length=len(BODY))) == 100
            assert await client.ask(BODY) == 200
            assert await client.ask(post(b"", "expect: 100-continue", length=LIMIT + 1)) == 413
            assert await client.is_closed()

    assert serve(tmp_path, talk) == [BODY]


def test_a_client_that_has_said_all_still_gets_its_answer(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            client.writer.write(post())
            client.writer.write_eof()
            assert await client.status() == 200
            assert await client.is_closed()
        async with served.client() as client:
            assert await client.ask(post(BODY, "connection: close")) == 200
            assert b"connection: close" in client.head
            assert await client.is_closed()

    assert serve(tmp_path, talk) == [BODY] * 2


def test_an_upgrade_is_not_taken_but_the_request_is(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(post(BODY, "connection: upgrade, http2-settings", "upgrade: h2c")) == 200

    assert serve(tmp_path, talk) == [BODY]


def test_what_follows_a_body_changes_nothing_of_its_request(tmp_path: Path) -> None:
    trailers = b"0\r\ncontent-type: text/html\r\ncontent-encoding: x\r\n\r\n"

    async def talk(served: Served) -> None:
        async with served.client() as client:
            sent = chunked(BODY, 40).removesuffix(b"0\r\n\r\n") + trailers
            assert await client.ask(post(sent, "transfer-encoding: chunked")) == 200
            assert await client.ask(post()) == 200

    assert serve(tmp_path, talk) == [BODY] * 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 not HTTP\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT h:80 HTTP/1.1\r\nhost: h\r\n\r\n", 405),
        (b"POST /v1/traces HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST /v1/traces HTTP/1.1\r\nbig: " + b"x" * connection.HEAD_BYTES_MAX + b"\r\n\r\n", 413),
        (b"POST /" + b"x" * connection.HEAD_BYTES_MAX, 413),
        (post(b"", length=1 << 40), 413),
        (post(chunked(b"x" * (LIMIT + 1), 100_000), "transfer-encoding: chunked"), 413),
        (post(b"", "transfer-encoding: chunked") + b"zz\r\n", 400),
        (post(b"x", "transfer-encoding: chunked", path="/"), 404),
    ],
    ids=["tls", "http2", "proxy", "length", "headers", "url", "announced", "chunked", "chunk", "route"],
)
def test_what_cannot_be_read_on_is_answered_and_closed(tmp_path: Path, sent: bytes, status: int) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(sent) == status
            assert await client.is_closed()
        async with served.client() as client:
            assert await client.ask(post()) == 200

    assert serve(tmp_path, talk) == [BODY]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (post(BODY, "content-length: 5"), b"Content-Length"),
        (post(chunked(BODY, 40), "transfer-encoding: chunked", "content-length: 5"), b"Content-Length"),
        (post(b"", "transfer-encoding: chunked") + b"zz\r\n", b"chunk size"),
        (post(b"", length=10**30), b"Content-Length overflow"),
    ],
    ids=["two lengths", "length and chunks", "chunk", "huge"],
)
def test_what_is_no_http_is_told_why(tmp_path: Path, sent: bytes, why: bytes) -> None:
    answers = []

    async def talk(served: Served) -> None:
        async with served.client() as client:
            client.writer.write(sent)
            answers.append(await client.reader.read())

    serve(tmp_path, talk)
    assert answers[0].startswith(b"HTTP/1.1 400")
    assert why in answers[0]


def test_a_target_may_name_the_host(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(post(path="HTTP://h:4318/v1/traces?x=http://y")) == 200

    assert serve(tmp_path, talk) == [BODY]


def test_a_refused_body_that_is_short_is_passed_over(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            assert await client.ask(post(b"x" * 500_000, path="/nowhere")) == 404
            assert await client.ask(post()) == 200

    assert serve(tmp_path, talk) == [BODY]


def test_a_client_that_goes_gives_its_memory_back(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as client:
            client.writer.write(post(b"x" * 400_000, length=LIMIT))
            await client.writer.drain()
            while not served.intake.budget.taken:
                await asyncio.sleep(0.01)
        assert await served.idle()

    assert serve(tmp_path, talk) == []


def test_bodies_that_memory_has_no_room_for_are_told_to_wait(tmp_path: Path) -> None:
    async def talk(served: Served) -> None:
        async with served.client() as first, served.client() as second, served.client() as third:
            for client in (first, second):
                client.writer.write(post(b"x" * 950_000, length=LIMIT))
                await client.writer.drain()
            while served.intake.budget.taken < 1_900_000:
                await asyncio.sleep(0.01)
            assert await third.ask(post(b"x" * 900_000)) == 503
            assert b"retry-after: 1" in third.head

    assert serve(tmp_path, talk) == []


def test_bodies_that_memory_never_has_room_for_are_too_large(tmp_path: Path) -> None:
    large, gzipped = b"x" * 200_000, gzip.compress(bytes(200_000))

    async def talk(served: Served) -> None:
        served.intake.budget.bytes_max = 100_000
        for sent in (
            post(large),
            post(chunked(large, 60_000), "transfer-encoding: chunked"),
            post(gzipped, "content-encoding: gzip"),
        ):
            async with served.client() as client:
                assert await client.ask(sent) == 413
        async with served.client() as client:
            assert await client.ask(post()) == 200
        with pytest.raises(TooLargeError):
            served.intake.budget.take(100_001)

    assert serve(tmp_path, talk) == [BODY]


def test_more_connections_than_are_kept_are_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)

    async def talk(served: Served) -> None:
        async with served.client() as first, served.client() as second:
            assert [await first.ask(post()), await second.ask(post())] == [200, 200]
            async with served.client() as third:
                assert await third.status() == 503
            assert await first.ask(post()) == 200

    assert serve(tmp_path, talk) == [BODY] * 3


def test_connections_that_speak_no_tls_yet_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)
    ours, theirs = certified()

    async def arrived(served: Served, number: int) -> None:
        while served.server.connections != number:
            await asyncio.sleep(0.01)

    async def talk(served: Served) -> None:
        async with served.client(), served.client():
            await asyncio.wait_for(arrived(served, 2), 20)
            async with served.client() as third:
                with contextlib.suppress(ConnectionError):
                    assert await third.is_closed()
        await asyncio.wait_for(arrived(served, 0), 20)
        async with served.client(theirs) as client, served.client():
            assert await client.ask(post()) == 200

    assert serve(tmp_path, talk, ours) == [BODY]


def test_who_is_slow_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SWEEP_S", 0.02)
    monkeypatch.setattr(connection, "REQUEST_S_MAX", 0.1)
    monkeypatch.setattr(connection, "IDLE_S_MAX", 0.2)

    async def talk(served: Served) -> None:
        async with served.client() as slow, served.client() as idle:
            slow.writer.write(post(length=1_000_000))
            assert await slow.is_closed()
            assert await idle.is_closed()

    assert serve(tmp_path, talk) == []


def test_a_fault_of_ours_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LLM_RAISE_ERRORS", "false")

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def talk(served: Served) -> None:
        monkeypatch.setattr(served.intake, "store", fail)
        async with served.client() as client:
            assert await client.ask(post()) == 500
            assert await client.ask(post()) == 500

    assert serve(tmp_path, talk) == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_requests_are_answered_or_closed(data: st.DataObject) -> None:
    """Whatever bytes come, the server says something or closes, keeps nothing, and serves the next."""
    sent = bytearray(data.draw(st.sampled_from([post(), post(chunked(BODY, 40), "transfer-encoding: chunked")])))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(sent) - 1))
        sent[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))

    async def talk(served: Served) -> None:
        async with served.client() as client:
            client.writer.write(bytes(sent))
            client.writer.write_eof()
            with contextlib.suppress(ConnectionError):
                answer = await asyncio.wait_for(client.reader.read(), 10)
                assert answer[:9] in (b"", b"HTTP/1.1 ")
        async with served.client() as client:
            assert await client.ask(post()) == 200

    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert BODY in serve(Path(folder), talk)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collector(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


def test_the_library_of_python_is_understood(running: CollectorProcess) -> None:
    client = http.client.HTTPConnection(running.http, timeout=20)
    for _ in range(3):
        client.request("POST", "/v1/traces", BODY, otlp.PROTOBUF)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    client.close()
    wait_for(lambda: otlp.rows(running.data, "SELECT 1 FROM t"))


def test_a_body_in_pieces_of_a_second_is_whole(running: CollectorProcess) -> None:
    host, _, port = running.http.partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        for piece in (post()[:30], post()[30:90], post()[90:]):
            client.sendall(piece)
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connections_do_not_take_the_files_of_the_journal(tmp_path: Path) -> None:
    """Shells and systemd let a process open 1024 files, half of what connections may be."""
    with contextlib.ExitStack() as held:
        process = held.enter_context(collector(tmp_path / "data", files=200))
        host, port = process.http.split(":")
        for _ in range(300):
            held.enter_context(socket.create_connection((host, int(port))))
        assert otlp.post(process.traces_url, BODY).status == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the machine has no IPv6")
@pytest.mark.parametrize("host", ["[::1]", "[::]"])
def test_an_address_of_ipv6_is_told_as_urls_have_it(tmp_path: Path, host: str) -> None:
    with collector(tmp_path / "data", "--grpc", f"{host}:0", http=f"{host}:0") as process:
        assert (process.http.rpartition(":")[0], process.grpc.rpartition(":")[0]) == (host, host)
        assert otlp.post(process.traces_url, BODY).status == 200
        by_ipv4 = f"127.0.0.1:{process.http.rpartition(':')[2]}"
        if host == "[::]":
            assert otlp.post(f"http://{by_ipv4}/v1/traces", BODY).status == 200
