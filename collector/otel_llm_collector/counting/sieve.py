"""Which calls are looked at one by one: found by comparing whole columns, since nearly all are told of once."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from .agreement import SKEW_NS
from .rules import ATTEMPT_NS, ATTEMPTS

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
Column = Any
#: Values are looked at for those that matter first where they are so many times as many as what is compared.
_MANY: Final = 4
#: What is compared of a row of one trace.
_TOLD_IN_TRACE: Final = (
    *("trace_id", "span_id", "parent_span_id", "continues", "start_time_ns", "duration_ns"),
    *("status", "dialect", "output_tokens"),
)
#: What is compared of a row that no trace joins with another one.
_TOLD_OUTSIDE: Final = ("input_tokens", "response_id", "is_proxy", "span_id")


def related(calls: pa.Table) -> pa.Table:
    """The calls that another one of them may tell of, too: by the tree, or because several emitters are at work."""
    if calls.num_rows < 2:
        return calls.slice(0, 0)
    found = [_is_linked(calls), _is_attempt(calls), _ends_streams(calls, calls), _begins_streams(calls, calls)]
    if len(pc.unique(calls["emitter"])) > 1:
        found += [_is_shared(calls, "trace_id"), _is_shared(calls, "response_id"), _is_traceless(calls)]
    return calls.filter(reduce(pc.or_, found))


def related_to(calls: pa.Table, earlier: pa.Table, rows: pa.Table) -> pa.Table:
    """The earlier calls of which these may change how they are counted. `rows` are all spans that came."""
    if not earlier.num_rows:
        return earlier
    emitters = {*pc.unique(earlier["emitter"]).to_pylist(), *pc.unique(calls["emitter"]).to_pylist()}
    has_several = len(emitters) > 1
    found = [_in_traces(earlier, calls, rows if has_several else calls)]
    if calls.num_rows:
        found += [_ends_streams(earlier, calls), _begins_streams(earlier, calls)]
    if calls.num_rows and has_several:
        found += [_is_in(earlier["response_id"], calls["response_id"]), _is_alike_outside(earlier, calls)]
    is_found = reduce(pc.or_, found)
    families = earlier["family"].filter(is_found)
    return earlier.filter(pc.or_(is_found, _is_in(earlier["family"], families)))


def _in_traces(earlier: pa.Table, calls: pa.Table, rows: pa.Table) -> Column:
    """Where an earlier call is of the same trace as one of these rows, and near in time, or next to it in the tree.

    What is inside a span is inside its time, but for clocks.
    """
    is_there = _is_in(earlier["trace_id"], rows["trace_id"])
    if not pc.any(is_there).as_py():
        return is_there
    places = np.flatnonzero(is_there)
    there = earlier.select(_TOLD_IN_TRACE).take(places)
    first, last = _times(there["trace_id"], rows)
    found = [
        _is_between(there, first, last, SKEW_NS),
        _is_in(there["span_id"], calls["parent_span_id"]),
        _is_in(there["parent_span_id"], calls["span_id"]),
        _is_in(there["span_id"], calls["continues"]),
        _is_in(there["continues"], calls["span_id"]),
        pc.and_(_is_attempt_beside(there, calls), _is_between(there, first, last, ATTEMPT_NS)),
    ]
    return _at(places, reduce(pc.or_, found), earlier.num_rows)


def _at(places: Any, mask: Column, length: int) -> Column:
    """A mask of so many rows, of which the one that is given tells some."""
    whole = np.zeros(length, np.bool_)
    whole[places] = np.asarray(mask)
    return pa.array(whole)


def _times(traces: Column, rows: pa.Table) -> tuple[Column, Column]:
    """When the first of the rows of each trace began, and when the last one ended."""
    rows = rows.filter(_is_in(rows["trace_id"], traces))
    told = pa.table({"trace": rows["trace_id"], "start": rows["start_time_ns"], "end": _end(rows)})
    told = told.group_by("trace").aggregate([("start", "min"), ("end", "max")])
    place = pc.index_in(traces, value_set=told["trace"].combine_chunks())
    return told["start_min"].take(place), told["end_max"].take(place)


def _is_between(calls: pa.Table, first: Column, last: Column, slack_ns: int) -> Column:
    """Where a call had not ended before the first moment, nor began after the last."""
    is_over = pc.less(_end(calls), pc.subtract(first, slack_ns))
    return pc.invert(pc.or_(is_over, pc.greater(calls["start_time_ns"], pc.add(last, slack_ns))))


def _is_alike_outside(earlier: pa.Table, calls: pa.Table) -> Column:
    """Where a call of about then and one of these, an event's or a proxy's one of them, may be told of without ids."""
    is_near = _is_between(earlier, pc.min(calls["start_time_ns"]), pc.max(_end(calls)), SKEW_NS)
    places = np.flatnonzero(pc.and_(is_near, _is_in(earlier["input_tokens"], calls["input_tokens"])))
    near = pa.concat_tables([earlier.select(_TOLD_OUTSIDE).take(places), calls.select(_TOLD_OUTSIDE)])
    return _at(places, _is_traceless(near).slice(0, len(places)), earlier.num_rows)


def _is_linked(calls: pa.Table) -> Column:
    """Where a call's parent is a call, or it says what it continues; the other end, too, and what is beside it."""
    inner = pc.or_(_is_in(calls["parent_span_id"], calls["span_id"]), pc.is_valid(calls["continues"]))
    if not pc.any(inner).as_py():
        return inner
    links = calls.filter(inner)
    ends = (
        _is_in(calls["span_id"], links["parent_span_id"]),
        _is_in(calls["span_id"], links["continues"]),
        _is_in(calls["parent_span_id"], links["parent_span_id"]),
    )
    return reduce(pc.or_, ends, inner)


