"""Many small files into few: queries slow down by the number of files, not by their size.

Files of a date are merged with others of about their size, so a row is rewritten a few times in all, not every time.
A replaced file stays on disk for a while, for the readers that have it open.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from .files import read_files, write_file
from .log import DataFile, LakeTable

_LOG = logging.getLogger(__name__)

FAN_IN: Final = 32
#: Compressed bytes merged in one step at most: bounds the memory of the converter.
_MERGE_BYTES_MAX: Final = {"spans": 64 * 1024 * 1024, "messages": 24 * 1024 * 1024}
_LEVEL_BYTES: Final = 256 * 1024
_LEVEL_FACTOR: Final = 8
REPLACED_KEPT_S: Final = 600.0


def plan(name: str, files: Sequence[DataFile]) -> list[DataFile]:
    """The files to merge next, of one date and one level of size; [] where no date has FAN_IN of them."""
    ordered = sorted(files, key=lambda file: (file.day, _level(file), file.path))
    for _, group in itertools.groupby(ordered, key=lambda file: (file.day, _level(file))):
        chosen = _within_budget(name, list(group))
        if len(chosen) >= FAN_IN:
            return chosen
    return []


def _level(file: DataFile) -> int:
    level, bound = 0, _LEVEL_BYTES
    while file.size >= bound:
        level, bound = level + 1, bound * _LEVEL_FACTOR
    return level


def _within_budget(name: str, files: list[DataFile]) -> list[DataFile]:
    sums = itertools.accumulate(file.size for file in files)
    return [file for file, total in zip(files, sums, strict=True) if total <= _MERGE_BYTES_MAX[name]]


class Compactor:
    """Merges small files of one table, a step at a time, and deletes replaced ones after their grace."""

    def __init__(self, table: LakeTable, collector_id: str) -> None:
        self._table = table
        self._stem = f"{collector_id}-merged"
        self._replaced: deque[tuple[float, DataFile]] = deque()

    def step(self) -> bool:
        """Merge one group of small files, if there is one. False where there was nothing to do."""
        self._delete_replaced(time.monotonic())
        old = plan(self._table.name, self._table.live_files())
        if not old:
            return False
        new = write_file(self._table, read_files(self._table, old), old[0].day, self._stem)
        if not self._table.replace(old, [new]):
            (self._table.folder / new.path).unlink()
            return False
        self._replaced.extend((time.monotonic() + REPLACED_KEPT_S, file) for file in old)
        return True

    def close(self) -> None:
        """Delete what was replaced, grace or not: after an orderly end a plain glob over the files is exact."""
        self._delete_replaced(until=float("inf"))

    def _delete_replaced(self, until: float) -> None:
        while self._replaced and self._replaced[0][0] <= until:
            _, file = self._replaced.popleft()
            (self._table.folder / file.path).unlink(missing_ok=True)
