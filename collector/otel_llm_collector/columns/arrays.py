"""NumPy arrays as Arrow arrays and back, without a loop over values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
#: An Arrow array: the stubs know too few of the types that its methods take.
Column: TypeAlias = Any


class Words(NamedTuple):
    """A column of few distinct texts: `values[codes[row]]`. None may be among the values."""

    codes: npt.NDArray[np.integer[Any]]
    values: list[str | None]


def words_of(column: Column | None, rows: int) -> Words:
    """A text column by its distinct values; no column is one of nothing but NULL."""
    if column is None or column.null_count == rows:
        return Words(np.zeros(rows, np.int32), [None])
    encoded = column.dictionary_encode(null_encoding="encode")
    return Words(encoded.indices.to_numpy(), encoded.dictionary.to_pylist())


def texts(codes: npt.NDArray[np.integer[Any]], values: Sequence[str | None]) -> Column:
    """The texts `values[code]`."""
    return pa.array(values, pa.string()).take(pa.array(codes))


def buffer_of(values: Any) -> pa.Buffer:
    """The memory of a NumPy array, not copied."""
    return pa.py_buffer(values)


def array_of(values: Any, mask: Any = None) -> Column:
    """Numbers as an Arrow array, not copied; NULL where the mask says so."""
    return pa.array(values, mask=mask)


def validity(known: Bools) -> pa.Buffer | None:
    """Arrow's bitmap of what is not NULL; None where nothing is."""
    return None if known.all() else buffer_of(np.packbits(known, bitorder="little"))


def picodollars(picos: Ints, known: Bools) -> Column:
    """Whole picodollars as DECIMAL(18,12) USD."""
    wide = np.empty((len(picos), 2), np.int64)
    wide[:, 0] = picos
    wide[:, 1] = picos >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 12), len(picos), [validity(known), buffer_of(wide)])


def dense(codes: Ints) -> tuple[Ints, Ints]:
    """The codes renumbered from 0 in the order in which they come, and for each new number a row that has it."""
    numbers = pa.array(codes).dictionary_encode().indices.to_numpy().astype(np.int64)
    rows = np.zeros(int(numbers.max(initial=-1)) + 1, np.int64)
    rows[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    return numbers, rows


def known_of(column: Column) -> Bools:
    """Where a column is not NULL."""
    found: Bools = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), np.bool_)
    return found


def offsets(sizes: npt.ArrayLike) -> Ints:
    """Where each of some values begins, laid end to end, and where the last ends."""
    found = np.zeros(np.size(sizes) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    return found
