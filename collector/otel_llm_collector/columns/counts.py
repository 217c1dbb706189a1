"""Token counts of many calls: `otel_llm_semconv.usage` by columns, rule for rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from otel_llm_semconv.usage import FIELDS, Usage

from .arrays import Bools, Column, known_of

#: No count: NumPy spreads one number over all rows.
_NONE: Final = np.zeros((), np.int64)
_NEVER: Final = np.zeros((), np.bool_)
#: Sums of a few counts below this stay far from the end of 64 bits.
_COUNT_MAX: Final = 1 << 40
_MEDIA: Final = ("image_input_tokens", "image_output_tokens", "cache_read_audio_tokens", "cache_read_image_tokens")


class Count(NamedTuple):
    """One count of each row: 0 where it is not known. Both arrays may be single values that hold for all rows."""

    value: npt.NDArray[np.int64]
    known: Bools

    def __bool__(self) -> bool:
        """False where no row knows it."""
        return self.known.ndim > 0

    def where(self, chosen: Bools) -> Count:
        """Unknown in the other rows."""
        if not self:
            return self
        return Count(np.where(chosen, self.value, 0), self.known & chosen)

    def at(self, rows: npt.NDArray[np.int64]) -> Count:
        """That of some rows, in their order."""
        if not self or len(rows) == len(self.value):
            return self
        return Count(self.value[rows], self.known[rows])

    def less(self, *parts: Count) -> Count:
        """What is left of a whole without its parts, which is never below 0."""
        left = [part.value for part in parts if part]
        return Count(np.maximum(self.value - sum(left), 0), self.known) if self and left else self

    def fitted(self, room: Count) -> Count:
        """As much of it as fits into what has room for it, where that is known."""
        if not self or not room:
            return self
        return Count(np.where(room.known, np.minimum(self.value, room.value), self.value), self.known)

    def else_(self, other: Count) -> Count:
        """The other, where this is not known."""
        if not self or not other:
            return self or other
        return Count(np.where(self.known, self.value, other.value), self.known | other.known)

    def exceeds(self, whole: Count) -> Bools:
        return whole.known & (self.value > whole.value)

    def plus(self, *others: Count) -> Count:
        """The sum of those that are known."""
        total = self
        for other in others:
            if other:
                total = Count(total.value + other.value, total.known | other.known) if total else other
        return total


UNKNOWN: Final = Count(_NONE, _NEVER)


def count_of(column: Column | None) -> Count:
    """A column of counts."""
    if column is None or column.null_count == len(column):
        return UNKNOWN
    if column.null_count == 0:
        return Count(column.to_numpy(), np.ones(len(column), np.bool_))
    filled: Any = column.fill_null(0)
    return Count(filled.to_numpy(), known_of(column))


class Counts:
    """The counts of many calls, by the fields of `Usage`."""

    def __init__(self, by_field: Mapping[str, Count]) -> None:
        self._by_field = {name: by_field.get(name, UNKNOWN) for name in FIELDS}

    def __getitem__(self, field: str) -> Count:
        return self._by_field[field]

    def at(self, rows: npt.NDArray[np.int64]) -> Counts:
        """Those of some rows."""
        return Counts({name: count.at(rows) for name, count in self._by_field.items()})

    def completed(self) -> Counts:
        """See `Usage.completed`."""
        written = self["cache_write_tokens"].else_(self["cache_write_1h_tokens"])
        return Counts({**self._by_field, "cache_write_tokens": written})

    def of_row(self, row: int) -> Usage:
        """The counts of one row for the reference."""
        found = {name: count.at(np.array([row])) for name, count in self._by_field.items() if count}
        return Usage(**{name: int(count.value[0]) for name, count in found.items() if count.known[0]})

    def are_huge(self) -> Any:
        """Where integers of 64 bits might not hold what is computed of them."""
        return _any(count.value > _COUNT_MAX for count in self._by_field.values() if count)

    def are_advised(self) -> Any:
        """See `Usage.is_advised`."""
        return (self["advisor_input_tokens"].value != 0) | (self["advisor_output_tokens"].value != 0)

    def name_media(self) -> Any:
        """See `Usage.names_media`."""
        return _any(self[name].known for name in _MEDIA)

    def are_inconsistent(self) -> Any:
        """See `Usage.is_consistent`."""
        whole_in, whole_out, written = self["input_tokens"], self["output_tokens"], self["cache_write_tokens"]
        written_1h = self["cache_write_1h_tokens"]
        cached = self["cache_read_tokens"].plus(written.else_(written_1h))
        return _any(
            (
                *(count.value < 0 for count in self._by_field.values() if count),
                written_1h.known & written_1h.exceeds(written),
                cached.exceeds(whole_in),
                self["audio_input_tokens"].exceeds(whole_in),
                self["reasoning_tokens"].exceeds(whole_out),
                self["audio_output_tokens"].exceeds(whole_out),
                self.name_media() & self._media_do_not_fit(),
            )
        )

    def _media_do_not_fit(self) -> Any:
        heard, seen = self["audio_input_tokens"], self["image_input_tokens"]
        heard_again, seen_again = self["cache_read_audio_tokens"], self["cache_read_image_tokens"]
        again = heard_again.plus(seen_again)
        return _any(
            (
                heard.plus(seen).exceeds(self["input_tokens"]),
                self["audio_output_tokens"].plus(self["image_output_tokens"]).exceeds(self["output_tokens"]),
                again.exceeds(self["input_tokens"]),
                again.exceeds(self["cache_read_tokens"]),
                heard_again.exceeds(heard),
                seen_again.exceeds(seen),
            )
        )


def _any(conditions: Any) -> Any:
    found: Any = _NEVER
    for condition in conditions:
        found = found | condition
    return found
