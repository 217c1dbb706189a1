"""Cutting a streamed body into events, wherever its pieces happen to be cut, and reading the data of an event.

Three framings: server-sent events, one JSON text a line, and the binary frames of AWS. Frames are handed on as the
text of server-sent events, so that everything behind knows one kind.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from .wire import EVENTS, FRAMES, LINES, parse

#: Limit on what is kept of one event.
EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
_PRELUDE_BYTES: Final = 12  # lengths of the frame and of its headers, and their checksum
_CHECKSUM_BYTES: Final = 4
_STRING_HEADER: Final = 7


class Splitter(Protocol):
    """Takes a body piece by piece and gives whole events back, `SEPARATOR` between them."""

    SEPARATOR: bytes

    def take(self, data: bytes) -> bytes:
        """The events that the next piece of the body completes."""

    def rest(self) -> bytes:
        """What is left when the body has ended: an event without its end."""


def splitter(framing: str) -> Splitter:
    """A new splitter for a framing of `wire`."""
    return _SPLITTERS[framing]()


class LineSplitter:
    """JSON texts, a line each."""

    SEPARATOR = b"\n"

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._bytes = 0

    def take(self, data: bytes) -> bytes:
        if self.SEPARATOR not in data:
            self._keep(data)
            return b""
        events, _, last = (b"".join(self._rest) + data if self._rest else data).rpartition(self.SEPARATOR)
        self._rest, self._bytes = [], 0
        if last:
            self._keep(last)
        return events

    def rest(self) -> bytes:
        return b"".join(self._rest)

    def _keep(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes <= EVENT_BYTES_MAX:
            self._rest.append(data)
        else:
            self._rest = []


class EventSplitter(LineSplitter):
    """Server-sent events, an empty line after each."""

    SEPARATOR = b"\n\n"

    def __init__(self) -> None:
        super().__init__()
        self._ends_in_newline = False
        self._has_carriage = False

    def take(self, data: bytes) -> bytes:
        if self._has_carriage or b"\r" in data:
            data = self._normalise(data)
        if not data:
            return b""
        if self._ends_in_newline and data[0] == 10 and b"\n\n" not in data:
            events = b"".join(self._rest)[:-1]
            self._rest, self._bytes, self._ends_in_newline = [], 0, False
            if data[1:]:
                self._keep(data[1:])
            return events
        return super().take(data)

    def _keep(self, data: bytes) -> None:
        self._ends_in_newline = data.endswith(b"\n")
        super()._keep(data)

    def _normalise(self, data: bytes) -> bytes:
        """CRLF and CR become LF; a CR at the end waits, since its LF may come with the next piece."""
        if self._has_carriage:
            data = b"\r" + data
        self._has_carriage = data.endswith(b"\r")
        if self._has_carriage:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class FrameSplitter:
    """Frames of `application/vnd.amazon.eventstream`. An event becomes `{NAME: payload}`, a model's own chunk itself.

    Source: the AWS event stream encoding: total length, length of the headers, checksum, headers, payload, checksum.
    """

    SEPARATOR = b"\n\n"

    def __init__(self) -> None:
        self._buffer = bytearray()

    def take(self, data: bytes) -> bytes:
        self._buffer += data
        events = []
        while len(self._buffer) >= _PRELUDE_BYTES:
            size = int.from_bytes(self._buffer[:4], "big")
            if not _PRELUDE_BYTES + _CHECKSUM_BYTES <= size <= EVENT_BYTES_MAX * 4:
                raise ValueError("no event stream")
            if len(self._buffer) < size:
                break
            events.append(_read_frame(bytes(self._buffer[:size])))
            del self._buffer[:size]
        return b"\n\n".join(events)

    def rest(self) -> bytes:
        return b""


_SPLITTERS: Final[Mapping[str, Callable[[], Splitter]]] = {
    EVENTS: EventSplitter,
    FRAMES: FrameSplitter,
    LINES: LineSplitter,
}


def _read_frame(frame: bytes) -> bytes:
    headers_end = _PRELUDE_BYTES + int.from_bytes(frame[4:8], "big")
    headers = _read_headers(frame[_PRELUDE_BYTES:headers_end])
    payload = frame[headers_end:-_CHECKSUM_BYTES]
    if headers.get(":message-type") in ("exception", "error"):
        name = headers.get(":exception-type") or headers.get(":error-code") or "error"
        said = parse(payload) or {"message": headers.get(":error-message")}
        return b"data: " + json.dumps({"error": {**said, "type": name}}).encode()
    if headers.get(":event-type") == "chunk" and isinstance(inner := parse(payload).get("bytes"), str):
        return b"data: " + base64.b64decode(inner)
    return b'data: {"%b":%b}' % (headers.get(":event-type", "").encode(), payload or b"{}")


def _read_headers(data: bytes) -> dict[str, str]:
    """The headers up to the first that is no string: those that say what the frame is are strings."""
    found, place = {}, 0
    while place < len(data):
        name_end = place + 1 + data[place]
        if data[name_end] != _STRING_HEADER:
            break
        value_start = name_end + 3
        value_end = value_start + int.from_bytes(data[name_end + 1 : value_start], "big")
        found[data[place + 1 : name_end].decode()] = data[value_start:value_end].decode()
        place = value_end
    return found


def event_data(block: bytes) -> bytes:
    """The data of an event's block, its lines joined; a line that is JSON itself is data."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    if block.startswith(b"{"):
        return block
    lines = (line.partition(b":") for line in block.split(b"\n"))
    return b"\n".join(value.removeprefix(b" ") for name, _, value in lines if name == b"data")


class Template:
    """What events in a row have in common that differ in nothing but a piece of text: all before it and all behind.

    What varies behind the text without meaning anything (`obfuscation`, blanks) is no part of it. Without a block to
    learn from, the prefix alone says that an event is of this kind.
    """

    _NOISE: Final = (b',"obfuscation":"', b',"p":"', b" ")

    def __init__(self, prefix: bytes, block: bytes) -> None:
        rest = block[len(prefix) :]
        suffix = rest[_string_end(rest) :]
        for noise in self._NOISE:
            suffix = suffix.partition(noise)[0]
        self.prefix, self.suffix, self.tail = prefix, suffix, rest[_string_end(rest) :]

    def piece(self, block: bytes) -> bytes | None:
        """The text of an event of this kind, as it stands in the JSON; None where the event is of another kind."""
        if not block.startswith(self.prefix):
            return None
        end = block.rfind(self.suffix)
        piece = block[len(self.prefix) : end]
        return piece if end >= len(self.prefix) and (b'"' not in piece or _is_string(piece)) else None

    def block(self, pieces: list[bytes]) -> bytes:
        """One event with the text of all."""
        return self.prefix + b"".join(pieces) + self.tail


def _string_end(text: bytes) -> int:
    """Where a JSON string ends whose opening quote stands before the text."""
    place = text.find(b'"')
    while place > 0 and text[place - 1] == 92 and not _is_string(text[:place]):
        place = text.find(b'"', place + 1)
    return place if place >= 0 else len(text)


def _is_string(piece: bytes) -> bool:
    try:
        json.loads(b'"%b"' % piece)
    except ValueError:
        return False
    return True
