"""The server: HTTP/1.1 with keep-alive and chunked streams, a thread a connection."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import socket
import socketserver
import sys
import threading
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from . import chat_completions, messages
from .calls import Call, CallLog, masked
from .drawing import Draw
from .faults import CUT, DROP, SLOW, SSE_ERROR, Fault, Faults
from .wire import Answer, Event, Json, Wire, new_id

WIRES: Final = (chat_completions.WIRE, messages.WIRE)
USAGE_HEADER: Final = "x-standin-usage"
#: What a price depends on; metadata and `stream` do not change the usage.
_DRAWN_FROM: Final = ("model", "messages", "system", "tools", "max_tokens", "max_completion_tokens", "thinking")
_MESSAGES: Final = {429: "Rate limit reached, please slow down.", 529: "Overloaded"}
_RETRIED_LATER: Final = (429, 503, 529)
_CLOSE_S: Final = 2.0


class Standin:
    """The stand-in, in this process: starts on `start()` or `with`, stops on `close()`.

    log            file that calls are appended to, a JSON line each; None keeps them in memory only
    port           0 takes a free one
    seed           changes what is drawn: usage, text, random failures
    latency_ms     time to the first byte; chunk_ms: time between two chunks of a stream
    jitter         0 to 1: share of the latency that varies with the request
    compress       answer with gzip where the client takes it, streams too
    faults         rules, see `Fault`; fail_rate: share of requests that fail at random
    slow_ms        how much later a `slow` answer comes; retry_after_s: what 429, 503 and 529 ask for
    """

    def __init__(
        self,
        *,
        log: Path | None = None,
        port: int = 0,
        seed: int = 0,
        latency_ms: float = 0.0,
        chunk_ms: float = 0.0,
        jitter: float = 0.0,
        compress: bool = False,
        faults: Sequence[Fault] = (),
        fail_rate: float = 0.0,
        slow_ms: float = 2000.0,
        retry_after_s: float = 0.05,
    ) -> None:
        self.seed = seed
        self.latency_s = latency_ms / 1000
        self.chunk_s = chunk_ms / 1000
        self.jitter = jitter
        self.compress = compress
        self.slow_s = slow_ms / 1000
        self.retry_after_s = retry_after_s
        self.faults = Faults(faults, fail_rate, seed)
        self.stopping = threading.Event()
        self.log = CallLog(log)
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._serve, name="standin", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, which is Anthropic's base URL too."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """The base URL for OpenAI's SDK."""
        return f"{self.url}/v1"

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that send both SDKs here."""
        return {
            "OPENAI_BASE_URL": self.openai_url,
            "OPENAI_API_KEY": "stand-in",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "stand-in",
        }

    @property
    def calls(self) -> list[Call]:
        """What was sent so far, oldest first."""
        return self.log.calls()

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()

    def close(self) -> None:
        """Stop, ending every connection. Takes two seconds at most."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join(_CLOSE_S)
        self._server.server_close()
        self._server.hang_up(_CLOSE_S)
        self.log.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.05)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, standin: Standin, port: int) -> None:
        self.standin = standin
        self._live: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # not HTTPServer's, which asks the DNS for its own name

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._changed:
            self._live.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._live.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self, timeout_s: float) -> None:
        """End the connections that are open, and wait for their threads to notice."""
        with self._changed:
            for connection in self._live:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._live, timeout_s)


