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
_MASKS: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
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
    size = sizes.astype(np.uint64)
    found[:, 0] = size | wire.quads[starts].astype(np.uint64) << _HALF
    found[:, 1] = np.uint64(buffer) | starts.astype(np.uint64) << _HALF
    short = np.flatnonzero(sizes <= _INLINE_MAX)
    if len(short):
        at, few = starts[short], sizes[short]
        first = wire.words[at] & _MASKS[np.minimum(few, 8)]
        last = wire.quads[at + 8].astype(np.uint64) & _MASKS[np.maximum(few - 8, 0)]
        found[short, 0] = size[short] | first << _HALF
        found[short, 1] = first >> _HALF | last << _HALF


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
    octets = bytes(data or b"") + bytes(PADDING)
    at = np.frombuffer(bounds, np.int32)[: len(texts) + 1].astype(np.int64)
    found[written] = views(Wire(octets), at[:-1], np.diff(at), buffer=1)
    buffers = [None, buffer_of(found), buffer_of(wire.octets), pa.py_buffer(octets)]
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
