"""websockets, for OpenAI Realtime and for OpenAI responses over a websocket.

`ClientConnection.handshake` says where a connection goes. One that goes to a model gets a class made from its own,
whose `recv`, `send` and `close` tell its session what goes by; all other connections stay as they are.
(`recv_streaming`, the fragments of one message, is not read.)
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qs

from ..exchange import Exchanges, make_private
from ..failures import guarded
from ..patching import patch, when_imported
from ..propagation import strip_leaving
from .headers import Headers, pairs_of
from .sessions import MESSAGES, Asked, Session, format_of

MODULES: Final = ("websockets.asyncio.client", "websockets.sync.client")
_PROTOCOL: Final = "websockets.client"
#: Where in its URL a connection names the model.
_MODELS: Final = ("model", "deployment")


def instrument(exchanges: Exchanges) -> None:
    """Hook connections as soon as the app has imported either kind."""
    for name in MODULES:
        when_imported(name, lambda module: _hook(module, exchanges))
    when_imported(_PROTOCOL, lambda module: patch(module.ClientProtocol, "send_request", _wrap_last_step))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    is_async = module.__name__ == MODULES[0]
    wrap, tap = (_wrap_async, _tapped_async) if is_async else (_wrap_sync, _tapped_sync)
    patch(module.ClientConnection, "handshake", lambda handshake: wrap(handshake, exchanges, tap))


def _wrap_last_step(send_request: Callable[..., Any]) -> Callable[..., Any]:
    def hooked(protocol: Any, request: Any) -> Any:
        strip_leaving(request)
        return send_request(protocol, request)

    return hooked


def _wrap_sync(handshake: Callable[..., Any], exchanges: Exchanges, tap: Callable[[Any], Any]) -> Callable[..., Any]:
    def hooked(connection: Any, *args: Any, **kwargs: Any) -> Any:
        session = guarded(_open, exchanges, connection, args, kwargs)
        if session is None:
            return handshake(connection, *args, **kwargs)
        with session.passage:
            result = handshake(connection, *args, **kwargs)
        guarded(_attach, connection, session, tap)
        return result

    return hooked


def _wrap_async(handshake: Callable[..., Any], exchanges: Exchanges, tap: Callable[[Any], Any]) -> Callable[..., Any]:
    async def hooked(connection: Any, *args: Any, **kwargs: Any) -> Any:
        session = guarded(_open, exchanges, connection, args, kwargs)
        if session is None:
            return await handshake(connection, *args, **kwargs)
        with session.passage:
            result = await handshake(connection, *args, **kwargs)
        guarded(_attach, connection, session, tap)
        return result

    return hooked


def _open(exchanges: Exchanges, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Session | None:
    """The session of a connection to a model, None for any other."""
    uri = connection.protocol.uri
    if not exchanges.active or format_of(uri.path) is None:
        return None
    headers = Headers(pairs_of(args[0] if args else kwargs.get("additional_headers")))
    query = parse_qs(uri.query)
    model = next((query[name][0] for name in _MODELS if name in query), None)
    passage = exchanges.begin("GET", uri.path, uri.host, Asked(uri, headers, None), MESSAGES)
    return Session(exchanges, uri, headers, model, passage or make_private(headers))


def _attach(connection: Any, session: Session, tap: Callable[[Any], Any]) -> None:
    connection._otel_llm_session = session
    connection.__class__ = tap(type(connection))
    weakref.finalize(connection, guarded, session.abandon).atexit = False


@functools.cache
def _tapped_sync(base: type[Any]) -> Any:
    """The class of a connection with threads whose messages are heard, made from its own."""

    class Tapped(base):  # type: ignore[misc]  # the class of the connection at hand
        _otel_llm_session: Session

        def recv(self, *args: Any, **kwargs: Any) -> Any:
            try:
                message = super().recv(*args, **kwargs)
            except BaseException as error:
                guarded(self._otel_llm_session.interrupt, error)
                raise
            guarded(self._otel_llm_session.hear, message)
            return message

        def send(self, message: Any, *args: Any, **kwargs: Any) -> Any:
            exchange = guarded(self._otel_llm_session.ask, message)
            if exchange is None:
                return super().send(message, *args, **kwargs)
            with exchange:
                try:
                    return super().send(message, *args, **kwargs)
                except BaseException as error:
                    guarded(self._otel_llm_session.fail, exchange, error)
                    raise

        def close(self, *args: Any, **kwargs: Any) -> Any:
            guarded(self._otel_llm_session.close)
            return super().close(*args, **kwargs)

    return _named_as(Tapped, base)


@functools.cache
def _tapped_async(base: type[Any]) -> Any:
    """The same for a connection of asyncio."""

    class Tapped(base):  # type: ignore[misc]  # the class of the connection at hand
        _otel_llm_session: Session

        async def recv(self, *args: Any, **kwargs: Any) -> Any:
            try:
                message = await super().recv(*args, **kwargs)
            except BaseException as error:
                guarded(self._otel_llm_session.interrupt, error)
                raise
            guarded(self._otel_llm_session.hear, message)
            return message

        async def send(self, message: Any, *args: Any, **kwargs: Any) -> Any:
            exchange = guarded(self._otel_llm_session.ask, message)
            if exchange is None:
                return await super().send(message, *args, **kwargs)
            with exchange:
                try:
                    return await super().send(message, *args, **kwargs)
                except BaseException as error:
                    guarded(self._otel_llm_session.fail, exchange, error)
                    raise

        async def close(self, *args: Any, **kwargs: Any) -> Any:
            guarded(self._otel_llm_session.close)
            return await super().close(*args, **kwargs)

    return _named_as(Tapped, base)


def _named_as(kind: Any, base: Any) -> Any:
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(kind, name, getattr(base, name))
    return kind
