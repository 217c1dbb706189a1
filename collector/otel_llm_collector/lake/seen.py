"""Which rows the lake holds already: a span that is sent again must stay one row, across restarts too.

A row's date follows from the span, so a repeated span always meets its first copy in the same date. Keys are 64-bit
numbers in sorted NumPy arrays (8 bytes a row), loaded from the lake when a date is first touched.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

#: Keys held in memory at most; above it the dates that were touched longest ago are loaded anew when needed.
KEYS_MAX: Final = 16_000_000
#: An array of so many is merged no more: for a moment that takes as much again.
_MERGED_MAX: Final = 1_000_000


class KeySet:
    """Keys in a few sorted arrays, each but long ones at most half as long as the one before it: adding costs little on
    average.
    """

    def __init__(self, keys: Keys | None = None) -> None:
        self._sorted = [] if keys is None else [np.sort(keys)]

    def __len__(self) -> int:
        return sum(map(len, self._sorted))

    def holds(self, keys: Keys) -> Bools:
        """For each key whether it is in. They are looked up in order: each is found near the one before it."""
        ordered = np.sort(keys)  # where each stood is asked only if it matters, since that takes longer
        found = np.zeros(len(keys), np.bool_)
        for held in self._sorted:
            if len(held):
                places = np.searchsorted(held, ordered)
                places[places == len(held)] = 0
                found |= held[places] == ordered
        is_held = np.zeros_like(found)
        if found.any():
            is_held[np.argsort(keys)] = found
        return is_held

    def all(self) -> Keys:
        """Every key, in no order."""
        return np.concatenate(self._sorted) if self._sorted else np.empty(0, np.uint64)

    def add(self, keys: Keys) -> None:
        """Put keys in that are not."""
        fresh = np.sort(keys)
        while self._sorted and len(self._sorted[-1]) < min(2 * len(fresh), _MERGED_MAX):
            fresh = np.concatenate([self._sorted.pop(), fresh])
            fresh.sort(kind="stable")
        self._sorted.append(fresh)


class SeenRows:
    """The keys of the rows in the lake. `load` gives those of one date."""

    def __init__(self, load: Callable[[date], Keys]) -> None:
        self._load = load
        self._days: OrderedDict[date, KeySet] = OrderedDict()

    def holds(self, day: date, keys: Keys) -> Bools:
        """For each key whether the lake has it."""
        return self._day(day).holds(keys)

    def add(self, day: date, keys: Keys) -> None:
        """Note keys that were committed."""
        self._day(day).add(keys)
        self._forget()

    def _day(self, day: date) -> KeySet:
        if day not in self._days:
            self._days[day] = KeySet(self._load(day))
        self._days.move_to_end(day)
        return self._days[day]

    def _forget(self) -> None:
        while len(self._days) > 1 and sum(map(len, self._days.values())) > KEYS_MAX:
            self._days.popitem(last=False)
