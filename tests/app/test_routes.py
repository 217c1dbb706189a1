"""However a request gets there, over HTTP/2, a proxy, a tunnel, a mounted transport: the same bytes and one span."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

import aiohttp
import httpx
import httpx2
import pytest
import requests
import requests.adapters
from app.keptserver import KeptServer, sent
from app.recording import Recorded
from app.routes import Http2Server, Proxy, accepting, anonymous
from app.test_bytes import BODIES
from app.test_endings import HELLO
from app.test_transport_streams import TYPES, USAGE, asked

import otel_llm
from otel_llm.propagation import HEADERS
from otel_llm_semconv import attributes as a

PATH: Final = "/v1/chat/completions"


class Route(NamedTuple):
    """Where a request goes, what a client needs to get there, and the headers that were seen on the way."""

    url: str
    version: str
    options: dict[str, Any]
    transport: dict[str, Any]
    proxy: Proxy | None
    seen: Callable[[], list[dict[str, str]]]


@contextlib.contextmanager
def direct(wire: str) -> Iterator[Route]:
    with KeptServer(sent(BODIES[wire][2], TYPES[wire])) as server:
        yield Route(server.url, "HTTP/1.1", {}, {}, None, list)


@contextlib.contextmanager
def http2_at_once(wire: str) -> Iterator[Route]:
    with Http2Server(TYPES[wire], BODIES[wire][2]) as server:
        versions = {"http1": False, "http2": True}
        yield Route(server.url, "HTTP/2", versions, versions, None, lambda: server.seen)


@contextlib.contextmanager
def http2_agreed_on(wire: str) -> Iterator[Route]:
    with Http2Server(TYPES[wire], BODIES[wire][2], accepting("h2", "http/1.1")) as server:
        options = {"http2": True, "verify": anonymous(ssl.PROTOCOL_TLS_CLIENT)}
        yield Route(server.url, "HTTP/2", options, options, None, lambda: server.seen)


@contextlib.contextmanager
def forwarded(wire: str) -> Iterator[Route]:
    with Proxy() as proxy, KeptServer(sent(BODIES[wire][2], TYPES[wire])) as server:
        yield Route(server.url, "HTTP/1.0", {"proxy": proxy.url}, {"proxy": proxy.url}, proxy, lambda: proxy.seen)


@contextlib.contextmanager
def tunnelled(wire: str) -> Iterator[Route]:
    with Proxy() as proxy, Http2Server(TYPES[wire], BODIES[wire][2], accepting("h2")) as server:
        options = {"http2": True, "verify": anonymous(ssl.PROTOCOL_TLS_CLIENT), "proxy": proxy.url}
        yield Route(server.url, "HTTP/2", options, options, proxy, lambda: [*proxy.seen, *server.seen])


ROUTES: Final = (direct, http2_at_once, http2_agreed_on, forwarded, tunnelled)


def read(module: ModuleType, route: Route, wire: str, options: dict[str, Any]) -> list[Any]:
    """What the app sees of an answer that it reads whole, and of one that it streams."""
    found: list[Any] = []
    with module.Client(**options) as client:
        response = client.post(route.url + PATH, json=asked(wire))
        found += [response.http_version, response.content]
        with client.stream("POST", route.url + PATH, json=asked(wire)) as response:
            found += [response.http_version, list(response.iter_lines())]
    return found


async def read_async(module: ModuleType, route: Route, wire: str, options: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    async with module.AsyncClient(**options) as client:
        response = await client.post(route.url + PATH, json=asked(wire))
        found += [response.http_version, response.content]
        async with client.stream("POST", route.url + PATH, json=asked(wire)) as response:
            found += [response.http_version, [line async for line in response.aiter_lines()]]
    return found


def check_spans(recorded: Recorded, route: Route, calls: int) -> None:
    """One whole span a call, said to go where it goes in the end; nobody on the way learns of the trace."""
    spans = [span for span in recorded.spans() if span.name != "work"]
    assert len(spans) == calls
    for span in spans:
        found = dict(span.attributes or {})
        assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS], found[a.USAGE_STATUS]) == (
            *USAGE,
            "reported",
        )
        assert f"{found[a.SERVER_ADDRESS]}:{found[a.SERVER_PORT]}" == route.url.partition("://")[2]
    assert all(set(HEADERS).isdisjoint(headers) for headers in route.seen())
    assert bool(route.seen()) == (route.version != "HTTP/1.1")


@pytest.fixture
def later() -> Iterator[Callable[[], Recorded]]:
    """Instruments when it is called, so that the same can be done before."""
    yield Recorded
    otel_llm.uninstrument()


@pytest.mark.parametrize("mounted", [False, True], ids=["client", "mounted"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("open_route", ROUTES, ids=lambda route: route.__name__)
@pytest.mark.parametrize("module", [httpx, httpx2], ids=lambda module: module.__name__)
def test_httpx(
    later: Callable[[], Recorded], *, module: ModuleType, open_route: Any, is_async: bool, mounted: bool
) -> None:
    for wire in TYPES:
        with open_route(wire) as route:

            def run(route: Route = route, wire: str = wire) -> list[Any]:
                kind = module.AsyncHTTPTransport if is_async else module.HTTPTransport
                options = {"mounts": {"all://": kind(**route.transport)}} if mounted else route.options
                if is_async:
                    return asyncio.run(read_async(module, route, wire, options))
                return read(module, route, wire, options)

            plain = run()
            recorded = later()
            with recorded.tracer.start_as_current_span("work"):
                assert run() == plain
            body = BODIES[wire][2]
            assert plain == [route.version, body, route.version, body.decode().splitlines()]
            check_spans(recorded, route, calls=2)
            otel_llm.uninstrument()


class Shifted(requests.adapters.HTTPAdapter):
    """An adapter of the app's own, mounted for an address that it alone knows."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.url = self.url + request.path_url
        return super().send(request, *args, **kwargs)


