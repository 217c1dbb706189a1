"""botocore, under boto3: `URLLib3Session.send`, one attempt of a call of AWS.

The attempts of one call are made inside `BaseClient._make_api_call`, a row of SDK_CALLS. Documents are here when `send`
returns; the bodies of models and event streams are recorded as the app reads them. aiobotocore sends through aiohttp
or httpx, which have hooks of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ..exchange import Exchange, Exchanges, Passage
from ..failures import guarded
from ..patching import patch, when_imported
from .bodies import decoder_of
from .prepared import begin
from .urllib3 import tee

MODULE: Final = "botocore.httpsession"


def instrument(exchanges: Exchanges) -> None:
    """Hook the session as soon as the app has imported botocore."""
    when_imported(MODULE, lambda module: _hook(module, exchanges))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    patch(module.URLLib3Session, "send", lambda send: _wrap(send, exchanges))


def _wrap(send: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    def hooked(session: Any, request: Any) -> Any:
        exchange = guarded(begin, exchanges, request)
        if exchange is None:
            return send(session, request)
        with exchange:
            response = send(session, request)
        _receive(exchange, request, response)
        return response

    return hooked


def _receive(exchange: Passage, request: Any, response: Any) -> None:
    """Read what came, or have it read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange):
        return
    try:
        if not exchange.is_recording:
            return
        if request.stream_output:
            tee(response.raw, exchange, response.status_code, response.headers)
        else:
            exchange.receive(response.status_code, response.headers, _decoded(response))
    except Exception as error:
        exchange.give_up(error)


def _decoded(response: Any) -> bytes:
    """A document, which botocore leaves encoded if it came so."""
    content: bytes = response.content
    decoder = decoder_of(response.headers)
    if decoder is None:
        return content
    decoded = decoder.decode(content)
    return decoded if isinstance(decoded, bytes) else b"".join(decoded)
