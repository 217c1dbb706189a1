"""Attributes from the wire, key by key: spans of one emitter have the same ones at the same places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import decode
from .arrays import Bools, Ints, Octets, offsets
from .attributes import Attributes
from .texts import Views, views, views_of
from .wire import Fields, Wire

#: Of the fields of a KeyValue and an AnyValue.
_KEY, _VALUE = 0x0A, 0x12
#: Tag of an AnyValue -> the letter of its type, where one byte tells it; lists and mappings are looked into.
LETTERS: Final = {0x0A: "s", 0x10: "b", 0x18: "i", 0x21: "d", 0x3A: "y", 0x2A: "a", 0x32: "m"}
_LETTER_OF: Final = np.zeros(256, np.uint8)
for _tag, _letter in LETTERS.items():
    _LETTER_OF[_tag] = ord(_letter)
_TEXT, _DOUBLE = 0x0A, 0x21
#: What has a length, by its tag; what is kept whole; how many octets before what is kept.
_HAS_LENGTH: Final = np.isin(np.arange(256), [0x0A, 0x3A, 0x2A, 0x32])
_IS_WHOLE: Final = np.isin(np.arange(256), [0x3A, 0x2A, 0x32])
#: Where the key stands in what is before a value.
_HEAD: Final = slice(2, -1)
#: Octets behind it that are gathered, too: two lengths and a tag, and as much of a text as its view may take.
_BEFORE_TEXT: Final = 3
_AFTER: Final = _BEFORE_TEXT + 16
#: Keys that are told apart at one place of many spans.
_KEYS_MAX: Final = 256
#: Attributes of a span: their places are counted in a byte.
_STEPS_MAX: Final = 255
Words: TypeAlias = npt.NDArray[np.uint64]


class _Piece(NamedTuple):
    """Attributes of one key, one of a row at most; see `Attributes`."""

    row: Ints
    step: Octets
    letter: Octets
    value: Views


_NOTHING: Final = _Piece(np.zeros(0, np.int64), *(np.zeros(0, np.uint8),) * 2, np.zeros((0, 2), np.uint64))


class Keyed:
    """Attributes by their keys, as they are found; tells in `is_odd` which rows cannot be read here."""

    def __init__(self, wire: Wire, is_odd: Bools) -> None:
        self._is_odd = is_odd
        self._wire = wire
        self._by_head: dict[bytes, list[_Piece]] = {}
        self._steps = 0

    def add(self, part: Fields) -> None:
        """Take KeyValue messages, one of a row at most, which begin with a key, as every SDK spells them.

        Spans of one emitter mostly have the same key here. So all are compared with the first, then those that differ.
        """
        self._steps += 1
        if self._steps > _STEPS_MAX:
            self._is_odd[part.owner] = True
            return
        for _ in range(_KEYS_MAX):
            if not len(part.owner):
                return
            head = _head(self._wire, int(part.start[0]), int(part.end[0]))
            if head is None:
                self._is_odd[part.owner[0]] = True
                part = part.at(slice(1, None))
                continue
            begin = self._wire.beginnings(part.start, len(head) + _AFTER)
            is_other = ~_begin_with(begin, head)
            if not is_other.any():
                self._put(head, part, begin)
                return
            same = np.flatnonzero(~is_other)
            self._put(head, part.at(same), begin[same])
            part = part.at(is_other)
        self._is_odd[part.owner] = True

    def _put(self, head: bytes, part: Fields, begin: Words) -> None:
        letter, value, is_sound = _values(self._wire, part, begin, len(head))
        if not is_sound.all():
            self._is_odd[part.owner[~is_sound]] = True
        step = np.full(len(part.owner), self._steps, np.uint8)
        self._by_head.setdefault(head, []).append(_Piece(part.owner, step, letter, value))

    def attributes(self) -> Attributes:
        """All of them."""
        pieces = [self._in_order(same) for same in self._by_head.values()]
        bounds = offsets([len(piece.row) for piece in pieces])
        names = [head[_HEAD].decode() for head in self._by_head]
        whole = _end_to_end(pieces or [_NOTHING])
        order = np.lexsort((whole.step, whole.row))
        found = Attributes(self._wire, len(self._is_odd), whole.row, order, whole.letter, whole.value, names, bounds)
        self._is_odd[lettered(found)] = True
        return found

    def _in_order(self, same: Sequence[_Piece]) -> _Piece:
        """The attributes of one key in the order of their rows. A row that has it twice is odd."""
        if len(same) == 1:
            return same[0]
        piece = _end_to_end(same)
        places = np.full(len(self._is_odd), -1, np.int64)
        places[piece.row] = np.arange(len(piece.row))
        places = places[places >= 0]
        if len(places) < len(piece.row):
            self._is_odd[np.bincount(piece.row, minlength=len(self._is_odd)) > 1] = True
        return _Piece(piece.row[places], piece.step[places], piece.letter[places], piece.value[places])


def _end_to_end(pieces: Sequence[_Piece]) -> _Piece:
    rows, steps, letters, values = zip(*pieces, strict=True)
    return _Piece(np.concatenate(rows), np.concatenate(steps), np.concatenate(letters), np.concatenate(values))


def _head(wire: Wire, start: int, end: int) -> bytes | None:
    """What stands before the value: tag, length, key, tag."""
    size = int(wire.octets[start + 1])
    head = wire.between(start, start + size + 3)
    is_sound = head[0] == _KEY and size < 0x80 and head[-1] == _VALUE and start + len(head) < end
    return head if is_sound and _is_text(head[_HEAD]) else None


def _is_text(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _begin_with(begin: Words, head: bytes) -> Bools:
    width = -(-len(head) // 8) * 8
    expected = np.frombuffer(head.ljust(width, b"\0"), np.uint64)
    last = np.uint64((1 << 8 * (len(head) - width + 8)) - 1)
    differs = (begin[:, len(expected) - 1] ^ expected[-1]) & last
    for place in range(len(expected) - 1):
        differs |= begin[:, place] ^ expected[place]
    return np.asarray(differs == 0)


def _values(wire: Wire, part: Fields, begin: Words, head: int) -> tuple[Octets, Views, Bools]:
    """Types and values behind their heads; those that are not spelled as every SDK does are not sound."""
    octets = begin.view(np.uint8)
    tags, whole = octets[:, head + 1], part.end - part.start
    letter = int(_LETTER_OF[tags[0]])
    if whole.max() > 0x7F or not letter or (tags != tags[0]).any():
        return _any_values(wire, part, head)
    size, start = whole - (head + 1), part.start + (head + 1)
    is_sound = octets[:, head] == size
    if _HAS_LENGTH[tags[0]]:
        is_sound &= octets[:, head + 2] == size - 2
    match chr(letter):
        case "s":
            first, last = (_words(begin, head + _BEFORE_TEXT + offset) for offset in (0, 8))
            value = views_of(first, last, start + 2, (size - 2) * is_sound)
        case "d":
            is_sound &= size == 9
            value = np.stack((_words(begin, head + 2), size.view(np.uint64)), axis=1)
        case "i" | "b":
            number, end = wire.varints(start + 1)
            is_sound &= end == part.end
            value = np.stack((number, size - 1), axis=1)
        case _:
            value = np.stack((start, size * is_sound), axis=1)
    return np.full(len(size), letter, np.uint8), value.view(np.uint64), is_sound


def _words(begin: Words, offset: int) -> Words:
    """The eight octets behind so many in each row."""
    return np.ndarray(len(begin), np.uint64, begin, offset, begin.strides[:1])


def _any_values(wire: Wire, part: Fields, head: int) -> tuple[Octets, Views, Bools]:
    """As `_values`, of any length and type."""
    at, ends = part.start + head, part.end
    size, value = wire.varints(at)
    is_sound = (value + size == ends) & (size > 0)
    value = np.where(is_sound, value, at)
    tag = wire.octets[value]
    size, start = wire.varints(value + 1)
    end = start + size * _HAS_LENGTH[tag]
    is_double = tag == _DOUBLE
    end[is_double] += 7
    is_sound &= (end == ends) & (start <= ends) & (_LETTER_OF[tag] != 0)
    letter = _LETTER_OF[tag] * is_sound
    is_text, is_number = letter == ord("s"), np.isin(letter, list(b"ib"))
    start = np.where(is_text, start, value + ~_IS_WHOLE[tag])
    size = np.where(is_sound, ends - start, 0)
    found = np.stack((start, size), axis=1).view(np.uint64)
    found[is_text] = views(wire, start[is_text], size[is_text])
    found[is_number, 0] = wire.varints(start[is_number])[0]
    found[is_double, 0] = wire.words[start[is_double]]
    found[~is_sound] = 0  # which is a view of nothing
    return letter, found, is_sound


def lettered(found: Attributes) -> Ints:
    """Tell lists of texts, which a column may take, from other lists and from mappings.

    Returns the rows with fields inside them that are not known here: no text would tell these.
    """
    nested = np.flatnonzero((found.letter == ord("a")) | (found.letter == ord("m")))
    if not len(nested):
        return nested
    _, values, codes = found.spelled(nested)
    found.letter[nested] = np.array([ord(decode.text_of(value)[1]) for value in values], np.uint8)[codes]
    return found.row[nested[np.array([decode.holds_unknown(value) for value in values], np.bool_)[codes]]]