def test_requests_over_a_proxy_and_a_mounted_adapter(recorded: Recorded) -> None:
    body = BODIES["chat"][2]
    with forwarded("chat") as route, requests.Session() as session:
        assert route.proxy is not None
        proxies = {"http": route.proxy.url}
        response = session.post(route.url + PATH, json=asked("chat"), proxies=proxies, stream=True, timeout=20)
        assert b"".join(response.iter_content(9)) == body
        assert route.proxy.asked == [f"POST {route.url}{PATH}"]
        check_spans(recorded, route, calls=1)
        session.mount("llm://", Shifted(route.url))
        assert session.post("llm://models" + PATH, json=asked("chat"), timeout=20).content == body
    assert len(recorded.spans()) == 2


def test_aiohttp_over_a_proxy(recorded: Recorded) -> None:
    async def ask(route: Route) -> bytes:
        assert route.proxy is not None
        async with (
            aiohttp.ClientSession() as session,
            session.post(route.url + PATH, json=asked("chat"), proxy=route.proxy.url) as response,
        ):
            return await response.read()

    with forwarded("chat") as route:
        assert asyncio.run(ask(route)) == BODIES["chat"][2]
        assert route.proxy is not None
        assert route.proxy.asked == [f"POST {route.url}{PATH}"]
        check_spans(recorded, route, calls=1)


def test_http2_streams_beside_each_other_are_told_apart(recorded: Recorded) -> None:
    """Many answers at once over one connection, which is what HTTP/2 is for."""

    async def main(route: Route) -> list[bytes]:
        async def ask(client: httpx2.AsyncClient, user: str) -> bytes:
            content = {"model": "gpt-4o", "messages": HELLO, "stream": True, "user": user}
            async with client.stream("POST", route.url + PATH, json=content) as response:
                return b"".join([piece async for piece in response.aiter_bytes()])

        async with httpx2.AsyncClient(**route.options) as client:
            return await asyncio.gather(*(ask(client, f"u{number}") for number in range(8)))

    with http2_at_once("chat") as route:
        assert asyncio.run(main(route)) == [BODIES["chat"][2]] * 8
        check_spans(recorded, route, calls=8)
    assert {(span.attributes or {})[a.USER_ID] for span in recorded.spans()} == {f"u{number}" for number in range(8)}
