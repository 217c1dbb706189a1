"""The attributes of many spans, by their names: one array a property of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from .. import decode
from ..native import native
from .arrays import Bools, Column, Ints, Octets, array_of, offsets
from .texts import Views, mixed, strings_of, viewed, views_as
from .wire import Wire

#: Letters of the values that the reference spells.
_SPELLED: Final = np.isin(np.arange(256), list(b"yamjo"))
#: The part of a view that is its size.
_SIZE: Final = (1 << 32) - 1


class _Spelled(NamedTuple):
    """The distinct bytes, lists and mappings, each as a text, and of each such attribute which of them it is."""

    values: list[AnyValue]
    texts: Column
    codes: Ints


@dataclass(frozen=True, slots=True)
class Attributes:
    """Those of `names[i]` are from `bounds[i]` to `bounds[i + 1]`, in the order of their rows.

    `order` has the places of those that each row has, row by row. `letter` is the type as in `attribute_types`. `value`
    is two words: of a text its view, of a number or truth its 64 bits and how many bytes they took, of lists and such
    where the whole AnyValue begins and its size.
    """

    wire: Wire
    rows: int
    row: Ints
    order: Ints
    letter: Octets
    value: Views
    names: Sequence[str]
    bounds: Ints
    _texts: dict[str, Column] = field(default_factory=dict)
    _spelled: list[_Spelled] = field(default_factory=list)

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

    def by_name(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A value of each name for all attributes."""
        return np.repeat(values, np.diff(self.bounds))

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

    def once_of(self, name: str) -> Column:
        """The same, of long values as views where they are texts: for what looks at each once, and takes none out."""
        chosen = self.of(name)
        if name in self._texts or not self._are_texts(chosen):
            return self.texts_of(name)
        return views_as(pa.string_view(), self.wire, self.value[chosen])

    def search(self, name: str, patterns: tuple[str, ...]) -> list[Bools]:
        """For each regular expression, in which values of a name it is found."""
        chosen = self.of(name)
        if native and self._are_texts(chosen):
            bits = _expressions(patterns).search(self.wire.octets, self.value[chosen])
            return [bits & (1 << place) != 0 for place in range(len(patterns))]
        found: list[Any] = [pc.match_substring_regex(self.texts_of(name), pattern) for pattern in patterns]
        return [one.to_numpy(zero_copy_only=False) for one in found]

    def _are_texts(self, chosen: Ints) -> bool:
        return bool((self.letter[chosen] == ord("s")).all())

    def integers(self, chosen: Ints) -> Ints:
        return np.asarray(self.value[chosen, 0].view(np.int64))

    def doubles(self, chosen: Ints) -> npt.NDArray[np.float64]:
        return np.asarray(self.value[chosen, 0].view(np.float64))

    def sizes(self, chosen: slice) -> Ints:
        """How many bytes the values took."""
        is_text = self.letter[chosen] == ord("s")
        first, last = (self.value[chosen, word].view(np.int64) for word in (0, 1))
        return np.asarray(first & _SIZE if is_text.all() else np.where(is_text, first & _SIZE, last))

    def truths(self, chosen: Ints) -> Bools:
        return np.asarray(self.integers(chosen) != 0)

    def texts(self, chosen: Ints) -> Column:
        """Values as people read them."""
        letters, views = self.letter[chosen], self.value.take(chosen, axis=0)
        written = np.flatnonzero(letters != ord("s"))
        if not len(written):
            return strings_of(self.wire, views)
        pieces, places = [], []
        for letter, spell in (("i", self._integer_texts), ("d", self._double_texts), ("b", self._truth_texts)):
            some = written[letters[written] == ord(letter)]
            pieces.append(spell(chosen[some]))
            places.append(some)
        some = written[_SPELLED[letters[written]]]
        pieces.append(self.spelled(chosen[some])[0])
        places.append(some)
        return mixed(self.wire, views, np.concatenate(places), pa.concat_arrays(pieces))

    def spelled(self, chosen: Ints) -> tuple[Column, list[AnyValue], Ints]:
        """Bytes, lists and mappings as texts; all distinct ones of any name, and which of these each is."""
        if not self._spelled:
            self._spelled.append(self._spell())
        spelled = self._spelled[0]
        codes = spelled.codes[chosen]
        return spelled.texts.take(array_of(codes)), spelled.values, codes

    def _spell(self) -> _Spelled:
        places = np.flatnonzero(_SPELLED[self.letter])
        start, size = (self.value[places, word].view(np.int64) for word in (0, 1))
        encoded = viewed(self.wire, start, size, pa.binary_view()).dictionary_encode()
        values = [AnyValue.FromString(octets) for octets in encoded.dictionary.to_pylist()]
        codes = np.zeros(len(self.letter), np.int64)
        codes[places] = encoded.indices.to_numpy()
        return _Spelled(values, pa.array([decode.text_of(value)[0] for value in values], pa.string()), codes)

    def _integer_texts(self, chosen: Ints) -> Column:
        return pa.array(self.integers(chosen)).cast(pa.string())

    def _double_texts(self, chosen: Ints) -> Column:
        """Python's spelling; that of equal ones is looked up once. By their bits, since NaN is not equal to itself."""
        encoded = pa.array(self.doubles(chosen).view(np.int64)).dictionary_encode()
        values = encoded.dictionary.to_numpy().view(np.float64)
        return pa.array(list(map(repr, values.tolist())), pa.string()).take(encoded.indices)

    def _truth_texts(self, chosen: Ints) -> Column:
        return pa.array(self.truths(chosen)).cast(pa.string())

    def select(self, rows: Bools) -> Attributes:
        """Those of some rows, which are numbered anew."""
        kept = rows[self.row]
        place = np.cumsum(kept) - 1
        row = (np.cumsum(rows) - 1)[self.row[kept]]
        bounds = offsets(kept)[self.bounds]
        parts = (place[self.by_row(kept)], self.letter[kept], self.value[kept])
        return Attributes(self.wire, int(rows.sum()), row, *parts, self.names, bounds)

    def by_row(self, is_chosen: Bools) -> Ints:
        """Some of them row by row, as each row has them."""
        return self.order[is_chosen[self.order]]


@functools.cache
def _expressions(patterns: tuple[str, ...]) -> Any:
    return native.Patterns(patterns)
