"""Reading a copy of a streamed body while the app reads the original: events, one JSON document, or other bytes."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from otel_llm_semconv import attributes as a

from .driver import Call
from .failures import guarded, swallow
from .finisher import finisher
from .framing import Template, event_data, splitter
from .wire import parse

#: Chunks are read together, about so many bytes at a time.
BATCH_BYTES: Final = 64 * 1024
#: Limit on what is kept of a document that is no stream, and of events that may be needed later.
DOCUMENT_BYTES_MAX: Final = 32 * 1024 * 1024
_SPACED: Final = b'" :'
#: Events at the end of a batch that are looked at where the others are content that nobody records.
TAIL_EVENTS: Final = 8
#: Where in a chunk the end mark of a stream is looked for.
_END_BYTES: Final = 160
_NEVER: Final = b"\0never"


#: Bodies that are still being read: what is left of them at the end of the process is ended then.
live: Final[set[Recorder]] = set()


class Decoder(Protocol):
    """Undoes a body's content encoding, piece by piece. httpx answers bytes, httpx2 an iterator of them."""

    def decode(self, data: bytes, /) -> bytes | Iterable[bytes]: ...


class Recorder(ABC):
    """What one streamed body says about its call. `feed` gets every chunk before the app does.

    Who tells it of the body guards it: a fault in `feed` goes to `give_up`.

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
        self._end_mark = _NEVER
        live.add(self)

    def feed(self, chunk: bytes) -> None:
        """Take a copy of what the app is about to read."""
        if self._done:
            return
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        if self._bytes >= self._batch_bytes or chunk.find(self._end_mark, -_END_BYTES) >= 0:
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

    def give_up(self, error: Exception) -> None:
        """A fault of ours: the call ends with what is known so far, nothing more is read. Never raises."""
        self._decoder, self._done = None, True
        live.discard(self)
        guarded(self._call.finish, complete=False)
        swallow("reading a stream", error)

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
            self.give_up(error)  # not what it says it is

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
        if self._done:
            return
        self._done = True
        live.discard(self)
        try:
            complete = self._is_complete(exhausted)
            self._call.is_streaming = False
            if self._ends_call:
                self._call.finish(error, complete=complete)
        except Exception as fault:
            self.give_up(fault)


class EventRecorder(Recorder):
    """A stream of events, parsed only where an event says more than a piece of content."""

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool, framing: str) -> None:
        super().__init__(call, decoder, sent_ns, ends_call=ends_call)
        self._reader = reader = call.target.reader
        self._events = splitter(framing)
        self._end_mark = reader.END_MARK or _NEVER
        self._batch_bytes = 1  # until the first update has been timed
        self._keeps: list[bytes] | None = [] if call.captures and reader.REPEATS else None
        self._kept_bytes = 0
        self._parses_all = not reader.MARKS or (call.captures and not reader.REPEATS)
        self._seen = False
        self._saw_last = False
        self._template: Template | None = None
        self._reads_tail = False

    def _take(self, data: bytes) -> None:
        events = self._events.take(data)
        if not events:
            return
        separator = self._events.SEPARATOR
        if self._call.counts_chunks:
            self._call.output_chunks += events.count(separator) + 1
        if self._keeps is not None:
            self._keep(events)
        if self._reads_tail and not self._parses_all:
            events = self._last_of(events)
        if self._parses_all:
            self._see_all(events.split(separator))
        else:
            for block in events.split(separator):
                self._see(block)
        if self._saw_last:
            self._end(None, exhausted=True)

    def _keep(self, events: bytes) -> None:
        """Content of a stream whose last event repeats it, should that never come."""
        self._kept_bytes += len(events)
        if self._keeps is not None and self._kept_bytes <= DOCUMENT_BYTES_MAX:
            self._keeps.append(events)

    def _last_of(self, events: bytes) -> bytes:
        """The last events of a batch. What a call used and why it ended stands there, an error is the last itself.

        Those before hold nothing but pieces of content, unless several choices end one after the other.
        """
        place, separator = len(events), self._events.SEPARATOR
        for _ in range(TAIL_EVENTS):
            place = events.rfind(separator, 0, place)
            if place < 0:
                return events
        return events[place + len(separator) :]

    def _see_all(self, blocks: list[bytes]) -> None:
        """Look at all events; those that only add to a text are read together."""
        pieces: list[bytes] = []
        for block in blocks:
            known = self._template
            if known is not None:
                if (piece := known.piece(block)) is not None:
                    pieces.append(piece)
                    continue
                if pieces:
                    self._fold(known.block(pieces))
                    pieces = []
            self._template = self._learn(block) or known
            self._see(block)
        if pieces and self._template is not None:
            self._fold(self._template.block(pieces))

    def _learn(self, block: bytes) -> Template | None:
        """The template of events like this one, if it carries a piece of text and the first update has been timed."""
        mark = self._reader.PIECE
        place = block.find(mark) if mark else -1
        if place < 0 or self._call.time_to_first_chunk_s is None or self._call.is_foreign:
            return None
        return Template(block[: place + len(mark)], b"" if self._reader.REPEATS else block)

    def _see(self, block: bytes) -> None:
        if self._call.time_to_first_chunk_s is None and self._reader.is_update(block):
            self._call.time_to_first_chunk_s = (time.perf_counter_ns() - self._sent_ns) / 1e9
            if not self._call.is_foreign:  # whose owner may end it before the body is closed
                self._batch_bytes = BATCH_BYTES
                self._reads_tail = a.REQUEST_CHOICE_COUNT not in self._call.request.attributes
        if not self._seen or self._parses_all or any(map(block.__contains__, self._reader.MARKS)):
            self._fold(block)

    def _fold(self, block: bytes) -> None:
        data = event_data(block)
        event = parse(data)
        self._saw_last = self._saw_last or self._reader.is_last(data, event)
        if not event:
            return  # an end mark, or what is no JSON: the app's parser is the judge of it
        self._seen = True
        if _SPACED in block:
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
        answer = self._call.answer
        complete = self._saw_last or (exhausted and (bool(answer.finish_reasons) or not self._seen))
        if self._keeps and not complete:
            answer.parts.clear()  # an event that had to be looked at has left its piece there
            self._read_kept(self._events.SEPARATOR.join(self._keeps))
        return complete

    def _read_kept(self, events: bytes) -> None:
        for block in events.split(self._events.SEPARATOR):
            if event := parse(event_data(block)):
                self._reader.fold_event(event, self._call.answer, True)


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
        return exhausted or (bool(self._call.answer.usage) and not self._call.request.stream)


class BinaryRecorder(Recorder):
    """Sound, pictures: nothing in them is read."""

    def feed(self, chunk: bytes) -> None:
        if self._call.time_to_first_chunk_s is None and self._call.request.stream:
            self._call.time_to_first_chunk_s = (time.perf_counter_ns() - self._sent_ns) / 1e9

    def _take(self, data: bytes) -> None:
        """Nothing is kept."""

    def _is_complete(self, exhausted: bool) -> bool:
        return exhausted


def read_document(call: Call, content: bytes) -> None:
    """Read a whole response body into the call's answer; what is no JSON says nothing.

    A list holds the events of a stream (Gemini without `alt=sse`), of which the whole ones are read.
    """
    if not content:
        return
    reader, answer = call.target.reader, call.answer
    if content.lstrip()[:1] == b"[":
        found = list(_items(content))
        for event in found:
            reader.fold_event(event, answer, call.captures)
        if found or call.request.stream:
            return
    elif parsed := reader.parse_response(content, call.captures):
        reader.read_response(parsed, answer, call.captures)


def _items(content: bytes) -> Iterable[Mapping[str, Any]]:
    """The objects of a JSON list, up to where it breaks off."""
    text, decoder = content.decode("utf-8", "replace"), json.JSONDecoder()
    place = text.find("[") + 1
    while (place := text.find("{", place)) >= 0:
        try:
            item, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        if isinstance(item, Mapping):
            yield item


def close_live(chain: Any = None) -> None:
    """End the calls whose bodies nobody finished reading: the process ends, or the provider with these processors."""
    for recorder in list(live):
        if chain is None or recorder.reports_to(chain):
            guarded(recorder.close)
