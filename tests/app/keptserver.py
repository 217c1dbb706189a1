"""A server that keeps its connections, to see which of them are used again, and answers in any encoding and framing."""

from __future__ import annotations

import gzip
import io
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Reply = Callable[[BaseHTTPRequestHandler], None]
CHUNK_BYTES: Final = 100
HELD_BYTES: Final = 50
FRAMINGS: Final = ("length", "chunked", "close")


ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "br": brotli.compress,
    "deflate": zlib.compress,
    "gzip": gzip.compress,
    "identity": bytes,
    "zstd": zstd.compress,
}


class KeptServer(ThreadingHTTPServer):
    """Answers each POST with the next of `replies`, the last one for ever. `connections` counts what was accepted."""

    daemon_threads = True

    def __init__(self, *replies: Reply) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = list(replies)
        self.connections = 0
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *args: Any) -> None:
        """The client has gone."""

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the client to acknowledge the head
    server: KeptServer

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.server.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    do_GET = do_POST  # noqa: N815  # the base class looks it up by this name

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def sent(body: bytes, content_type: str, *, framing: str = "length", encoding: str = "identity") -> Reply:
    """A whole answer, however it is framed and encoded."""
    raw = ENCODINGS[encoding](body)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", content_type)
        if encoding != "identity":
            handler.send_header("content-encoding", encoding)
        if framing == "length":
            handler.send_header("content-length", str(len(raw)))
        elif framing == "chunked":
            handler.send_header("transfer-encoding", "chunked")
        else:
            handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(chunked(raw) if framing == "chunked" else raw)

    return reply


def held(body: bytes, content_type: str, *, framing: str) -> Reply:
    """An answer whose end does not come until the server stops."""
    whole = sent(body, content_type, framing=framing)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        connection, handler.wfile = handler.wfile, io.BytesIO()
        whole(handler)
        connection.write(handler.wfile.getvalue()[:-HELD_BYTES])
        assert isinstance(handler.server, KeptServer)
        handler.server.stopping.wait(20)
        handler.wfile = connection

    return reply


def chunked(raw: bytes) -> bytes:
    """The body in chunks, and their end."""
    pieces = (raw[start : start + CHUNK_BYTES] for start in range(0, len(raw), CHUNK_BYTES))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def redirected(status: int, place: str) -> Reply:
    """Elsewhere is the answer."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("location", place)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return reply
