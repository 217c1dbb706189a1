"""The attributes of many spans, by their names: one array a property of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from .. import decode
from .arrays import Bools, Column, Ints, Octets, offsets
from .texts import mixed, strings, viewed
from .wire import Fields, Wire

#: Of the fields of a KeyValue and an AnyValue.
_KEY, _VALUE = 0x0A, 0x12
#: Tag of an AnyValue -> the letter of its type, where one byte tells it; lists and mappings are looked into.
LETTERS: Final = {0x0A: "s", 0x10: "b", 0x18: "i", 0x21: "d", 0x3A: "y", 0x2A: "a", 0x32: "m"}
_LETTER_OF: Final = np.zeros(256, np.uint8)
for _tag, _letter in LETTERS.items():
    _LETTER_OF[_tag] = ord(_letter)
_TEXT, _DOUBLE = 0x0A, 0x21
#: Tags of values that are kept whole.
_WHOLE: Final = frozenset({0x3A, 0x2A, 0x32})
_HAS_LENGTH: Final = np.isin(np.arange(256), [0x0A, 0x3A, 0x2A, 0x32])
#: Octets of the values that the reference spells.
_SPELLED: Final = np.isin(np.arange(256), list(b"yamjo"))
#: Where the key stands in what is before a value.
_HEAD: Final = slice(2, -1)
#: Octets behind it that are looked at, too: two lengths and a tag.
_AFTER: Final = 3
#: Keys that are told apart at one place of many spans.
_KEYS_MAX: Final = 256
Words: TypeAlias = npt.NDArray[np.uint64]
_BOOLS: Final[Column] = pa.array(["false", "true"])


class _Piece(NamedTuple):
    """Attributes of one key, one of a row at most: whose each is, its type, and where its value stands."""

    row: Ints
    letter: Octets
    start: Ints
    size: Ints


_NOTHING: Final = _Piece(np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class Attributes:
    """`start` and `size` are of a value's bytes: of text the text, of lists and such the whole AnyValue.

    `letter` is the type as in `attribute_types`. Those of `names[i]` are from `bounds[i]` to `bounds[i + 1]`, in the
    order of their rows.
    """

    wire: Wire
    rows: int
    row: Ints
    letter: Octets
    start: Ints
    size: Ints
    names: Sequence[str]
    bounds: Ints
    _texts: dict[str, Column] = field(default_factory=dict)

    def span_of(self, place: int) -> slice:
        """Where those of a name stand."""
        return slice(int(self.bounds[place]), int(self.bounds[place + 1]))

    def of(self, name: str) -> Ints:
        """Those of one name, a row has one at most."""
        try:
            found = self.span_of(self.names.index(name))
        except ValueError:
            return np.zeros(0, np.int64)
        return np.arange(found.start, found.stop)

    def by_name(self, values: npt.ArrayLike) -> npt.NDArray[Any]:
        """A value of each name for all attributes."""
        return np.repeat(np.asarray(values), np.diff(self.bounds))

    def names_of(self, row: int) -> list[str]:
        """The names that a row has."""
        at = [int(start + np.searchsorted(self.row[start:stop], row)) for start, stop in pairwise(self.bounds.tolist())]
        return [
            name
            for name, one, stop in zip(self.names, at, self.bounds[1:].tolist(), strict=True)
            if one < stop and self.row[one] == row
        ]

    def rows_with(self, marked: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """By row the bits of all its attributes' names, whose bits are given."""
        found = np.zeros(self.rows, marked.dtype)
        for place in np.flatnonzero(marked).tolist():
            some = self.row[self.span_of(place)]
            found[slice(None) if len(some) == self.rows else some] |= marked[place]
        return found

    def texts_of(self, name: str) -> Column:
        """The values of one name, which are texts. Remembered, since content is long."""
        if name not in self._texts:
            self._texts[name] = self.texts(self.of(name))
        return self._texts[name]

    def integers(self, chosen: Ints) -> Ints:
        return self.wire.varints(self.start[chosen])[0]

    def doubles(self, chosen: Ints) -> npt.NDArray[np.float64]:
        return self.wire.words[self.start[chosen]].view(np.float64)

    def truths(self, chosen: Ints) -> Bools:
        return np.asarray(self.integers(chosen) != 0)

    def texts(self, chosen: Ints) -> Column:
        """Values as people read them."""
        starts, letters = self.start[chosen], self.letter[chosen]
        written = np.flatnonzero(letters != ord("s"))
        if not len(written):
            return strings(self.wire, starts, self.size[chosen])
        pieces, places = [], []
        for letter, spell in (("i", self._integer_texts), ("d", self._double_texts), ("b", self._truth_texts)):
            some = written[letters[written] == ord(letter)]
            pieces.append(spell(chosen[some]))
            places.append(some)
        some = written[_SPELLED[letters[written]]]
        pieces.append(self.spelled(chosen[some])[0])
        places.append(some)
        sizes = np.where(letters == ord("s"), self.size[chosen], 0)
        return mixed(self.wire, starts, sizes, np.concatenate(places), pa.concat_arrays(pieces))

    def spelled(self, chosen: Ints) -> tuple[Column, list[AnyValue], Ints]:
        """Bytes, lists and mappings as texts; the distinct ones among them, and which of these each is."""
        encoded = viewed(self.wire, self.start[chosen], self.size[chosen], pa.binary_view()).dictionary_encode()
        values = [AnyValue.FromString(octets) for octets in encoded.dictionary.to_pylist()]
        texts = pa.array([decode.text_of(value)[0] for value in values], pa.string())
        codes = encoded.indices.to_numpy()
        return texts.take(encoded.indices), values, codes

    def _integer_texts(self, chosen: Ints) -> Column:
        return pa.array(self.integers(chosen)).cast(pa.string())

    def _double_texts(self, chosen: Ints) -> Column:
        """Python's spelling; that of equal ones is looked up once. By their bits, since NaN is not equal to itself."""
        encoded = pa.array(self.doubles(chosen).view(np.int64)).dictionary_encode()
        values = encoded.dictionary.to_numpy().view(np.float64)
        return pa.array(list(map(repr, values.tolist())), pa.string()).take(encoded.indices)

    def _truth_texts(self, chosen: Ints) -> Column:
        return _BOOLS.take(pa.array(self.truths(chosen).astype(np.int8)))

    def select(self, rows: Bools) -> Attributes:
        """Those of some rows, which are numbered anew."""
        kept = rows[self.row]
        row = (np.cumsum(rows) - 1)[self.row[kept]]
        bounds = offsets(kept)[self.bounds]
        parts = (self.letter[kept], self.start[kept], self.size[kept])
        return Attributes(self.wire, int(rows.sum()), row, *parts, self.names, bounds)


