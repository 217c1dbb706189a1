"""Tables and trees for people: 80 columns are enough, numbers stand under each other, no digit of money is lost."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from .query.trace_tree import Line, Tree, outline
from .render import column_values, plain_text, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

    from .query import Table

#: Headings of the answers' columns; others are shown under their own name.
HEADINGS: Final = {
    "input_tokens": "input",
    "cache_read_tokens": "cached",
    "output_tokens": "output",
    "cost_usd": "cost USD",
    "unpriced_calls": "unpriced",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "first_chunk_p50_ms": "1st chunk\np50 ms",
    "first_chunk_p95_ms": "\np95 ms",
    "first_chunk_p99_ms": "\np99 ms",
}
#: Columns of answers that a table leaves out: always, or where they say nothing (zero or NULL in every row).
_NEVER_SHOWN: Final = frozenset({"unpriced_reasons"})
_SHOWN_IF_ANY: Final = frozenset(
    {"errors", "cache_read_tokens", "unpriced_calls", "first_chunk_p50_ms", "first_chunk_p95_ms", "first_chunk_p99_ms"}
)
#: What a table gives up, in this order, where it would be wider than the terminal.
_FIRST_TO_GO: Final = ("errors", "share", "cache_read_tokens")
_KEY_PREFIXES: Final = ("property.", "attribute.")
_TEXT_WIDTH_MIN: Final = 10
_TEXT_WIDTH_LIKED: Final = 26  # a model's or a user's name, unbroken
_GAP: Final = 2
_GAP_TEXT: Final = " " * _GAP
_NULL: Final = "-"


def answer_table(answer: Table, *, limit: int | None = None, width: int = 80) -> str:
    """An answer of `query.cost` or `query.latency`, with a line of totals under its first `limit` rows."""
    data = answer.data.slice(0, limit)
    columns: dict[str, _Column] = {}
    for name in data.column_names:
        total = (answer.total or {}).get(name)
        if name not in _NEVER_SHOWN and (total or name not in _SHOWN_IF_ANY):
            columns[name] = _Column(data[name].type, _pretty(name, [*column_values(data[name]), total]))
    for name, column in columns.items():
        if name == data.column_names[0] or not column.is_number:
            column.cells[-1] = "total" if name == data.column_names[0] else ""
    for name in _FIRST_TO_GO:
        if _width_min([_heading(name) for name in columns], list(columns.values()), _TEXT_WIDTH_LIKED) > width:
            columns.pop(name, None)
    has_total = bool(answer.total) and data.num_rows > 0
    if not has_total:
        columns = {name: column.without_last() for name, column in columns.items()}
    return _grid([_heading(name) for name in columns], list(columns.values()), width, footer=has_total)


def result_table(data: pa.Table, *, width: int = 80) -> str:
    """Any rows: a grid where they fit, else one block a row."""
    names, columns = _exact_columns(data)
    return _grid(names, columns, width) if fits_grid(data, width) else _blocks(names, columns, data.num_rows)


def fits_grid(data: pa.Table, width: int) -> bool:
    """Whether the cells can stand side by side in such a width without breaking a number, a time or a drawing."""
    names, columns = _exact_columns(data)
    if any("\n" in cell for column in columns for cell in column.cells):
        return False
    return _width_min(names, columns) <= width or not data.num_rows


def trace_text(tree: Tree, *, depth: int | None = None, limit: int | None = None, width: int = 80) -> str:
    """A trace as an indented tree; beside each span what its whole subtree cost, took and used."""
    lines = outline(tree, depth=depth, limit=limit)
    sums = [line.sums for line in lines] + ([tree.sums] if len(tree.roots) > 1 else [])
    labels = [_label(line) for line in lines] + (["total"] if len(tree.roots) > 1 else [])
    columns = {
        "cost USD": _exact([part.cost_usd for part in sums]),
        "time": [_duration(part.duration_ns) for part in sums],
        "input": [_count(part.input_tokens) for part in sums],
        "output": [_count(part.output_tokens) for part in sums],
    }
    widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
    room = max(width - sum(size + _GAP for size in widths.values()), 2 * _TEXT_WIDTH_MIN)
    text = [*_trace_heading(tree), _fit("", room) + "".join(_GAP_TEXT + name.rjust(widths[name]) for name in columns)]
    for position, label in enumerate(labels):
        numbers = "".join(_GAP_TEXT + cells[position].rjust(widths[name]) for name, cells in columns.items())
        text.append(_fit(label, room) + numbers)
    return "\n".join(line.rstrip() for line in text) + "\n"


def hidden_spans(tree: Tree, *, depth: int | None = None, limit: int | None = None) -> int:
    """How many spans `trace_text` does not show one by one."""
    return sum(line.sums.spans for line in outline(tree, depth=depth, limit=limit) if line.node is None)


class _Column:
    """The cells of a column, and whether they are numbers."""

    def __init__(self, type: pa.DataType, cells: list[str]) -> None:
        import pyarrow.types as kinds

        self.type = type
        self.is_number = kinds.is_integer(type) or kinds.is_floating(type) or kinds.is_decimal(type)
        self.is_breakable = kinds.is_string(type) or kinds.is_binary(type) or kinds.is_nested(type)
        self.cells = cells

    def without_last(self) -> _Column:
        return _Column(self.type, self.cells[:-1])

    def width_min(self, heading: str, text_width: int = _TEXT_WIDTH_MIN) -> int:
        """Numbers and times are never broken; text may be, down to `text_width` cells."""
        natural = max([*map(len, heading.splitlines()), *map(len, self.cells)], default=0)
        return min(natural, max(len(heading), text_width)) if self.is_breakable else natural


def _exact_columns(data: pa.Table) -> tuple[list[str], list[_Column]]:
    columns = [_Column(column.type, _exact(column_values(column), keep="\n")) for column in data.columns]
    return unique_names(data.column_names), columns


def _grid(names: Sequence[str], columns: Sequence[_Column], width: int, *, footer: bool = False) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_footer=footer)
    for name, column in zip(names, columns, strict=True):
        grid.add_column(
            Text(name),
            footer=Text(column.cells[-1]) if footer else "",
            justify="right" if column.is_number else "left",
            no_wrap=not column.is_breakable,
            min_width=column.width_min(name),
            overflow="fold",
        )
    bodies = [column.cells[:-1] if footer else column.cells for column in columns]
    for cells in zip(*bodies, strict=True):
        grid.add_row(*map(Text, cells))
    out = io.StringIO()
    Console(file=out, width=max(width, _width_min(names, columns)), color_system=None, legacy_windows=False).print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _width_min(names: Sequence[str], columns: Sequence[_Column], text_width: int = _TEXT_WIDTH_MIN) -> int:
    """The cells that the columns need side by side."""
    return sum(column.width_min(name, text_width) + _GAP for name, column in zip(names, columns, strict=True)) - _GAP


def _heading(name: str) -> str:
    key = next((name.removeprefix(prefix) for prefix in _KEY_PREFIXES if name.startswith(prefix)), name)
    return HEADINGS.get(key, key)


def _blocks(names: Sequence[str], columns: Sequence[_Column], rows: int) -> str:
    margin = max(map(len, names))
    pairs = list(zip(names, columns, strict=True))
    blocks = (
        "".join(f"{name.rjust(margin)}{_GAP_TEXT}{_own_lines(column.cells[row])}\n" for name, column in pairs)
        for row in range(rows)
    )
    return "\n".join(f"── row {number} ──\n{block}" for number, block in enumerate(blocks, start=1))


def _pretty(name: str, values: Sequence[Any]) -> list[str]:
    """Cells of an answer's column: thousands marked, shares in percent, milliseconds with one decimal."""
    if name == "share":
        return [_NULL if value is None else f"{value:.1%}" for value in values]
    if name.endswith("_ms"):
        return [_NULL if value is None else f"{value:,.1f}" for value in values]
    if all(value is None or type(value) is int for value in values):
        return [_count(value) for value in values]
    return _exact(values)


