"""Servers on the way of a request: one that speaks HTTP/2, one that is a proxy, TLS without certificates."""

from __future__ import annotations

import http.client
import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events

_ANONYMOUS: Final = "AECDH-AES128-SHA:@SECLEVEL=0"
_PIECE_BYTES: Final = 99


def anonymous(protocol: int) -> ssl.SSLContext:
    """TLS in which nobody says who he is, so that no key has to lie about."""
    context = ssl.SSLContext(protocol)
    if protocol == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_ANONYMOUS)
    return context


def accepting(*protocols: str) -> ssl.SSLContext:
    """A server's side of it, which speaks these protocols."""
    context = anonymous(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(protocols)
    return context


class Threaded(socketserver.ThreadingTCPServer):
    """A server on loopback that runs inside a `with`."""

    daemon_threads = True
    scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *args: Any) -> None:
        """The client has gone."""


class Http2Server(Threaded):
    """Answers each request with the same body, over HTTP/2. `seen` has the headers of all requests."""

    def __init__(self, content_type: str, body: bytes, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Http2)
        self.content_type, self.body, self.tls = content_type, body, tls
        self.scheme = "https" if tls else "http"
        self.seen: list[dict[str, str]] = []


class _Http2(socketserver.BaseRequestHandler):
    server: Http2Server

    def handle(self) -> None:
        tls = self.server.tls
        if tls is None:
            self._talk(self.request)
        else:
            with tls.wrap_socket(self.request, server_side=True) as sock:
                self._talk(sock)

    def _talk(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        sock.sendall(connection.data_to_send())
        with suppress(OSError):
            while data := sock.recv(65536):
                for event in connection.receive_data(data):
                    self._answer(connection, event)
                sock.sendall(connection.data_to_send())

    def _answer(self, connection: h2.connection.H2Connection, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.server.seen.append({str(name): str(value) for name, value in event.headers})
        elif isinstance(event, h2.events.StreamEnded):
            connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", self.server.content_type)])
            body = self.server.body
            for start in range(0, len(body), _PIECE_BYTES):
                connection.send_data(event.stream_id, body[start : start + _PIECE_BYTES])
            connection.end_stream(event.stream_id)


class Proxy(ThreadingHTTPServer, Threaded):
    """Forwards what it is sent, and opens tunnels. `asked` has the request lines."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.asked: list[str] = []
        self.seen: list[dict[str, str]] = []


class _Forward(BaseHTTPRequestHandler):
    server: Proxy
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._note()
        place = urlsplit(self.path)
        onward = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=20)
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        onward.request("POST", place.path, body, headers)
        answer = onward.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())
        onward.close()

    def do_CONNECT(self) -> None:
        self._note()
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), 20) as onward:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(onward, self.connection), daemon=True)
            back.start()
            _copy(self.connection, onward)
            back.join(20)
        self.close_connection = True

    def _note(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.seen.append({name.lower(): value for name, value in self.headers.items()})

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
