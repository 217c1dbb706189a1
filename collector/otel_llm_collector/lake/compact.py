"""Many small files into few: queries slow down by the number of files, not by their size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from .merge import merge
from .patience import Patience
from .plan import is_over, plan
from .replaced import Replacing

#: What the names of merged files begin with. One process at a time merges in a data directory.
STEM: Final = "merged"
_PAUSE_AFTER_FAULT_S: Final = 600.0
_LOOK_S: Final = 30.0


class Compactor:
    """Merges small files of one table, a step at a time."""

    def __init__(
        self,
        replacing: Replacing,
        collector_id: str,
        clock: Callable[[], float] = time.time,
        is_stopped: Callable[[], bool] = bool,
    ) -> None:
        self._clock, self._is_stopped = clock, is_stopped
        self._replacing, self._table = replacing, replacing.table
        self._stem = f"{STEM}-{collector_id}"
        self._looked_at = (-1, 0.0)  # version of the table in which nothing was left to merge, and when
        # the rows stand as they are; only reading them is slower
        self._patience = Patience("compaction", f"merging small files of {self._table.name}", _PAUSE_AFTER_FAULT_S)

    def step(self) -> bool:
        """Merge one group of small files, if there is one. False where there was nothing to do.

        Raises Stopped, and leaves nothing behind, once `is_stopped` says so.
        """
        return self._patience.attempt(self._merge)

    def _merge(self) -> bool:
        self._table.refresh()
        version, looked_at = self._looked_at
        if version == self._table.version and time.monotonic() - looked_at < _LOOK_S:
            return False
        live, now_s = self._table.live_files(), self._clock()
        chosen = plan(self._table.name, live, now_s)
        if not chosen:
            self._looked_at = (self._table.version, time.monotonic())
            return False
        is_last = is_over([file for file in live if file.day == chosen[0].day], now_s)
        old, new = merge(self._table, chosen, self._stem, self._is_stopped, is_last=is_last)
        youngest_s = max(file.added_s for file in old)
        return self._replacing.replace(old, [replace(file, added_s=youngest_s) for file in new])
