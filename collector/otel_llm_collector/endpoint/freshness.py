"""Who sends and then asks sees what was sent: a query waits a little for the converter."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .. import journal

#: So long a query waits at most.
WAIT_S_MAX: Final = 2.0
_POLL_S: Final = 0.02


def wait_until_converted(data: Path, check: Callable[[], None], wait_s: float = WAIT_S_MAX) -> int:
    """Wait until all that is in the journal now is in the tables: 0, or since how many ms the oldest of it waits.

    `check` is called meanwhile, and may raise.
    """
    deadline = time.monotonic() + wait_s
    last = journal.next_number(data) - 1
    while waiting := _filled(data, last) or _filled(data, last):  # a listing may miss what is renamed meanwhile
        check()
        if time.monotonic() >= deadline:
            return _age_ms(waiting[0])
        time.sleep(_POLL_S)
    return 0


def _filled(data: Path, last: int) -> list[Path]:
    """The segments up to a number that hold something, the oldest first."""
    found = [_now(one.path) for one in journal.all_segments(journal.journal_dir(data)) if one.number <= last]
    return [path for path in found if _size(path)]


def _now(path: Path) -> Path:
    """A segment's path, which changes when it is closed."""
    return path if path.exists() else path.with_suffix(".seg")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # converted meanwhile
        return 0


def _age_ms(path: Path) -> int:
    """Since when the first request of a segment waits; 0 where it does not any more."""
    try:
        first = next(journal.read_frames(_now(path)), None)
    except (FileNotFoundError, journal.CorruptFrameError):
        first = None
    return max(0, (time.time_ns() - first.received_ns) // 1_000_000) if first else 0
