"""What goes by on a connection to a model: each response that it makes is a call, from the message that asks for it on.

Two kinds speak so: OpenAI Realtime, and OpenAI responses over a websocket. Nothing here knows a library.
"""

from __future__ import annotations

import re
import sys
from asyncio import CancelledError
from collections import deque
from collections.abc import MutableMapping
from typing import Any, Final, NamedTuple

from ..exchange import Exchange, Exchanges, Passage
from ..finisher import finisher
from ..providers import find_format
from ..recognition import Body
from ..stream import Recorder
from ..wire import Json, mapping, parse, text
from .conversation import SAID, TOLD, Conversation

_CREATE: Final = "response.create"
_CREATED: Final = "response.created"
_ENDS: Final = frozenset({"response.completed", "response.done", "response.failed", "response.incomplete"})
_ERROR: Final = "error"
_SOUNDS: Final = frozenset({"response.audio.delta", "response.output_audio.delta"})
_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-z_.]+)"')
_RESPONSE_ID: Final = re.compile(rb'"response_id"\s*:\s*"([^"]+)"')
_REALTIME: Final = "openai_realtime"
#: How the messages are fed: a line each.
_HEADERS: Final = {"content-type": "application/x-ndjson"}


class Asked(NamedTuple):
    """What a response is asked for with, on which connection."""

    uri: Any
    headers: MutableMapping[str, Any]
    body: Body


class _Messages:
    """How that is read."""

    def headers(self, request: Asked) -> MutableMapping[str, Any]:
        return request.headers

    def port(self, request: Asked) -> int | None:
        port: int | None = request.uri.port
        return port

    def body(self, request: Asked) -> Body:
        return request.body


MESSAGES: Final = _Messages()


def format_of(path: str) -> str | None:
    """The wire format that a connection to this path speaks; None where no model is there."""
    return find_format(asking(path))


def asking(path: str) -> str:
    """What stands in PATHS for the message that asks for a response on such a connection."""
    return f"{path}:{_CREATE}"


class _Response(NamedTuple):
    """A response that is under way."""

    exchange: Exchange
    recorder: Recorder
    event_id: str | None
    body: dict[str, Any]


