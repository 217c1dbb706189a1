"""A server that answers with the bytes it is told to: cut connections, odd chunks, encodings, silence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Self

Reply = Callable[["Connection"], None]


class Connection:
    """One request and the socket to answer it on."""

    def __init__(self, sock: socket.socket, headers: dict[str, str], body: bytes) -> None:
        self.sock = sock
        self.headers = headers
        self.body = body

    def head(self, status: int = 200, **headers: str) -> None:
        """Send the status line and headers, `content_type` as `content-type`; the body ends with the connection."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([f"HTTP/1.1 {status} X", *lines, "connection: close", "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def json(self, value: Any, status: int = 200, **headers: str) -> None:
        data = json.dumps(value).encode()
        self.head(status, content_type="application/json", content_length=str(len(data)), **headers)
        self.send(data)

    def cut(self) -> None:
        """End the connection as a cut line does: with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class RawServer:
    """Serves each request with the next of `replies`, the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Connection] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.stopping = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the body does not wait for the head's receipt
            try:
                connection = _read(sock)
                if connection is None:
                    return
                self.requests.append(connection)
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                reply(connection)
            except OSError:
                return  # the client has gone


def _read(sock: socket.socket) -> Connection | None:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += sock.recv(65536)
    return Connection(sock, headers, body)
