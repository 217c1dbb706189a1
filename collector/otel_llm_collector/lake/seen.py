"""Which rows the lake holds already: a span that is sent again must stay one row, across restarts too.

A row's date follows from the span, so a repeated span always meets its first copy in the same date. Keys are 64-bit
numbers in sorted NumPy arrays (8 bytes a row), loaded from the lake when a date is first touched.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]

#: Keys held in memory at most; above it the dates that were touched longest ago are loaded anew when needed.
KEYS_MAX: Final = 16_000_000
_RECENT_MAX: Final = 100_000


class _Day:
    """The keys of one date: one sorted array, and the recent ones in a set."""

    def __init__(self, keys: Keys) -> None:
        self._sorted = np.sort(keys)
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def holds(self, keys: Sequence[int]) -> list[bool]:
        wanted = np.array(keys, dtype=np.uint64)
        places = np.searchsorted(self._sorted, wanted)
        places[places == len(self._sorted)] = 0
        stored = self._sorted[places] == wanted if len(self._sorted) else np.zeros(len(wanted), dtype=bool)
        return [bool(old) or key in self._recent for old, key in zip(stored, keys, strict=True)]

    def add(self, keys: Iterable[int]) -> None:
        self._recent.update(keys)
        if len(self._recent) > _RECENT_MAX:
            fresh = np.fromiter(self._recent, dtype=np.uint64, count=len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, fresh]))
            self._recent.clear()


class SeenRows:
    """The keys of the rows in the lake. `load` gives those of one date."""

    def __init__(self, load: Callable[[date], Keys]) -> None:
        self._load = load
        self._days: OrderedDict[date, _Day] = OrderedDict()

    def holds(self, day: date, keys: Sequence[int]) -> list[bool]:
        """For each key whether the lake has it."""
        return self._day(day).holds(keys)

    def add(self, day: date, keys: Iterable[int]) -> None:
        """Note keys that were committed."""
        self._day(day).add(keys)
        self._forget()

    def _day(self, day: date) -> _Day:
        if day not in self._days:
            self._days[day] = _Day(self._load(day))
        self._days.move_to_end(day)
        return self._days[day]

    def _forget(self) -> None:
        while len(self._days) > 1 and sum(map(len, self._days.values())) > KEYS_MAX:
            self._days.popitem(last=False)
