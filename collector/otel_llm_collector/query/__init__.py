"""Reading the lake: open it, ask it. Nothing here writes, and nothing here needs a collector to be running."""

from __future__ import annotations

from .anomalies import anomalies
from .answers import Selection, Table, selection, trace, unpriced
from .change import change
from .forecast import forecast
from .opening import Bounds, all_live_files, connect, connect_to, rolled_up, views_for, views_sql
from .questions import QUESTIONS, ask, cost, latency, latency_split
from .statements import sql
from .timespan import between
from .trace_tree import Tree

__all__ = [
    "QUESTIONS",
    "Bounds",
    "Selection",
    "Table",
    "Tree",
    "all_live_files",
    "anomalies",
    "ask",
    "between",
    "change",
    "connect",
    "connect_to",
    "cost",
    "forecast",
    "latency",
    "latency_split",
    "rolled_up",
    "selection",
    "sql",
    "trace",
    "unpriced",
    "views_for",
    "views_sql",
]
