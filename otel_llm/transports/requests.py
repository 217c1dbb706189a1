"""requests: `Session.send`, which mounted adapters and every session's own `request` go through.

Redirects are followed inside it, by sending again: they are part of the one call. A body that has not been read when
`send` returns (`stream=True`) is recorded as the app reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Final

from ..exchange import Exchange, Exchanges, Passage
from ..failures import guarded
from ..patching import patch, when_imported
from ..propagation import strip_leaving
from .prepared import begin
from .urllib3 import tee

MODULE: Final = "requests.sessions"
RETRIES: Final = "urllib3.util.retry"
#: The session that is sending a request of a call.
_sending: Final[ContextVar[Any]] = ContextVar("otel-llm-requests", default=None)
#: What it sends.
_attempting: Final[ContextVar[Passage | None]] = ContextVar("otel-llm-attempt", default=None)


def instrument(exchanges: Exchanges) -> None:
    """Hook sessions as soon as the app has imported requests."""
    when_imported(MODULE, lambda module: _hook(module, exchanges))
    when_imported(RETRIES, lambda module: patch(module.Retry, "sleep", _wrap_sleep))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    patch(module.Session, "send", lambda send: _wrap(send, exchanges))


def _wrap(send: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    def hooked(session: Any, *args: Any, **kwargs: Any) -> Any:
        request = args[0] if args else kwargs.get("request")
        # inside `send`, a session sends on to where it was told to
        is_redirect = _sending.get() is session and kwargs.get("allow_redirects") is False
        if is_redirect:
            strip_leaving(request)
        exchange = None if is_redirect else guarded(begin, exchanges, request)
        if exchange is None:
            return send(session, *args, **kwargs)
        if reads := guarded(exchange.reads_at_once, kwargs.get("stream", getattr(session, "stream", False))):
            kwargs["stream"] = True
        sending, attempting = _sending.set(session), _attempting.set(exchange)
        try:
            with exchange:
                response = send(session, *args, **kwargs)
        finally:
            _sending.reset(sending)
            _attempting.reset(attempting)
        _receive(exchange, response)
        if reads:
            response.content  # noqa: B018  # reads it
        return response

    return hooked


def _receive(exchange: Passage, response: Any) -> None:
    """Read what came, or have it read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange):
        return
    try:
        if not exchange.is_recording:
            return
        if response._content is False:
            tee(response.raw, exchange, response.status_code, response.headers)
        else:
            exchange.receive(response.status_code, response.headers, response.content or b"")
    except Exception as error:
        exchange.give_up(error)


def _wrap_sleep(sleep: Callable[..., Any]) -> Callable[..., Any]:
    """Between the attempts that an adapter's `max_retries` has urllib3 make inside of one sending."""

    def hooked(retries: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _attempting.get()
        if not isinstance(exchange, Exchange):
            return sleep(retries, *args, **kwargs)
        guarded(_end_attempt, exchange, retries, args[0] if args else kwargs.get("response"))
        try:
            return sleep(retries, *args, **kwargs)
        finally:
            guarded(exchange.call.begin_attempt)

    return hooked


def _end_attempt(exchange: Exchange, retries: Any, response: Any) -> None:
    failed = retries.history[-1]
    exchange.call.http_status = failed.status
    exchange.call.end_attempt(
        retry_after=None if response is None else response.headers.get("Retry-After"), error=failed.error
    )
