"""One signal's way into the lake: frames become rows, rows become files, files are committed, each exactly once.

The first table of a flow says what is new: a row that it holds already is dropped, whatever it brings along with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow as pa

from otel_llm.errors import OtelLlmError
from otel_llm.failures import swallow

from . import journal
from .lake import files
from .lake.log import DataFile, LakeTable
from .lake.seen import SeenRows

#: Rows in memory at most.
ROWS_MAX: Final = 15_000

SetAside = Callable[[int, str], None]  # the number of a segment that did not become rows as a whole, and why
Settle = Callable[[pa.Table], pa.Table]
Row = dict[str, Any]


class Rows(Protocol):
    """What one item becomes: its identity, its date, its row in the first table."""

    @property
    def key(self) -> int: ...
    @property
    def day(self) -> date: ...
    @property
    def row(self) -> Row: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How frames of a kind are read: the items of a request, and the rows of an item received at a moment (ns)."""

    items: Callable[[bytes], Iterable[Any]]
    rows: Callable[[Any, int], Rows]


@dataclass(frozen=True, slots=True)
class Way:
    """What flows where: the readings by kind of frame, and the tables with what of an item's rows each holds.

    A table gets None for an item that brings it nothing. `settle` has the last word on the rows of the first.
    """

    readings: Mapping[int, Reading]
    tables: Mapping[str, Callable[[Any], Row | None]]
    settle: Settle | None = None


class Flow:
    """The way of one data directory, by this collector. Not thread-safe."""

    def __init__(self, data: Path, collector_id: str, way: Way, set_aside: SetAside) -> None:
        self._way = way
        self._collector_id = collector_id
        self._set_aside = set_aside
        self.tables = [LakeTable(data, name) for name in way.tables]
        for table in self.tables:
            files.remove_unlisted(table, collector_id)
        self._first, *self._others = self.tables
        self._seen = SeenRows(lambda day: files.row_keys(self._first, day))

    def convert(self, frames: Sequence[tuple[int, journal.Frame]], segment: int) -> bool:
        """Bring the frames, each with the number of its segment, up to `segment` into the tables.

        True where a table got its first file.
        """
        mine = [(number, frame) for number, frame in frames if frame.kind in self._way.readings]
        if not mine:
            return False
        first = Pending(self._first, self._collector_id, self._set_aside, self._way.settle)
        others = [Pending(table, self._collector_id, self._set_aside) for table in self._others]
        row_of, *other_rows = self._way.tables.values()
        added: dict[date, set[int]] = {}
        for rows in _portions(self._read(mine)):
            fresh = self._fresh([row for row in rows if row.row["segment"] > first.stored], added)
            replayed = self._replayed([row for row in rows if row.row["segment"] <= first.stored])
            for row in first.write(fresh, row_of):
                added.setdefault(row.day, set()).add(row.key)
            for pending, other_row in zip(others, other_rows, strict=True):
                pending.write([row for row in (*replayed, *fresh) if other_row(row)], other_row)
        are_first = [pending.commit(segment) for pending in (first, *others)]
        for day, keys in added.items():
            self._seen.add(day, keys)
        return any(are_first)

    def _read(self, frames: Sequence[tuple[int, journal.Frame]]) -> Iterator[Rows]:
        """The rows of the frames. An item that we fail on is skipped: it must not hold up all that follow."""
        for segment, frame in frames:
            reading = self._way.readings[frame.kind]
            for item in reading.items(frame.payload):
                try:
                    rows = reading.rows(item, frame.received_ns)
                except Exception as error:
                    swallow(f"reading a row of {self._first.name}", error)
                    self._set_aside(segment, f"an item of {self._first.name} cannot be read: {error!r}")
                    continue
                self._stamp(rows, frame, segment)
                yield rows

    def _stamp(self, rows: Rows, frame: journal.Frame, segment: int) -> None:
        for row_of in self._way.tables.values():
            if (row := row_of(rows)) is not None:
                row |= {"collector_id": self._collector_id, "segment": segment, "tenant": frame.tenant or None}

    def _fresh(self, rows: list[Rows], added: Mapping[date, set[int]]) -> list[Rows]:
        """The rows that neither the lake nor this batch holds yet; of equal ones the first."""
        first = {(row.day, row.key): row for row in reversed(rows)}
        held = {
            (day, key)
            for day, keys in _keys_by_day(first.values()).items()
            for key, old in zip(keys, self._seen.holds(day, keys), strict=True)
            if old or key in added.get(day, ())
        }
        return [row for place, row in reversed(first.items()) if place not in held]

    def _replayed(self, rows: list[Rows]) -> list[Rows]:
        """After a crash between the two commits: the rows of these segments that the first table did take."""
        if not rows:
            return []
        segments = {row.row["segment"] for row in rows}
        taken = files.rows_of_segments(self._first, self._collector_id, segments)
        return list({row.key: row for row in reversed(rows) if row.key in taken}.values())


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

    def write(self, rows: list[Rows], of: Callable[[Rows], Row | None]) -> list[Rows]:
        """Write the rows of segments that the table lacks. Returns those that were written."""
        wanted = [row for row in rows if row.row["segment"] > self.stored]
        return self._write(wanted, of) if wanted else []

    def commit(self, segment: int) -> bool:
        """Add the files to the log, as everything up to `segment`. True where they are the table's first."""
        if not self._files:
            return False
        is_first = not self._table.has_files
        if not self._table.append(self._files, self._collector_id, segment):
            name = self._table.name
            raise OtelLlmError(f"{name}: segment {segment} is in the log already; is another converter running?")
        return is_first

    def _write(self, rows: list[Rows], of: Callable[[Rows], Row | None]) -> list[Rows]:
        """Write; what cannot be written together is halved, and a row that cannot be written alone is left out."""
        stem = f"{self._collector_id}-{rows[-1].row['segment']:012d}"
        try:
            table = files.as_table(self._table.name, [row for each in rows if (row := of(each))])
            self._files += files.write_rows(self._table, self._settle(table), stem)
        except OSError:
            raise  # the disk, not the rows
        except Exception as error:
            if len(rows) > 1:
                half = len(rows) // 2
                return self._write(rows[:half], of) + self._write(rows[half:], of)
            swallow(f"writing a row of {self._table.name}", error)
            self._set_aside(rows[0].row["segment"], f"a row of {self._table.name} cannot be stored: {error!r}")
            return []
        return rows


def _portions(rows: Iterator[Rows]) -> Iterator[list[Rows]]:
    """The rows in lists of bounded length: what is in memory at once, however many rows a segment has."""
    while portion := list(itertools.islice(rows, ROWS_MAX)):
        yield portion


def _keys_by_day(rows: Iterable[Rows]) -> dict[date, list[int]]:
    by_day: dict[date, list[int]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row.key)
    return by_day
