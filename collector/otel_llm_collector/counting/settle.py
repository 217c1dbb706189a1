"""Rows of `spans` that tell of one call: one of them is counted. Decided for a table before its file is written.

Nearly all rows are told of once. They are let through by comparing whole columns; the rest is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv.pricing import quote
from otel_llm_semconv.tables import TABLES

from .calls import Call, calls_of, read
from .choice import decide
from .groups import ATTEMPTS, Links, group

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
Column = Any
#: Row ids -> why each is not counted; None for one that is.
Decisions = Mapping[str, str | None]
#: Prices rows that are to count after all.
Pricer = Callable[[pa.Table], pa.Table]

#: What a row that is not counted does not have.
_MONEY: Final = (*(c.name for c in TABLES["spans"] if c.name.startswith("cost_") and c.unit == "USD"), "price_version")


def settle(rows: pa.Table, price: Pricer | None = None) -> pa.Table:
    """The same rows, each call counted once among them.

    A row that is not counted says why, keeps its usage, and costs nothing. `price` is asked for rows that were settled
    before as not counted and now are.
    """
    return apply(rows, decisions(calls_of(rows), rows), price)


def decisions(calls: pa.Table, rows: pa.Table | None = None) -> Decisions:
    """What has to change among the calls. `rows` are all spans, through which the tree leads."""
    related = read(calls.filter(_may_share(calls))) if calls.num_rows > 1 else []
    if not related:
        return {}
    decided = decide(group(related, _links(related, rows)))
    return {
        call.row_id: reason for call, reason in decided if (reason is None) != call.is_counted or reason != call.reason
    }


def apply(rows: pa.Table, decided: Decisions, price: Pricer | None = None) -> pa.Table:
    """The rows as they were decided on."""
    if not decided:
        return rows
    ids = rows["row_id"]
    dropped = {row_id: reason for row_id, reason in decided.items() if reason is not None}
    rows = _uncount(rows, dropped)
    counted = pc.is_in(ids, value_set=pa.array([row_id for row_id in decided if row_id not in dropped], pa.string()))
    if price is None or not pc.any(counted).as_py():
        return rows
    return pa.concat_tables([rows.filter(pc.invert(counted)), price(rows.filter(counted))]).unify_dictionaries()


def _uncount(rows: pa.Table, dropped: Mapping[str, str]) -> pa.Table:
    place = pc.index_in(rows["row_id"], value_set=pa.array(list(dropped), pa.string()))
    is_dropped = pc.is_valid(place)
    reason = pa.array(list(dropped.values()), pa.string()).take(_flat(place))
    said: dict[str, Any] = {
        "is_llm_call": pa.scalar(False),
        "not_counted_reason": reason,
        "cost_status": pa.scalar(quote.NOT_COUNTED),
        **{name: pa.scalar(None, rows.schema.field(name).type) for name in _MONEY},
    }
    for name, value in said.items():
        where = rows.schema.get_field_index(name)
        rows = rows.set_column(where, rows.schema.field(name), pc.if_else(is_dropped, value, rows[name]))
    return rows


# --- which rows are looked at -----------------------------------------------------------------------------------


def _may_share(calls: pa.Table) -> Column:
    """Where another row may tell of the same call: by the tree, or because several emitters are at work."""
    found = [_is_linked(calls), _ends_a_stream(calls), _is_attempt(calls)]
    if len(pc.unique(calls["emitter"])) > 1:
        found += [_is_shared(calls, key) for key in ("trace_id", "response_id", "input_tokens")]
    return reduce(pc.or_, found)


def _is_linked(calls: pa.Table) -> Column:
    """Where a call's parent is a call, or it says what it continues."""
    inner = pc.or_(_is_in(calls["parent_span_id"], calls["span_id"]), pc.is_valid(calls["continues"]))
    if not pc.any(inner).as_py():
        return inner
    links = calls.filter(inner)
    outer = pc.or_(_is_in(calls["span_id"], links["parent_span_id"]), _is_in(calls["span_id"], links["continues"]))
    return pc.or_(inner, pc.or_(outer, _is_in(calls["parent_span_id"], links["parent_span_id"])))


def _ends_a_stream(calls: pa.Table) -> Column:
    """Where a call may have ended before its stream began, and where one of no length may tell the rest."""
    is_end = pc.fill_null(pc.and_(pc.equal(calls["duration_ns"], 0), pc.is_valid(calls["output_tokens"])), False)
    if not pc.any(is_end).as_py():
        return is_end
    emitters = calls["emitter"].filter(is_end)
    lacks = pc.and_(pc.is_null(calls["output_tokens"]), pc.is_null(calls["input_tokens"]))
    return pc.or_(is_end, pc.and_(lacks, _is_in(calls["emitter"], emitters)))


def _is_attempt(calls: pa.Table) -> Column:
    failed = pc.fill_null(pc.and_(pc.equal(calls["status"], "ERROR"), pc.is_null(calls["output_tokens"])), False)
    failed = pc.and_(failed, pc.is_in(calls["dialect"], value_set=pa.array(sorted(ATTEMPTS))))
    if not pc.any(failed).as_py():
        return failed
    return _is_in(calls["parent_span_id"], calls["parent_span_id"].filter(failed))


def _is_shared(calls: pa.Table, key: str) -> Column:
    """Where several emitters tell the same of `key`."""
    counted = calls.select([key, "emitter"]).group_by(key).aggregate([("emitter", "count_distinct")])
    return _is_in(calls[key], counted[key].filter(pc.greater(counted["emitter_count_distinct"], 1)))


def _is_in(column: Column, values: Column) -> Column:
    return pc.and_(pc.is_valid(column), pc.is_in(column, value_set=_flat(values)))


def _flat(column: Column) -> Column:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _links(calls: list[Call], rows: pa.Table | None) -> Links:
    """The parents of all spans of the traces that several of the calls are in."""
    if rows is None:
        return {}
    traces = pa.array(sorted({call.trace for call in calls if call.trace is not None}), pa.string())
    taken = rows.filter(pc.is_in(rows["trace_id"], value_set=traces)).select(["trace_id", "span_id", "parent_span_id"])
    return {
        (trace, span): parent
        for trace, span, parent in zip(*(column.to_pylist() for column in taken.columns), strict=True)
    }
