"""Times in buckets whose bounds grow by a factor: percentiles out of sums, each within a stated part of itself."""

from __future__ import annotations

import math
from typing import Final

from ..rollup.cubes import GROWTH
from .opening import fill, question

#: What is counted of calls in a bucket.
COUNTS: Final = ("calls", "errors", "durations", "first_chunks", "paces")
#: What is added up of times, of calls and of cells alike.
TIMED_SUMS: Final = ",\n".join(f"    CAST(sum({name}) AS BIGINT) AS {name}" for name in COUNTS)
_TIMES: Final = {
    "duration": "if(duration_ms IS NULL, NULL, duration_ns)",
    "first_chunk": "time_to_first_chunk_ns",
    "pace": "pace",
}


def timed_calls() -> str:
    """`llm_calls` with the buckets that their times fall into, as a relation."""
    buckets = {f"{time}_bucket": _bucket(column) for time, column in _TIMES.items()}
    return f"({fill(question('timed_calls'), **buckets)})"


def middle_ms(bucket: str) -> str:
    """SQL of the time, or of the tokens a second, that stands for all of a bucket's."""
    return f"if({bucket} < 0, 0, {2 / (GROWTH + 1)} * pow({GROWTH}, {bucket} + 1) / 1e6)"


def _bucket(ns: str) -> str:
    """A number for a time or pace, NULL for one below zero."""
    return f"CASE WHEN {ns} > 0 THEN CAST(floor(ln({ns}) / {math.log(GROWTH)}) AS INTEGER) WHEN {ns} = 0 THEN -1 END"
