"""The process that keeps the lake small and quick: it merges files, adds calls up, drops old dates, cleans the archive.

It works beside the converter, at a lower priority, and may be killed at any moment: a merge is written beside what it
replaces, and counts from its commit on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from otel_llm.errors import OtelLlmError
from otel_llm_semconv.tables import DERIVED, TABLES

from . import journal
from .archive import Archive
from .forward.queue import first_waiting
from .lake.address import in_a_line
from .lake.compact import STEM, Compactor
from .lake.files import remove_unlisted
from .lake.leftovers import find
from .lake.log import LakeTable
from .lake.merge import Stopped
from .lake.replaced import Replacing
from .lake.retention import drop_old
from .process import LockedError, begin, lock
from .query import views_sql
from .rollup.cubes import TABLE as ROLLUPS
from .rollup.keeper import Keeper
from .tally import Tally, Teller

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.5
_CLEAN_EVERY_S: Final = 60.0
#: Looking for leftovers lists all files.
_SWEEP_EVERY_S: Final = 600.0
#: A merge of large files takes minutes.
_MERGE_S_MAX: Final = 900.0
#: Conversion comes first where there is not enough of the machine for both.
_NICENESS: Final = 5
_NEVER: Final = threading.Event()


class Upkeep:
    """Looks after the tables of one data directory, those that it has by now.

    `kept_days` is how long the rows of a table are kept, for ever without it; `clock` tells the time, in seconds;
    `rollup_keys` are the properties by which calls are added up, too, None for those by which they were.
    """

    def __init__(
        self,
        data: Path,
        kept_days: Mapping[str, float] | None = None,
        stop: threading.Event = _NEVER,
        clock: Callable[[], float] = time.time,
        rollup_keys: tuple[str, ...] | None = None,
    ) -> None:
        self._data, self._kept_days, self._stop, self._clock = data, kept_days or {}, stop, clock
        self._rollup_keys = rollup_keys
        self._collector_id = journal.read_collector_id(data)
        self._kept: dict[str, tuple[Replacing, Compactor | Keeper]] = {}
        self.tally = Tally()

    def step(self) -> bool:
        """Merge one group of files in each table. False where there was nothing to do, or somebody else does it."""
        self._look_for_tables()
        self._delete()
        try:
            with work_alone(self._data, "upkeep", wait_s=0):
                return self.tally.timed("compact", self.merge)
        except LockedError:
            return False

    def merge(self) -> bool:
        """The same without asking whether somebody else does it."""
        self._look_for_tables()
        had_rollups = self._has_rollups()
        did = sum(worker.step() for _, worker in self._kept.values()) > 0
        if self._has_rollups() != had_rollups:
            journal.replace_file(self._data / "views.sql", views_sql(self._data))
        return did

    def sizes(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Of each table how many files it has, and their bytes."""
        self._look_for_tables()
        for name, (replacing, _) in self._kept.items():
            replacing.table.refresh()
            files = replacing.table.live_files()
            yield name, (len(files), sum(file.size for file in files))

    def drop_old(self) -> bool:
        """Take dates out of the tables that are kept no longer. False where there are none."""
        self._look_for_tables()
        kept = [(self._kept[name][0], days) for name, days in self._kept_days.items() if name in self._kept]
        return sum(drop_old(replacing, days, self._clock()) for replacing, days in kept) > 0

    def close(self) -> None:
        """Leave the lake as a stranger should find it."""
        self._delete(at_once=True)

    def _delete(self, *, at_once: bool = False) -> None:
        """Delete what was replaced. A table may be left without a file, which its views have to know."""
        if sum(replacing.delete(at_once=at_once) for replacing, _ in self._kept.values()) > 0:
            journal.replace_file(self._data / "views.sql", views_sql(self._data))

    def _look_for_tables(self) -> None:
        for name in TABLES:
            if name not in self._kept and LakeTable.exists(self._data, "spans" if name in DERIVED else name):
                replacing = Replacing(LakeTable(self._data, name))
                self._kept[name] = replacing, self._worker(name, replacing)

    def _worker(self, name: str, replacing: Replacing) -> Compactor | Keeper:
        if name == ROLLUPS:
            stem = f"{STEM}-{self._collector_id}"
            return Keeper(
                self._data, replacing, stem, keys=self._rollup_keys, clock=self._clock, is_stopped=self._stop.is_set
            )
        return Compactor(replacing, self._collector_id, self._clock, self._stop.is_set)

    def _has_rollups(self) -> bool:
        return ROLLUPS in self._kept and self._kept[ROLLUPS][0].table.has_files


@contextlib.contextmanager
def work_alone(data: Path, role: str, wait_s: float = _MERGE_S_MAX) -> Iterator[None]:
    """Merge files while nobody else does. LockedError where somebody keeps on doing it for `wait_s`."""
    with lock(journal.journal_dir(data) / "upkeep.lock", role, wait_s):
        yield


def remove_leftovers(data: Path) -> None:
    """Delete what a merge of this collector left behind that was killed. For the holder of the lock."""
    stem = f"{STEM}-{journal.read_collector_id(data)}"
    for name in TABLES:
        if LakeTable.exists(data, name):
            remove_unlisted(LakeTable(data, name), stem)


def delete_leftovers(data: Path) -> None:
    """Delete what nobody needs any more, wherever it is from."""
    for leftover in find(data, time.time()):
        leftover.delete()


def run(
    data: Path,
    kept_days: Mapping[str, float],
    archive: Archive,
    stop: threading.Event,
    rollup_keys: tuple[str, ...] = (),
) -> None:
    """Look after the directory until `stop` is set."""
    upkeep, clean_at, sweep_at = Upkeep(data, kept_days, stop, rollup_keys=rollup_keys), 0.0, 0.0
    with work_alone(data, "upkeep"):
        remove_leftovers(data)
    teller = Teller(data, "upkeep", upkeep.tally)
    while not stop.is_set():
        teller.tell()
        if time.monotonic() >= clean_at:
            archive.clean()
            upkeep.drop_old()
            clean_at = time.monotonic() + _CLEAN_EVERY_S
        if time.monotonic() >= sweep_at:
            delete_leftovers(data)
            sweep_at = time.monotonic() + _SWEEP_EVERY_S
        with contextlib.suppress(Stopped):
            if not upkeep.step():
                stop.wait(_POLL_S)
    upkeep.close()


def main() -> int:
    """Run until SIGTERM, SIGINT or the end of standard input."""
    config, stop = begin("upkeep")
    os.nice(_NICENESS)
    pa.set_cpu_count(1)
    data = Path(config.data)
    try:
        targets = [target.id for target in config.targets]
        archive = Archive(
            data,
            config.archive_days,
            config.archive_bytes_max,
            config.messages_days,
            partial(first_waiting, data, targets),
        )
        run(data, config.kept_days, archive, stop, config.rollup_properties)
    except (OtelLlmError, OSError) as error:  # the supervisor tries again, and nothing is lost
        _LOG.error("%s", in_a_line(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
