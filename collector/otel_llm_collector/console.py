"""Tables and trees for people: 80 columns are enough, numbers stand under each other, no digit of a cost is lost.

Where not all columns have room, the least go first, and the reader is told which. A terminal's bounds alone count: what
is written elsewhere is as wide as it needs to be.
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from .grid import GAP, UNBOUNDED, Column, cells_of, fit, grid, shortened, width_liked, width_min
from .query.trace_tree import Line, Sums, Tree, outline
from .render import column_values, plain_text, significant, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

    from .query import Table

#: Headings of the answers' columns; others are shown under their own name.
HEADINGS: Final = {
    "cache_read_tokens": "cached",
    "cache_write_tokens": "written",
    "calls_per_min": "a minute",
    "change_usd": "change\nUSD",
    "cost_before_usd": "before\nUSD",
    "cost_usd": "cost USD",
    "duration_s": "s",
    "error_rate": "rate",
    "first_chunk_p50_ms": "1st chunk\np50 ms",
    "first_chunk_p95_ms": "\np95 ms",
    "first_chunk_p99_ms": "\np99 ms",
    "first_time": "first",
    "forecast_usd": "forecast\nUSD",
    "high_usd": "high\nUSD",
    "hit_rate": "rate",
    "input_per_call": "input\na call",
    "input_tokens": "input",
    "last_time": "last",
    "lost_usd": "lost USD",
    "low_usd": "low\nUSD",
    "mix_usd": "mix",
    "model_ms": "model\nms",
    "network_ms": "network\nms",
    "own_ms": "own\nms",
    "output_per_call": "output\na call",
    "output_tokens": "output",
    "p50_ms": "p50 ms",
    "p90_ms": "p90 ms",
    "p95_ms": "p95 ms",
    "p99_ms": "p99 ms",
    "previous_usd": "previous\nUSD",
    "price_usd": "price",
    "prompt_version": "version",
    "saved_usd": "saved USD",
    "services_ms": "services\nms",
    "session_name": "name",
    "spent_usd": "spent\nUSD",
    "tokens_change": "tokens\nchange",
    "tokens_per_s": "tokens\na second",
    "tokens_usd": "tokens",
    "timed_calls": "timed",
    "total_ms": "total\nms",
    "unpriced_calls": "unpriced",
    "usd_per_hour": "USD\nan hour",
    "usd_change": "USD\nchange",
    "usd_per_call": "USD\na call",
    "user_id": "user",
    "volume_usd": "volume",
    "waiting_ms": "waits\nms",
}
#: Columns of answers that a table leaves out: always, or where they say nothing (zero or NULL in every row).
_NEVER_SHOWN: Final = frozenset({"unpriced_reasons"})
_SHOWN_IF_ANY: Final = frozenset(
    {
        "cache_read_tokens", "cache_write_tokens", "errors", "first_chunk_p50_ms", "first_chunk_p95_ms",
        "first_chunk_p99_ms", "http_statuses", "scores", "session_name", "tokens_per_s", "unpriced_calls", "user_id",
    }
)  # fmt: skip
#: What a table gives up, in this order, where it would be wider than the terminal: drawings, what its question can
#: spare, these.
_BARS_FIRST: Final = ("trend",)
_FIRST_TO_GO: Final = (
    "errors", "share", "cache_read_tokens", "first_chunk_p99_ms", "p90_ms", "p99_ms",
    "tokens_per_s", "services_ms", "waiting_ms", "hits", "lost_usd", "usd_change",
)  # fmt: skip
_ROUNDED: Final = ("_ms", "_s", "_per_call", "_per_min", "_per_hour")
_PARTS_OF_ONE: Final = frozenset({"change", "error_rate", "hit_rate", "share", "tokens_change", "usd_change"})
_KEY_PREFIXES: Final = ("property.", "attribute.")
_TEXT_WIDTH_LIKED: Final = 26
_PROSE: Final = frozenset({"text"})  # columns of whole sentences, and their width
_PROSE_WIDTH_LIKED: Final = 50
_NAME_WIDTH_MIN: Final = 8  # of a span's name in a tree
_LABEL_WIDTH_MIN: Final = 20
_LANE_WIDTH: Final = 30
_NULL: Final = "-"
_BARS: Final = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as text, and the columns that had no room in it."""

    text: str
    left_out: tuple[str, ...]


def answer_table(answer: Table, *, limit: int | None = None, width: int = 80) -> str:
    """An answer of a question, with a line of totals under its first `limit` rows."""
    return show(answer, limit=limit, width=width).text


def show(answer: Table, *, limit: int | None = None, width: int = 80) -> Shown:
    """What `answer_table` gives, and what it leaves out."""
    columns = _answer_columns(answer, limit)
    left_out = _make_room(columns, (*_BARS_FIRST, *answer.minor, *_FIRST_TO_GO), width)
    has_total = bool(answer.total) and answer.data.num_rows > 0
    if not has_total:
        columns = {name: column.without_last() for name, column in columns.items()}
    text = grid([(heading(name), column) for name, column in columns.items()], width, footer=has_total)
    return Shown(text, left_out)


