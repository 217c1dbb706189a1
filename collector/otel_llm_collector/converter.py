"""The converter process: closed journal segments into the lake, exactly once, and small files into few.

Crash-only: whatever fails ends the process, the supervisor starts it anew, and every step can be repeated. The log of
each table says up to which segment it holds this collector's data; a segment leaves the journal only after both do.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError
from otel_llm.failures import swallow
from otel_llm_semconv import pricing

from . import journal
from .decode import read_spans
from .lake import files
from .lake.compact import Compactor
from .lake.log import LakeTable
from .lake.seen import SeenRows
from .normalise import Normalised, normalise
from .process import lock, watch_parent
from .query import views_sql

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.1
#: Journal bytes converted in one commit at most: bounds memory and the age of what is in the lake.
BATCH_BYTES_MAX: Final = 12 * 1024 * 1024
ARCHIVE_KEPT_S: Final = 7 * 86_400.0


class Converter:
    """Turns the journal of one data directory into its lake."""

    def __init__(self, data: Path) -> None:
        self._data = data
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
        highest = batch[-1].number
        rows = list(self._read(batch))
        stored = self._spans.segment_of(self._collector_id)
        fresh = self._fresh([row for row in rows if row.row["segment"] > stored])
        replayed = self._replayed([row for row in rows if row.row["segment"] <= stored])
        self._commit(self._spans, [row.row for row in fresh], highest)
        for day, keys in _keys_by_day(fresh).items():
            self._seen.add(day, keys)
        held = self._messages.segment_of(self._collector_id)
        content = [row.message for row in (*replayed, *fresh) if row.message and row.row["segment"] > held]
        self._commit(self._messages, content, highest)
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
            for payload in _payloads(segment):
                for normalised in _rows_of(payload, segment):
                    normalised.row["collector_id"] = self._collector_id
                    normalised.row["segment"] = segment.number
                    yield normalised

    def _fresh(self, rows: list[Normalised]) -> list[Normalised]:
        """The rows that the lake does not hold yet; of equal ones the first."""
        first = {(row.day, row.key): row for row in reversed(rows)}
        held = {
            (day, key)
            for day, keys in _keys_by_day(first.values()).items()
            for key, old in zip(keys, self._seen.holds(day, keys), strict=True)
            if old
        }
        return [row for place, row in reversed(first.items()) if place not in held]

    def _replayed(self, rows: list[Normalised]) -> list[Normalised]:
        """After a crash between the two commits: the rows of these segments that the span table did take."""
        if not rows:
            return []
        segments = {row.row["segment"] for row in rows}
        taken = files.rows_of_segments(self._spans, self._collector_id, segments)
        return list({row.key: row for row in reversed(rows) if row.key in taken}.values())

    def _commit(self, table: LakeTable, rows: Sequence[dict[str, object] | None], segment: int) -> None:
        if not rows:
            return
        stem = f"{self._collector_id}-{segment:012d}"
        is_first = not table.live_files()
        written = files.write_rows(table, [row for row in rows if row], stem)
        if not table.append(written, self._collector_id, segment):
            raise OtelLlmError(f"{table.name}: segment {segment} is in the log already; is another converter running?")
        if is_first:
            self._publish_views()

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


def _payloads(segment: journal.Segment) -> Iterator[bytes]:
    """The stored trace requests of a segment. A damaged one gives what it has before the damage, and says so."""
    try:
        for frame in journal.read_frames(segment.path):
            if frame.kind == journal.TRACES:
                yield frame.payload
    except journal.CorruptFrameError as error:
        _quarantine(segment, str(error))


def _rows_of(payload: bytes, segment: journal.Segment) -> Iterator[Normalised]:
    """The rows of a request. A span that we fail on is skipped: one bad span must not hold up all that follow."""
    for record in read_spans(payload):
        try:
            yield normalise(record)
        except Exception as error:
            swallow("normalising a span", error)
            _quarantine(segment, f"span {record.span.span_id.hex()} cannot be read: {error!r}")


def _quarantine(segment: journal.Segment, reason: str) -> None:
    """Keep a segment of which not everything became rows, for good and under its name."""
    kept = segment.path.parent / "quarantine"
    kept.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.link(segment.path, kept / segment.path.name)
    _LOG.error("%s: %s; the rest was converted, the segment is kept in %s", segment.path.name, reason, kept)


def _keys_by_day(rows: Iterable[Normalised]) -> dict[date, list[int]]:
    by_day: dict[date, list[int]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row.key)
    return by_day


def run(data: Path, stop: threading.Event) -> None:
    """Convert until `stop` is set and nothing is left."""
    converter = Converter(data)
    pricing.warm()
    converter.clean_archive()
    while True:
        stopping = stop.is_set()
        if converter.convert_some():
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
    data = Path(parser.parse_args(argv).data)
    logging.basicConfig(level=logging.WARNING, format="otel-llm converter: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop.set)
    try:
        with lock(journal.journal_dir(data) / "converter.lock", "converter"):
            run(data, stop)
    except OtelLlmError as error:
        _LOG.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
