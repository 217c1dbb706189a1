"""One hook for httpx and for its successor httpx2, sync and async: `Client.send` and `AsyncClient.send`.

A hook further down would miss clients with a mounted or mock transport. A streamed body is replaced by a tee that
passes the original bytes on, untouched and one by one, and feeds a copy to a recorder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from ..exchange import Exchange, Exchanges, Passage
from ..failures import guarded, swallow
from ..injection import UsageFilter, hidden
from ..patching import patch, when_imported
from ..propagation import strip_leaving
from ..recognition import Body
from ..stream import Decoder, Recorder, tee, tee_async
from .headers import RawHeaders

MODULES: Final = ("httpx", "httpx2")
#: Where a client hands a request to its transport. Private: without it the app's own hooks have the last word.
_LAST_STEP: Final = "_send_single_request"
#: Where a client makes the request that follows a redirect.
_REDIRECT: Final = "_build_redirect_request"
_PORTS: Final = {"http": 80, "https": 443}


class _Requests:
    """How a request of either module is read."""

    def headers(self, request: Any) -> MutableMapping[str, Any]:
        found: MutableMapping[str, Any] = request.headers
        return found

    def port(self, request: Any) -> int | None:
        found: int | None = request.url.port
        return found or _PORTS.get(request.url.scheme)

    def body(self, request: Any) -> Body:
        content = getattr(request, "_content", None)
        return content if isinstance(content, bytes) else _form_fields(request.stream)

    def replace_body(self, request: Any, body: bytes) -> Callable[[], None]:
        """Send another body, and ask for an answer that is not compressed. What is returned takes that back."""
        content, stream, headers = request._content, request.stream, request.headers.copy()

        def put_back() -> None:
            request._content, request.stream, request.headers = content, stream, headers

        twin = type(request)("POST", request.url, content=body)
        request._content, request.stream = body, twin.stream
        request.headers["content-length"] = str(len(body))
        request.headers["accept-encoding"] = "identity"
        return put_back


def _form_fields(stream: Any) -> dict[str, str]:
    """The plain fields of a multipart body; its files are not read."""
    fields = ((getattr(field, "name", None), getattr(field, "value", None)) for field in getattr(stream, "fields", ()))
    return {name: value for name, value in fields if isinstance(name, str) and isinstance(value, str)}


_REQUESTS: Final = _Requests()


def instrument(exchanges: Exchanges) -> None:
    """Hook both modules as soon as the app has imported them."""
    for name in MODULES:
        when_imported(name, lambda module: _hook(module, exchanges))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    tees, async_tees = _sync_tees(module.SyncByteStream), _async_tees(module.AsyncByteStream)
    patch(module.Client, "send", lambda send: _wrap_sync(send, exchanges, tees))
    patch(module.AsyncClient, "send", lambda send: _wrap_async(send, exchanges, async_tees))
    patch(module.Client.__base__, _REDIRECT, _wrap_redirect)
    for client in (module.Client, module.AsyncClient):
        if hasattr(client, _LAST_STEP):
            patch(client, _LAST_STEP, _wrap_last_step)


def _wrap_last_step(step: Callable[..., Any]) -> Callable[..., Any]:
    """Strip once more, behind the app's own request hooks. (A coroutine function's coroutine is passed on.)"""

    def hooked(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if _has_hooks(client):
                strip_leaving(request)
        except Exception as error:
            swallow("strip", error)
        return step(client, request, *args, **kwargs)

    return hooked


def _wrap_redirect(build: Callable[..., Any]) -> Callable[..., Any]:
    """A request that is sent on to another place takes along what may go there."""

    def hooked(client: Any, *args: Any, **kwargs: Any) -> Any:
        request = build(client, *args, **kwargs)
        strip_leaving(request)
        return request

    return hooked


def _has_hooks(client: Any) -> bool:
    hooks = getattr(client, "event_hooks", None)
    return not isinstance(hooks, dict) or bool(hooks.get("request"))


def _wrap_sync(send: Callable[..., Any], exchanges: Exchanges, tees: _Tees) -> Callable[..., Any]:
    def hooked(client: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, args, kwargs)
        if exchange is None:
            return send(client, *args, **kwargs)
        if reads := guarded(exchange.reads_at_once, kwargs.get("stream")):
            kwargs["stream"] = True
        with exchange:
            response = send(client, *args, **kwargs)
            if exchange.asking is not None and guarded(exchange.asking.is_refused, response.status_code):
                response.close()
                response = send(client, *args, **kwargs)
                guarded(exchange.asking.learn, response.status_code)
        _receive(exchange, response, tees)
        if reads:
            try:
                response.read()
            except BaseException:
                response.close()
                raise
        return response

    return hooked


def _wrap_async(send: Callable[..., Any], exchanges: Exchanges, tees: _Tees) -> Callable[..., Any]:
    async def hooked(client: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, args, kwargs)
        if exchange is None:
            return await send(client, *args, **kwargs)
        if reads := guarded(exchange.reads_at_once, kwargs.get("stream")):
            kwargs["stream"] = True
        with exchange:
            response = await send(client, *args, **kwargs)
            if exchange.asking is not None and guarded(exchange.asking.is_refused, response.status_code):
                await response.aclose()
                response = await send(client, *args, **kwargs)
                guarded(exchange.asking.learn, response.status_code)
        _receive(exchange, response, tees)
        if reads:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response

    return hooked


def _begin(exchanges: Exchanges, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
    request = args[0] if args else kwargs.get("request")
    try:
        url = request.url  # type: ignore[union-attr]  # what is no request is for httpx to refuse
        path, host, method = url.path, url.host, request.method  # type: ignore[union-attr]
        return exchanges.begin(method, path, host, request, _REQUESTS)
    except Exception as error:
        if hasattr(request, "url"):
            swallow("begin", error)
        return None


def _receive(exchange: Passage, response: Any, tees: _Tees) -> None:
    """Read what came, or have it read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange):
        return
    try:
        if not exchange.call.is_recording:
            return
        if not hasattr(response, "_content"):
            headers = RawHeaders(response.headers.raw)
            decoder = _decoder(response, headers)
            recorder = exchange.record(response.status_code, headers, decoder)
            if exchange.asking is not None and decoder is not None:
                exchange.asking.give_up()  # it compresses, whatever it is asked for: nothing can be hidden there
            kind = tees.hiding if exchange.hides_usage and decoder is None else tees.plain
            response.stream = kind(response.stream, recorder)
        else:
            content = response.content
            if exchange.hides_usage:
                response._content = hidden(content)
            exchange.receive(response.status_code, response.headers, content)
    except Exception as error:
        exchange.give_up(error)


