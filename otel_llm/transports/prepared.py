"""Requests that are ready to leave, as requests and botocore hold them: a URL, a method, headers and a body."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..exchange import Exchanges, Passage
from ..recognition import Body
from .bodies import form_fields
from .headers import Headers

_PORTS: Final = {"http": 80, "https": 443}


class _Requests:
    """How such a request is read."""

    def headers(self, request: Any) -> MutableMapping[str, Any]:
        return Headers(request.headers.items(), request.headers)

    def port(self, request: Any) -> int | None:
        url = urlsplit(request.url)
        return url.port or _PORTS.get(url.scheme)

    def body(self, request: Any) -> Body:
        body = request.body
        if isinstance(body, str):
            return body.encode()
        if not isinstance(body, bytes | bytearray):
            return None
        written = bytes(body)
        return form_fields(written, str(request.headers.get("content-type", ""))) or written


_REQUESTS: Final = _Requests()


def begin(exchanges: Exchanges, request: Any) -> Passage | None:
    """The exchange or the passage of a request; None where it is neither, or no request at all."""
    try:
        url, method = urlsplit(request.url), request.method
        host = url.hostname or ""
    except (AttributeError, TypeError, ValueError):
        return None  # its own error is for the library to raise
    return exchanges.begin(method, unquote(url.path), host, request, _REQUESTS)
