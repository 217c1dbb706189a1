"""The SQL of where the time of whole traces goes, a row a trace: out of their spans, or out of the roll-up `traces`."""

from __future__ import annotations

from typing import Final

from .opening import fill, question
from .plan import OPEN_FILES, Plan

#: What `trace_times.sql` asks of how long it was on.
_LEVELS: Final = ("to_models", "to_networks", "to_waits", "to_services", "to_own")
_IS_CHOSEN: Final = "trace_id IN (SELECT trace_id FROM chosen)"
_OPEN: Final = f"read_parquet(getvariable('{OPEN_FILES}'), hive_partitioning = true, union_by_name = true)"


def trace_times(spans: str = "spans") -> str:
    """The times of the traces of these spans, which are all that they have."""
    covered = {f"{level}_covered": fill(question("_covered"), level=level) for level in _LEVELS}
    return fill(question("trace_times"), spans=spans, **covered)


def times_of_chosen(sources: Plan, *, is_all: bool) -> str:
    """The times of the traces in the relation `chosen`, which are all that have a call where it `is_all`."""
    if not sources.rolled:
        return trace_times("spans" if is_all else _of("chosen", "trace_id"))
    is_chosen = "true" if is_all else _IS_CHOSEN
    return fill(
        question("trace_times_rolled"),
        is_chosen=is_chosen,
        open_spans=f"{_OPEN} WHERE {is_chosen}" if sources.calls else "spans WHERE false",
        trace_times=trace_times(_of("places", "trace_id, date")),
    )


def _of(relation: str, columns: str) -> str:
    return f"(FROM spans SEMI JOIN {relation} USING ({columns}))"