def _decoder(response: Any, headers: RawHeaders) -> Decoder | None:
    """A decoder of our own for a copy of the body: the response keeps its own, which has state."""
    if headers.get("content-encoding", "identity") == "identity":
        return None
    twin = type(response)(200, headers=response.headers, stream=response.stream)
    decoder: Decoder = twin._get_content_decoder()
    return decoder


class _Tees(NamedTuple):
    """The tee classes of one colour of a module: its `Response` checks that a body is one of its own streams.

    `hiding` leaves the chunk out that only we asked for.
    """

    plain: Callable[[Any, Recorder], Any]
    hiding: Callable[[Any, Recorder], Any]


def _sync_tees(base: Any) -> _Tees:
    class SyncTee(base):  # type: ignore[misc]  # the class of the module at hand
        """The body, with a copy of each chunk for the recorder."""

        def __init__(self, inner: Any, recorder: Recorder) -> None:
            self._inner = inner
            self._recorder = recorder

        def __del__(self) -> None:
            guarded(self._recorder.abandon)

        @property
        def elapsed(self) -> Any:
            return getattr(self._inner, "elapsed", None)

        def __iter__(self) -> Iterator[bytes]:
            return tee(self._inner, self._recorder)

        def close(self) -> None:
            guarded(self._recorder.close)
            self._inner.close()

    class HidingTee(SyncTee):
        def __iter__(self) -> Iterator[bytes]:
            usage = UsageFilter()
            for chunk in super().__iter__():
                if seen := usage.take(chunk):
                    yield seen
            if rest := usage.rest():
                yield rest

    return _Tees(SyncTee, HidingTee)


def _async_tees(base: Any) -> _Tees:
    class AsyncTee(base):  # type: ignore[misc]  # the class of the module at hand
        """The body, with a copy of each chunk for the recorder."""

        def __init__(self, inner: Any, recorder: Recorder) -> None:
            self._inner = inner
            self._recorder = recorder

        def __del__(self) -> None:
            guarded(self._recorder.abandon)

        @property
        def elapsed(self) -> Any:
            return getattr(self._inner, "elapsed", None)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return tee_async(self._inner, self._recorder)

        async def aclose(self) -> None:
            guarded(self._recorder.close)
            await self._inner.aclose()

    class AsyncHidingTee(AsyncTee):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            usage, chunks = UsageFilter(), super().__aiter__()
            try:
                async for chunk in chunks:
                    if seen := usage.take(chunk):
                        yield seen
                if rest := usage.rest():
                    yield rest
            finally:
                await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator

    return _Tees(AsyncTee, AsyncHidingTee)