class Keyed:
    """Attributes by their keys, as they are found. `is_odd` tells whose cannot be read here."""

    def __init__(self, wire: Wire, owners: int) -> None:
        self.is_odd = np.zeros(owners, np.bool_)
        self._wire = wire
        self._by_head: dict[bytes, list[_Piece]] = {}

    def add(self, part: Fields) -> None:
        """Take KeyValue messages, one of an owner at most, which begin with a key, as every SDK spells them.

        Spans of one emitter mostly have the same key here. So all are compared with the first, then those that differ.
        """
        for _ in range(_KEYS_MAX):
            if not len(part.owner):
                return
            head = _head(self._wire, int(part.start[0]), int(part.end[0]))
            if head is None:
                self.is_odd[part.owner[0]] = True
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
        self.is_odd[part.owner] = True

    def _put(self, head: bytes, part: Fields, begin: Words) -> None:
        piece, is_sound = _values(self._wire, part, begin, len(head))
        if not is_sound.all():
            self.is_odd[piece.row[~is_sound]] = True
        self._by_head.setdefault(head, []).append(piece)

    def in_order(self, rank: Ints, rows: int) -> tuple[Attributes, Bools]:
        """Those of all rows: `rank` is the row of each owner, or -1. Also which rows are odd after all."""
        is_odd = np.zeros(rows, np.bool_)
        pieces = [_in_order(same, rank, is_odd) for same in self._by_head.values()] or [_NOTHING]
        names = [head[_HEAD].decode() for head in self._by_head]
        row, letter, start, size = map(np.concatenate, zip(*pieces, strict=True))
        bounds = offsets([len(piece.row) for piece in pieces])
        found = Attributes(self._wire, rows, row, letter, start, size, names, bounds)
        is_odd[_lettered(found)] = True
        return found, is_odd


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
    width = begin.shape[1] * 8
    expected = np.frombuffer(head.ljust(width, b"\0"), np.uint64)
    masks = np.frombuffer((b"\xff" * len(head)).ljust(width, b"\0"), np.uint64)
    differs = begin[:, 0] ^ expected[0] if len(head) >= 8 else (begin[:, 0] ^ expected[0]) & masks[0]
    for place in range(1, len(expected)):
        differs |= (begin[:, place] ^ expected[place]) & masks[place]
    return np.asarray(differs == 0)


