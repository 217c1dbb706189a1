"""One hook for httpx and for its successor httpx2, sync and async: `Client.send` and `AsyncClient.send`.

A hook further down would miss clients with a mounted or mock transport. A streamed body is replaced by a tee that
passes the original bytes on, untouched and one by one, and feeds a copy to a recorder.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any, Final

from ..exchange import Exchange, Exchanges, Passage
from ..failures import swallow
from ..patching import patch, when_imported
from ..propagation import strip_leaving
from ..stream import Decoder, Recorder

MODULES: Final = ("httpx", "httpx2")
#: Where a client hands a request to its transport. Private: without it the app's own hooks have the last word.
_LAST_STEP: Final = "_send_single_request"


def instrument(exchanges: Exchanges) -> None:
    """Hook both modules as soon as the app has imported them."""
    for name in MODULES:
        when_imported(name, lambda module: _hook(module, exchanges))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    tees = _Tees(module)
    patch(module.Client, "send", lambda send: _wrap_sync(send, exchanges, tees))
    patch(module.AsyncClient, "send", lambda send: _wrap_async(send, exchanges, tees))
    for client in (module.Client, module.AsyncClient):
        if hasattr(client, _LAST_STEP):
            patch(client, _LAST_STEP, _wrap_last_step)


def _wrap_last_step(step: Callable[..., Any]) -> Callable[..., Any]:
    """Strip once more, behind the app's own request hooks. (A coroutine function's coroutine is passed on.)"""

    def hooked(client: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        strip_leaving(request)
        return step(client, request, *args, **kwargs)

    return hooked


def _wrap_sync(send: Callable[..., Any], exchanges: Exchanges, tees: _Tees) -> Callable[..., Any]:
    def hooked(client: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, args, kwargs)
        if exchange is None:
            return send(client, *args, **kwargs)
        token = exchange.enter()
        try:
            response = send(client, *args, **kwargs)
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            exchange.leave(token)
        _receive(exchange, response, tees.sync)
        return response

    return hooked


def _wrap_async(send: Callable[..., Any], exchanges: Exchanges, tees: _Tees) -> Callable[..., Any]:
    async def hooked(client: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _begin(exchanges, args, kwargs)
        if exchange is None:
            return await send(client, *args, **kwargs)
        token = exchange.enter()
        try:
            response = await send(client, *args, **kwargs)
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            exchange.leave(token)
        _receive(exchange, response, tees.asynchronous)
        return response

    return hooked


def _begin(exchanges: Exchanges, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
    request = args[0] if args else kwargs.get("request")
    try:
        url = request.url  # type: ignore[union-attr]  # whatever the app passes, its own error is for httpx to raise
        path, host, method = url.path, url.host, request.method  # type: ignore[union-attr]
    except AttributeError:
        return None
    return exchanges.begin(method, path, host, request)


def _receive(exchange: Passage, response: Any, tee: Callable[[Any, Recorder], Any]) -> None:
    """Read what came, or have it read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange) or not exchange.is_recording:
        return
    try:
        if not hasattr(response, "_content"):
            recorder = exchange.record(response.status_code, response.headers, _decoder(response))
            response.stream = tee(response.stream, recorder)
        elif exchange.is_event_stream(response.headers):
            recorder = exchange.record(response.status_code, response.headers, None)
            recorder.feed(response.content)
            recorder.exhaust()
        else:
            exchange.receive(response.status_code, response.content)
    except Exception as error:
        exchange.call.finish(complete=False)
        swallow("receive", error)


def _decoder(response: Any) -> Decoder | None:
    """A decoder of our own for a copy of the body: the response keeps its own, which has state."""
    if response.headers.get("content-encoding", "identity") == "identity":
        return None
    twin = type(response)(200, headers=response.headers, stream=response.stream)
    decoder: Decoder = twin._get_content_decoder()
    return decoder


class _Tees:
    """The two tee classes of one module: its `Response` checks that a body is one of its own stream classes."""

    def __init__(self, module: ModuleType) -> None:
        self.sync = _sync_tee(module.SyncByteStream)
        self.asynchronous = _async_tee(module.AsyncByteStream)


def _sync_tee(base: Any) -> Callable[[Any, Recorder], Any]:
    class Tee(base):  # type: ignore[misc]  # the class of the module at hand
        """The body, with a copy of each chunk for the recorder."""

        def __init__(self, inner: Any, recorder: Recorder) -> None:
            self._inner = inner
            self._recorder = recorder
            weakref.finalize(self, recorder.abandon).atexit = False

        @property
        def elapsed(self) -> Any:
            return getattr(self._inner, "elapsed", None)

        def __iter__(self) -> Iterator[bytes]:
            recorder = self._recorder
            feed = recorder.feed
            try:
                for chunk in self._inner:
                    feed(chunk)
                    yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                recorder.fail(error)
                raise
            recorder.exhaust()

        def close(self) -> None:
            self._recorder.close()
            self._inner.close()

    return Tee


def _async_tee(base: Any) -> Callable[[Any, Recorder], Any]:
    class AsyncTee(base):  # type: ignore[misc]  # the class of the module at hand
        """The body, with a copy of each chunk for the recorder."""

        def __init__(self, inner: Any, recorder: Recorder) -> None:
            self._inner = inner
            self._recorder = recorder
            weakref.finalize(self, recorder.abandon).atexit = False

        @property
        def elapsed(self) -> Any:
            return getattr(self._inner, "elapsed", None)

        async def __aiter__(self) -> AsyncIterator[bytes]:
            recorder = self._recorder
            feed = recorder.feed
            chunks = self._inner.__aiter__()
            try:
                async for chunk in chunks:
                    feed(chunk)
                    yield chunk
            except GeneratorExit:
                raise
            except BaseException as error:
                recorder.fail(error)
                raise
            else:
                recorder.exhaust()
            finally:
                # closes a body that was read in part in the task that read it, not later in the loop's own
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()

        async def aclose(self) -> None:
            self._recorder.close()
            await self._inner.aclose()

    return AsyncTee
