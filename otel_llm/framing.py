"""Cutting a streamed body into events, wherever its pieces happen to be cut, and reading the data of an event.

Three framings: server-sent events, one JSON text a line, and the binary frames of AWS. Frames are handed on as the
text of server-sent events, so that everything behind knows one kind.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
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

    @property
    def is_empty(self) -> bool:
        """True where nothing of an event is kept."""

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

    @property
    def is_empty(self) -> bool:
        return not self._rest

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
    _ends_in_newline = False
    _has_carriage = False

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

    @property
    def is_empty(self) -> bool:
        return not self._buffer

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


#: An event as most are: one line of data, perhaps a name before it.
_usual: Final = re.compile(rb"(?:event:[^\n]*+\n)?data: ([^\n]++)").fullmatch


def event_data(block: bytes) -> bytes:
    """The data of an event's block, its lines joined; a line that is JSON itself is data."""
    if (usual := _usual(block)) is not None:
        return usual[1]
    if block.startswith(b"{"):
        return block
    lines = (line.partition(b":") for line in block.split(b"\n"))
    return b"\n".join(value.removeprefix(b" ") for name, _, value in lines if name == b"data")


#: The inside of a JSON string; possessive, since it can end in one place only.
_TEXT: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_text: Final = re.compile(_TEXT)
#: What varies behind a text without meaning anything: padding.
_NOISE: Final = (b',"obfuscation":"', b',"p":"', b" ")
#: So much of what stands before a text has to be the same, at its beginning and right before the text: the end of the
#: text's own key, which stands where it stood. Each byte more takes 0.3 us in 200 events. A text of another choice or
#: block is not told from it, but never follows without an event of another kind.
_HEAD_BYTES: Final = 1
_MARK_BYTES: Final = 8
#: So much of what stands behind a text has to be the same, at both of its ends. What lies between has one length:
#: a reason to end or a count in place of a null would be longer.
_TAIL_BYTES: Final = 4


class Template:
    """What events in a row have in common that differ in nothing but a piece of text: all before it and all behind."""

    def __init__(self, event: bytes, start: int) -> None:
        """Learn from an event whose text begins at `start`."""
        text = _text.match(event, start)
        self._prefix, self._tail = event[:start], event[text.end() if text else start :].rstrip(b"\n")
        suffix = self._tail
        for noise in _NOISE:
            suffix = suffix.partition(noise)[0]
        self._pattern = _pattern(start, event[:_HEAD_BYTES], event[:start][-_MARK_BYTES:], suffix)

    def pieces(self, events: bytes) -> list[bytes]:
        """The texts of these whole events, as they stand in the JSON; none if one is not of this kind."""
        found = self._pattern.split(events)
        return [] if any(found[::2]) else found[1::2]

    def event(self, pieces: list[bytes]) -> bytes:
        """One event with the text of all."""
        return self._prefix + b"".join(pieces) + self._tail


@lru_cache(maxsize=256)
def _pattern(start: int, head: bytes, mark: bytes, suffix: bytes) -> re.Pattern[bytes]:
    """A whole event with its text as the group. What an answer's id fills is skipped: the next answer has another."""
    between = start - len(head) - len(mark)
    before = re.escape(head) + _any(between) + re.escape(mark) if between >= 0 else re.escape(mark)
    between = len(suffix) - 2 * _TAIL_BYTES
    first, last = suffix[:_TAIL_BYTES], suffix[-_TAIL_BYTES:]
    behind = re.escape(first) + _any(between) + re.escape(last) if between >= 0 else re.escape(suffix)
    return re.compile(before + b"(" + _TEXT + b")" + behind + rb"[^\n]*+\n\n")


def _any(count: int) -> bytes:
    return b"(?s:.{%d})" % count