class _HangUpError(ConnectionError):
    """Ends the connection at once, as a cut line does."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    _squeeze: zlib._Compress | None = None  # while a compressed stream is sent

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        wire = next((each for each in WIRES if path.endswith(each.path)), None)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = _read(body)
        if wire is None:
            self._send_json(404, {"error": {"message": f"no such endpoint: {path}", "type": "invalid_request_error"}})
        elif request is None:
            self._refuse(wire, _call(wire, path, {}, self.headers.items()), 400, "The body is not a JSON object.")
        else:
            self._serve(wire, request, body.decode(), _call(wire, path, request, self.headers.items()))

    def do_GET(self) -> None:
        self._send_json(200, {"stand-in": [f"/v1{wire.path}" for wire in WIRES]})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log of calls is the log."""

    def _serve(self, wire: Wire, request: Json, body: str, call: Call) -> None:
        standin = self.server.standin
        call.fault = standin.faults.choose(dict(masked(self.headers.items())), str(call.request_model), body)
        draw = Draw(standin.seed, [request.get(key) for key in _DRAWN_FROM])
        varied = 1 - standin.jitter * draw.below("latency", 1000) / 1000
        self._wait(standin.latency_s * varied + (standin.slow_s if call.fault == SLOW else 0))
        if call.fault == DROP:
            call.status = 0
            standin.log.write(call)
            raise _HangUpError
        if call.fault == SSE_ERROR and not call.stream:
            call.fault = "500"
        if call.fault and call.fault.isdigit():
            self._refuse(wire, call, int(call.fault), _MESSAGES.get(int(call.fault), "The server had an error."))
            return
        told = self.headers.get(USAGE_HEADER)
        answer = wire.answer(request, draw, json.loads(told) if told else None)
        call.id, call.model = answer.id, answer.model
        headers = wire.headers() | {wire.request_id_header: call.request_id}
        if call.stream:
            self._stream(wire, call, answer, headers)
        else:
            self._send_answer(call, answer, headers)

    def _refuse(self, wire: Wire, call: Call, status: int, message: str) -> None:
        call.status = status
        self.server.standin.log.write(call)
        headers = wire.headers() | {wire.request_id_header: call.request_id}
        if status in _RETRIED_LATER:
            wait_s = self.server.standin.retry_after_s
            headers |= {"retry-after-ms": str(round(wait_s * 1000)), "retry-after": str(math.ceil(wait_s))}
        self._send_json(status, wire.error(status, message, call.request_id), headers)

    def _send_answer(self, call: Call, answer: Answer, headers: dict[str, str]) -> None:
        if call.fault != CUT:
            call.usage = answer.body["usage"]
        self.server.standin.log.write(call)
        self._send_json(200, answer.body, headers, cut=call.fault == CUT)

    def _stream(self, wire: Wire, call: Call, answer: Answer, headers: dict[str, str]) -> None:
        """Send the events. The call is logged before the last one, so that a client finds it when it has it all."""
        headers |= {"content-type": "text/event-stream; charset=utf-8"}
        if self._compresses():
            headers["content-encoding"] = "gzip"
            self._squeeze = zlib.compressobj(wbits=31)  # 31: the frame of gzip
        self._send_head(200, headers, None)
        *events, last = answer.events
        try:
            self._send_events(call, events[: len(events) // 2])
            if call.fault == SSE_ERROR:
                last = Event(wire.error_event("Overloaded"), call.usage)
            elif call.fault != CUT:
                self._send_events(call, events[len(events) // 2 :])
        except ConnectionError:
            call.fault = "client_gone"
            raise
        finally:
            self.server.standin.log.write(call)
        if call.fault == CUT:
            raise _HangUpError
        self._send_event(last)
        if self._squeeze:
            self._send_chunk(self._squeeze.flush())
        self._send_chunk(b"")
        self._squeeze = None

    def _send_events(self, call: Call, events: Sequence[Event]) -> None:
        for event in events:
            self._send_event(event)
            call.usage = event.usage
            self._wait(self.server.standin.chunk_s)

    def _send_event(self, event: Event) -> None:
        squeeze = self._squeeze
        self._send_chunk(squeeze.compress(event.data) + squeeze.flush(zlib.Z_SYNC_FLUSH) if squeeze else event.data)

    def _send_json(self, status: int, body: Json, headers: dict[str, str] | None = None, cut: bool = False) -> None:
        data = json.dumps(body).encode()
        headers = (headers or {}) | {"content-type": "application/json"}
        if self._compresses():
            data = gzip.compress(data)
            headers["content-encoding"] = "gzip"
        self._send_head(status, headers, len(data))
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            raise _HangUpError

    def _send_head(self, status: int, headers: dict[str, str], length: int | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(*(("transfer-encoding", "chunked") if length is None else ("content-length", str(length))))
        self.end_headers()

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _compresses(self) -> bool:
        return self.server.standin.compress and "gzip" in self.headers.get("accept-encoding", "")

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and self.server.standin.stopping.wait(seconds):
            raise _HangUpError


def _read(body: bytes) -> Json | None:
    try:
        request = json.loads(body)
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _call(wire: Wire, path: str, request: Json, headers: Sequence[tuple[str, str]]) -> Call:
    return Call(
        time=datetime.now(UTC).isoformat(),
        provider=wire.provider,
        endpoint=path,
        request_id=new_id("req_"),
        request_model=request.get("model"),
        stream=bool(request.get("stream")),
        status=200,
        user=request.get("user"),
        metadata=request.get("metadata"),
        headers=masked(list(headers)),
    )
