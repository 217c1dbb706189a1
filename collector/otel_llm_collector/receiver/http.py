"""The HTTP door: OTLP/HTTP with protobuf or JSON bodies, as one raw ASGI application.

Statuses are those of the OTLP specification: 400 never to be sent again, 413 too large, 503 with Retry-After under
pressure; every error body is a `google.rpc.Status` in the request's own encoding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.code_pb2 import INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED
from google.rpc.status_pb2 import Status

from ..signals import SIGNALS, Signal
from .inflate import ENCODINGS, inflate
from .intake import Intake
from .otlp_json import request_from_json
from .refusals import RETRY_AFTER_S, BusyError, RefusedError, TooLargeError
from .soundness import answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_ACCEPTED: Final = {PROTOBUF: PROTOBUF, "application/protobuf": PROTOBUF, JSON: JSON}
_ROUTES: Final = {signal.path: signal for signal in SIGNALS.values()}


class _AnswerError(Exception):
    """An answer other than success: HTTP status, google.rpc code and a text for people."""

    def __init__(self, status: int, code: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.headers = status, code, text, headers


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete: there is nobody to answer."""


class HttpDoor:
    """The ASGI application. `body_bytes_max` bounds a body before and after decompression."""

    def __init__(self, intake: Intake, body_bytes_max: int) -> None:
        self._intake = intake
        self._limit = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        encoding = _ACCEPTED.get(_media_type(headers), PROTOBUF)
        try:
            message = await self._answer(scope, headers, receive)
        except ClientGoneError:
            return
        except _AnswerError as error:
            status = Status(code=error.code, message=error.text)
            await _respond(send, error.status, encoding, status, error.headers)
        else:
            await _respond(send, 200, encoding, message, ())

    async def _answer(self, scope: Scope, headers: dict[bytes, str], receive: Receive) -> Message:
        signal = _route(scope)
        media_type = _ACCEPTED.get(_media_type(headers))
        if media_type is None:
            wanted = f"send {PROTOBUF} or {JSON}, not {_media_type(headers) or 'nothing'}"
            raise _AnswerError(415, INVALID_ARGUMENT, f"unsupported Content-Type: {wanted}")
        encoding = headers.get(b"content-encoding", "").strip().lower()
        if encoding and encoding not in ENCODINGS:
            raise _AnswerError(415, INVALID_ARGUMENT, f"unsupported Content-Encoding {encoding!r}; use gzip or none")
        try:
            return await self._store(signal, headers, receive, encoding, media_type)
        except RefusedError as error:
            raise _translate(error) from None

    async def _store(
        self, signal: Signal, headers: dict[bytes, str], receive: Receive, encoding: str, media_type: str
    ) -> Message:
        with contextlib.ExitStack() as held:
            body = await self._read(headers, receive, held)
            payload = inflate(body, encoding, self._limit)
            if len(payload) > len(body):
                held.enter_context(self._intake.admit(len(payload) - len(body)))
            if media_type == JSON:
                payload = request_from_json(signal, payload)
            return cast(Message, answer(signal, await self._intake.store(signal, payload)))

    async def _read(self, headers: dict[bytes, str], receive: Receive, held: contextlib.ExitStack) -> bytes:
        """The body, within the limit and the receiver's memory budget, which is held by `held`."""
        announced = headers.get(b"content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise ClientGoneError
            part: bytes = event.get("body", b"")
            held.enter_context(self._intake.admit(len(part)))
            size += len(part)
            if size > self._limit:
                raise self._too_large()
            parts.append(part)
            if not event.get("more_body"):
                return b"".join(parts)

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"the body is larger than {self._limit} bytes; send smaller batches")


def _route(scope: Scope) -> Signal:
    path = scope["path"]
    signal = _ROUTES.get(path)
    if signal is None:
        raise _AnswerError(404, NOT_FOUND, f"nothing at {path}; this collector takes {', '.join(_ROUTES)}")
    if scope["method"] != "POST":
        raise _AnswerError(405, UNIMPLEMENTED, f"{path} takes POST, not {scope['method']}", (b"allow", b"POST"))
    return signal


def _media_type(headers: dict[bytes, str]) -> str:
    return headers.get(b"content-type", "").partition(";")[0].strip().lower()


def _translate(error: RefusedError) -> _AnswerError:
    if isinstance(error, BusyError):
        return _AnswerError(503, UNAVAILABLE, error.reason, (b"retry-after", str(RETRY_AFTER_S).encode()))
    if isinstance(error, TooLargeError):
        return _AnswerError(413, RESOURCE_EXHAUSTED, error.reason)
    return _AnswerError(400, INVALID_ARGUMENT, error.reason)


async def _respond(
    send: Send, status: int, encoding: str, message: Message, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    body = json_format.MessageToJson(message, indent=None).encode() if encoding == JSON else message.SerializeToString()
    start = [(b"content-type", encoding.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
