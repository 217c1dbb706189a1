"""Converted segments, kept as they came for a while: mistakes can be repaired, a target that was away catches up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from . import journal

_DAY_S = 86_400.0


class Archive:
    """The archive of a data directory, kept for `days` and up to `bytes_max`, whichever ends first.

    What is in quarantine, since not all of it could be read, is kept for `quarantine_days`. Segments from the number on
    that `waiting` gives are kept in any case: somebody is still to get them.
    """

    def __init__(
        self,
        data: Path,
        days: float,
        bytes_max: int,
        quarantine_days: float,
        waiting: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._folder = journal.archive_dir(data)
        self._quarantine = journal.quarantine_dir(data)
        self._kept_s, self._quarantined_s = days * _DAY_S, quarantine_days * _DAY_S
        self._bytes_max = bytes_max
        self._waiting = waiting

    def clean(self) -> None:
        """Delete the segments that are too old, then the oldest of those that are too many."""
        found = [(segment, segment.path.stat()) for segment in journal.closed_segments(self._folder)]
        excess = sum(stat.st_size for _, stat in found) - self._bytes_max
        oldest_kept, waiting = time.time() - self._kept_s, self._waiting()
        for segment, stat in found:
            if segment.number < waiting and (excess > 0 or stat.st_mtime <= oldest_kept):
                segment.path.unlink()
                excess -= stat.st_size
        for segment in journal.closed_segments(self._quarantine):
            if segment.path.stat().st_mtime <= time.time() - self._quarantined_s:
                segment.path.unlink()
