"""lm15, DSPy's own way to providers over plain sockets: `stream` of its transports, also where it is installed alone.

A response is handed out once its head is here. Its body is read from `_chunks` and given up through `_release`: both
are replaced, the bytes pass untouched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, MutableMapping
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit

from ..exchange import Exchange, Exchanges, Passage
from ..failures import guarded, swallow
from ..patching import patch, when_imported
from ..recognition import Body
from ..stream import Recorder, tee, tee_async

MODULES: Final = ("dspy._vendor.lm15.transports", "lm15.transports")
_PORTS: Final = {"http": 80, "https": 443}


class _Headers(MutableMapping[str, str]):
    """A list of pairs as a mapping without regard to case; what is deleted leaves the list."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        for key, value in self._pairs:
            if key.lower() == name.lower():
                return value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self._pairs.append((name, value))

    def __delitem__(self, name: str) -> None:
        self._pairs[:] = [pair for pair in self._pairs if pair[0].lower() != name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([key for key, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)


class _Requests:
    """How a request is read."""

    def headers(self, request: Any) -> MutableMapping[str, Any]:
        return _Headers(request.headers)

    def port(self, request: Any) -> int | None:
        url = urlsplit(request.url)
        return url.port or _PORTS.get(url.scheme)

    def body(self, request: Any) -> Body:
        return bytes(request.body)


_REQUESTS: Final = _Requests()


def instrument(exchanges: Exchanges) -> None:
    """Hook the transports as soon as the app has imported them."""
    for name in MODULES:
        when_imported(name, lambda module: _hook(module, exchanges))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    patch(module.StdlibTransport, "stream", lambda stream: _wrap_sync(stream, exchanges))
    patch(module.StdlibAsyncTransport, "_do_stream", lambda stream: _wrap_async(stream, exchanges))


def _wrap_sync(stream: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    def hooked(transport: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, request)
        if exchange is None:
            return stream(transport, request, *args, **kwargs)
        with exchange:
            response = stream(transport, request, *args, **kwargs)
        _receive(exchange, response, tee, _closing)
        return response

    return hooked


def _wrap_async(stream: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    async def hooked(transport: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, request)
        if exchange is None:
            return await stream(transport, request, *args, **kwargs)
        with exchange:
            response = await stream(transport, request, *args, **kwargs)
        _receive(exchange, response, tee_async, _closing_async)
        return response

    return hooked


def _begin(exchanges: Exchanges, request: Any) -> Passage | None:
    try:
        url = urlsplit(request.url)
        return exchanges.begin(request.method, url.path, url.hostname or "", request, _REQUESTS)
    except Exception as error:
        swallow("begin", error)
        return None


def _receive(
    exchange: Passage,
    response: Any,
    tee: Callable[[Any, Recorder], Any],
    closing: Callable[[Callable[..., Any], Recorder], Any],
) -> None:
    """Have the body read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange):
        return
    try:
        if not exchange.is_recording:
            return
        recorder = exchange.record(response.status, _Headers(response.headers), None)
        response._chunks = tee(response._chunks, recorder)
        response._release = closing(response._release, recorder)
        weakref.finalize(response, guarded, recorder.abandon).atexit = False
    except Exception as error:
        exchange.give_up(error)


def _closing(release: Callable[[bool], None], recorder: Recorder) -> Callable[[bool], None]:
    def hooked(body_consumed: bool) -> None:
        guarded(recorder.close)
        release(body_consumed)

    return hooked


def _closing_async(release: Callable[[bool], Any], recorder: Recorder) -> Callable[[bool], Any]:
    async def hooked(body_consumed: bool) -> None:
        guarded(recorder.close)
        await release(body_consumed)

    return hooked
