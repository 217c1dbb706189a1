"""Rows of `spans` that tell of one call: one of them is counted. Decided for a table before its file is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv.pricing import quote
from otel_llm_semconv.tables import TABLES

from .calls import calls_of, read
from .choice import decide
from .links import above, links_of
from .reasons import ROLLUP
from .rules import group
from .sieve import related

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: Row ids -> why each is not counted; None for one that is.
Decisions = Mapping[str, str | None]
#: Prices rows that are to count after all.
Pricer = Callable[[pa.Table], pa.Table]

#: What a row that is not counted does not have.
_MONEY: Final = (*(c.name for c in TABLES["spans"] if c.name.startswith("cost_") and c.unit == "USD"), "price_version")


def settle(rows: pa.Table) -> pa.Table:
    """The same rows, each call counted once among them.

    A row that is not counted says why, keeps its usage, and costs nothing. None that was settled before as not counted
    is counted again: that takes a price (`recount.py`).
    """
    decided = decisions(calls_of(rows), links_of(rows)).decided
    return apply(rows, {row_id: why for row_id, why in decided.items() if why is not None})


class Outcome(NamedTuple):
    """What has to change among calls; and of all that were looked at, row ids -> what its family is known by."""

    decided: Decisions
    families: Mapping[str, str]


def decisions(calls: pa.Table, tree: pa.Table | None = None, *, are_all: bool = False) -> Outcome:
    """What has to change among the calls. `tree` are the links of spans that are none.

    Where these `are_all` that may belong together, rows that were not counted are decided on as if they were new.
    """
    looked_at = read(_uncounted(calls) if are_all else related(calls))
    links = above(looked_at, tree)
    tenants = {call.tenant for call in looked_at}  # what one says changes nothing of another's
    decided: dict[str, str | None] = {}
    families: dict[str, str] = {}
    for tenant in tenants:
        mine = [call for call in looked_at if call.tenant == tenant]
        groups = group(mine, links, () if are_all else (call for call in mine if call.reason == ROLLUP))
        for call, why in decide(groups, are_all=are_all):
            if (why is None) != call.is_counted or why != call.reason:
                decided[call.row_id] = why
        families |= {call.row_id: groups.families.top(call).row_id for call in mine}
    return Outcome(decided, families)


def _uncounted(calls: pa.Table) -> pa.Table:
    """The calls that may be told of twice, and those that were."""
    found = related(calls)
    known = pc.is_in(calls["row_id"], value_set=found["row_id"].combine_chunks())
    return pa.concat_tables([found, calls.filter(pc.and_not(pc.invert(calls["is_llm_call"]), known))])


def apply(rows: pa.Table, decided: Decisions, price: Pricer | None = None) -> pa.Table:
    """The rows, or the narrow calls, as was decided; those that are counted again with their price."""
    if not decided:
        return rows
    place = pc.index_in(rows["row_id"], value_set=pa.array(list(decided), pa.string())).combine_chunks()
    why = pa.array(list(decided.values()), pa.string()).take(place)
    rows = _mark(rows, pc.is_valid(place), why)
    is_counted = pc.and_(pc.is_valid(place), pc.is_null(why))
    if price is None or not pc.any(is_counted).as_py():
        return rows
    return pa.concat_tables([rows.filter(pc.invert(is_counted)), price(rows.filter(is_counted))]).unify_dictionaries()


def with_families(calls: pa.Table, families: Mapping[str, str]) -> pa.Table:
    """The narrow calls, those that were looked at with their families."""
    if not families:
        return calls
    place = pc.index_in(calls["row_id"], value_set=pa.array(list(families), pa.string())).combine_chunks()
    family = pc.coalesce(pa.array(list(families.values()), pa.string()).take(place), calls["family"])
    where = calls.schema.get_field_index("family")
    return calls.set_column(where, calls.schema.field(where), family)


def _mark(rows: pa.Table, is_decided: Any, why: Any) -> pa.Table:
    """Say of the rows that were decided on whether they count; one that does not has no cost."""
    said: dict[str, Any] = {
        "is_llm_call": pc.is_null(why),
        "not_counted_reason": why,
        "cost_status": pa.scalar(quote.NOT_COUNTED),
        **{name: pa.scalar(None, rows.schema.field(name).type) for name in _MONEY if name in rows.column_names},
    }
    for name, value in said.items():
        where, field = rows.schema.get_field_index(name), rows.schema.field(name)
        rows = rows.set_column(where, field, pc.if_else(is_decided, value, rows[name]))
    return rows