def _is_attempt(calls: pa.Table) -> Column:
    """Where an attempt failed, by who tells of attempts; and what is beside it."""
    return _is_in(calls["parent_span_id"], calls["parent_span_id"].filter(_has_failed(calls)))


def _is_attempt_beside(earlier: pa.Table, calls: pa.Table) -> Column:
    """Where an earlier call is beside one of these, and one of the two is an attempt that failed."""
    failed = calls["parent_span_id"].filter(_has_failed(calls))
    is_beside = pc.and_(_has_failed(earlier), _is_in(earlier["parent_span_id"], calls["parent_span_id"]))
    return pc.or_(is_beside, _is_in(earlier["parent_span_id"], failed))


def _has_failed(calls: pa.Table) -> Column:
    failed = pc.and_(pc.equal(calls["status"], "ERROR"), pc.is_null(calls["output_tokens"]))
    return pc.and_(_known(failed), _known(pc.is_in(calls["dialect"], value_set=pa.array(sorted(ATTEMPTS)))))


def _is_shared(calls: pa.Table, key: str) -> Column:
    """Where several emitters tell the same of `key`."""
    told = calls.select([key, "emitter"]).group_by(key).aggregate([("emitter", "count_distinct")])
    return _is_in(calls[key], told[key].filter(pc.greater(told["emitter_count_distinct"], 1)))


def _is_traceless(calls: pa.Table) -> Column:
    """Where an event or a proxy tells of as many input tokens as another call, and one of the two has no id."""
    outside, has_no_id = _is_outside(calls), pc.is_null(calls["response_id"])
    tokens = calls["input_tokens"]
    of_outside, without_id = _is_in(tokens, tokens.filter(outside)), _is_in(tokens, tokens.filter(has_no_id))
    of_outside_without_id = _is_in(tokens, tokens.filter(pc.and_(outside, has_no_id)))
    return pc.or_(of_outside_without_id, pc.and_(of_outside, without_id))


def _is_outside(calls: pa.Table) -> Column:
    """Where it is no span of the application's: an event, or a proxy's."""
    return pc.or_(calls["is_proxy"], pc.is_null(calls["span_id"]))


def _ends_streams(calls: pa.Table, others: pa.Table) -> Column:
    """Where a call of no length tells its usage, and another one of its emitter has not told any."""
    return pc.and_(_is_end(calls), _is_in(calls["emitter"], others["emitter"].filter(_is_untold(others))))


def _begins_streams(calls: pa.Table, others: pa.Table) -> Column:
    return pc.and_(_is_untold(calls), _is_in(calls["emitter"], others["emitter"].filter(_is_end(others))))


def _is_end(calls: pa.Table) -> Column:
    return pc.and_(_known(pc.equal(calls["duration_ns"], 0)), pc.is_valid(calls["output_tokens"]))


def _is_untold(calls: pa.Table) -> Column:
    return pc.and_(pc.is_null(calls["output_tokens"]), pc.is_null(calls["input_tokens"]))


def _end(calls: pa.Table) -> Column:
    return pc.add(calls["start_time_ns"], pc.fill_null(calls["duration_ns"], 0))


def _is_in(column: Column, values: Column) -> Column:
    if values.null_count == len(values):
        return pa.repeat(False, len(column))
    if len(values) > _MANY * len(column):  # most of them are none of these; to remember all takes longer than to look
        values = values.filter(pc.is_in(values, value_set=column.combine_chunks()))
    return pc.and_(pc.is_valid(column), pc.is_in(column, value_set=values.combine_chunks()))


def _known(mask: Column) -> Column:
    return pc.fill_null(mask, False)
