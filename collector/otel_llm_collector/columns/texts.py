"""Arrow strings of ranges of bytes: views of 16 bytes each, which Arrow copies together faster than we could."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..native import native
from .arrays import Bools, Column, Ints, buffer_of, validity
from .wire import PADDING, Wire

#: A value that is no longer stands in its view.
_INLINE_MAX: Final = 12
#: By size the first eight and the last four bytes of a value that stand in its view; at last of one that is longer.
_FIRST: Final = np.array([*((1 << 8 * min(size, 8)) - 1 for size in range(_INLINE_MAX + 1)), 0xFFFFFFFF], np.uint64)
_LAST: Final = np.array([*((1 << 8 * max(size - 8, 0)) - 1 for size in range(_INLINE_MAX + 1)), 0], np.uint64)
_DIGITS: Final = np.array([int.from_bytes(f"{octet:02x}".encode(), "little") for octet in range(256)], np.uint16)
_HALF: Final = np.uint64(32)
Words: TypeAlias = npt.NDArray[np.uint64]
#: Two words a value.
Views: TypeAlias = npt.NDArray[np.uint64]


def views(wire: Wire, starts: Ints, sizes: Ints, buffer: int = 0) -> Views:
    """Views of ranges of bytes, which are Arrow's buffer of that number."""
    starts, sizes = np.ascontiguousarray(starts), np.ascontiguousarray(sizes)
    if native and (whole := native.views(wire.octets, starts, sizes, buffer)) is not None:
        return cast(Views, whole)
    begin = wire.pairs[starts].view(np.uint64).reshape(-1, 2)
    found = views_of(begin[:, 0], begin[:, 1], starts, sizes)
    if buffer:
        found[:, 1] |= np.uint64(buffer) * (sizes > _INLINE_MAX)
    return found


def views_of(first: Words, last: Words, starts: Ints, sizes: Ints) -> Views:
    """Views of values by the first eight bytes of each, and the next eight.

    That is size and first four bytes; then the other bytes, or of a long value its place in the buffer.
    """
    size = np.minimum(sizes, _INLINE_MAX + 1)
    first = first & _FIRST.take(size)
    last = (last & _LAST.take(size)) << _HALF
    last |= first >> _HALF
    is_long = sizes > _INLINE_MAX
    if is_long.any():
        last |= (starts.view(np.uint64) << _HALF) * is_long
    first <<= _HALF
    first |= sizes.view(np.uint64)
    return np.stack((first, last), axis=1)


def viewed(wire: Wire, starts: Ints, sizes: Ints, type: Any = None) -> Column:
    """Ranges of bytes as an array of views: for what looks at each value only once."""
    return views_as(type or pa.string_view(), wire, views(wire, starts, sizes))


def views_as(type: pa.DataType, wire: Wire, found: Views) -> Column:
    """An array of views."""
    return pa.Array.from_buffers(type, len(found), [None, buffer_of(found), buffer_of(wire.octets)])


def strings(wire: Wire, starts: Ints, sizes: Ints, known: Bools | None = None) -> Column:
    """Ranges of bytes as strings; NULL where they are not known."""
    return strings_of(wire, views(wire, starts, sizes), known)


def strings_of(wire: Wire, found: Views, known: Bools | None = None) -> Column:
    """Views as strings; NULL where they are not known, whatever the views are there, which are lost."""
    if known is not None:
        found[~known] = 0  # Arrow may look at them all the same
    data = [None if known is None else validity(known), buffer_of(found), buffer_of(wire.octets)]
    return pa.Array.from_buffers(pa.string_view(), len(found), data).cast(pa.string())


def mixed(wire: Wire, found: Views, written: Ints, texts: Column) -> Column:
    """As `strings_of`, but the values at some places are texts that were written here."""
    texts = pa.concat_arrays([texts])  # without an offset
    _, bounds, data = texts.buffers()
    octets = np.frombuffer(bytes(data or b"") + bytes(PADDING), np.uint8)
    at = np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64)
    found[written] = views(Wire(octets), at[:-1], np.diff(at), buffer=1)
    buffers = [None, buffer_of(found), buffer_of(wire.octets), buffer_of(octets)]
    return pa.Array.from_buffers(pa.string_view(), len(found), buffers).cast(pa.string())


def hexes(octets: npt.NDArray[np.uint8], known: Bools | None = None) -> Column:
    """Rows of bytes as lower-case hexadecimal digits; NULL where they are not known."""
    rows, width = octets.shape
    digits = _DIGITS[octets]
    sizes = np.full(rows, 2 * width) if known is None else np.where(known, 2 * width, 0)
    data = digits if known is None else digits[known]
    return pa.Array.from_buffers(
        pa.string(),
        rows,
        [
            None if known is None else validity(known),
            buffer_of(offsets_of(sizes)),
            buffer_of(np.ascontiguousarray(data)),
        ],
    )


def offsets_of(sizes: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Where each of some values begins, laid end to end, and where the last ends."""
    found = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=found[1:])
    return found