class Session:
    """A connection to a model, and the responses that are under way on it. Nothing here raises into the app.

    Responses that were asked for wait in order until the server names them; one that nobody asked for was set off by
    the user's voice.
    """

    def __init__(
        self, exchanges: Exchanges, uri: Any, headers: MutableMapping[str, Any], model: str | None, passage: Passage
    ) -> None:
        self.passage = passage
        self._exchanges = exchanges
        self._uri = uri
        self._headers = headers
        self._conversation = Conversation(model)
        self._is_realtime = format_of(uri.path) == _REALTIME
        self._asked: deque[_Response] = deque()
        self._named: dict[str, _Response] = {}
        self._is_cancelled = False

    def ask(self, message: Any) -> Exchange | None:
        """A message is about to be sent; the exchange that it begins, entered by the caller, if it asks a model."""
        data = _bytes(message)
        kind = _kind(data)
        if kind == _CREATE:
            event = parse(data)
            response = self._begin(event)
            if response is not None:
                self._asked.append(response)
                return response.exchange
        elif kind in TOLD:
            self._conversation.hear(kind, parse(data))
        return None

    def hear(self, message: Any) -> None:
        """A message was received."""
        self._is_cancelled = False
        data = _bytes(message)
        kind = _kind(data)
        if kind == _CREATED:
            self._name(data)
        elif kind == _ERROR:
            self._hear_error(data)
        elif kind.startswith("response."):
            self._hear_response(kind, data)
        elif kind in TOLD or (kind in SAID and self._exchanges.captures):
            self._conversation.hear(kind, parse(data))

    def interrupt(self, error: BaseException) -> None:
        """Receiving failed. A cancelled wait is no end, and neither is one that took too long."""
        if isinstance(error, CancelledError):
            self._is_cancelled = True  # the error itself would keep the frames alive that hold the connection
        elif _is_closed(error):
            self.end(None if _is_closed(error, orderly=True) else error)

    def close(self) -> None:
        """The app closes the connection."""
        self.end(CancelledError() if self._is_cancelled else None)

    def abandon(self) -> None:
        """The connection was dropped. Comes from the garbage collector."""
        if self._asked or self._named:
            finisher.submit(self.close)

    def end(self, error: BaseException | None) -> None:
        """The connection is closed: whatever is under way ends with it."""
        for response in [*self._asked, *self._named.values()]:
            if error is None:
                response.recorder.close()
            else:
                response.recorder.fail(error)
        self._asked.clear()
        self._named.clear()

    def fail(self, exchange: Exchange, error: BaseException) -> None:
        """What asks for a response could not be sent."""
        for response in list(self._asked):
            if response.exchange is exchange:
                self._asked.remove(response)
                response.recorder.fail(error)

    def _begin(self, event: Json) -> _Response | None:
        body = self._body(event)
        asked = Asked(self._uri, self._headers, body)
        exchange = self._exchanges.begin("POST", asking(self._uri.path), self._uri.host, asked, MESSAGES)
        if not isinstance(exchange, Exchange) or not exchange.is_recording:
            return None
        exchange.call.answer.model = self._conversation.answering
        with exchange:
            pass  # now is when it is asked
        recorder = exchange.record(200, _HEADERS, None)
        return _Response(exchange, recorder, text(event.get("event_id")), body)

    def _body(self, event: Json) -> dict[str, Any]:
        if self._is_realtime:
            return self._conversation.request(mapping(event.get("response")))
        return {key: value for key, value in event.items() if key != "type"}

    def _name(self, data: bytes) -> None:
        event = parse(data)
        response = self._asked.popleft() if self._asked else self._begin({})
        if response is None:
            return
        if self._is_realtime:
            response.body["items"] = self._conversation.items()
            response.exchange.call.answer.model = self._conversation.answering
        self._named[_id_of(event)] = response
        _feed(response, data)

    def _hear_response(self, kind: str, data: bytes) -> None:
        if kind in _ENDS:
            response = self._named.pop(_id_of(parse(data)), None)
            if response is not None:
                _feed(response, data)
                response.recorder.exhaust()
            return
        response = self._response_of(data)
        if response is None:
            return
        call = response.exchange.call
        if kind in _SOUNDS and call.time_to_first_chunk_s is not None:
            call.output_chunks += call.counts_chunks
        else:
            _feed(response, data)

    def _response_of(self, data: bytes) -> _Response | None:
        if len(self._named) == 1:
            return next(iter(self._named.values()))
        found = _RESPONSE_ID.search(data)
        return self._named.get(found[1].decode()) if found else None

    def _hear_error(self, data: bytes) -> None:
        """An error ends the response that it is about, where that can be told."""
        event = parse(data)
        error = mapping(event.get("error")) or event
        cause = text(error.get("event_id"))
        if not self._is_realtime:
            about = [*self._named.values(), *self._asked][:1]
        elif cause is not None:
            about = [response for response in self._asked if response.event_id == cause]
        else:
            about = list(self._asked)[: "response" in f"{error.get('param')} {error.get('code')}"]
        for response in about:
            self._forget(response)
            _feed(response, data)
            response.recorder.exhaust()

    def _forget(self, response: _Response) -> None:
        if response in self._asked:
            self._asked.remove(response)
        self._named = {key: value for key, value in self._named.items() if value is not response}


def _feed(response: _Response, data: bytes) -> None:
    response.recorder.feed(data.replace(b"\n", b" ") + b"\n")


def _bytes(message: Any) -> bytes:
    if isinstance(message, str):
        return message.encode("utf-8", "replace")
    return bytes(message) if isinstance(message, bytes | bytearray | memoryview) else b""


def _kind(data: bytes) -> str:
    """The type of an event. Those of what an event holds have no dot: then it has to be parsed."""
    found = _TYPE.search(data)
    if found is None:
        return ""
    kind = found[1].decode()
    return kind if "." in kind or kind == _ERROR else text(parse(data).get("type")) or ""


def _id_of(event: Json) -> str:
    return str(mapping(event.get("response")).get("id"))


def _is_closed(error: BaseException, *, orderly: bool = False) -> bool:
    module = sys.modules.get("websockets.exceptions")
    kind = getattr(module, "ConnectionClosedOK" if orderly else "ConnectionClosed", None)
    return kind is not None and isinstance(error, kind)
