"""One signal's way into the lake: frames become rows, rows become files, files are committed, each exactly once.

The first table of a flow says what is new: a row that it holds already is dropped, whatever it brings along with it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError

from otel_llm.errors import OtelLlmError
from otel_llm.failures import swallow

from . import journal
from .lake import files
from .lake.log import DataFile, LakeTable
from .lake.schema import without_views
from .lake.seen import KeySet, SeenRows
from .rows import Bools, Item, Keys, Places, Rows, SetAside, Tables, from_items
from .tally import Tally

#: Rows made one by one that are in memory at most.
ROWS_MAX: Final = 15_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).date()

Settle = Callable[[pa.Table], pa.Table]
Stored = tuple[int, journal.Frame]  # a frame, and the number of its segment


@dataclass(frozen=True, slots=True)
class Reading:
    """How frames of a kind are read: the items of a request, and the rows of an item received at a moment (ns)."""

    items: Callable[[bytes], Iterable[Any]]
    rows: Callable[[Any, int], Item]


class OneByOne:
    """Makes rows of frames item by item."""

    def __init__(self, collector_id: str, tables: Tables, readings: Mapping[int, Reading], set_aside: SetAside) -> None:
        self._collector_id = collector_id
        self._tables = tables
        self._readings = readings
        self._set_aside = set_aside

    def read(self, frames: Iterable[Stored]) -> Iterator[Rows]:
        """The rows of the frames in portions of bounded length, however many a segment has."""
        items = self.items(frames)
        while portion := list(itertools.islice(items, ROWS_MAX)):
            yield self.rows(portion)

    def reading(self, kind: int) -> Reading:
        """How frames of a kind are read."""
        return self._readings[kind]

    def items(self, frames: Iterable[Stored]) -> Iterator[Item]:
        """What becomes of the items of the frames."""
        for segment, frame in frames:
            reading = self._readings[frame.kind]
            for item in self._parsed(reading, segment, frame):
                yield from self.item(reading, item, segment, frame.received_ns, frame.tenant)

    def _parsed(self, reading: Reading, segment: int, frame: journal.Frame) -> Iterator[Any]:
        """The items of a request. What was stored can be parsed; a request that cannot does not hold up the others."""
        try:
            yield from reading.items(bytes(frame.payload))
        except DecodeError as error:
            name = next(iter(self._tables))
            swallow(f"parsing a request of {name}", error)
            self._set_aside(segment, f"a request of {name} cannot be parsed: {error!r}")

    def item(self, reading: Reading, item: Any, segment: int, received_ns: int, tenant: str) -> Iterator[Item]:
        """What becomes of one. If we fail on it, it is skipped: it must not hold up all that follow."""
        try:
            rows = reading.rows(item, received_ns)
        except MemoryError:
            raise  # the machine, not the item
        except Exception as error:
            name = next(iter(self._tables))
            swallow(f"reading a row of {name}", error)
            self._set_aside(segment, f"an item of {name} cannot be read: {error!r}")
            return
        for row_of in self._tables.values():
            if (row := row_of(rows)) is not None:
                row |= {"collector_id": self._collector_id, "segment": segment, "tenant": tenant or None}
        yield rows

    def rows(self, items: Sequence[Item]) -> Rows:
        """Items as rows of the tables."""
        return from_items(items, self._tables, self._set_aside)


@dataclass(frozen=True, slots=True)
class Way:
    """What flows where: the kinds of frames, what reads them, and the tables.

    `settle` has the last word on the rows of the first.
    """

    kinds: Sequence[int]
    read: Callable[[Iterable[Stored]], Iterator[Rows]]
    tables: Sequence[str]
    settle: Settle | None = None


#: Keys of rows by date.
DayKeys = defaultdict[date, KeySet]


class Flow:
    """The way of one data directory, by this collector. Not thread-safe."""

    def __init__(
        self, data: Path, collector_id: str, way: Way, set_aside: SetAside, tally: Tally | None = None
    ) -> None:
        self._way = way
        self._tally = tally or Tally()
        self._collector_id = collector_id
        self._set_aside = set_aside
        self.tables = [LakeTable(data, name) for name in way.tables]
        for table in self.tables:
            files.remove_unlisted(table, collector_id)
        self._first, *self._others = self.tables
        self._seen = SeenRows(lambda day: files.row_keys(self._first, day))

    def convert(self, frames: Mapping[int, list[Stored]], segment: int) -> bool:
        """Bring the frames, by kind, up to `segment` into the tables. True where a table got its first file."""
        mine = [stored for kind in self._way.kinds for stored in frames.get(kind, ())]
        if not mine:
            return False
        first = Pending(self._first, self._collector_id, self._set_aside, self._way.settle)
        others = [Pending(table, self._collector_id, self._set_aside) for table in self._others]
        added, replayed = DayKeys(KeySet), DayKeys(KeySet)
        for rows in self._way.read(mine):
            is_stored = rows.segments <= first.stored
            if is_stored.any():
                self._write_others(others, self._replayed(rows.select(is_stored), replayed))
            self._write(rows.select(~is_stored), first, others, added)
            del rows  # before the next ones are made
        is_first = first.commit(segment)
        for day, keys in added.items():  # what is in the log is known, whatever becomes of the other tables
            self._seen.add(day, keys.all())
        are_first = [is_first, *(pending.commit(segment) for pending in others)]
        self._tally.rows.update({pending.name: pending.rows for pending in (first, *others)})
        return any(are_first)

    def _write(self, rows: Rows, first: Pending, others: Sequence[Pending], added: DayKeys) -> None:
        """Write those rows that are new; `added` are the keys of this batch, to which theirs come."""
        fresh = _not_held(rows, lambda day, keys: self._seen.holds(day, keys) | added[day].holds(keys))
        self._tally.repeated[self._first.name] += len(rows) - len(fresh)
        written = fresh.select(first.write(fresh.first, fresh.segments))
        for day, places in _by_day(written):
            added[day].add(written.keys[places])
        self._write_others(others, written)

    def _write_others(self, others: Sequence[Pending], rows: Rows) -> None:
        for pending, table, owner in zip(others, rows.others, rows.owners, strict=True):
            pending.write(table, rows.segments[owner])

    def _replayed(self, rows: Rows, replayed: DayKeys) -> Rows:
        """After a crash between the two commits: the rows of these segments that the first table did take.

        `replayed` are the keys of those that this batch had before, to which theirs come.
        """
        segments = set(np.unique(rows.segments).tolist())
        taken = files.rows_of_segments(self._first, self._collector_id, segments)
        is_taken = np.zeros(len(rows), np.bool_)
        for (day, segment), keys in taken.items():
            is_taken |= (rows.days == _number(day)) & (rows.segments == segment) & np.isin(rows.keys, keys)
        rows = _not_held(rows.select(is_taken), lambda day, keys: replayed[day].holds(keys))
        for day, places in _by_day(rows):
            replayed[day].add(rows.keys[places])
        return rows


def _not_held(rows: Rows, holds: Callable[[date, Keys], Bools]) -> Rows:
    """The rows whose keys are not held yet; of equal ones the first."""
    rows = rows.select(_is_first(rows))
    is_new = np.ones(len(rows), np.bool_)
    for day, places in _by_day(rows):
        is_new[places] = ~holds(day, rows.keys[places])
    return rows.select(is_new)


def _is_first(rows: Rows) -> Bools:
    """Of the rows of a date with the same key, the first."""
    ordered = np.sort(rows.keys)
    if not (ordered[1:] == ordered[:-1]).any():  # nearly always, and told much faster
        return np.ones(len(rows), np.bool_)
    is_first = np.zeros(len(rows), np.bool_)
    for _, places in _by_day(rows):
        first = np.unique(rows.keys[places], return_index=True)[1]
        is_first[np.arange(len(rows))[places][first]] = True
    return is_first


def _by_day(rows: Rows) -> Iterator[tuple[date, slice | Places]]:
    """Where the rows of each date are."""
    days = rows.days
    if len(days) and (days == days[0]).all():
        yield _day(int(days[0])), slice(None)
        return
    for number in np.unique(days).tolist():
        yield _day(number), np.flatnonzero(days == number)


def _day(number: int) -> date:
    return _EPOCH + timedelta(days=number)


def _number(day: date) -> int:
    return (day - _EPOCH).days


class Pending:
    """Rows of a batch on their way into one table: written as files at once, committed together at the end.

    `settle` has the last word on the rows. `stored` is the highest segment that the table's log had when the batch
    began.
    """

    def __init__(self, table: LakeTable, collector_id: str, set_aside: SetAside, settle: Settle | None = None) -> None:
        self._table = table
        self._settle = settle or (lambda rows: rows)
        self._collector_id = collector_id
        self._set_aside = set_aside
        self._files: list[DataFile] = []
        self.stored = table.segment_of(collector_id)

    @property
    def name(self) -> str:
        """The table's."""
        return self._table.name

    @property
    def rows(self) -> int:
        """How many were written."""
        return sum(file.rows for file in self._files)

    def write(self, rows: pa.Table, segments: Places) -> Bools:
        """Write the rows that came from segments which the table lacks. Returns which of all were written."""
        wanted = segments > self.stored
        if not wanted.all():
            rows, segments = without_views(rows).filter(pa.array(wanted)), segments[wanted]
        if rows.num_rows:
            wanted[np.flatnonzero(wanted)[~self._write(rows, segments)]] = False
        return wanted

    def commit(self, segment: int) -> bool:
        """Add the files to the log, as everything up to `segment`. True where they are the table's first."""
        if not self._files:
            return False
        is_first = not self._table.has_files
        if not self._table.append(self._files, self._collector_id, segment):
            name = self._table.name
            raise OtelLlmError(f"{name}: segment {segment} is in the log already; is another converter running?")
        return is_first

    def _write(self, rows: pa.Table, segments: Places) -> Bools:
        """Write; what cannot be written together is halved, and a row that cannot be written alone is left out."""
        segment = int(segments.max())
        try:
            written = files.write_rows(self._table, self._settle(rows), f"{self._collector_id}-{segment:012d}")
        except OSError:
            raise  # the disk, not the rows
        except Exception as error:
            if rows.num_rows > 1:
                half = rows.num_rows // 2
                parts = ((rows.slice(0, half), segments[:half]), (rows.slice(half), segments[half:]))
                return np.concatenate([self._write(*part) for part in parts])
            if isinstance(error, MemoryError):
                raise  # the machine, not the row
            swallow(f"writing a row of {self._table.name}", error)
            self._set_aside(segment, f"a row of {self._table.name} cannot be stored: {error!r}")
            return np.zeros(1, np.bool_)
        self._files += written
        return np.ones(rows.num_rows, np.bool_)
