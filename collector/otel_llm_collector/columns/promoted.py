"""The columns that are read from attributes, each from the first that says something."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables
from otel_llm_semconv.dialects.reading import provider_name

from .. import decode
from ..lake.schema import ARROW_TYPES
from ..normalise import CONTENT, PROMOTED
from .arrays import Bools, Column, Ints, array_of, texts, validity
from .attributes import Attributes
from .spans import Spans
from .speech import ROW_SOURCES, TABLES, numbers, sources
from .texts import offsets_of, strings_of

_TYPE_OF: Final = {column.name: column.type for column in tables.TABLES["spans"]}
_OWN: Final[Mapping[str, tuple[Any, ...]]] = {column.name: (column.attribute,) for column in PROMOTED} | ROW_SOURCES
_NS_PER_S: Final = 1e9


@functools.cache
def _others(number: int, column: str) -> frozenset[str]:
    """The attributes that a dialect has for a column beside its own."""
    return frozenset(sources(TABLES[number], column)) - frozenset(_OWN[column])


class Promoted:
    """The columns of some spans that come from attributes; `dialect` is as in `speech.judge`.

    `leaves` tells which attributes have a column of their own, and are among `attributes` no more.
    """

    def __init__(self, spans: Spans, dialect: Ints) -> None:
        self._spans = spans
        self._found = spans.attributes
        self._dialect = dialect
        self._spoken = np.unique(dialect[dialect >= 0]).tolist()
        self._names = frozenset(self._found.names)
        self._derived: dict[str, Bools] = {}
        self.leaves = np.zeros(len(self._found.row), np.bool_)
        self.columns = {name: self._column(name) for name in _OWN}
        for column in (*PROMOTED, *CONTENT):
            self.leaves[self._found.of(column.attribute or "")] = True
        self._name_providers()

    def derived(self) -> Column:
        """By row the names of the columns that were read from other attributes than their own."""
        rows = len(self._spans)
        known = np.zeros(rows, np.bool_)
        for told in self._derived.values():
            known |= told
        if not known.any():
            return pa.nulls(rows, pa.list_(pa.string()))
        names = sorted(name for name, told in self._derived.items() if told.any())
        told = np.array([self._derived[name] for name in names]).T
        row, place = np.nonzero(told)
        offsets: Column = array_of(offsets_of(np.bincount(row, minlength=rows)))
        return pa.ListArray.from_arrays(offsets, texts(place, names), mask=array_of(~known))

    def _slot(self, column: str) -> Ints | None:
        """The attribute that each row's value is read from, or -1; None where no row has one."""
        own = [name for name in _OWN[column] if name in self._names]
        others = {number: _others(number, column) & self._names for number in self._spoken}
        if not own and not any(others.values()):
            return None
        slot = np.full(len(self._spans), -1, np.int64)
        for name in reversed(own):
            self._put(slot, name, None)
        for number in (number for number, names in others.items() if names):
            free = (self._dialect == number) & (slot < 0)
            for name in reversed(sources(TABLES[number], column)):
                if name in others[number]:
                    self._put(slot, name, free)
            self._tell(column, free & (slot >= 0))
        return slot

    def _put(self, slot: Ints, name: str, rows: Bools | None) -> None:
        chosen = self._found.of(name)
        if rows is not None:
            chosen = chosen[rows[self._found.row[chosen]]]
        slot[self._found.row[chosen]] = chosen

    def _tell(self, column: str, rows: Bools) -> None:
        if rows.any():
            self._derived[column] = self._derived.get(column, np.zeros(len(rows), np.bool_)) | rows

    def _column(self, name: str) -> Column:
        type, slot = _TYPE_OF[name], self._slot(name)
        if slot is None or not (slot >= 0).any():
            return _nulls(len(self._spans), ARROW_TYPES[type])
        known = slot >= 0
        if name == "time_to_first_chunk_ns":
            return _numbers(np.rint(numbers(self._spans, slot[known]) * _NS_PER_S).astype(np.int64), known)
        return values(self._found, type, slot, known)

    def _name_providers(self) -> None:
        """The conventions' names of providers. An attribute that has another stays."""
        column = self.columns["provider"]
        if column.null_count == len(column) or not self._spoken:
            return
        encoded = column.dictionary_encode(null_encoding="encode")
        codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
        told, new = list(names), codes.copy()
        for number in self._spoken:
            named = [name and provider_name(TABLES[number], name) for name in names]
            told += named
            places = np.arange(len(told) - len(names), len(told))
            changed = np.array([one != other for one, other in zip(named, names, strict=True)])
            rows = (self._dialect == number) & changed[codes]
            new[rows] = places[codes[rows]]
            self._tell("provider", rows)
        entries = self._found.of(a.PROVIDER)
        self.leaves[entries[(new != codes)[self._found.row[entries]]]] = False
        self.columns["provider"] = texts(new, told)


def values(found: Attributes, type: str, slot: Ints, known: Bools) -> Column:
    """The values of the attributes at these places, where they are known, as a column of this type."""
    if type == tables.TEXT:
        if known.all():
            return strings_of(found.wire, found.value.take(slot, axis=0))
        return strings_of(found.wire, found.value.take(slot * known, axis=0), known)
    chosen = slot[known]
    match type:
        case tables.BOOL:
            return _spread(pa.array(found.truths(chosen)), known)
        case tables.TEXTS:
            _, distinct, codes = found.spelled(chosen)
            lists: Column = pa.array([decode.strings_of(value) for value in distinct], pa.list_(pa.string()))
            return _spread(lists.take(pa.array(codes)), known)
    return _numbers(found.integers(chosen), known).cast(ARROW_TYPES[type])


def _numbers(values: Ints, known: Bools) -> Column:
    if known.all():
        return pa.array(values)
    spread = np.zeros(len(known), np.int64)
    spread[known] = values
    return pa.Array.from_buffers(pa.int64(), len(known), [validity(known), pa.array(spread).buffers()[1]])


def _spread(column: Column, known: Bools) -> Column:
    """The values in the rows where there is one."""
    if known.all():
        return column
    place = np.cumsum(known) - 1
    return column.take(pa.array(place, mask=~known))


def _nulls(rows: int, type: Any) -> Column:
    return pa.nulls(rows, type)


def text_or_null(found: Attributes, rows: int, *names: str) -> Column:
    """By row the first of some attributes, which are texts."""
    slot = np.full(rows, -1, np.int64)
    for name in reversed(names):
        chosen = found.of(name)
        slot[found.row[chosen]] = chosen
    known = slot >= 0
    return values(found, tables.TEXT, slot, known) if known.any() else pa.nulls(rows, pa.string())
