"""The HTTP door: OTLP/HTTP with protobuf or JSON bodies.

Statuses are those of the OTLP specification: 400 never to be sent again, 413 too large, 503 with Retry-After under
pressure; every error body is a `google.rpc.Status` in the request's own encoding.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from google.protobuf import json_format
from google.rpc import code_pb2 as codes
from google.rpc.status_pb2 import Status

from .. import journal
from ..signals import SIGNALS, Signal
from . import refusals, scores_json
from .access import Access
from .connection import Answer, Header, Request
from .inflate import ENCODINGS, inflate
from .intake import Intake
from .otlp_json import request_from_json
from .pages import Page
from .soundness import Accepted, answer
from .sql import PATH as SQL_PATH
from .sql import SqlDoor

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_TYPES: Final = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
_ROUTES: Final[Mapping[str, Signal]] = {signal.path: signal for signal in SIGNALS.values()}
#: A body from this size on is inflated beside the event loop.
_LARGE_BYTES_MIN: Final = 256 * 1024
_PREFLIGHT_S: Final = 7200
_DOOR: Final = "http"

#: Class of refusal -> HTTP status and google.rpc code; the first that fits.
_STATUSES: Final[Mapping[type[refusals.RefusedError], tuple[int, int]]] = {
    refusals.BusyError: (503, codes.UNAVAILABLE),
    refusals.TooLargeError: (413, codes.RESOURCE_EXHAUSTED),
    refusals.UnknownSenderError: (401, codes.UNAUTHENTICATED),
    refusals.ForbiddenError: (403, codes.PERMISSION_DENIED),
    refusals.NothingThereError: (404, codes.NOT_FOUND),
    refusals.WrongMethodError: (405, codes.UNIMPLEMENTED),
    refusals.WrongTypeError: (415, codes.INVALID_ARGUMENT),
    refusals.FaultError: (500, codes.INTERNAL),
    refusals.BadDataError: (400, codes.INVALID_ARGUMENT),
}
_RETRY_AFTER: Final = (b"retry-after", str(refusals.RETRY_AFTER_S).encode())
#: The answer of nearly all requests.
_ACCEPTED: Final = {
    PROTOBUF: Answer(200, b"", ((b"content-type", PROTOBUF.encode()),)),
    JSON: Answer(200, b"{}", ((b"content-type", JSON.encode()),)),
}


class HttpDoor:
    """The site of OTLP/HTTP. `body_bytes_max` bounds a body before and after decompression."""

    def __init__(
        self, intake: Intake, access: Access, pages: Mapping[str, Page], queries: SqlDoor, body_bytes_max: int
    ) -> None:
        self._intake = intake
        self._access = access
        self._queries = queries
        self._pages = pages
        self._body_bytes_max = body_bytes_max
        self.budget = intake.budget

    @property
    def body_bytes_max(self) -> int:
        """The limit; less where there never is room for so much."""
        return min(self._body_bytes_max, self.budget.bytes_max)

    def look(self, request: Request) -> None:
        """Refuse what no body can make good."""
        if page := self._pages.get(request.path):
            self._look_at_page(page, request)
            return
        if request.path == SQL_PATH:
            self._queries.look(request)
            return
        takes_scores = request.path not in _ROUTES
        if takes_scores and not scores_json.is_at(request.path):
            taken = ", ".join((*_ROUTES, scores_json.PATH, SQL_PATH))
            raise refusals.NothingThereError(f"nothing at {request.path}; this collector takes {taken}")
        if request.method == "OPTIONS" and self._access.allows(request.header(b"origin")):
            return
        if request.method != "POST":
            raise refusals.WrongMethodError(f"{request.path} takes POST, not {request.method}", "POST")
        self._access.tenant(request.header(b"authorization"))
        sent = _media_type(request)
        if sent not in _TYPES or (takes_scores and sent != JSON):
            wanted = JSON if takes_scores else f"{PROTOBUF} or {JSON}"
            raise refusals.WrongTypeError(f"send {wanted} as Content-Type, not {sent or 'nothing'}")
        if (packed := _encoding(request)) not in ENCODINGS:
            raise refusals.WrongTypeError(
                f"send {', '.join(filter(None, ENCODINGS))} as Content-Encoding, not {packed!r}"
            )

    def _look_at_page(self, page: Page, request: Request) -> None:
        if request.method not in ("GET", "HEAD"):
            raise refusals.WrongMethodError(f"{request.path} takes GET, not {request.method}", "GET")
        if page.is_private:
            self._access.tenant(request.header(b"authorization"))

    async def answer(self, request: Request) -> Answer:
        """Store a request; what is refused is answered, too."""
        if page := self._pages.get(request.path):
            return page.answer()
        if request.method == "OPTIONS":
            return self._preflight(request)
        try:
            if request.path not in _ROUTES:
                return await (self._query if request.path == SQL_PATH else self._take_scores)(request)
            signal, form = _ROUTES[request.path], _TYPES[_media_type(request)]
            accepted = await self._store(signal, form, request)
        except refusals.RefusedError as error:
            return self.refuse(request, error)
        if not accepted.rejected and b"origin" not in request.headers:
            return _ACCEPTED[form]
        return _say(200, form, answer(signal, accepted), self._cors(request))

    def refuse(self, request: Request, error: refusals.RefusedError) -> Answer:
        """The answer that says why not, and whether to come again."""
        status, code = next(found for kind, found in _STATUSES.items() if isinstance(error, kind))
        headers = self._cors(request)
        if status == 503:
            headers += (_RETRY_AFTER,)
        elif isinstance(error, refusals.WrongMethodError):
            headers += ((b"allow", error.allowed.encode()),)
        elif status == 401:
            headers += ((b"www-authenticate", b"Bearer"),)
        if request.path == SQL_PATH:
            said = self._queries.refuse(error, status)
            return replace(said, headers=said.headers + headers)
        self._intake.telemetry.refused(_DOOR, error)
        form = _TYPES.get(_media_type(request), PROTOBUF)
        return _say(status, form, Status(code=code, message=error.reason), headers)

    async def _query(self, request: Request) -> Answer:
        said = await self._queries.answer(request)
        return replace(said, headers=said.headers + self._cors(request))

    async def _store(self, signal: Signal, form: str, request: Request) -> Accepted:
        payload = await self._body(request)
        if form == JSON:
            payload = request_from_json(signal, payload)
        return await self._keep(signal, payload, request)

    async def _take_scores(self, request: Request) -> Answer:
        payload = scores_json.request_from_json(request.path, await self._body(request), time.time_ns())
        await self._keep(SIGNALS[journal.LOGS], payload, request)
        headers = ((b"content-type", JSON.encode()), *self._cors(request))
        return Answer(200, scores_json.answer(request.path, payload), headers)

    async def _keep(self, signal: Signal, payload: bytes, request: Request) -> Accepted:
        tenant = self._access.tenant(request.header(b"authorization"))
        accepted = await self._intake.store(signal, payload, tenant)
        self._intake.telemetry.stored(_DOOR, signal, len(payload), accepted)
        return accepted

    async def _body(self, request: Request) -> bytes:
        """The body without its encoding; what it takes more of the memory budget is the request's."""
        body, packed = request.body(), _encoding(request)
        if not packed:
            return body
        if len(body) < _LARGE_BYTES_MIN:
            payload = inflate(body, packed, self.body_bytes_max)
        else:
            payload = await asyncio.to_thread(inflate, body, packed, self.body_bytes_max)
        more = max(0, len(payload) - len(body))
        self.budget.take(more)
        request.held += more
        return payload

    def _preflight(self, request: Request) -> Answer:
        """What a browser asks before it sends for a page of another origin."""
        wanted = request.headers.get(b"access-control-request-headers", b"content-type")
        return Answer(
            204,
            b"",
            (
                *self._cors(request),
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", wanted),
                (b"access-control-max-age", str(_PREFLIGHT_S).encode()),
            ),
        )

    def _cors(self, request: Request) -> tuple[Header, ...]:
        origin = request.header(b"origin")
        if not self._access.allows(origin):
            return ()
        return (
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        )


def _media_type(request: Request) -> str:
    return request.header(b"content-type").partition(";")[0].strip().lower()


def _encoding(request: Request) -> str:
    """The content encoding, '' where the body is as it is."""
    packed = request.header(b"content-encoding").lower()
    return "" if packed == "identity" else packed


def _say(status: int, form: str, message: Any, headers: tuple[Header, ...]) -> Answer:
    is_json = form == JSON
    body = json_format.MessageToJson(message, indent=None).encode() if is_json else message.SerializeToString()
    return Answer(status, body, ((b"content-type", form.encode()), *headers))
