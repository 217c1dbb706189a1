"""Files that a commit replaced stay on disk for a while, for the readers that have them open."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from .log import DataFile, LakeTable

KEPT_S: Final = 600.0


class Replacing:
    """Puts files of one table in the place of others, and deletes those after their grace."""

    def __init__(self, table: LakeTable) -> None:
        self._table = table
        self._replaced: deque[tuple[float, DataFile]] = deque()

    def replace(self, old: Sequence[DataFile], new: DataFile, *, data_change: bool = False) -> bool:
        """Put `new` in the place of `old` in one step; or delete it and return False, as somebody came in between."""
        if not self._table.replace(old, [new], data_change=data_change):
            (self._table.folder / new.path).unlink()
            return False
        self._replaced.extend((time.monotonic() + KEPT_S, file) for file in old)
        return True

    def delete(self, *, at_once: bool = False) -> None:
        """Delete what was replaced KEPT_S ago; or all of it: after an orderly end a plain glob is exact."""
        until = float("inf") if at_once else time.monotonic()
        while self._replaced and self._replaced[0][0] <= until:
            _, file = self._replaced.popleft()
            (self._table.folder / file.path).unlink(missing_ok=True)
