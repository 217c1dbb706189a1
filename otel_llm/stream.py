"""Reading a copy of a streamed body while the app reads the original: events, one JSON document, or other bytes."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from itertools import filterfalse, islice
from typing import Any, Final, Protocol

from .driver import Call
from .failures import guarded, swallow
from .finisher import finisher
from .wire import NONE, Plain

#: Chunks are read together, so many at a time.
BATCH_CHUNKS: Final = 256
#: Limit on what is kept of a document that is no stream, and of events that may be needed later.
DOCUMENT_BYTES_MAX: Final = 32 * 1024 * 1024
#: Bodies that are still being read: what is left of them at the end of the process is ended then.
live: Final[set[Recorder]] = set()


class Decoder(Protocol):
    """Undoes a body's content encoding, piece by piece. httpx answers bytes, httpx2 an iterator of them."""

    def decode(self, data: bytes, /) -> bytes | Iterable[bytes]: ...


class Recorder(ABC):
    """What one streamed body says about its call. `feed` gets every chunk before the app does.

    Who tells it of the body guards it: a fault in `feed` goes to `give_up`.

    Chunks are collected and read together: the app waits for its next chunk, not for us. `chunks` are those that wait.
    `look` is due where they are `batch` or more, and for every one that is not `plain`: it may be the last.
    """

    batch = BATCH_CHUNKS
    plain: Plain = NONE
    _done = False
    _is_garbled = False

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool) -> None:
        self._call = call
        self._decoder = decoder
        self._sent_ns = sent_ns  # time.perf_counter_ns() of the attempt
        self._ends_call = ends_call
        self.chunks: Final[list[bytes]] = []
        live.add(self)

    def feed(self, chunk: bytes) -> None:
        """Take a copy of what the app is about to read."""
        self.chunks.append(chunk)
        above, bytes_max, place, byte = self.plain
        if len(self.chunks) >= self.batch or not above < len(chunk) <= bytes_max or chunk[place] != byte:
            self.look()

    def look(self) -> None:
        """Read the chunks that wait, where there are enough of them."""
        if len(self.chunks) >= self.batch:
            self._read_waiting()

    def _read_waiting(self) -> None:
        batch = b"".join(self.chunks)
        self.chunks.clear()
        if self._done:
            return
        try:
            if self._decoder is None:
                self._take(batch)
            elif (decoded := self._decode(self._decoder, batch)) is not None:
                self._take(decoded)
        except Exception as error:
            self.give_up(error)

    def _decode(self, decoder: Decoder, batch: bytes) -> bytes | None:
        """The batch decoded; None from where the body is not what it says it is, which the app finds by itself."""
        if self._is_garbled:
            return None
        try:
            decoded = decoder.decode(batch)
            return decoded if isinstance(decoded, bytes) else b"".join(decoded)
        except Exception:
            self._is_garbled = True
            return None

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

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Read the next decoded bytes of the body."""

    @abstractmethod
    def _is_complete(self, exhausted: bool) -> bool:
        """Whether the answer came whole; called once, when reading has ended."""

    def _end(self, error: BaseException | None, *, exhausted: bool) -> None:
        if self._done:
            return
        if self.chunks:
            self._read_waiting()
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

    def __init__(self, call: Call, decoder: Decoder | None, sent_ns: int, *, ends_call: bool) -> None:
        super().__init__(call, decoder, sent_ns, ends_call=ends_call)
        self.batch = 1  # until the first chunk has been timed

    def look(self) -> None:
        """Time the first chunk."""
        if len(self.chunks) < self.batch:
            return
        self.chunks.clear()
        self.batch = BATCH_CHUNKS
        if self._call.time_to_first_chunk_s is None and self._call.request.stream:
            self._call.time_to_first_chunk_s = (time.perf_counter_ns() - self._sent_ns) / 1e9

    def _take(self, data: bytes) -> None:
        """Nothing is kept."""

    def _is_complete(self, exhausted: bool) -> bool:
        return exhausted


def tee(chunks: Iterable[bytes], recorder: Recorder) -> Iterator[bytes]:
    """The chunks of a body, each as it came, with a copy for the recorder."""
    copies = recorder.chunks
    kept = filterfalse(copies.append, chunks)  # keeps each and, as `append` answers None, lets it pass
    try:
        chunk: bytes | None = b""
        while chunk is not None:
            chunk, (above, bytes_max, place, byte) = None, recorder.plain
            for chunk in islice(kept, BATCH_CHUNKS):
                # as `feed` does it, without a call for each chunk
                if not above < len(chunk) <= bytes_max or chunk[place] != byte:
                    _look(recorder)
                    above, bytes_max, place, byte = recorder.plain
                yield chunk
            if len(copies) >= recorder.batch:
                _look(recorder)
    except GeneratorExit:
        raise
    except BaseException as error:
        guarded(recorder.fail, error)
        raise
    guarded(recorder.exhaust)


async def tee_async(body: AsyncIterable[bytes], recorder: Recorder) -> AsyncIterator[bytes]:
    """As `tee`. A body that was read in part is closed in the task that read it, not later in the loop's own."""
    chunks = body.__aiter__()
    keep, copies = recorder.chunks.append, recorder.chunks
    above, bytes_max, place, byte = recorder.plain
    try:
        async for chunk in chunks:
            keep(chunk)
            if len(copies) >= recorder.batch or not above < len(chunk) <= bytes_max or chunk[place] != byte:
                _look(recorder)
                above, bytes_max, place, byte = recorder.plain
            yield chunk
    except GeneratorExit:
        raise
    except BaseException as error:
        guarded(recorder.fail, error)
        raise
    else:
        guarded(recorder.exhaust)
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


def _look(recorder: Recorder) -> None:
    """Have the chunks looked at. Never raises."""
    try:
        recorder.look()
    except Exception as error:
        recorder.give_up(error)


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
