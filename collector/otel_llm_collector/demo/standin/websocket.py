"""The server's side of a websocket (RFC 6455), text messages only, no extensions."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from typing import Any, Final, Protocol

_MAGIC: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # of the RFC
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FINAL: Final = 0x80
_BYTES_MAX: Final = 16 * 1024 * 1024  # of a frame
_NORMAL: Final = 1000


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Writer(Protocol):
    def write(self, data: bytes, /) -> Any: ...


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Whether a request wants to become a websocket. `headers` has lower-case names."""
    return headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in headers


def accept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a 101 answers: the proof that the key was read, and the first protocol that was offered."""
    digest = hashlib.sha1((headers["sec-websocket-key"].strip() + _MAGIC).encode(), usedforsecurity=False).digest()
    accepted = {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": base64.b64encode(digest).decode(),
    }
    offered = headers.get("sec-websocket-protocol")
    return accepted | ({"sec-websocket-protocol": offered.split(",")[0].strip()} if offered else {})


class Socket:
    """A websocket after the handshake, over the two files of its connection."""

    def __init__(self, reader: _Reader, writer: _Writer) -> None:
        self._reader = reader
        self._writer = writer

    def receive(self) -> str | None:
        """The next text message; None once the other side has closed. Pings are answered on the way."""
        message = b""
        while True:
            final, opcode, data = self._read_frame()
            if opcode == _CLOSE:
                self._write(_CLOSE, data[:2])
                return None
            if opcode == _PING:
                self._write(_PONG, data)
            elif opcode in (_TEXT, _BINARY, _CONTINUATION):
                message += data
                if final:
                    return message.decode()

    def send(self, text: bytes) -> None:
        """Send one text message."""
        self._write(_TEXT, text)

    def close(self) -> None:
        """Say goodbye."""
        self._write(_CLOSE, struct.pack(">H", _NORMAL))

    def _read_frame(self) -> tuple[bool, int, bytes]:
        first, second = self._read(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._read(2 if size == 126 else 8))
        if size > _BYTES_MAX or not second & 0x80:
            raise ConnectionError("a frame that is too large, or not masked")
        mask = self._read(4)
        data = self._read(size)
        key = (mask * (size // 4 + 1))[:size]
        plain = (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(size)
        return bool(first & _FINAL), first & 0x0F, plain

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise ConnectionError("the other side has gone")
        return data

    def _write(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size <= 125:
            head = struct.pack(">BB", _FINAL | opcode, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", _FINAL | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", _FINAL | opcode, 127, size)
        self._writer.write(head + data)
