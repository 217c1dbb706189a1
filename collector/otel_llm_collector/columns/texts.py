"""Arrow strings of ranges of bytes: views of 16 bytes each, which Arrow copies together faster than we could."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .arrays import Bools, Column, Ints, buffer_of, validity
from .wire import PADDING, Wire

#: A value that is no longer stands in its view.
_INLINE_MAX: Final = 12
#: By size the bytes of a value that stand in its view, of 16 bytes; at last of a value that is longer.
_MASKS: Final = np.array(
    [[(1 << 8 * min(size, 8)) - 1, (1 << 8 * max(size - 8, 0)) - 1] for size in range(_INLINE_MAX + 1)]
    + [[(1 << 32) - 1, 0]],
    np.uint64,
)
_DIGITS: Final = np.array([int.from_bytes(f"{octet:02x}".encode(), "little") for octet in range(256)], np.uint16)
_HALF: Final = np.uint64(32)
#: Values that are worked on at a time: few enough that they stay near the processor.
_BLOCK: Final = 1 << 15
Views = npt.NDArray[np.uint64]


def views(wire: Wire, starts: Ints, sizes: Ints, buffer: int = 0) -> Views:
    """Views of ranges of bytes, which are Arrow's buffer of that number."""
    found = np.empty((len(starts), 2), np.uint64)
    for first in range(0, len(starts), _BLOCK):
        block = slice(first, first + _BLOCK)
        _put_views(found[block], wire, starts[block], sizes[block], buffer)
    return found


def _put_views(found: Views, wire: Wire, starts: Ints, sizes: Ints, buffer: int) -> None:
    """Size and first four bytes; then the other bytes, or of a long value the buffer and its place there."""
    head = wire.pairs[starts].view(np.uint64).reshape(-1, 2)
    head &= _MASKS.take(np.minimum(sizes, _INLINE_MAX + 1), axis=0)
    first = np.ascontiguousarray(head[:, 0])
    last = head[:, 1] << _HALF
    last |= first >> _HALF
    is_long = sizes > _INLINE_MAX
    if is_long.any():
        last |= (starts.view(np.uint64) << _HALF | np.uint64(buffer)) * is_long
    first <<= _HALF
    first |= sizes.view(np.uint64)
    found[:, 0], found[:, 1] = first, last


def viewed(wire: Wire, starts: Ints, sizes: Ints, type: Any = None) -> Column:
    """Ranges of bytes as an array of views: for what looks at each value only once."""
    data = [None, buffer_of(views(wire, starts, sizes)), buffer_of(wire.octets)]
    return pa.Array.from_buffers(type or pa.string_view(), len(starts), data)


def strings(wire: Wire, starts: Ints, sizes: Ints, known: Bools | None = None) -> Column:
    """Ranges of bytes as strings; NULL where they are not known."""
    if known is not None:
        sizes = np.where(known, sizes, 0)
    data = [None if known is None else validity(known), buffer_of(views(wire, starts, sizes)), buffer_of(wire.octets)]
    return pa.Array.from_buffers(pa.string_view(), len(starts), data).cast(pa.string())


def mixed(wire: Wire, starts: Ints, sizes: Ints, written: Ints, texts: Column) -> Column:
    """As `strings`, but the values at some places are texts that were written here."""
    found = views(wire, starts, sizes)
    texts = pa.concat_arrays([texts])  # without an offset
    _, bounds, data = texts.buffers()
    octets = np.frombuffer(bytes(data or b"") + bytes(PADDING), np.uint8)
    at = np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64)
    found[written] = views(Wire(octets), at[:-1], np.diff(at), buffer=1)
    buffers = [None, buffer_of(found), buffer_of(wire.octets), buffer_of(octets)]
    return pa.Array.from_buffers(pa.string_view(), len(starts), buffers).cast(pa.string())


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
