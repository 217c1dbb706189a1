"""Which calls are looked at one by one: found by comparing whole columns, since nearly all are told of once."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from .groups import ATTEMPTS, SKEW_NS

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
Column = Any


def related(calls: pa.Table) -> pa.Table:
    """The calls that another one of them may tell of, too: by the tree, or because several emitters are at work."""
    if calls.num_rows < 2:
        return calls.slice(0, 0)
    found = [_is_linked(calls), _is_attempt(calls), _ends_streams(calls, calls), _begins_streams(calls, calls)]
    if len(pc.unique(calls["emitter"])) > 1:
        found += [_is_shared(calls, "trace_id"), _is_shared(calls, "response_id"), _is_traceless(calls, calls)]
    return calls.filter(reduce(pc.or_, found))


def related_to(calls: pa.Table, earlier: pa.Table, links: pa.Table) -> pa.Table:
    """The earlier calls that one of these may tell of, too, or that these links may lead to."""
    if not earlier.num_rows:
        return earlier
    if not calls.num_rows:
        return earlier.filter(_is_led_to(earlier, links))
    found = [
        _is_in(earlier["trace_id"], calls["trace_id"]),
        _ends_streams(earlier, calls),
        _begins_streams(earlier, calls),
    ]
    emitters = pc.unique(calls["emitter"])
    if len(emitters) > 1 or not pc.all(pc.is_in(earlier["emitter"], value_set=emitters)).as_py():
        found.append(_is_in(earlier["trace_id"], links["trace_id"]))
        found.append(_is_in(earlier["response_id"], calls["response_id"]))
        found.append(pc.and_(_is_traceless(earlier, calls), _is_about_then(earlier, calls)))
    return earlier.filter(reduce(pc.or_, found))


def _is_led_to(earlier: pa.Table, links: pa.Table) -> Column:
    """Where a trace goes on between calls of several emitters: one emitter's are parent and child."""
    if not links.num_rows or len(pc.unique(earlier["emitter"])) < 2:
        return pa.repeat(False, earlier.num_rows)
    return _is_in(earlier["trace_id"], links["trace_id"])


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
    failed = pc.and_(pc.equal(calls["status"], "ERROR"), pc.is_null(calls["output_tokens"]))
    failed = pc.and_(_known(failed), _known(pc.is_in(calls["dialect"], value_set=pa.array(sorted(ATTEMPTS)))))
    if not pc.any(failed).as_py():
        return failed
    return _is_in(calls["parent_span_id"], calls["parent_span_id"].filter(failed))


def _is_shared(calls: pa.Table, key: str) -> Column:
    """Where several emitters tell the same of `key`."""
    told = calls.select([key, "emitter"]).group_by(key).aggregate([("emitter", "count_distinct")])
    return _is_in(calls[key], told[key].filter(pc.greater(told["emitter_count_distinct"], 1)))


def _is_traceless(calls: pa.Table, others: pa.Table) -> Column:
    """Where an event or a proxy tells of as many input tokens, and one of the two has no response id."""
    outside, has_no_id = _is_outside(calls), pc.is_null(calls["response_id"])
    others_outside, others_without_id = _is_outside(others), pc.is_null(others["response_id"])
    cases = (
        (pc.and_(outside, has_no_id), pc.true_unless_null(others_outside)),
        (pc.and_(outside, pc.invert(has_no_id)), others_without_id),
        (pc.and_(pc.invert(outside), has_no_id), others_outside),
        (pc.and_(pc.invert(outside), pc.invert(has_no_id)), pc.and_(others_outside, others_without_id)),
    )
    tokens, theirs = calls["input_tokens"], others["input_tokens"]
    return reduce(pc.or_, (pc.and_(mine, _is_in(tokens, theirs.filter(partner))) for mine, partner in cases))


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


def _is_about_then(earlier: pa.Table, calls: pa.Table) -> Column:
    """Where an earlier call had not ended before the first of these began, nor began after the last had ended."""
    first = pc.min(calls["start_time_ns"]).as_py() - SKEW_NS
    last = pc.max(_end(calls)).as_py() + SKEW_NS
    return pc.and_(pc.greater_equal(_end(earlier), first), pc.less_equal(earlier["start_time_ns"], last))


def _end(calls: pa.Table) -> Column:
    return pc.add(calls["start_time_ns"], pc.fill_null(calls["duration_ns"], 0))


def _is_in(column: Column, values: Column) -> Column:
    if values.null_count == len(values):
        return pa.repeat(False, len(column))
    return pc.and_(pc.is_valid(column), pc.is_in(column, value_set=values.combine_chunks()))


def _known(mask: Column) -> Column:
    return pc.fill_null(mask, False)
