"""Protobuf's wire format read by many cursors at once: each step takes every message one field further."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Ints

#: Zero bytes that have to follow the data: reads may go past its end.
PADDING: Final = 16
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


class Wire:
    """The bytes of a batch, followed by `PADDING` zeros, as numbers of any width at any place."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.octets = np.frombuffer(data, np.uint8)
        self.quads = _overlapping(data, "<u4")
        self.words = _overlapping(data, "<u8")

    def varints(self, at: Ints) -> tuple[Ints, Ints]:
        """The varints that begin at these places (64 bits, signed), and where each ends."""
        first = self.octets[at]
        values, ends = first.astype(np.int64), at + 1
        long = np.flatnonzero(first > 0x7F)
        if len(long):
            values[long], ends[long] = self._long_varints(at[long])
        return values, ends

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


def _overlapping(data: bytes, kind: str) -> npt.NDArray[Any]:
    dtype = np.dtype(kind)
    return np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, strides=(1,))


def _squeezed(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The eight times seven low bits of eight octets."""
    for low, high, shift in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    ):
        word = word & np.uint64(low) | (word & np.uint64(high)) >> np.uint64(shift)
    return word


def walk(wire: Wire, starts: Ints, ends: Ints) -> tuple[dict[int, list[Fields]], Bools]:
    """The fields of many messages by their tags. Each part has one field of a message at most, the first comes first.

    Also tells which messages cannot be read here: they are broken, have groups, or too many fields.
    """
    found: dict[int, list[Fields]] = {}
    is_odd = np.zeros(len(starts), np.bool_)
    owner = np.flatnonzero(starts < ends)
    at, limit = starts[owner], ends[owner]
    for _ in range(_FIELDS_MAX):
        if not len(owner):
            break
        tags, fields, is_sound = _step(wire, owner, at, limit)
        if not is_sound.all():
            is_odd[owner[~is_sound]] = True
            tags, limit, fields = tags[is_sound], limit[is_sound], Fields(*(part[is_sound] for part in fields))
        _record(found, tags, fields)
        goes_on = fields.end < limit
        if goes_on.all():
            owner, at = fields.owner, fields.end
        else:
            owner, at, limit = fields.owner[goes_on], fields.end[goes_on], limit[goes_on]
    is_odd[owner] = True
    return found, is_odd


def _step(wire: Wire, owner: Ints, at: Ints, limit: Ints) -> tuple[Ints, Fields, Bools]:
    tags, starts = wire.varints(at)
    kinds = tags & 7
    kind = int(kinds[0])
    if (kinds == kind).all():
        starts, ends = _value(wire, kind, starts)
    else:
        ends = starts.copy()
        for kind in _distinct(kinds):
            rows = np.flatnonzero(kinds == kind)
            starts[rows], ends[rows] = _value(wire, kind, starts[rows])
    return tags, Fields(owner, at, starts, ends), (ends <= limit) & (ends >= starts)


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


def _record(found: dict[int, list[Fields]], tags: Ints, fields: Fields) -> None:
    if not len(tags):
        return
    tag = int(tags[0])
    if (tags == tag).all():
        found.setdefault(tag, []).append(fields)
        return
    for tag in _distinct(tags):
        rows = np.flatnonzero(tags == tag)
        found.setdefault(tag, []).append(Fields(*(part[rows] for part in fields)))


def _distinct(numbers: Ints) -> list[int]:
    distinct = np.flatnonzero(np.bincount(numbers)) if numbers.max() < _SMALL else np.unique(numbers)
    return list(distinct.tolist())
