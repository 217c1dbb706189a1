"""The receiver that emitters send to: what comes in between two calls belongs to the one that is over."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from emitters.emission import number_of_records
from emitters.otlpjson import from_json, to_json
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_llm_collector.demo.standin.reading import read_sent

_INFLATE: Final[dict[str, Callable[[bytes], bytes]]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}

_MESSAGES: Final[dict[str, type[Message]]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}
#: How long calls wait for what comes late, all calls of a run together.
_LATE_S_MAX: Final = 20.0


class Received:
    """What one call made its emitter send."""

    def __init__(self) -> None:
        self.traces = ExportTraceServiceRequest()
        self.logs = ExportLogsServiceRequest()
        self.told: list[str] = []
        self.signal = "traces"
        self.is_brief = False

    @property
    def records(self) -> int:
        """How many spans and log records."""
        return number_of_records(to_json(self.traces), to_json(self.logs))


class Receiver:
    """An OTLP/HTTP receiver on loopback, protobuf and JSON; metrics are answered and dropped.

    `expected` says how many spans and log records a call has. A call that is over waits for them a while: on a busy
    machine an emitter may send them from a thread of its own later than the program says so.
    """

    def __init__(self, when_done: Callable[[str, Received], None], expected: Mapping[str, int] | None = None) -> None:
        self._when_done = when_done
        self._expected = expected or {}
        self._late_s = _LATE_S_MAX
        self._arrival = threading.Condition()
        self._received = Received()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str, body: bytes, content_type: str) -> None:
        """Keep what a request holds."""
        if path not in _MESSAGES:
            return
        message = _MESSAGES[path]()
        if content_type.startswith("application/json"):
            from_json(json.loads(body), message)
        else:
            message.ParseFromString(body)
        with self._arrival:
            (self._received.traces if path == "/v1/traces" else self._received.logs).MergeFrom(message)
            self._arrival.notify_all()

    def end(self, about: Mapping[str, str]) -> None:
        """A call is over."""
        expected, began_s = self._expected.get(about["name"], 0), time.monotonic()
        with self._arrival:
            self._arrival.wait_for(lambda: self._received.records >= expected, self._late_s)
            self._late_s = max(0.0, self._late_s - (time.monotonic() - began_s))
            received, self._received = self._received, Received()
        received.told = [part for part in about.get("told", "").split(",") if part]
        received.signal = about.get("signal", received.signal)
        received.is_brief = about.get("brief") == "true"
        self._when_done(about["name"], received)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    receiver: Receiver
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = read_sent(self.rfile, self.headers)
        at = urlsplit(self.path)
        kind = self.headers.get("content-type", "")
        if at.path == "/done":
            self.server.receiver.end(dict(parse_qsl(at.query)))
        else:
            inflate = _INFLATE.get(self.headers.get("content-encoding", ""), bytes)
            path = "/v1/" + at.path.rpartition("/v1/")[2]  # some put a prefix before it
            self.server.receiver.take(path, inflate(body), kind)
        self.send_response(200)
        answer = b"{}" if kind.startswith("application/json") else b""
        self.send_header("content-type", kind or "text/plain")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
