"""Columns of text side by side in the cells of a terminal. Numbers, times and ids stand whole, whatever the width."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

GAP: Final = "  "
#: The width of what is no terminal: a table there is as wide as it needs to be.
UNBOUNDED: Final = sys.maxsize
_TEXT_WIDTH_MIN: Final = 10
_WORD_WIDTH_MAX: Final = 40  # what is longer may be broken
_ID: Final = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_VALUE: Final = ("", "-", "total")


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of a column; whether they are numbers, and whether they may be broken over lines."""

    cells: list[str]
    is_number: bool
    is_breakable: bool

    @classmethod
    def of(cls, type: pa.DataType, cells: list[str]) -> Column:
        """A column of such a type: only text that is no id may be broken."""
        import pyarrow.types as kinds

        is_number = kinds.is_integer(type) or kinds.is_floating(type) or kinds.is_decimal(type)
        is_text = kinds.is_string(type) or kinds.is_binary(type) or kinds.is_nested(type)
        return cls(cells, is_number, is_text and not _are_ids(cells))

    def without_last(self) -> Column:
        return Column(self.cells[:-1], self.is_number, self.is_breakable)

    def natural(self, heading: str) -> int:
        """The cells that it needs where nothing is broken."""
        return max([*map(cells_of, heading.split("\n")), *map(cells_of, self.cells)], default=0)

    def unbroken(self) -> int:
        """The cells that its longest name or word needs."""
        words = max((cells_of(word) for cell in self.cells for word in cell.split()), default=0)
        return min(words, _WORD_WIDTH_MAX)


def grid(columns: Sequence[tuple[str, Column]], width: int, *, footer: bool = False) -> str:
    """The columns under their headings; text is broken to fit the width, and lines are longer where that is not enough.

    With `footer` the last cells stand under a rule of their own.
    """
    widths = _widths(columns, width)
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    headings = [_heading_lines(heading, size) for (heading, _), size in zip(columns, widths, strict=True)]
    height = max(map(len, headings), default=0)
    lines = _row([[""] * (height - len(heading)) + heading for heading in headings], columns, widths)
    lines.append(rule)
    bodies = list(zip(*(column.cells for _, column in columns), strict=True))
    for number, cells in enumerate(bodies, start=1):
        if footer and number == len(bodies):
            lines.append(rule)
        lines += _row([_broken(cell, size) for cell, size in zip(cells, widths, strict=True)], columns, widths)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def width_min(columns: Sequence[tuple[str, Column]], text_width: int = _TEXT_WIDTH_MIN) -> int:
    """The cells that the columns need side by side, with text broken to `text_width` but for the headings."""
    return sum(
        min(column.natural(heading), max(_widest_line(heading), text_width) if column.is_breakable else UNBOUNDED)
        + len(GAP)
        for heading, column in columns
    ) - len(GAP)


def width_liked(heading: str, column: Column, text_width: int) -> int:
    """The cells of a column with no name or word broken, and with text broken to `text_width` at least."""
    natural = column.natural(heading)
    return min(natural, max(_widest_line(heading), column.unbroken(), text_width)) if column.is_breakable else natural


def _widest_line(heading: str) -> int:
    return max(map(cells_of, heading.split("\n")))


def cells_of(text: str) -> int:
    """The cells of a terminal that a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text, filled up with spaces to so many cells; never shorter than it is."""
    space = " " * max(width - cells_of(text), 0)
    return space + text if right else text + space


def shortened(text: str, width: int) -> str:
    """The text in so many cells at most, with a sign where it was cut."""
    from rich.cells import set_cell_size

    return text if cells_of(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def _are_ids(cells: Sequence[str]) -> bool:
    values = [cell for cell in cells if cell not in _NO_VALUE]
    return bool(values) and all(map(_ID.fullmatch, values))


def _widths(columns: Sequence[tuple[str, Column]], width: int) -> list[int]:
    """The widest text gives way first; names and words only where no text between them can, then headings of text."""
    widths = naturals = [column.natural(heading) for heading, column in columns]
    headings = [_widest_line(heading) for heading, _ in columns]
    words = [max(least, column.unbroken()) for least, (_, column) in zip(headings, columns, strict=True)]
    room = width - len(GAP) * (len(columns) - 1)
    for least in (words, headings, [0] * len(columns)):
        for cap in range(max(naturals, default=0), _TEXT_WIDTH_MIN - 1, -1):
            if sum(widths) <= room:
                return widths
            widths = [
                min(natural, max(floor, cap)) if column.is_breakable else natural
                for natural, floor, (_, column) in zip(naturals, least, columns, strict=True)
            ]
    return widths


def _broken(text: str, width: int) -> list[str]:
    """The text in lines of so many cells at most, broken between words where it can be."""
    if cells_of(text) <= width and "\n" not in text:
        return [text]
    from rich.text import Text

    wrapped = Text(text).wrap(_console(), width, overflow="fold")
    return [line.plain for line in wrapped] or [""]


def _heading_lines(heading: str, width: int) -> list[str]:
    """The heading in lines, broken after an underscore where that helps."""
    after = heading.rfind("_", 0, width) + 1
    if cells_of(heading) <= width or "\n" in heading or not after:
        return _broken(heading, width)
    return [*_broken(heading[:after], width), *_heading_lines(heading[after:], width)]


@functools.cache
def _console() -> Console:
    from rich.console import Console

    return Console()


def _row(cells: list[list[str]], columns: Sequence[tuple[str, Column]], widths: Sequence[int]) -> list[str]:
    """The lines of one row of the grid."""
    height = max(map(len, cells), default=0)
    filled = [lines + [""] * (height - len(lines)) for lines in cells]
    return [
        GAP.join(
            fit(lines[line], size, right=column.is_number)
            for lines, (_, column), size in zip(filled, columns, widths, strict=True)
        )
        for line in range(height)
    ]
