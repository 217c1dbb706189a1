"""Which files of a table to merge next.

While a date goes on, files are merged with others of about their size: a row is written again a few times in all, and a
large file not at all. Once it is over, its files become as few as they can be.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from .files import is_plain_file
from .log import DataFile
from .merge import FILE_BYTES_MAX, FILES_MIN

#: Files of a level that are worth a merge.
FAN_IN: Final = 32
#: The same where more small files than this wait: what is asked for first is that there are few.
_FAN_INS: Final = ((150, 2), (100, 8), (0, FAN_IN))
#: A larger file is left alone while its date goes on.
SMALL_BYTES: Final = 128 * 1024 * 1024
#: A date is over so long after its end, and so long after something came late: both in seconds.
CLOSED_AFTER_S: Final = 6 * 3600.0
#: New content is compressed once there is so much of it, and the rest of it when no more has come for so long.
_PLAIN_BYTES: Final = 512 * 1024 * 1024
_PLAIN_BYTES_MIN: Final = 1024 * 1024
_QUIET_S: Final = 60.0
#: What is put into one file: what comes out may be a little larger. Such a file is full.
_FILLED_BYTES: Final = FILE_BYTES_MAX * 19 // 20
_LEVEL_BYTES: Final = 256 * 1024
_LEVEL_FACTOR: Final = 8
#: Content takes about so many times less once it is compressed.
_COMPRESSES: Final = 4


def plan(name: str, files: Sequence[DataFile], now_s: float) -> list[DataFile]:
    """The files to merge next, of one date, the smallest first; [] where merging would gain nothing."""
    by_day = defaultdict[object, list[DataFile]](list)
    for file in sorted(files, key=lambda file: (file.day, _weight(name, file), file.path)):
        by_day[file.day].append(file)
    small = {day: [file for file in found if file.size < SMALL_BYTES] for day, found in by_day.items()}
    waiting = sum(max(0, len(found) - 1) for found in small.values())
    fan_in = next(fan_in for least, fan_in in _FAN_INS if waiting >= least)
    for day, found in by_day.items():
        if chosen := _plain(name, found, now_s) or _alike(name, small[day], fan_in):
            return chosen
        if is_over(found, now_s) and (chosen := _fewest(name, found)):
            return chosen
    return []


def _plain(name: str, files: Sequence[DataFile], now_s: float) -> list[DataFile]:
    """New content that is to be compressed now."""
    plain = [file for file in files if is_plain_file(name, file)]
    is_quiet = max((file.added_s for file in plain), default=now_s) < now_s - _QUIET_S
    enough = _PLAIN_BYTES_MIN if is_quiet else _PLAIN_BYTES
    return plain[:FAN_IN] if sum(file.size for file in plain) >= enough else []


def _alike(name: str, files: Sequence[DataFile], fan_in: int) -> list[DataFile]:
    """So many files of about one size."""
    for _, level in itertools.groupby(files, key=lambda file: _level(_weight(name, file))):
        if len(found := list(level)) >= fan_in:
            return found[:FAN_IN]
    return list(files[:FAN_IN]) if fan_in == 2 and len(files) > 1 else []


def is_over(files: Sequence[DataFile], now_s: float) -> bool:
    """Whether a date lies behind, with what came late for it."""
    end = datetime.combine(files[0].day + timedelta(days=1), datetime.min.time(), UTC).timestamp()
    return max(end, *(file.added_s for file in files)) < now_s - CLOSED_AFTER_S


def _fewest(name: str, files: Sequence[DataFile]) -> list[DataFile]:
    """The smallest files that one will hold; or three that two will."""
    loose = [file for file in files if _weight(name, file) < _FILLED_BYTES][:FAN_IN]
    sums = list(itertools.accumulate(_weight(name, file) for file in loose))
    fit = sum(total <= _FILLED_BYTES for total in sums)
    if fit == 1 and len(loose) >= FILES_MIN and sums[FILES_MIN - 1] <= 2 * _FILLED_BYTES:
        fit = FILES_MIN
    return loose[:fit] if fit > 1 else []


def _weight(name: str, file: DataFile) -> int:
    """Bytes that a file takes once it is compressed."""
    return file.size // _COMPRESSES if is_plain_file(name, file) else file.size


def _level(weight: int) -> int:
    return next(level for level in itertools.count() if weight < _LEVEL_BYTES * _LEVEL_FACTOR**level)
