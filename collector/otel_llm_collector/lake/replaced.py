"""Files that a commit replaced stay on disk for a while, for the readers that have them open."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import pyarrow as pa

from .files import write_changed, write_file
from .log import DataFile, LakeTable

KEPT_S: Final = 600.0


class Replacing:
    """Puts files of one table in the place of others, and deletes those after their grace."""

    def __init__(self, table: LakeTable) -> None:
        self.table = table
        self._replaced: deque[tuple[float, DataFile]] = deque()

    def replace(self, old: Sequence[DataFile], new: Sequence[DataFile], *, data_change: bool = False) -> bool:
        """Put `new` in the place of `old` in one step; or delete them and return False, as somebody came in between."""
        if not self.table.replace(old, new, data_change=data_change):
            for file in new:
                self.table.place.delete(file.path)
            return False
        self._replaced.extend((time.monotonic() + KEPT_S, file) for file in old)
        for file in old:
            self.table.place.uncache(file.path)
        return True

    def change(self, old: DataFile, change: Callable[[pa.Table], pa.Table], stem: str) -> DataFile | None:
        """Put what `change` makes of each row group of a file in its place; no rows, no file.

        Returns the file that is to be looked at no more, None where somebody came in between.
        """
        new = write_changed(self.table, old, change, stem)
        return (new or old) if self.replace([old], [new] if new else [], data_change=True) else None

    def add(self, rows: pa.Table, day: date, stem: str) -> bool:
        """Add a file of rows of one date. False where somebody came in between."""
        return self.replace([], [write_file(self.table, rows, day, stem)], data_change=True)

    def delete(self, *, at_once: bool = False) -> bool:
        """Delete what was replaced KEPT_S ago; or all of it: after an orderly end a plain glob is exact.

        True where there was something to delete.
        """
        before = len(self._replaced)
        until = float("inf") if at_once else time.monotonic()
        while self._replaced and self._replaced[0][0] <= until:
            _, file = self._replaced.popleft()
            self.table.place.delete(file.path)
        return len(self._replaced) < before