def _exact(values: Sequence[Any], keep: str = "") -> list[str]:
    """Cells without loss. Decimals keep as many places as the longest of the column needs, and two at least."""
    places = max((_places(value) for value in values if isinstance(value, Decimal)), default=0)
    return [
        _NULL if value is None
        else f"{value:.{max(places, 2)}f}" if isinstance(value, Decimal)
        else _printable(plain_text(value), keep)
        for value in values
    ]  # fmt: skip


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _printable(text: str, keep: str = "") -> str:
    """The text without what could break lines or steer a terminal, but for the signs to keep."""
    if text.isprintable():
        return text
    return "".join(sign if sign in keep or unicodedata.category(sign)[0] != "C" else repr(sign)[1:-1] for sign in text)


def _own_lines(cell: str) -> str:
    """Text of several lines begins on a line of its own, so that a drawing stays one."""
    return f"\n{cell.rstrip()}" if "\n" in cell else cell


def _trace_heading(tree: Tree) -> list[str]:
    start = tree.first("start_time")
    began = "" if start is None else f" · {start:%Y-%m-%d %H:%M:%S %Z}"
    who = [("workflow", "workflow_name"), ("session", "session_id"), ("user", "user_id")]
    known = [f"{label} {_printable(str(value))}" for label, name in who if (value := tree.first(name)) is not None]
    counts = f"{tree.sums.spans:,} spans · {tree.sums.calls:,} calls" + (
        f" · {tree.sums.errors:,} errors" if tree.sums.errors else ""
    )
    return [f"trace {tree.trace_id}", counts + began, *([" · ".join(known)] if known else []), ""]


def _label(line: Line) -> str:
    connector = "" if line.depth == 0 else "└─ " if line.is_last else "├─ "
    depth = f"{line.depth}… " if line.depth * 3 > len(line.guides) + len(connector) else ""
    if line.node is None:
        return f"{depth}{line.guides}{connector}… {line.sums.spans:,} more spans"
    row = line.node.row
    failed = f" ✗ {row['error_type'] or 'failed'}" if row["status"] == "ERROR" else ""
    mark = f" [{line.node.mark}]" if line.node.mark else ""
    return f"{depth}{line.guides}{connector}{_printable(row['name'] or _NULL)}{_printable(failed)}{mark}"


def _fit(text: str, width: int) -> str:
    """The text in exactly so many cells of a terminal."""
    from rich.cells import cell_len, set_cell_size

    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _count(value: int | None) -> str:
    return _NULL if value is None else f"{value:,}"


def _duration(ns: int | None) -> str:
    if ns is None:
        return _NULL
    if abs(ns) < 1_000_000_000:
        return f"{ns / 1e6:.1f} ms"
    if abs(ns) < 120_000_000_000:
        return f"{ns / 1e9:.2f} s"
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    return f"{minutes // 60}h {minutes % 60:02}m" if minutes >= 120 else f"{minutes}m {seconds:02}s"