def _values(wire: Wire, part: Fields, begin: Words, head: int) -> tuple[_Piece, Bools]:
    """Types and values behind their heads; those that are not spelled as every SDK does are not sound."""
    octets = begin.view(np.uint8)
    tags, whole = octets[:, head + 1], part.end - part.start
    tag = int(tags[0])
    letter = int(_LETTER_OF[tag])
    if whole.max() > 0x7F or not letter or (tags != tag).any():
        return _any_values(wire, part, head)
    size = whole - (head + 1)
    is_sound = octets[:, head] == size
    if tag == _TEXT or tag in _WHOLE:
        is_sound &= octets[:, head + 2] == size - 2
    elif tag == _DOUBLE:
        is_sound &= size == 9
    else:
        is_sound &= wire.varints(part.start + (head + 2))[1] == part.end
    before = 2 if tag == _TEXT else 0 if tag in _WHOLE else 1
    letters = np.full(len(size), letter, np.uint8)
    return _Piece(part.owner, letters, part.start + (head + 1 + before), size - before), is_sound


def _any_values(wire: Wire, part: Fields, head: int) -> tuple[_Piece, Bools]:
    """As `_values`, of any length and type."""
    at, ends = part.start + head, part.end
    size, value = wire.varints(at)
    is_sound = (value + size == ends) & (size > 0)
    value = np.where(is_sound, value, at)
    tag = wire.octets[value]
    size, start = wire.varints(value + 1)
    end = start + size * _HAS_LENGTH[tag]
    is_double = tag == _DOUBLE
    end[is_double] = value[is_double] + 9
    is_sound &= (end == ends) & (_LETTER_OF[tag] != 0)
    is_text = tag == _TEXT
    start = np.where(is_text, start, value + ~_HAS_LENGTH[tag])
    return _Piece(part.owner, _LETTER_OF[tag] * is_sound, start, np.where(is_sound, ends - start, 0)), is_sound


def _in_order(same: Sequence[_Piece], rank: Ints, is_odd: Bools) -> _Piece:
    """Attributes of one key in the order of their rows. A row that has it twice is odd."""
    owner, *rest = (np.concatenate(parts) if len(same) > 1 else parts[0] for parts in zip(*same, strict=True))
    row = rank[owner]
    places = np.full(len(is_odd) + 1, -1, np.int64)  # the last is of those that have no row
    places[row] = np.arange(len(row))
    places = places[:-1]
    if len(row) < len(places) or places.min(initial=0) < 0:
        places = places[places >= 0]
    found = _Piece(row.take(places), *(part.take(places) for part in rest))
    if len(places) < np.count_nonzero(row >= 0):
        is_odd[np.bincount(row[row >= 0], minlength=len(is_odd)) > 1] = True
    return found


def _lettered(found: Attributes) -> Ints:
    """Tell lists of texts, which a column may take, from other lists and from mappings.

    Returns the rows with fields inside them that are not known here: no text would tell these.
    """
    nested = np.flatnonzero((found.letter == ord("a")) | (found.letter == ord("m")))
    if not len(nested):
        return nested
    _, values, codes = found.spelled(nested)
    found.letter[nested] = np.array([ord(decode.text_of(value)[1]) for value in values], np.uint8)[codes]
    return found.row[nested[np.array([decode.holds_unknown(value) for value in values], np.bool_)[codes]]]