def _answer_columns(answer: Table, limit: int | None) -> dict[str, Column]:
    """The columns that say something, their totals last."""
    data, places = answer.data.slice(0, limit), _places_of_cents(answer) if answer.is_rounded else 0
    columns: dict[str, Column] = {}
    for name in data.column_names:
        total = (answer.total or {}).get(name)
        says_something = bool(total) or (total is None and data[name].null_count < data.num_rows)
        if name not in _NEVER_SHOWN and (says_something or name not in _SHOWN_IF_ANY):
            values = [*column_values(data[name]), total]
            is_money = answer.is_rounded and name.endswith("_usd")
            cells = _cents(values, places) if is_money else pretty(name, values)
            column = Column.of(data[name].type, cells)
            columns[name] = replace(column, is_breakable=False) if name == "trend" else column
    for name, column in columns.items():
        if name == data.column_names[0] or not column.is_number:
            column.cells[-1] = "total" if name == data.column_names[0] else ""
    return columns


def _make_room(columns: dict[str, Column], least: Sequence[str], width: int) -> tuple[str, ...]:
    """Take away the least of the columns until the others fit without a broken name; what was taken."""
    needed = {
        name: width_liked(heading(name), column, _PROSE_WIDTH_LIKED if name in _PROSE else _TEXT_WIDTH_LIKED)
        for name, column in columns.items()
    }
    left_out = []
    for name in least:
        if name in needed and sum(needed.values()) + len(GAP) * (len(needed) - 1) > width:
            del columns[name], needed[name]
            left_out.append(name)
    return tuple(left_out)


def result_table(data: pa.Table, *, width: int = 80) -> str:
    """Any rows: a grid where they fit, else one block a row."""
    columns = _exact_columns(data)
    return grid(list(columns.items()), width) if fits_grid(data, width) else _blocks(columns, data.num_rows)


def fits_grid(data: pa.Table, width: int) -> bool:
    """Whether the cells can stand side by side in such a width without breaking a number, a time or a drawing."""
    columns = _exact_columns(data)
    if any("\n" in cell for column in columns.values() for cell in column.cells):
        return False
    return width_min(list(columns.items())) <= width or not data.num_rows


def trace_text(
    tree: Tree, *, depth: int | None = None, limit: int | None = None, width: int = 80, waterfall: bool = False
) -> str:
    """A trace as an indented tree; beside each span what its whole subtree cost and took, and what it used or when."""
    lines = outline(tree, depth=depth, limit=limit)
    sums = [line.sums for line in lines] + ([tree.sums] if len(tree.roots) > 1 else [])
    labels = [_label(line) for line in lines] + ([_Label("", "total", "")] if len(tree.roots) > 1 else [])
    columns = {
        "cost USD": _exact([part.cost_usd for part in sums]),
        "time": [_duration(part.duration_ns) for part in sums],
    }
    if not waterfall:
        columns["input"] = [_count(part.input_tokens) for part in sums]
        columns["output"] = [_count(part.output_tokens) for part in sums]
    widths = {name: max(len(name), *map(len, cells)) for name, cells in columns.items()}
    if waterfall:
        columns["when"] = [_lane(part, tree.sums) for part in sums]
        widths["when"] = _LANE_WIDTH
    room = max(width - sum(size + len(GAP) for size in widths.values()), _LABEL_WIDTH_MIN)
    room = min(room, max(label.natural() for label in labels)) if width == UNBOUNDED else room
    shown = [label.within(room) for label in labels]
    room = max(room, *map(cells_of, shown))
    text = [*_trace_heading(tree), " " * room + "".join(GAP + name.rjust(widths[name]) for name in columns)]
    for position, label_text in enumerate(shown):
        numbers = "".join(GAP + cells[position].rjust(widths[name]) for name, cells in columns.items())
        text.append(fit(label_text, room) + numbers)
    return "\n".join(line.rstrip() for line in text) + "\n"


def _lane(part: Sums, whole: Sums) -> str:
    """When a subtree began and ended within the trace, as a bar in its place; a point where it was over at once."""
    if part.start_ns is None or part.end_ns is None or whole.start_ns is None or whole.end_ns is None:
        return " " * _LANE_WIDTH
    scale = _LANE_WIDTH / max(whole.end_ns - whole.start_ns, 1)
    first = min(max(round((part.start_ns - whole.start_ns) * scale), 0), _LANE_WIDTH - 1)
    length = max(round((part.end_ns - whole.start_ns) * scale) - first, 0)
    return (" " * first + ("▇" * length or "·"))[:_LANE_WIDTH].ljust(_LANE_WIDTH)


def hidden_spans(tree: Tree, *, depth: int | None = None, limit: int | None = None) -> int:
    """How many spans `trace_text` does not show one by one."""
    return sum(line.sums.spans for line in outline(tree, depth=depth, limit=limit) if line.node is None)


