"""Reading a copy of a streamed body while the app reads the original: server-sent events, or one JSON document."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from .driver import Call
from .failures import swallow
from .finisher import finisher
from .wire import Json

#: Chunks are read together, about so many bytes at a time.
BATCH_BYTES: Final = 64 * 1024
#: Limits on what is kept of a body: one event, and one document that is no event stream.
EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
DOCUMENT_BYTES_MAX: Final = 32 * 1024 * 1024


#: Bodies that are still being read: what is left of them at the end of the process is ended then.
live: Final[set[Recorder]] = set()


class Decoder(Protocol):
    """Undoes a body's content encoding, piece by piece. httpx answers bytes, httpx2 an iterator of them."""

    def decode(self, data: bytes, /) -> bytes | Iterable[bytes]: ...


class Recorder(ABC):
    """What one streamed body says about its call. `feed` gets every chunk before the app does; nothing here raises.

    Chunks are collected and read together: the app waits for its next chunk, not for us.
    """

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool) -> None:
        self._call = call
        self._decoder = decoder
        self._sent_ns = sent_ns  # time.perf_counter_ns() of the attempt
        self._ends_call = ends_call
        self._done = False
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._batch_bytes = BATCH_BYTES
        self._end_mark = b""
        live.add(self)

    def feed(self, chunk: bytes) -> None:
        """Take a copy of what the app is about to read."""
        if self._done:
            return
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        if self._bytes >= self._batch_bytes or (self._end_mark and self._end_mark in chunk):
            self._read_batch()

    def exhaust(self) -> None:
        """The body was read to its end."""
        self._end(None, exhausted=True)

    def close(self) -> None:
        """The app closed the body, perhaps before its end."""
        self._end(None, exhausted=False)

    def fail(self, error: BaseException) -> None:
        """Reading broke off: the connection was cut, a timeout, a cancelled task."""
        self._end(error, exhausted=False)

    def abandon(self) -> None:
        """The body was dropped unread. Comes from the garbage collector, which may run inside any lock."""
        if not self._done and self._call.is_of_this_process:
            finisher.submit(self.close)

    def reports_to(self, chain: Any) -> bool:
        """True where the call's span ends in this chain of processors, or does not say where it ends."""
        return getattr(self._call.span, "_span_processor", chain) is chain

    def _read_batch(self) -> None:
        batch, self._chunks, self._bytes = b"".join(self._chunks), [], 0
        try:
            if self._decoder is None:
                self._take(batch)
                return
            decoded = self._decoder.decode(batch)
            self._take(decoded if isinstance(decoded, bytes) else b"".join(decoded))
        except Exception as error:
            self._decoder, self._done = None, True  # not what it says it is: keep what is known so far
            live.discard(self)
            self._call.finish(complete=False)
            swallow("reading a stream", error)

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Read the next decoded bytes of the body."""

    @abstractmethod
    def _is_complete(self, exhausted: bool) -> bool:
        """Whether the answer came whole; called once, when reading has ended."""

    def _end(self, error: BaseException | None, *, exhausted: bool) -> None:
        if self._done:
            return
        if self._chunks:
            self._read_batch()
        self._done = True
        live.discard(self)
        try:
            complete = self._is_complete(exhausted)
            self._call.is_streaming = False
            if self._ends_call:
                self._call.finish(error, complete=complete)
        except Exception as fault:
            swallow("ending a stream", fault)


class EventRecorder(Recorder):
    """A stream of server-sent events, parsed only where an event says more than a piece of content."""

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool) -> None:
        super().__init__(call, decoder, sent_ns, ends_call=ends_call)
        self._reader = call.target.reader
        self._events = EventSplitter()
        self._end_mark = self._reader.END_MARK
        self._batch_bytes = 1  # until the first update has been timed
        self._parses_all = call.captures
        self._seen = False
        self._saw_last = False

    def _take(self, data: bytes) -> None:
        events = self._events.take(data)
        if self._skips:
            events = events[self._first_telling(events) :]
        if events:
            for block in events.split(b"\n\n"):
                self._see(block)
        if self._saw_last:
            self._end(None, exhausted=True)

    @property
    def _skips(self) -> bool:
        """True once nothing but marked events can matter."""
        return self._seen and not self._parses_all and self._call.time_to_first_chunk_s is not None

    def _first_telling(self, events: bytes) -> int:
        """Where the first event with a mark begins; the end where there is none."""
        hits = [hit for mark in self._reader.MARKS if (hit := events.find(mark)) >= 0]
        return max(0, events.rfind(b"\n\n", 0, min(hits))) if hits else len(events)

    def _see(self, block: bytes) -> None:
        if self._call.time_to_first_chunk_s is None and self._reader.is_update(block):
            self._call.time_to_first_chunk_s = (time.perf_counter_ns() - self._sent_ns) / 1e9
            if not self._call.is_foreign:  # whose owner may end it before the body is closed
                self._batch_bytes = BATCH_BYTES
        if not self._seen or self._parses_all or any(mark in block for mark in self._reader.MARKS):
            self._fold(block)

    def _fold(self, block: bytes) -> None:
        data = event_data(block)
        event = _parse(data)
        self._saw_last = self._saw_last or self._reader.is_last(data, event)
        if not event:
            return  # an end mark, or what is no JSON: the app's parser is the judge of it
        self._seen = True
        if b'" :' in block:
            self._parses_all = True  # JSON spaced as no marks expect it
        try:
            self._reader.fold_event(event, self._call.answer, self._call.captures)
        except Exception as error:
            swallow("reading an event", error)
        if self._call.answer.usage:
            self._call.show_progress()

    def _is_complete(self, exhausted: bool) -> bool:
        """An end mark, or the end of a body that said why it stopped, or that could not be read at all."""
        if exhausted and (rest := self._events.rest()):
            self._see(rest)
        return self._saw_last or (exhausted and (bool(self._call.answer.finish_reasons) or not self._seen))


class DocumentRecorder(Recorder):
    """One JSON document, read when the app has read all of it."""

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool) -> None:
        super().__init__(call, decoder, sent_ns, ends_call=ends_call)
        self._pieces: list[bytes] = []
        self._size = 0

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= DOCUMENT_BYTES_MAX:
            self._pieces.append(data)
        else:
            self._pieces.clear()

    def _is_complete(self, exhausted: bool) -> bool:
        read_document(self._call, b"".join(self._pieces))
        return exhausted or bool(self._call.answer.usage)


class EventSplitter:
    """Cuts bytes between server-sent events, wherever the pieces happen to be cut."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._bytes = 0
        self._ends_in_newline = False
        self._has_carriage = False

    def take(self, data: bytes) -> bytes:
        """The events that the next piece of the body completes, two line feeds between them."""
        if self._has_carriage or b"\r" in data:
            data = self._normalise(data)
        if not data:
            return b""
        if b"\n\n" not in data and not (self._ends_in_newline and data[0] == 10):
            self._keep(data)
            return b""
        events, _, last = (b"".join(self._rest) + data if self._rest else data).rpartition(b"\n\n")
        self._rest, self._bytes, self._ends_in_newline = [], 0, False
        if last:
            self._keep(last)
        return events

    def rest(self) -> bytes:
        """What is left when the body has ended: an event without its empty line."""
        return b"".join(self._rest)

    def _keep(self, data: bytes) -> None:
        self._bytes += len(data)
        self._ends_in_newline = data.endswith(b"\n")
        if self._bytes <= EVENT_BYTES_MAX:
            self._rest.append(data)
        else:
            self._rest = []

    def _normalise(self, data: bytes) -> bytes:
        """CRLF and CR become LF; a CR at the end waits, since its LF may come with the next piece."""
        if self._has_carriage:
            data = b"\r" + data
        self._has_carriage = data.endswith(b"\r")
        if self._has_carriage:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def event_data(block: bytes) -> bytes:
    """The data of an event's block, its lines joined."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = (line.partition(b":") for line in block.split(b"\n"))
    return b"\n".join(value.removeprefix(b" ") for name, _, value in lines if name == b"data")


def read_document(call: Call, content: bytes) -> None:
    """Read a whole response body into the call's answer; what is no JSON object says nothing."""
    if not content:
        return
    if parsed := _parse(content):
        call.target.reader.read_response(parsed, call.answer, call.captures)


def close_live(chain: Any = None) -> None:
    """End the calls whose bodies nobody finished reading: the process ends, or the provider with these processors."""
    for recorder in list(live):
        if chain is None or recorder.reports_to(chain):
            recorder.close()


def _parse(data: bytes) -> Json:
    """A JSON object; an empty one where it is nothing of the kind."""
    try:
        parsed: Any = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, Mapping) else {}
