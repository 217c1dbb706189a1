"""Reading a stream of events: as few of them as it takes, as late as possible.

Most events bring a piece of text and nothing else. Without content only the last ones are looked at, which say what
was used and why it ended; with content the pieces are cut out by what their events have in common, and read as one.
That holds where each chunk is whole events in the usual spacing. Any other stream is cut into events and read one by
one.
"""

from __future__ import annotations

import time
from operator import methodcaller
from typing import Final

from otel_llm_semconv import attributes as a

from .driver import Call
from .failures import swallow
from .framing import Template, event_data, splitter
from .stream import BATCH_CHUNKS, DOCUMENT_BYTES_MAX, Decoder, Recorder
from .wire import EVENTS, Answer, parse

#: Events at the end that are looked at. What a call used and why it ended stands there, an error is the last itself;
#: those before hold nothing but pieces of content, unless several choices end one after the other.
_LAST_EVENTS: Final = 5
_REPEATED_EVENTS: Final = 2  # where the last one repeats all
#: Events at the end that may be of other kinds than those with a piece of text.
_OTHER_EVENTS: Final = 3
_SPACED: Final = b'" :'


class EventRecorder(Recorder):
    """A stream of events, parsed only where an event says more than a piece of content."""

    _kept_bytes = 0
    _seen = False
    _saw_last = False
    _skips = False  # True once all but the last events are known to be pieces of content
    _head = 0  # chunks at the beginning that wait to be read
    _first = b""  # the first events, where those at the end say all of it again
    _template: Template | None = None

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool, framing: str) -> None:
        super().__init__(call, decoder, sent_ns, ends_call=ends_call)
        self._reader = reader = call.target.reader
        self._events = splitter(framing)
        self._counts = call.counts_chunks
        self._waits = decoder is None and framing == EVENTS and not call.is_foreign
        self._end_mark = reader.END_MARK
        self.batch = 1  # until the first update has been timed
        self._keeps: list[bytes] | None = [] if call.captures and reader.REPEATS else None
        self._parses_all = not reader.MARKS or (call.captures and not reader.REPEATS)
        self._last_events = _REPEATED_EVENTS if reader.REPEATS else _LAST_EVENTS
        self._has_choices = a.REQUEST_CHOICE_COUNT in call.request.attributes  # several, which end one after the other
        self._pieces: list[bytes] = []  # of the template, not read yet

    def look(self) -> None:
        newest, is_due = self.chunks[-1], len(self.chunks) >= self.batch
        if not self._waits or not newest.endswith(self._events.SEPARATOR) or self._ends_in(newest):
            if is_due or self._reader.PLAIN.is_head or self._ends_in(newest):
                self._read_waiting()
        elif self._call.time_to_first_chunk_s is None:
            if self._reader.is_update(newest):
                self._time(newest)
                self._head = len(self.chunks)
            elif len(self.chunks) >= BATCH_CHUNKS:
                self._read_waiting()
        elif is_due and not self._settle():
            self._read_waiting()

    def _ends_in(self, chunk: bytes) -> bool:
        return bool(self._end_mark) and self._end_mark in chunk

    def _read_waiting(self) -> None:
        self._settle()
        self._read_pieces()
        super()._read_waiting()

    def _settle(self) -> bool:
        """Be done with the waiting chunks but for the last, if they are pieces of content; False if they are not."""
        if self._head:
            self._take_head()
        if not (self._skips and self._waits and self._events.is_empty):
            return False
        return self._take_pieces() if self._parses_all else self._skip_pieces()

    def _take_head(self) -> None:
        """Read the first events, up to the first update, all of them."""
        head, skips = self._head, self._skips
        events = b"".join(self.chunks[:head])
        del self.chunks[:head]
        self._head, self._skips = 0, False
        self._take(events)
        self._skips = skips

    def _skip_pieces(self) -> bool:
        separator, count = self._events.SEPARATOR, self._last_events
        if not all(map(methodcaller("endswith", separator), self.chunks[-count - 1 :])):
            return False
        if self._counts or self._keeps is not None:
            skipped = b"".join(self.chunks[:-count])
            self._keep(skipped)
            if self._counts:
                self._count(skipped)
        del self.chunks[:-count]
        return True

    def _take_pieces(self) -> bool:
        if self._template is None:
            self._template = self._learn()
        events = b"".join(self.chunks[:-_OTHER_EVENTS])
        pieces = self._template.pieces(events) if self._template is not None else []
        if not pieces:
            return False
        self._pieces += pieces
        if self._counts:
            self._count(events)
        del self.chunks[:-_OTHER_EVENTS]
        return True

    def _learn(self) -> Template | None:
        """The template of the first event that carries a piece of text; those before it are read. None if it is far."""
        mark, separator = self._reader.PIECE, self._events.SEPARATOR
        for place, chunk in enumerate(self.chunks[:_LAST_EVENTS] if mark else ()):
            if not chunk.endswith(separator) or chunk.count(separator) > 1:
                return None
            if (start := chunk.find(mark)) >= 0:
                if place:
                    before = b"".join(self.chunks[:place])
                    del self.chunks[:place]
                    self._take(before)
                return Template(chunk, start + len(mark))
        return None

    def _read_pieces(self) -> None:
        if self._pieces and self._template is not None:
            self._fold(self._template.event(self._pieces))
        self._pieces, self._template = [], None

    def _take(self, data: bytes) -> None:
        events = self._events.take(data)
        if not events:
            return
        separator = self._events.SEPARATOR
        if self._counts:
            self._count(events + separator)
        self._keep(events)
        if not (self._seen or self._first) and self._is_repeated(events):
            self._first = events
            if self._call.time_to_first_chunk_s is None:
                self._time(events)
        else:
            blocks = events.split(separator)
            self._see(blocks[-self._last_events :] if self._skips and not self._parses_all else blocks)
        if self._saw_last:
            self._end(None, exhausted=True)

    def _count(self, events: bytes) -> None:
        self._call.output_chunks += events.count(self._events.SEPARATOR)

    def _keep(self, events: bytes) -> None:
        """Content of a stream whose last event repeats it, should that never come."""
        if self._keeps is not None:
            self._kept_bytes += len(events)
            if self._kept_bytes <= DOCUMENT_BYTES_MAX:
                self._keeps.append(events)

    def _is_repeated(self, events: bytes) -> bool:
        """True where those at the end will most likely say again what the first events say."""
        reader = self._reader
        if not reader.REPEATS_HEAD or self._parses_all or self._has_choices or self._call.is_foreign:
            return False
        says = b"{" in events  # more than a comment
        return says and _SPACED not in events and reader.END_MARK.rstrip() not in events

    def _see(self, blocks: list[bytes]) -> None:
        empty, marks = self._reader.EMPTY_HEADS, self._reader.MARKS
        for block in blocks:
            if self._call.time_to_first_chunk_s is None:
                self._time(block)
            if block.startswith(empty):
                continue
            # the first that says something is read in any case
            if self._parses_all or any(map(block.__contains__, marks)) or not (self._seen or self._first):
                self._fold(block)

    def _time(self, events: bytes) -> None:
        """Take the time of the first update, if it is there. From then on chunks are read together."""
        if self._reader.is_update(events):
            self._call.time_to_first_chunk_s = (time.perf_counter_ns() - self._sent_ns) / 1e9
            if not self._call.is_foreign:  # whose owner may end it before the body is closed
                self.batch, self.plain = BATCH_CHUNKS, self._reader.PLAIN
                self._skips = not self._has_choices

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
            self._see([rest])
        answer = self._call.answer
        if self._first and not (self._saw_last and answer.id and answer.finish_reasons and answer.usage):
            self._read_first()
            answer = self._call.answer
        complete = self._saw_last or (exhausted and (bool(answer.finish_reasons) or not self._seen))
        if self._keeps and not complete:
            answer.parts.clear()  # an event that had to be looked at has left its piece there
            separator = self._events.SEPARATOR
            self._read_kept(separator.join(self._keeps).split(separator))
        return complete

    def _read_first(self) -> None:
        """What the first events say, where those at the end have not said it."""
        later, self._call.answer = self._call.answer, Answer()
        for block in self._first.split(self._events.SEPARATOR):
            self._fold(block)
        self._call.answer.overlay(later)

    def _read_kept(self, blocks: list[bytes]) -> None:
        for block in blocks:
            if event := parse(event_data(block)):
                self._reader.fold_event(event, self._call.answer, True)
