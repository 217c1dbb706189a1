"""The attributes of many spans: one array a property of them, in the order of the spans and, in a span, of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from .. import decode
from .arrays import Bools, Column, Ints
from .texts import mixed, strings, viewed
from .wire import Wire

#: Of the fields of a KeyValue and an AnyValue.
_KEY, _VALUE = 0x0A, 0x12
#: Tag of an AnyValue -> the letter of its type, where one byte tells it; lists and mappings are looked into.
LETTERS: Final = {0x0A: "s", 0x10: "b", 0x18: "i", 0x21: "d", 0x3A: "y", 0x2A: "a", 0x32: "m"}
_LETTER_OF: Final = np.zeros(256, np.uint8)
for _tag, _letter in LETTERS.items():
    _LETTER_OF[_tag] = ord(_letter)
_HAS_LENGTH: Final = np.isin(np.arange(256), [0x0A, 0x3A, 0x2A, 0x32])
#: Letters of the values that the reference spells.
_SPELLED: Final = np.isin(np.arange(256), list(b"yamjo"))
#: Attributes that are worked on at a time: few enough that they stay near the processor.
_BLOCK: Final = 1 << 15
_BOOLS: Final[Column] = pa.array(["false", "true"])


@dataclass(frozen=True, slots=True)
class Attributes:
    """`start` and `size` are of a value's bytes: of text the text, of lists and such the whole AnyValue.

    `letter` is the type as in `attribute_types`. `key` is a place in `names`. `offsets` tells where each row's begin.
    `by_key` is all of them by key, `bounds` where each key's begin there.
    """

    wire: Wire
    offsets: Ints
    row: Ints
    key: Ints
    letter: npt.NDArray[np.uint8]
    start: Ints
    size: Ints
    names: Sequence[str]
    by_key: Ints
    bounds: Ints
    _texts: dict[str, Column] = field(default_factory=dict)

    def of(self, name: str) -> Ints:
        """Those of one name, a row has one at most."""
        try:
            place = self.names.index(name)
        except ValueError:
            return self.by_key[:0]
        return self.by_key[self.bounds[place] : self.bounds[place + 1]]

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
        sizes = np.diff(self.offsets)[rows]
        parts = (self.key[kept], self.letter[kept], self.start[kept], self.size[kept])
        return _grouped(self.wire, sizes, parts, self.names)


def read(wire: Wire, sizes: Ints, starts: Ints, ends: Ints) -> tuple[Attributes, Bools]:
    """The attributes at these places, `sizes` of them in each row. Also which rows cannot be read here."""
    key_start, key_size, letter, start, size, is_sound = _split(wire, starts, ends)
    encoded = viewed(wire, key_start, key_size).dictionary_encode()
    names = encoded.dictionary.to_pylist()
    parts = (encoded.indices.to_numpy(), letter, start, size)
    found = _grouped(wire, sizes, parts, names)
    is_odd = np.zeros(len(sizes), np.bool_)
    is_odd[found.row[~is_sound]] = True
    is_odd[_lettered(found)] = True
    is_odd[_rows_with_repeated_keys(found)] = True
    return found, is_odd


def _split(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Any, Ints, Ints, Bools]:
    """Keys, types and values of KeyValue messages that are spelled as every SDK does; all others are not sound."""
    parts = [
        _split_some(wire, starts[first : first + _BLOCK], ends[first : first + _BLOCK])
        for first in range(0, max(1, len(starts)), _BLOCK)
    ]
    key_start, key_size, letter, start, size, is_sound = map(np.concatenate, zip(*parts, strict=True))
    return key_start, key_size, letter, start, size, is_sound


def _split_some(wire: Wire, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Any, Ints, Ints, Bools]:
    octets = wire.octets
    key_size = octets[starts + 1].astype(np.int64)
    key_start = starts + 2
    at = key_start + key_size
    is_sound = (octets[starts] == _KEY) & (key_size < 0x80) & (at < ends)
    at = np.where(is_sound, at, starts)
    size, value = wire.varints(at + 1)
    is_sound &= (octets[at] == _VALUE) & (value + size == ends) & (size > 0)
    value = np.where(is_sound, value, starts)
    tag = octets[value]
    size, start = wire.varints(value + 1)
    has_length = _HAS_LENGTH[tag]
    end = np.where(has_length, start + size, start)
    end[tag == 0x21] = value[tag == 0x21] + 9
    is_sound &= (end == ends) & (_LETTER_OF[tag] != 0)
    is_text = tag == 0x0A
    is_whole = has_length & ~is_text
    start = np.where(is_text, start, np.where(is_whole, value, value + 1))
    size = np.where(is_sound, ends - start, 0)
    return key_start, np.where(is_sound, key_size, 0), _LETTER_OF[tag] * is_sound, start, size, is_sound


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


def _grouped(wire: Wire, sizes: Ints, parts: tuple[Any, ...], names: Sequence[str]) -> Attributes:
    key, letter, start, size = parts
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    narrow = key.astype(np.int16) if len(names) < 1 << 15 else key  # 16 bits are sorted by their digits
    by_key = np.argsort(narrow, kind="stable")
    bounds = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(key, minlength=len(names)), out=bounds[1:])
    row = np.repeat(np.arange(len(sizes)), sizes)
    return Attributes(wire, offsets, row, key, letter, start, size, names, by_key, bounds)


def _rows_with_repeated_keys(found: Attributes) -> Ints:
    """By key the rows come in their order: one that comes twice has it twice."""
    row, key = found.row[found.by_key], found.key[found.by_key]
    return np.asarray(row[1:][(row[1:] == row[:-1]) & (key[1:] == key[:-1])])
