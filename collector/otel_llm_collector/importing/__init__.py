"""Import: what other tools exported becomes OTLP requests with the times of then, which go the way of all that is
received. So ids, prices by date, users, sessions, content and scores follow, and what is imported twice is there once.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..delivery import Delivery
from . import clickhouse, helicone, langfuse, otlp
from .files import File, Piece
from .outbox import Outbox, Sent
from .told import Record, Told, UnreadableError

#: Faults of a file that are told one by one.
FAULTS_MAX: Final = 20
#: Lists inside an object that is none itself: an answer of an API, the download of a trace.
_LISTS: Final = ("data", "observations", "scores")
_Teller = Callable[[Record], Told]


@dataclass(slots=True)
class Read:
    """What came of one file. `faults` are the first of those that were counted, as line and reason."""

    path: Path
    formats: set[str] = field(default_factory=set)
    records: int = 0
    unreadable: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)
    sent: Sent = field(default_factory=Sent)

    def fail(self, line: int, reason: str) -> None:
        self.unreadable += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append((line, reason))


class Importer:
    """Imports files, one after the other. `watch` is told how far it is after each record."""

    def __init__(
        self,
        delivery: Delivery,
        service: str | None = None,
        *,
        without_content: bool = False,
        watch: Callable[[File, Read], object] = lambda *_: None,
    ) -> None:
        self._delivery, self._service, self._without_content = delivery, service, without_content
        self._watch = watch
        self._tellers: dict[str, _Teller] = {
            "clickhouse": clickhouse.tell,
            "helicone": helicone.tell,
            "langfuse": langfuse.Langfuse().tell,
        }

    def read_all(self, paths: Sequence[Path]) -> Iterator[Read]:
        """Import the files; those of traces first, since what belongs to them does not say whose it is."""
        for path in sorted(paths, key=lambda path: not _begins_with_trace(path)):
            yield self._read(path)

    def _read(self, path: Path) -> Read:
        outbox = Outbox(self._delivery, self._service, without_content=self._without_content)
        read, file = Read(path, sent=outbox.sent), File(path)
        for piece in file.pieces():
            if piece.fault:
                read.fail(piece.line, piece.fault)
            else:
                self._take(piece, read, outbox)
            self._watch(file, read)
        outbox.flush()
        return read

    def _take(self, piece: Piece, read: Read, outbox: Outbox) -> None:
        for record in _records(piece):
            read.records += 1
            try:
                read.formats.add(self._bring(record, read, piece.line, outbox))
            except UnreadableError as error:
                read.fail(piece.line, str(error))

    def _bring(self, record: Record | bytes, read: Read, line: int, outbox: Outbox) -> str:
        if isinstance(record, bytes) or not record.keys().isdisjoint(otlp.MARKS):
            for request in otlp.requests(record):
                outbox.send(request)
                if request.accepted.rejected:
                    read.fail(line, request.accepted.reason)
            return "otlp"
        name = format_of(record)
        if name is None:
            known = ", ".join(("otlp", *self._tellers))
            raise UnreadableError(f"none of {known}; it has {', '.join(sorted(record)[:6]) or 'nothing'}")
        outbox.add(self._tellers[name](record))
        return name


def format_of(record: Record) -> str | None:
    """The format of a record by the names in it."""
    if not record.keys().isdisjoint(helicone.MARKS):
        return "helicone"
    if not record.keys().isdisjoint(clickhouse.MARKS):
        return "clickhouse"
    return "langfuse" if langfuse.is_mine(record) else None


def _records(piece: Piece) -> Iterator[Record | bytes]:
    """The records of a piece: itself, unless it is a list of them in a wrapper, which may be one, too."""
    value = piece.value
    assert value is not None
    if isinstance(value, bytes):
        yield value
        return
    lists = [value[name] for name in _LISTS if isinstance(value.get(name), list)]
    is_record = format_of(value) is not None or not value.keys().isdisjoint(otlp.MARKS)
    if is_record or not lists:
        yield value
    inside = itertools.chain(*lists) if not is_record or langfuse.is_trace(value) else ()
    yield from (one for one in inside if isinstance(one, dict))


def _begins_with_trace(path: Path) -> bool:
    with contextlib.closing(File(path).pieces()) as pieces:
        first = next((piece.value for piece in pieces if isinstance(piece.value, dict)), {})
    return langfuse.is_trace(first)
