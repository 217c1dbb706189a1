"""The spans of one trace as a tree with exact sums for every subtree. No recursion: traces may be very deep."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_PARENT: Final = "parent missing"
PARENT_CYCLE: Final = "parents in a circle"


@dataclass(slots=True)
class Sums:
    """What a subtree adds up to. Tokens and cost count model calls only; None where no call reported any."""

    spans: int = 0
    errors: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    start_ns: int | None = None
    end_ns: int | None = None

    def add(self, other: Sums) -> None:
        """Take in another subtree."""
        self.spans += other.spans
        self.errors += other.errors
        self.calls += other.calls
        self.unpriced_calls += other.unpriced_calls
        self.input_tokens = _plus(self.input_tokens, other.input_tokens)
        self.output_tokens = _plus(self.output_tokens, other.output_tokens)
        self.cost_usd = other.cost_usd if self.cost_usd is None else self.cost_usd + (other.cost_usd or 0)
        self.start_ns = min((ns for ns in (self.start_ns, other.start_ns) if ns is not None), default=None)
        self.end_ns = max((ns for ns in (self.end_ns, other.end_ns) if ns is not None), default=None)

    @property
    def duration_ns(self) -> int | None:
        """From the first start to the last end inside; None where nothing is known."""
        return None if self.start_ns is None or self.end_ns is None else self.end_ns - self.start_ns


@dataclass(slots=True)
class Node:
    """A span in its place. `mark` says why it is a root although it names a parent."""

    row: Mapping[str, Any]
    depth: int = 0
    mark: str | None = None
    children: list[Node] = field(default_factory=list)
    sums: Sums = field(default_factory=Sums)


@dataclass(frozen=True, slots=True)
class Tree:
    """A trace: its roots, every node in the order of a walk from the top, and the sums over all of it."""

    trace_id: str
    roots: tuple[Node, ...]
    nodes: tuple[Node, ...]
    sums: Sums

    def table(self) -> pa.Table:
        """One row a span in the order of the walk, with its depth and the sums of its subtree."""
        import pyarrow as pa

        return pa.Table.from_pylist([_flat(self.trace_id, node) for node in self.nodes], schema=_flat_schema())

    def first(self, column: str) -> Any:
        """The column's first value along the walk that is not NULL."""
        return next((node.row[column] for node in self.nodes if node.row[column] is not None), None)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an outline: a node, or (`node` None) what is hidden below the line before it."""

    node: Node | None
    sums: Sums
    depth: int
    is_last: bool
    guides: str


def grow(trace_id: str, rows: Sequence[Mapping[str, Any]]) -> Tree:
    """Hang the rows (as `queries/trace.sql` gives them, earliest first) under their parents and add up.

    A span whose parent is not among the rows becomes a root with a mark; so does the earliest span of a circle.
    """
    trusted = any(row["is_sound"] for row in rows)  # else the clocks may at least agree with each other
    nodes = [Node(row, sums=_own_sums(row, timed=row["is_sound"] or not trusted)) for row in rows]
    by_id: dict[str, Node] = {}
    for node in nodes:
        by_id.setdefault(node.row["span_id"], node)
    roots = []
    for node in nodes:
        parent_id = node.row["parent_span_id"]
        parent = by_id.get(parent_id) if parent_id else None
        if parent is not None:
            parent.children.append(node)
            continue
        node.mark = MISSING_PARENT if parent_id else None
        roots.append(node)
    walk = list(_walk(roots))
    if len(walk) < len(nodes):
        roots.extend(_cut_circles(nodes, walk, by_id))
        walk = list(_walk(roots))
    for node in reversed(walk):
        for child in node.children:
            node.sums.add(child.sums)
    total = Sums()
    for root in roots:
        total.add(root.sums)
    return Tree(trace_id, tuple(roots), tuple(walk), total)


def outline(tree: Tree, *, depth: int | None = None, limit: int | None = None) -> list[Line]:
    """The lines to show: at most `limit` spans, those nearest to the roots first, none deeper than `depth` (root = 0).

    Where something is hidden one line stands for it with its sums, so that what is shown still adds up.
    """
    shown = _nearest(tree.roots, depth, limit)
    lines: list[Line] = []
    waiting: list[Line] = list(reversed(list(_siblings(tree.roots, shown, depth=0, guides=""))))
    while waiting:
        line = waiting.pop()
        lines.append(line)
        if line.node is not None:
            guides = line.guides if line.depth == 0 else line.guides + ("   " if line.is_last else "│  ")
            below = _siblings(line.node.children, shown, line.depth + 1, guides[-_GUIDES_WIDTH:])
            waiting.extend(reversed(list(below)))
    return lines


#: Of the guides left of a deep line only the last cells are kept.
_GUIDES_WIDTH: Final = 15


def _siblings(nodes: Sequence[Node], shown: set[int], depth: int, guides: str) -> Iterator[Line]:
    visible = [node for node in nodes if id(node) in shown]
    hidden = Sums()
    for node in nodes:
        if id(node) not in shown:
            hidden.add(node.sums)
    for position, node in enumerate(visible, start=1):
        yield Line(node, node.sums, depth, position == len(visible) and not hidden.spans, guides)
    if hidden.spans:
        yield Line(None, hidden, depth, is_last=True, guides=guides)


def _nearest(roots: Iterable[Node], depth: int | None, limit: int | None) -> set[int]:
    shown: set[int] = set()
    waiting = deque(roots)
    while waiting and (limit is None or len(shown) < limit):
        node = waiting.popleft()
        shown.add(id(node))
        if depth is None or node.depth < depth:
            waiting.extend(node.children)
    return shown


def _walk(roots: Sequence[Node]) -> Iterator[Node]:
    waiting = [(root, 0) for root in reversed(roots)]
    while waiting:
        node, depth = waiting.pop()
        node.depth = depth
        yield node
        waiting.extend((child, node.depth + 1) for child in reversed(node.children))


def _cut_circles(nodes: Sequence[Node], reached: Sequence[Node], by_id: Mapping[str, Node]) -> Iterator[Node]:
    """Make the earliest span of each circle a root; what hangs off the circle then hangs off that root."""
    seen = {id(node) for node in reached}
    for first in nodes:
        path: dict[int, Node] = {}
        node = first
        while id(node) not in seen and id(node) not in path:
            path[id(node)] = node
            node = by_id[node.row["parent_span_id"]]
        if id(node) in path:
            circle = list(path.values())[list(path).index(id(node)) :]
            start = min(circle, key=_begin)
            by_id[start.row["parent_span_id"]].children.remove(start)
            start.mark = PARENT_CYCLE
            yield start
        seen.update(path)


def _begin(node: Node) -> tuple[bool, Any, int, str]:
    row = node.row
    return row["start_time"] is not None, row["start_time"], row["start_time_ns"] or 0, row["span_id"]


def _own_sums(row: Mapping[str, Any], *, timed: bool) -> Sums:
    """What the span itself adds; no time where its clock cannot be right."""
    start, duration = row["start_time_ns"] if timed else None, row["duration_ns"]
    sums = Sums(1, int(row["status"] == "ERROR"), start_ns=start)
    sums.end_ns = None if start is None else start + max(duration or 0, 0)
    if row["is_llm_call"]:
        sums.calls = 1
        sums.unpriced_calls = int(row["cost_usd"] is None)
        sums.input_tokens, sums.output_tokens = row["input_tokens"], row["output_tokens"]
        sums.cost_usd = row["cost_usd"]
    return sums


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)


_OWN: Final = (
    "span_id",
    "parent_span_id",
    "name",
    "operation",
    "agent_name",
    "model",
    "status",
    "error_type",
    "start_time",
    "is_llm_call",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "cost_status",
)


def _flat(trace_id: str, node: Node) -> dict[str, Any]:
    sums = node.sums
    return {
        "trace_id": trace_id,
        "depth": node.depth,
        **{name: node.row[name] for name in _OWN},
        "duration_ms": _ms(node.row["duration_ns"]),
        "mark": node.mark,
        "subtree_spans": sums.spans,
        "subtree_errors": sums.errors,
        "subtree_calls": sums.calls,
        "subtree_unpriced_calls": sums.unpriced_calls,
        "subtree_input_tokens": _long(sums.input_tokens),
        "subtree_output_tokens": _long(sums.output_tokens),
        "subtree_cost_usd": sums.cost_usd,
        "subtree_duration_ms": _ms(sums.duration_ns),
    }


def _flat_schema() -> pa.Schema:
    import pyarrow as pa

    from otel_llm_collector.lake.schema import ARROW_TYPES
    from otel_llm_semconv.tables import TABLES, TEXT

    own = {column.name: ARROW_TYPES[column.type] for column in TABLES["spans"]} | {"model": ARROW_TYPES[TEXT]}
    counts = ("spans", "errors", "calls", "unpriced_calls", "input_tokens", "output_tokens")
    types: dict[str, pa.DataType] = {
        "trace_id": pa.string(),
        "depth": pa.int64(),
        **{name: own[name] for name in _OWN},
        "duration_ms": pa.float64(),
        "mark": pa.string(),
        **{f"subtree_{name}": pa.int64() for name in counts},
        "subtree_cost_usd": pa.decimal128(38, 12),
        "subtree_duration_ms": pa.float64(),
    }
    return pa.schema(types)


def _long(value: int | None) -> int | None:
    """The value as BIGINT; NULL beyond it, as in the views."""
    return value if value is None or -(2**63) <= value < 2**63 else None


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6
