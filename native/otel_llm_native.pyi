"""OTLP on the wire, read natively. Places are offsets in the octets that are given."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__version__: str
INTERFACE: int

class Shape:
    """What messages may look like, by the number of each of their fields.

    A field is (number, kind, argument): kind is varint, fixed64, fixed32, bytes, text (UTF-8), message (of the index
    `argument`) or id (`argument` octets that are not all zero, which has to be there). The first message is the
    outermost, the one with the index `counted` is counted. ValueError where a kind or an index is none.
    """

    def __new__(cls, messages: Sequence[Sequence[tuple[int, str, int]]], counted: int) -> Shape: ...
    def count(self, data: bytes, /) -> int | None:
        """How many counted messages are in one that looks like this.

        None where it does not, or is spelled in a way that only protobuf judges: unknown fields, groups, deep nesting.
        """

class Spans:
    """What was read of spans, a row each.

    `starts` and `ends` have a row for each field of `columns.fields.SINGLE`, 0 and 0 where a span lacks it. `is_odd`
    tells which spans cannot be read here. `rest` has row, begin and end of each field of no column. The others are of
    the attributes, as in `columns.attributes.Attributes`.
    """

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    has_events: npt.NDArray[np.bool_]
    is_odd: npt.NDArray[np.bool_]
    rest: list[tuple[int, int, int]]
    names: list[str]
    bounds: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    letter: npt.NDArray[np.uint8]
    value: npt.NDArray[np.uint64]

class Patterns:
    """Regular expressions to be found in texts, eight at most. ValueError where one of them is none."""

    def __new__(cls, patterns: Sequence[str], /) -> Patterns: ...
    def search(self, octets: npt.NDArray[np.uint8], views: npt.NDArray[np.uint64], /) -> npt.NDArray[np.uint8]:
        """Of each text, given as a row of `columns.texts.Views`, a bit for each expression that is found in it.

        ValueError where a view leads out of the octets.
        """

def views(
    octets: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    buffer: int,
    /,
) -> npt.NDArray[np.uint64] | None:
    """Rows of `columns.texts.Views` of ranges of octets, which are Arrow's buffer of that number.

    None where one of them leads out of the octets. All arrays are contiguous.
    """

def inner(
    octets: npt.NDArray[np.uint8], start: int, end: int, tag: int, /
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], bytes] | None:
    """Where the messages of a field stand in the one between two places, and the bytes of all other fields of it.

    None where that is no message.
    """

def heads(
    octets: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], /
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each span where its trace id stands and when it began, as far as its first fields tell; else 0."""

def read(octets: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], /) -> Spans:
    """Read the spans between these places."""
