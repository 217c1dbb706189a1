"""The converter process: closed journal segments into the lake, exactly once.

Crash-only: whatever fails ends the process, the supervisor starts it anew, and every step can be repeated. The log of
each table says up to which segment it holds this collector's data; a segment leaves the journal only after both do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError
from otel_llm_semconv import pricing
from otel_llm_semconv.pricing.contracts import Contracts

from . import journal
from .columns.reader import Reader
from .columns.request import Room
from .columns.wire import PADDING
from .config import contracts
from .counting.recent import RecentCalls
from .counting.recount import Recount, newest_first, pricer
from .decode import SpanRecord, read_spans
from .direct import read_into, whole_blocks
from .event_rows import Event, event_rows, read_events
from .flow import Flow, OneByOne, Reading, Settle, Stored, Way
from .lake.address import in_a_line
from .lake.replaced import Replacing
from .log_rows import log_rows
from .metric_rows import point_row, read_points
from .normalise import Normalised, normalise
from .process import begin, lock
from .query import views_sql
from .records import read_records
from .rows import SetAside, Tables
from .tally import Tally, Teller

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.1
#: Journal bytes converted in one commit at most: bounds memory and the age of what is in the lake.
BATCH_BYTES_MAX: Final = 40 * 1024 * 1024
#: Under load rows are counted again after so many batches; otherwise whenever there is nothing to convert.
_BATCHES_A_RECOUNT: Final = 20


def ways(collector_id: str, contracts: Contracts, settle: Settle, set_aside: SetAside) -> tuple[Way, ...]:
    """What becomes of each kind of frame; `settle` says which of the rows of `spans` count."""

    def row(record: SpanRecord, received_ns: int) -> Normalised:
        return normalise(record, received_ns, contracts)

    def events(event: Event, received_ns: int) -> Normalised:
        return event_rows(event, received_ns, contracts)

    def one_by_one(tables: Tables, readings: Mapping[int, Reading]) -> OneByOne:
        return OneByOne(collector_id, tables, readings, set_aside)

    spans: Tables = {"spans": lambda rows: rows.row, "messages": lambda rows: rows.message}
    logs: Tables = {"logs": lambda rows: rows.row, "scores": lambda rows: rows.score}
    metrics: Tables = {"metrics": lambda rows: rows.row}
    calls = one_by_one(spans, {journal.TRACES: Reading(read_spans, row), journal.LOGS: Reading(read_events, events)})
    by_columns = Reader(collector_id, contracts, calls)
    records = one_by_one(logs, {journal.LOGS: Reading(read_records, log_rows)})
    points = one_by_one(metrics, {journal.METRICS: Reading(read_points, point_row)})
    return (
        Way((journal.TRACES, journal.LOGS), by_columns.read, (*spans,), settle),
        Way((journal.LOGS,), records.read, (*logs,)),
        Way((journal.METRICS,), points.read, (*metrics,)),
    )


class Converter:
    """Turns the journal of one data directory into its lake."""

    def __init__(self, data: Path, contracts: Contracts | None = None) -> None:
        self._data = data
        self.tally = Tally()
        self._journal = journal.journal_dir(data)
        self._archive = journal.archive_dir(data)
        self._archive.mkdir(parents=True, exist_ok=True)
        self._collector_id = journal.read_collector_id(data)
        self._room = Room(BATCH_BYTES_MAX)
        contracts = contracts or Contracts()
        recent = RecentCalls(lambda: newest_first(self._spans))
        found = ways(self._collector_id, contracts, recent.settle, self._quarantine)
        flows = [Flow(data, self._collector_id, way, self._quarantine, self.tally) for way in found]
        self._flows, self._spans = flows, flows[0].tables[0]
        self._recounted = Replacing(self._spans)
        self._recount = Recount(self._recounted, self._collector_id, recent, pricer(contracts), self.convert_some)
        self._publish_views()

    def convert_some(self) -> bool:
        """Convert the oldest closed segments, a batch of bounded size. False where there are none."""
        return self.tally.timed("convert", self._convert)

    def recount_some(self) -> bool:
        """Write one file again whose rows a later row changed. False where there was nothing to do."""
        self._recounted.delete()
        return self.tally.timed("recount", self._recount.step)

    def _convert(self) -> bool:
        batch = _batch(journal.closed_segments(self._journal))
        if not batch:
            return False
        frames = defaultdict[int, list[Stored]](list)
        for stored in self._read(batch):
            frames[stored[1].kind].append(stored)
        for flow in self._flows:
            if flow.convert(frames, batch[-1].number):
                self._publish_views()
        self._release(batch)
        return True

    def close(self) -> None:
        """Leave the lake as a stranger should find it."""
        self._recounted.delete(at_once=True)

    def _read(self, batch: Sequence[journal.Segment]) -> Iterator[Stored]:
        """Their requests, which stay where all of the batch is read to."""
        at, whole = 0, self._room.take(sum(whole_blocks(segment.path.stat().st_size) for segment in batch)).data
        for segment in batch:
            content = whole[at : at + read_into(segment.path, whole[at:-PADDING])]
            at += whole_blocks(len(content))
            for frame in journal.read_sound_frames(segment.path, content):
                if isinstance(frame, journal.CorruptFrameError):
                    self._quarantine(segment.number, f"no sound frame at byte {frame.offset}")
                else:
                    yield segment.number, frame

    def _quarantine(self, segment: int, reason: str) -> None:
        """Keep a segment of which not everything became rows, for good and under its name."""
        self.tally.unreadable += 1
        name = f"{segment:012d}.seg"
        kept = journal.quarantine_dir(self._data)
        kept.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.link(self._journal / name, kept / name)
        _LOG.error("%s: %s; the rest is converted, the segment is kept in %s", name, reason, kept)

    def _publish_views(self) -> None:
        """Write `views.sql`: it differs once a table has its first file, since DuckDB refuses an empty glob."""
        journal.replace_file(self._data / "views.sql", views_sql(self._data))

    def _release(self, batch: Sequence[journal.Segment]) -> None:
        for segment in batch:
            archived = segment.path.rename(self._archive / segment.path.name)
            journal.uncache(archived)
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


def run(data: Path, stop: threading.Event, contracts: Contracts) -> None:
    """Convert until `stop` is set and nothing is left."""
    converter = Converter(data, contracts)
    pricing.warm()
    batches, teller = 0, Teller(data, "converter", converter.tally)
    while True:
        teller.tell()
        stopping = stop.is_set()
        if converter.convert_some():
            batches += 1
            if batches % _BATCHES_A_RECOUNT == 0:
                converter.recount_some()
            continue
        if converter.recount_some():
            continue
        if stopping:
            converter.close()
            return
        stop.wait(_POLL_S)


def main() -> int:
    """Run the converter until SIGTERM, SIGINT or the end of standard input; what is closed by then is converted."""
    config, stop = begin("converter")
    data = Path(config.data)
    try:
        with lock(journal.journal_dir(data) / "converter.lock", "converter"):
            run(data, stop, contracts(config.contracts, config.deployments))
    except OtelLlmError as error:
        _LOG.error("%s", error)
        return error.exit_code
    except OSError as error:  # the disk, or a bucket: the supervisor tries again, and nothing is lost
        _LOG.error("%s", in_a_line(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
