"""Many small files into few: queries slow down by the number of files, not by their size.

Files of a date are merged with others of about their size, so a row is rewritten a few times in all, not every time.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_llm.failures import swallow

from .files import is_plain_file, read_files, write_file
from .log import DataFile, LakeTable
from .replaced import Replacing

_LOG = logging.getLogger(__name__)

FAN_IN: Final = 32
#: What is merged in one step at most: bounds the memory of the converter. A file of half of it is large enough.
ROWS_MAX: Final = 100_000
_BYTES_MAX: Final = {
    "spans": 64 * 1024 * 1024,
    "messages": 64 * 1024 * 1024,
    "logs": 24 * 1024 * 1024,
    "scores": 64 * 1024 * 1024,
    "metrics": 64 * 1024 * 1024,
}
#: Content takes so many times its compressed bytes in memory; other tables hold little beside what their files say.
_INFLATES: Final = 4
#: New files that are not compressed are written again, alone if need be, from this size on.
_PLAIN_BYTES: Final = 1024 * 1024
_LEVEL_BYTES: Final = 256 * 1024
_LEVEL_FACTOR: Final = 8
_PAUSE_AFTER_FAULT_S: Final = 600.0


def plan(name: str, files: Sequence[DataFile]) -> list[DataFile]:
    """The files to merge next, of one date and one level of size; [] where merging would gain nothing.

    Worth it are FAN_IN files, or fewer that fill a step's budget; and those that are not compressed yet.
    """
    ordered = sorted(files, key=lambda file: (file.day, _level(name, file), file.size, file.path))
    for _, group in itertools.groupby(ordered, key=lambda file: (file.day, _level(name, file))):
        for window, is_full in _windows(name, group):
            is_plain = any(is_plain_file(name, file) and file.size >= _PLAIN_BYTES for file in window)
            if len(window) >= FAN_IN or (is_full and len(window) > 1) or is_plain:
                return window
    return []


def _windows(name: str, files: Iterable[DataFile]) -> Iterator[tuple[list[DataFile], bool]]:
    """The files in runs that fit one step, and whether it was the budget that ended the run."""
    window: list[DataFile] = []
    size = rows = 0
    for file in files:
        weight = _weight(name, file)
        if window and (size + weight > _BYTES_MAX[name] or rows + file.rows > ROWS_MAX or len(window) == FAN_IN):
            yield window, True
            window, size, rows = [], 0, 0
        window.append(file)
        size, rows = size + weight, rows + file.rows
    yield window, False


def _weight(name: str, file: DataFile) -> int:
    """About what a file takes in memory."""
    return file.size * _INFLATES if name == "messages" and not is_plain_file(name, file) else file.size


def _level(name: str, file: DataFile) -> int:
    level, bound, weight = 0, _LEVEL_BYTES, _weight(name, file)
    while weight >= bound:
        level, bound = level + 1, bound * _LEVEL_FACTOR
    return level


class Compactor:
    """Merges small files of one table, a step at a time."""

    def __init__(self, table: LakeTable, replacing: Replacing, collector_id: str) -> None:
        self._table = table
        self._stem = f"{collector_id}-merged"
        self._replacing = replacing
        self._looked_at = -1  # version of the table in which nothing was left to merge
        self._paused_until = 0.0

    def step(self) -> bool:
        """Merge one group of small files, if there is one. False where there was nothing to do."""
        if self._looked_at == self._table.version or time.monotonic() < self._paused_until:
            return False
        try:
            return self._merge()
        except Exception as error:  # the rows stand as they are; only reading them is slower
            _LOG.exception("merging small files of %s failed", self._table.name)
            self._paused_until = time.monotonic() + _PAUSE_AFTER_FAULT_S
            swallow("compaction", error)
            return False

    def _merge(self) -> bool:
        old = plan(self._table.name, self._table.live_files())
        if not old:
            self._looked_at = self._table.version
            return False
        new = write_file(self._table, read_files(self._table, old), old[0].day, self._stem)
        return self._replacing.replace(old, new)
