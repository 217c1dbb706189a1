"""Reading the lake: open it, ask it. Nothing here writes, and nothing here needs a collector to be running."""

from __future__ import annotations

from .answers import Selection, Table, cost, latency, selection, trace, unpriced
from .opening import Bounds, connect, views_sql
from .statements import sql
from .timespan import between
from .trace_tree import Tree

__all__ = [
    "Bounds",
    "Selection",
    "Table",
    "Tree",
    "between",
    "connect",
    "cost",
    "latency",
    "selection",
    "sql",
    "trace",
    "unpriced",
    "views_sql",
]
