"""The converter process: closed journal segments into the lake, exactly once, and small files into few.

Crash-only: whatever fails ends the process, the supervisor starts it anew, and every step can be repeated. The log of
each table says up to which segment it holds this collector's data; a segment leaves the journal only after both do.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa

from otel_llm.errors import OtelLlmError
from otel_llm.failures import swallow
from otel_llm_semconv import pricing
from otel_llm_semconv.pricing.contracts import Contracts

from . import config, counting, journal
from .decode import read_spans
from .lake import files
from .lake.compact import Compactor
from .lake.log import DataFile, LakeTable
from .lake.seen import SeenRows
from .normalise import Normalised, Row, normalise
from .process import lock, watch_parent
from .query import views_sql

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.1
#: Journal bytes converted in one commit at most: bounds memory and the age of what is in the lake.
BATCH_BYTES_MAX: Final = 12 * 1024 * 1024
#: Rows in memory at most, for the same reason.
ROWS_MAX: Final = 15_000
#: Under load small files are merged after so many batches; otherwise whenever there is nothing to convert.
_BATCHES_A_MERGE: Final = 20
ARCHIVE_KEPT_S: Final = 7 * 86_400.0
_CLEAN_EVERY_S: Final = 3_600.0


SetAside = Callable[[int, str], None]  # the number of a segment that did not become rows as a whole, and why
Settle = Callable[[pa.Table], pa.Table]


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

    def write(self, rows: list[Normalised], of: Callable[[Normalised], Row | None]) -> list[Normalised]:
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

    def _write(self, rows: list[Normalised], of: Callable[[Normalised], Row | None]) -> list[Normalised]:
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


class Converter:
    """Turns the journal of one data directory into its lake."""

    def __init__(self, data: Path, contracts: Contracts | None = None) -> None:
        self._data = data
        self._contracts = contracts or Contracts()
        self._journal = journal.journal_dir(data)
        self._archive = journal.archive_dir(data)
        self._archive.mkdir(parents=True, exist_ok=True)
        self._collector_id = journal.read_collector_id(data)
        self._spans = LakeTable(data, "spans")
        self._messages = LakeTable(data, "messages")
        self._seen = SeenRows(lambda day: files.row_keys(self._spans, day))
        tables = (self._spans, self._messages)
        for table in tables:
            files.remove_unlisted(table, self._collector_id)
        self._compactors = [Compactor(table, self._collector_id) for table in tables]
        self._publish_views()

    def convert_some(self) -> bool:
        """Convert the oldest closed segments, a batch of bounded size. False where there are none."""
        batch = _batch(journal.closed_segments(self._journal))
        if not batch:
            return False
        spans = Pending(self._spans, self._collector_id, self._quarantine, counting.settle)
        messages = Pending(self._messages, self._collector_id, self._quarantine)
        added: dict[date, set[int]] = {}
        for rows in _portions(self._read(batch)):
            fresh = self._fresh([row for row in rows if row.row["segment"] > spans.stored], added)
            replayed = self._replayed([row for row in rows if row.row["segment"] <= spans.stored])
            for row in spans.write(fresh, lambda row: row.row):
                added.setdefault(row.day, set()).add(row.key)
            messages.write([row for row in (*replayed, *fresh) if row.message], lambda row: row.message)
        for pending in (spans, messages):
            if pending.commit(batch[-1].number):
                self._publish_views()
        for day, keys in added.items():
            self._seen.add(day, keys)
        self._release(batch)
        return True

    def compact_some(self) -> bool:
        """One step of compaction in each table. False where there was nothing to do."""
        return sum(compactor.step() for compactor in self._compactors) > 0

    def close(self) -> None:
        """Leave the lake as a stranger should find it."""
        for compactor in self._compactors:
            compactor.close()

    def clean_archive(self) -> None:
        """Delete archived segments that are older than ARCHIVE_KEPT_S."""
        for segment in journal.closed_segments(self._archive):
            if segment.path.stat().st_mtime < time.time() - ARCHIVE_KEPT_S:
                segment.path.unlink()

    def _read(self, batch: Sequence[journal.Segment]) -> Iterator[Normalised]:
        for segment in batch:
            for frame in journal.read_sound_frames(segment.path):
                if isinstance(frame, journal.CorruptFrameError):
                    self._quarantine(segment.number, str(frame))
                elif frame.kind == journal.TRACES:
                    yield from self._rows_of(frame, segment.number)

    def _rows_of(self, frame: journal.Frame, segment: int) -> Iterator[Normalised]:
        """The rows of a request. A span that we fail on is skipped: one bad span must not hold up all that follow."""
        for record in read_spans(frame.payload):
            try:
                normalised = normalise(record, frame.received_ns, self._contracts)
            except Exception as error:
                swallow("normalising a span", error)
                self._quarantine(segment, f"span {record.span.span_id.hex()} cannot be read: {error!r}")
                continue
            normalised.row["collector_id"] = self._collector_id
            normalised.row["segment"] = segment
            yield normalised

    def _quarantine(self, segment: int, reason: str) -> None:
        """Keep a segment of which not everything became rows, for good and under its name."""
        name = f"{segment:012d}.seg"
        kept = self._journal / "quarantine"
        kept.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.link(self._journal / name, kept / name)
        _LOG.error("%s: %s; the rest is converted, the segment is kept in %s", name, reason, kept)

    def _fresh(self, rows: list[Normalised], added: Mapping[date, set[int]]) -> list[Normalised]:
        """The rows that neither the lake nor this batch holds yet; of equal ones the first."""
        first = {(row.day, row.key): row for row in reversed(rows)}
        held = {
            (day, key)
            for day, keys in _keys_by_day(first.values()).items()
            for key, old in zip(keys, self._seen.holds(day, keys), strict=True)
            if old or key in added.get(day, ())
        }
        return [row for place, row in reversed(first.items()) if place not in held]

    def _replayed(self, rows: list[Normalised]) -> list[Normalised]:
        """After a crash between the two commits: the rows of these segments that the span table did take."""
        if not rows:
            return []
        segments = {row.row["segment"] for row in rows}
        taken = files.rows_of_segments(self._spans, self._collector_id, segments)
        return list({row.key: row for row in reversed(rows) if row.key in taken}.values())

    def _publish_views(self) -> None:
        """Write `views.sql`: it differs once a table has its first file, since DuckDB refuses an empty glob."""
        journal.replace_file(self._data / "views.sql", views_sql(self._data))

    def _release(self, batch: Sequence[journal.Segment]) -> None:
        for segment in batch:
            segment.path.rename(self._archive / segment.path.name)
        journal.sync_folder(self._archive)
        journal.sync_folder(self._journal)


def _batch(segments: Sequence[journal.Segment]) -> list[journal.Segment]:
    """The first segments that fit into BATCH_BYTES_MAX together, one at least."""
    chosen: list[journal.Segment] = []
    room = BATCH_BYTES_MAX
    for segment in segments:
        room -= segment.path.stat().st_size
        if chosen and room < 0:
            break
        chosen.append(segment)
    return chosen


def _portions(rows: Iterator[Normalised]) -> Iterator[list[Normalised]]:
    """The rows in lists of bounded length: what is in memory at once, however many rows a segment has."""
    while portion := list(itertools.islice(rows, ROWS_MAX)):
        yield portion


def _keys_by_day(rows: Iterable[Normalised]) -> dict[date, list[int]]:
    by_day: dict[date, list[int]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row.key)
    return by_day


def run(data: Path, stop: threading.Event, contracts: Contracts | None = None) -> None:
    """Convert until `stop` is set and nothing is left."""
    converter = Converter(data, contracts)
    pricing.warm()
    batches, clean_at = 0, 0.0
    while True:
        stopping = stop.is_set()
        if time.monotonic() >= clean_at:
            converter.clean_archive()
            clean_at = time.monotonic() + _CLEAN_EVERY_S
        if converter.convert_some():
            batches += 1
            if batches % _BATCHES_A_MERGE == 0:
                converter.compact_some()
            continue
        if stopping:
            converter.close()
            return
        if not converter.compact_some():
            stop.wait(_POLL_S)


def main(argv: list[str]) -> int:
    """Run the converter until SIGTERM, SIGINT or the end of standard input; what is closed by then is converted."""
    parser = argparse.ArgumentParser(prog="otel_llm_collector.converter")
    parser.add_argument("--data", required=True)
    parser.add_argument("--contracts")
    chosen = parser.parse_args(argv)
    data = Path(chosen.data)
    logging.basicConfig(level=logging.WARNING, format="otel-llm converter: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop.set)
    try:
        with lock(journal.journal_dir(data) / "converter.lock", "converter"):
            run(data, stop, config.contracts(chosen.contracts))
    except OtelLlmError as error:
        _LOG.error("%s", error)
        return error.exit_code
    except OSError as error:  # the disk: the supervisor tries again, and nothing is lost
        _LOG.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
