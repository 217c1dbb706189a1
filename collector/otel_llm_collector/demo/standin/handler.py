"""One connection: HTTP/1.1 with keep-alive and chunked streams, or a websocket. It knows no format."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from .calls import Call, masked
from .drawing import Draw
from .faults import CUT, DROP, SLOW, SSE_ERROR
from .formats import find, paths
from .reading import read_body, read_sent
from .tokens import count
from .websocket import Socket, accept_headers, is_upgrade
from .wire import JSON, Answer, Event, Json, Session, Wire, new_id

if TYPE_CHECKING:
    from .server import Standin

USAGE_HEADER: Final = "x-standin-usage"
_MESSAGES: Final = {429: "Rate limit reached, please slow down.", 529: "Overloaded"}
_RETRIED_LATER: Final = (429, 503, 529)
_GZIP_FRAME: Final = 31


class HangUpError(ConnectionError):
    """Ends the connection at once, as a cut line does."""


class Listener(ThreadingHTTPServer):
    """A server that has the stand-in's settings."""

    standin: Standin


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    _squeeze: zlib._Compress | None = None  # while a compressed stream is sent

    def do_POST(self) -> None:
        self._handle(read_sent(self.rfile, self.headers))

    def do_GET(self) -> None:
        self._handle(b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log of calls is the log."""

    def _handle(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        found = find(self.command, path)
        if found is None:
            self._send_unknown(path)
            return
        wire, named = found
        posted = self.command == "POST"
        sent = read_body(body, self.headers.get("content-type", "")) if posted else {}
        request = {**wire.defaults, **dict(parse_qsl(query)), **(sent or {}), **named}
        call = self._call(wire, path, request)
        if self.server.standin.keep_requests:
            call.target, call.body = self.path, body.decode(errors="replace")
        if sent is None:
            self._refuse(wire, call, 400, "The body is not a JSON object.")
        elif posted or wire.session is None:
            self._serve(wire, request, body.decode(errors="replace"), call)
        else:
            self._converse(wire, wire.session, request, call)

    def _call(self, wire: Wire, path: str, request: Json) -> Call:
        return Call(
            time=datetime.now(UTC).isoformat(),
            provider=wire.provider.name,
            endpoint=path,
            request_id=new_id("req_"),
            request_model=request.get("model"),
            stream=wire.streams(request),
            status=200,
            method=self.command,
            user=request.get("user"),
            metadata=request.get("metadata"),
            headers=masked(self.headers.items()),
        )

    # --- one request ------------------------------------------------------------------------------------------

    def _serve(self, wire: Wire, request: Json, body: str, call: Call) -> None:
        standin = self.server.standin
        call.fault = standin.faults.choose(self._plain_headers(), str(call.request_model), body)
        draw = self._draw(wire, request)
        varied = 1 - standin.jitter * draw.below("latency", 1000) / 1000
        self._wait(standin.latency_s * varied + (standin.slow_s if call.fault == SLOW else 0))
        if call.fault == SSE_ERROR and not call.stream:
            call.fault = "500"
        if self._fails(wire, call):
            return
        answer = self._answer(wire, request, draw)
        if answer is None:
            self._refuse(wire, call, 404, "There is nothing of this id.")
            return
        call.id, call.model = answer.id, answer.model
        headers = wire.provider.headers(200) | {wire.provider.request_id_header: call.request_id, **answer.headers}
        if call.stream and answer.events:
            self._stream(wire, call, answer, headers)
        else:
            self._send_answer(wire, call, answer, headers)

    def _answer(self, wire: Wire, request: Json, draw: Draw) -> Answer | None:
        """A new answer to what is posted, an old one to what is got."""
        if self.command == "GET" and wire.session is None:
            return self.server.standin.fetch(request["id"])
        told = self.headers.get(USAGE_HEADER)
        answer = wire.answer(request, draw, json.loads(told) if told else None)
        self.server.standin.keep(answer)
        return answer

    def _draw(self, wire: Wire, request: Json) -> Draw:
        return Draw(self.server.standin.seed, [request.get(key) for key in wire.drawn_from])

    def _fails(self, wire: Wire, call: Call) -> bool:
        """Fail before anything is answered, if the call is to."""
        if call.fault == DROP:
            call.status = 0
            self.server.standin.log.write(call)
            raise HangUpError
        if call.fault and call.fault.isdigit():
            status = int(call.fault)
            self._refuse(wire, call, status, _MESSAGES.get(status, "The server had an error."))
            return True
        return False

    def _refuse(self, wire: Wire, call: Call, status: int, message: str) -> None:
        call.status = status
        self.server.standin.log.write(call)
        headers = wire.provider.headers(status) | {wire.provider.request_id_header: call.request_id}
        if status in _RETRIED_LATER:
            wait_s = self.server.standin.retry_after_s
            headers |= {"retry-after-ms": str(round(wait_s * 1000)), "retry-after": str(math.ceil(wait_s))}
        self._send_body(status, wire.provider.error(status, message, call.request_id), headers)

    def _log(self, wire: Wire, call: Call, usage: Json | None) -> None:
        """Write the call down. What is fetched again was billed the first time."""
        call.usage = usage
        fetched = call.method == "GET" and wire.session is None
        call.tokens = None if fetched else count(usage, wire.tokens)
        self.server.standin.log.write(call)

    # --- a body -----------------------------------------------------------------------------------------------

    def _send_answer(self, wire: Wire, call: Call, answer: Answer, headers: dict[str, str]) -> None:
        cut = call.fault == CUT
        self._log(wire, call, None if cut else answer.usage)
        self._send_body(200, answer.body, {"content-type": answer.body_type} | headers, cut)

    def _send_body(
        self, status: int, body: Json | list[Any] | bytes, headers: dict[str, str], cut: bool = False
    ) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": JSON} | headers
        if self._compresses():
            data = gzip.compress(data)
            headers["content-encoding"] = "gzip"
        self._send_head(status, headers | {"content-length": str(len(data))})
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            raise HangUpError

    def _send_unknown(self, path: str) -> None:
        if path == "/" and self.command == "GET":
            self._send_body(200, {"stand-in": paths()}, {})
        else:
            error = {"message": f"no such endpoint: {path}", "type": "invalid_request_error"}
            self._send_body(404, {"error": error}, {})

    # --- a stream ---------------------------------------------------------------------------------------------

    def _stream(self, wire: Wire, call: Call, answer: Answer, headers: dict[str, str]) -> None:
        headers |= {"content-type": answer.stream_type, "transfer-encoding": "chunked"}
        if self._compresses():
            headers["content-encoding"] = "gzip"
            self._squeeze = zlib.compressobj(wbits=_GZIP_FRAME)
        self._send_head(200, headers)
        self._play(wire, call, answer, self._send_piece)
        if self._squeeze:
            self._send_chunk(self._squeeze.flush())
        self._send_chunk(b"")
        self._squeeze = None

    def _play(self, wire: Wire, call: Call, answer: Answer, send: Callable[[bytes], None]) -> None:
        """Send the events. The call is logged before the last one, so that a client finds it when it has it all."""
        *events, last = answer.events
        half = (len(events) + 1) // 2
        try:
            self._send_events(call, events[:half], send)
            if call.fault == SSE_ERROR:
                last = Event(answer.error, call.usage)
            elif call.fault != CUT:
                self._send_events(call, events[half:], send)
        except ConnectionError:
            call.fault = "client_gone"
            self._log(wire, call, call.usage)
            raise
        self._log(wire, call, call.usage if call.fault == CUT else last.usage)
        if call.fault == CUT:
            raise HangUpError
        send(last.data)

    def _send_events(self, call: Call, events: Sequence[Event], send: Callable[[bytes], None]) -> None:
        for event in events:
            send(event.data)
            call.usage = event.usage
            self._wait(self.server.standin.chunk_s)

    def _send_piece(self, data: bytes) -> None:
        squeeze = self._squeeze
        self._send_chunk(squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH) if squeeze else data)

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    # --- a socket ---------------------------------------------------------------------------------------------

    def _converse(self, wire: Wire, kind: type[Session], request: Json, call: Call) -> None:
        """Become a websocket. A status that fails it fails the handshake, everything else the answers."""
        headers = self._plain_headers()
        call.fault = self.server.standin.faults.asked(headers, str(call.request_model), "")
        if not is_upgrade(headers):
            self._refuse(wire, call, 400, "This is a websocket.")
        elif not self._fails(wire, call):
            self.close_connection = True
            self._send_head(101, accept_headers(headers))
            socket, session = Socket(self.rfile, self.wfile), kind(request)
            for message in session.greet():
                socket.send(json.dumps(message).encode())
            while (text := socket.receive()) is not None:
                self._hear(wire, socket, session, text)

    def _hear(self, wire: Wire, socket: Socket, session: Session, text: str) -> None:
        said, asked = session.hear(json.loads(text))
        for message in said:
            socket.send(json.dumps(message).encode())
        if asked is None:
            return
        standin = self.server.standin
        call = self._call(wire, self.path.partition("?")[0], asked)
        call.stream = True
        call.fault = standin.faults.choose(self._plain_headers(), str(call.request_model), json.dumps(asked))
        if call.fault and call.fault.isdigit():
            call.fault = SSE_ERROR
        self._fails(wire, call)
        self._wait(standin.latency_s + (standin.slow_s if call.fault == SLOW else 0))
        answer = self._answer(wire, asked, self._draw(wire, asked))
        if answer is not None:
            call.id, call.model = answer.id, answer.model
            self._play(wire, call, answer, socket.send)

    # --- the connection ---------------------------------------------------------------------------------------

    def _plain_headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _compresses(self) -> bool:
        return self.server.standin.compress and "gzip" in self.headers.get("accept-encoding", "")

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.server.standin.stopping.wait(seconds):
            raise HangUpError
