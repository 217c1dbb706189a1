"""AWS's binary event stream: messages of headers and a payload, each with two checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from .wire import Json, compact

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_STRING: Final = 7  # the only type of header value that is used here
_PRELUDE: Final = 12  # bytes: two lengths and their checksum
_CHECKSUM: Final = 4  # bytes
_PADDING: Final = "abcdefghijklmnopqrstuvwxyz"


def frame_event(kind: str, payload: Json) -> bytes:
    """An event, padded as AWS pads it against guesses from its length."""
    data = compact(payload | {"p": _PADDING[: 1 + len(payload) % 25]})
    return _frame({":event-type": kind, ":content-type": "application/json", ":message-type": "event"}, data)


def frame_exception(kind: str, message: str) -> bytes:
    """An exception, which ends the stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return _frame(headers, compact({"message": message}))


def _frame(headers: Mapping[str, str], payload: str) -> bytes:
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    data = payload.encode()
    size = _PRELUDE + len(head) + len(data) + _CHECKSUM
    prelude = struct.pack(">II", size, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + data
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
