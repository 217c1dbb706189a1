"""How much more the journal may take: by its own limit, and by what is left free on the disk."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Final

from .. import journal
from ..options import Config
from .refusals import BusyError

_LOG = logging.getLogger(__name__)
LOOK_S: Final = 0.25


class Room:
    """Looks at the disk now and then, counts in between. `why` says what is full, '' while there is room.

    `journal_bytes` wait for the converter, the oldest of them since `lag_s` seconds.
    """

    def __init__(self, data: Path, config: Config) -> None:
        self._data = data
        self._folder = journal.journal_dir(data)
        self.why = ""
        self.journal_bytes = 0
        self.lag_s = 0.0
        self.configure(config)
        self.look()

    def configure(self, config: Config) -> None:
        """From now on by the limits of this configuration."""
        self._journal_bytes_max = config.journal_bytes_max
        self._disk_free_bytes_min = config.disk_free_bytes_min

    def look(self) -> None:
        """See what waits and what is free. Blocks on the disk for a moment."""
        found = [*journal.closed_segments(self._folder), *journal.open_segments(self._folder)]
        stats = [segment.path.stat() for segment in found if segment.path.exists()]
        self.journal_bytes = sum(stat.st_size for stat in stats)
        self.lag_s = max(0.0, time.time() - min((stat.st_mtime for stat in stats), default=time.time()))
        self._judge(shutil.disk_usage(self._data).free)

    def add(self, size: int) -> None:
        """So many bytes were written since."""
        self.journal_bytes += size

    def check(self) -> None:
        """Raise BusyError where there is no room."""
        if self.why:
            raise BusyError(f"{self.why}; nothing was stored, send this again later")
        if self.journal_bytes > self._journal_bytes_max:
            raise BusyError("the journal is full; nothing was stored, send this again later")

    def _judge(self, free: int) -> None:
        before, self.why = self.why, ""
        if self.journal_bytes > self._journal_bytes_max:
            self.why = f"the journal is full: {self.journal_bytes} bytes wait for the converter (journal_bytes_max)"
        elif free < self._disk_free_bytes_min:
            self.why = f"the disk is full: {free} bytes are free (disk_free_bytes_min)"
        if bool(before) != bool(self.why):
            _LOG.warning("%s", self.why or "there is room again: requests are taken")