def _exact_columns(data: pa.Table) -> dict[str, Column]:
    names = unique_names(data.column_names)
    return {
        name: Column.of(column.type, _exact(column_values(column), keep="\n"))
        for name, column in zip(names, data.columns, strict=True)
    }


def heading(name: str) -> str:
    """What stands over an answer's column."""
    key = next((name.removeprefix(prefix) for prefix in _KEY_PREFIXES if name.startswith(prefix)), name)
    return HEADINGS.get(key, key)


def _blocks(columns: Mapping[str, Column], rows: int) -> str:
    margin = max(map(cells_of, columns))
    blocks = (
        "".join(
            f"{fit(name, margin, right=True)}{GAP}{_own_lines(column.cells[row])}\n" for name, column in columns.items()
        )
        for row in range(rows)
    )
    return "\n".join(f"── row {number} ──\n{block}" for number, block in enumerate(blocks, start=1))


def pretty(name: str, values: Sequence[Any]) -> list[str]:
    """Cells of an answer's column: thousands marked, shares in percent, milliseconds with one decimal."""
    form = _form(name, [value for value in values if value is not None])
    return _exact(values) if form is None else [_NULL if value is None else form(value) for value in values]


def _form(name: str, values: Sequence[Any]) -> Callable[[Any], str] | None:
    """How a value of an answer's column is written; None for exactly."""
    if name in _FORMS:
        return _FORMS[name]
    if name in _PARTS_OF_ONE:
        return _change if "change" in name else "{:,.1%}".format
    if name.endswith(_ROUNDED):
        return "{:,.1f}".format
    if any(isinstance(value, dt.datetime) for value in values):
        return "{:%Y-%m-%d %H:%M}".format
    return "{:,}".format if all(type(value) is int for value in values) else None


def _change(part: float) -> str:
    """A change in percent, of more than tenfold in whole ones."""
    return f"{part:+,.0%}" if abs(part) >= 10 else f"{part:+,.1%}"


def _places_of_cents(answer: Table) -> int:
    """The places of money that is compared: cents; three digits that matter where all of it is less than 1 USD."""
    money = [answer.data[name].to_pylist() for name in answer.data.column_names if name.endswith("_usd")]
    largest = max((abs(value) for values in money for value in values if value), default=Decimal(1))
    return max(2, 2 - largest.adjusted())


def _cents(values: Sequence[Decimal | None], places: int) -> list[str]:
    return [_NULL if value is None else f"{round(value, places) + 0:.{places}f}" for value in values]


def sparkline(values: Sequence[Any]) -> str:
    """A line of bars, the largest value as high as can be; nothing where all are nothing."""
    top = max((float(value) for value in values), default=0.0)
    if top <= 0:
        return ""
    steps = len(_BARS) - 1
    return "".join(_BARS[max(0, min(steps, round(float(value) / top * steps)))] for value in values)


_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "actual": significant,  # of another unit in each row
    "expected": significant,
    "trend": sparkline,
    "usd_per_call": "{:,.6f}".format,
}


def _exact(values: Sequence[Any], keep: str = "") -> list[str]:
    """Cells without loss. Decimals keep as many places as the longest of the column needs, and two at least."""
    places = max((_places(value) for value in values if isinstance(value, Decimal)), default=0)
    return [
        _NULL if value is None
        else f"{value:.{max(places, 2)}f}" if isinstance(value, Decimal)
        else printable(plain_text(value), keep)
        for value in values
    ]  # fmt: skip


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def printable(text: str, keep: str = "") -> str:
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
    known = [f"{label} {printable(str(value))}" for label, name in who if (value := tree.first(name)) is not None]
    counts = f"{tree.sums.spans:,} spans · {tree.sums.calls:,} calls" + (
        f" · {tree.sums.errors:,} errors" if tree.sums.errors else ""
    )
    return [f"trace {tree.trace_id}", counts + began, *([" · ".join(known)] if known else []), ""]


@dataclass(frozen=True, slots=True)
class _Label:
    """What stands left of a span's numbers. Only its name may be shortened."""

    place: str
    name: str
    remarks: str

    def natural(self) -> int:
        return cells_of(self.place + self.name + self.remarks)

    def within(self, width: int) -> str:
        room = max(width - cells_of(self.place) - cells_of(self.remarks), _NAME_WIDTH_MIN)
        return self.place + shortened(self.name, room) + self.remarks


def _label(line: Line) -> _Label:
    connector = "" if line.depth == 0 else "└─ " if line.is_last else "├─ "
    depth = f"{line.depth}… " if line.depth * 3 > len(line.guides) + len(connector) else ""
    if line.node is None:
        return _Label(f"{depth}{line.guides}{connector}", "", f"… {line.sums.spans:,} more spans")
    row = line.node.row
    failed = f" ✗ {row['error_type'] or 'failed'}" if row["status"] == "ERROR" else ""
    mark = f" [{line.node.mark}]" if line.node.mark else ""
    return _Label(f"{depth}{line.guides}{connector}", printable(row["name"] or _NULL), printable(failed) + mark)


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
