"""Rows as they stand beside rows as they would be made today: what differs, and which price each is to have."""

from __future__ import annotations

from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv.pricing import quote
from otel_llm_semconv.tables import TABLES
from otel_llm_semconv.usage import FIELDS

from ..counting.reasons import CONTINUED, DUPLICATE, GATEWAY_TWIN, RETRY, ROLLUP
from ..counting.settle import Pricer, apply

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
_DEPLOYED: Final = "deployed_model"
#: What a price depends on: a row of which nothing of that has changed keeps its figure.
_PRICED_BY: Final = (
    *(*FIELDS, "provider", "request_model", "response_model", _DEPLOYED, "usage_status"),
    *("service_tier", "inference_place", "properties"),
)
#: What one depends on that the provider declared.
_DECLARED_BY: Final = ("emitted_cost_usd", "emitted_cost_source")
_FIGURES: Final = (
    *(column.name for column in TABLES["spans"] if column.name.startswith("cost_") and column.unit == "USD"),
    "cost_status",
    "price_version",
)
#: Reasons that are found by looking at other rows.
_SETTLED: Final = (CONTINUED, DUPLICATE, GATEWAY_TWIN, RETRY, ROLLUP)


def aligned(old: pa.Table, new: pa.Table) -> pa.Table:
    """The old rows in the order of the new ones, which are some of them."""
    return old.take(pc.index_in(new["row_id"], value_set=old["row_id"].combine_chunks()))


def keep_decisions(old: pa.Table, new: pa.Table) -> pa.Table:
    """The new rows, those left out that were settled as not counted: it is decided anew when all are there."""
    kept = pc.and_(new["is_llm_call"], pc.is_in(old["not_counted_reason"], value_set=pa.array(_SETTLED)))
    reasons = new.select(["row_id"]).append_column("why", old["not_counted_reason"]).filter(kept)
    return apply(new, {row["row_id"]: row["why"] for row in reasons.to_pylist()})


def keep_figures(old: pa.Table, new: pa.Table) -> pa.Table:
    """The new rows with the figures of record, where nothing has changed that they depend on.

    A model that was known to be behind a deployment still is, where the settings at hand do not say.
    """
    where = new.schema.get_field_index(_DEPLOYED)
    new = new.set_column(where, new.schema.field(_DEPLOYED), pc.coalesce(new[_DEPLOYED], old[_DEPLOYED]))
    is_declared = pc.or_(*(pc.equal(rows["cost_status"], quote.PROVIDER_DECLARED) for rows in (old, new)))
    kept = reduce(pc.and_, (_is_same(old[name], new[name]) for name in _DECLARED_BY))
    kept = pc.or_(kept, pc.invert(pc.fill_null(is_declared, False)))
    kept = reduce(pc.and_, (_is_same(old[name], new[name]) for name in _PRICED_BY), kept)
    kept = pc.and_(kept, pc.and_(old["is_llm_call"], new["is_llm_call"]))
    for name in _FIGURES:
        where = new.schema.get_field_index(name)
        new = new.set_column(where, new.schema.field(name), pc.if_else(kept, old[name], new[name]))
    return new


def has_other_prices(old: pa.Table, new: pa.Table, price: Pricer) -> Any:
    """Where the figure of record was computed by prices, or a contract, that are not the ones in use.

    A version that differs is no other price where the prices in use give the same model's old figure, too.
    """
    differs = pc.fill_null(pc.not_equal(old["price_version"], new["price_version"]), False)
    if not pc.any(differs).as_py():
        return differs
    was, now = old.filter(differs), new.filter(differs)
    again = price(was)
    of_one_model = (_is_same(was[name], now[name]) for name in ("provider", "request_model", "response_model"))
    same_figure = (_is_same(was[name], again[name]) for name in ("cost_usd", "cost_status"))
    stays = was.select(["row_id"]).filter(pc.invert(reduce(pc.and_, (*of_one_model, *same_figure))))
    return pc.is_in(new["row_id"], value_set=stays["row_id"].combine_chunks())


def differing(old: pa.Table, new: pa.Table) -> Any:
    """Where a column says something else."""
    return reduce(pc.or_, (pc.invert(_is_same(old[name], new[name])) for name in new.column_names))


def _is_same(one: Any, other: Any) -> Any:
    if pa.types.is_nested(one.type):
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        return pa.array([(mine or None) == (theirs or None) for mine, theirs in pairs], pa.bool_())
    if pa.types.is_dictionary(one.type):
        one, other = (column.cast(column.type.value_type) for column in (one, other))
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    return pc.or_(pc.fill_null(pc.equal(one, other), False), both_null)
