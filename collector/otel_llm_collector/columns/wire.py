"""Protobuf's wire format read by many cursors at once: each step takes every message one field further."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Ints, Octets

#: Zero bytes that have to follow the data: reads may go past its end.
PADDING: Final = 160
#: A message with more fields than this is not worth the steps.
_FIELDS_MAX: Final = 256
#: Numbers below this are counted rather than sorted.
_SMALL: Final = 1 << 12
_HIGH: Final = np.uint64(0x8080808080808080)
_ONE: Final = np.uint64(1)


class Fields(NamedTuple):
    """Fields of one tag: whose they are, where each begins, and where its value stands (without tag and length)."""

    owner: Ints
    begin: Ints
    start: Ints
    end: Ints

    def at(self, chosen: Any) -> Fields:
        """Some of them."""
        return Fields(*(part[chosen] for part in self))


class Wire:
    """The bytes of a batch, followed by `PADDING` zeros, as numbers of any width at any place."""

    def __init__(self, octets: Octets) -> None:
        self.octets = octets
        self.quads = _overlapping(octets, "<u4")
        self.words = _overlapping(octets, "<u8")
        self.pairs = _overlapping(octets, "V16")

    def between(self, start: int, end: int) -> bytes:
        """The bytes from one place to another."""
        return self.octets[start:end].tobytes()

    def beginnings(self, at: Ints, size: int) -> npt.NDArray[np.uint64]:
        """So many octets from each of these places, or a few more: whole words of them, a row each."""
        words = -(-size // 8)
        return _overlapping(self.octets, f"V{8 * words}")[at].view(np.uint64).reshape(-1, words)

    def varints(self, at: Ints) -> tuple[Ints, Ints]:
        """The varints that begin at these places (64 bits, signed), and where each ends."""
        first = self.octets.take(at)
        values, ends = first.astype(np.int64), at + 1
        is_long = first > 0x7F
        if is_long.any():
            self._lengthen(values, ends, np.flatnonzero(is_long))
        return values, ends

    def _lengthen(self, values: Ints, ends: Ints, long: Ints) -> None:
        """Add what lies behind the first octet of these varints: nearly always just one more."""
        at = ends if len(long) == len(ends) else ends[long]
        second = self.octets.take(at)
        values[long] += (second.astype(np.int64) - 1) << 7
        ends[long] += 1
        is_longer = second > 0x7F
        if is_longer.any():
            longer = long[is_longer]
            values[longer], ends[longer] = self._long_varints(ends[longer] - 2)

    def _long_varints(self, at: Ints) -> tuple[Ints, Ints]:
        word = self.words[at]
        last = ~word & _HIGH
        last &= ~last + _ONE  # the highest bit of the first octet that has none
        mask = (last << _ONE) - _ONE
        sizes = (np.bitwise_count(mask) >> 3).astype(np.int64)
        values = _squeezed(word & mask).view(np.int64)
        longer = np.flatnonzero(last == 0)
        if len(longer):
            high = self.octets[at[longer] + 8].astype(np.int64)
            highest = self.octets[at[longer] + 9].astype(np.int64)
            values[longer] |= (high & 0x7F) << 56 | np.where(high > 0x7F, highest & 1, 0) << 63
            sizes[longer] += 1 + (high > 0x7F)
        return values, at + sizes


def _overlapping(octets: Octets, kind: str) -> npt.NDArray[Any]:
    dtype = np.dtype(kind)
    return np.ndarray((len(octets) - dtype.itemsize + 1,), dtype, octets, strides=(1,))


def _squeezed(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The eight times seven low bits of eight octets."""
    for low, high, shift in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    ):
        word = word & np.uint64(low) | (word & np.uint64(high)) >> np.uint64(shift)
    return word


def walk(
    wire: Wire, starts: Ints, ends: Ints, is_odd: Bools, fields_max: int = _FIELDS_MAX
) -> Iterator[tuple[int, Fields]]:
    """The fields of many messages with their tags. Each part has one field of a message at most, the first comes first.

    Also tells which messages cannot be read here: they are broken, have groups, or too many fields.
    """
    owner = np.flatnonzero(starts < ends)
    at, limit = starts[owner], ends[owner]
    for _ in range(fields_max):
        if not len(owner):
            return
        tags, values = wire.varints(at)
        after = limit.copy()
        for tag, some in _alike(tags):
            fields = Fields(owner[some], at[some], *_value(wire, tag & 7, values[some]))
            is_sound = (fields.end <= limit[some]) & (fields.end >= fields.start)
            if is_sound.all():
                after[some] = fields.end
                yield tag, fields
            else:
                is_odd[fields.owner[~is_sound]] = True
                after[np.arange(len(owner))[some][is_sound]] = fields.end[is_sound]
                yield tag, fields.at(is_sound)
        goes_on = after < limit
        if goes_on.all():
            at = after
        else:
            owner, at, limit = owner[goes_on], after[goes_on], limit[goes_on]
    is_odd[owner] = True


def _alike(numbers: Ints) -> Iterator[tuple[int, Any]]:
    """The distinct ones among some numbers, and where each is."""
    first = int(numbers[0])
    if (numbers == first).all():
        yield first, slice(None)
        return
    distinct = np.flatnonzero(np.bincount(numbers)) if numbers.max() < _SMALL else np.unique(numbers)
    for number in distinct.tolist():
        yield number, np.flatnonzero(numbers == number)


def _value(wire: Wire, kind: int, at: Ints) -> tuple[Ints, Ints]:
    """Where the values of a wire type begin and end. An unknown type ends before it begins."""
    match kind:
        case 0:
            return at, wire.varints(at)[1]
        case 1:
            return at, at + 8
        case 2:
            sizes, starts = wire.varints(at)
            return starts, starts + sizes
        case 5:
            return at, at + 4
    return at, at - 1
