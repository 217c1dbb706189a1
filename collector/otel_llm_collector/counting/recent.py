"""The calls that came last: a row of a later batch may tell of one of them once more.

They are kept in the narrow columns of `calls.py`, so many at most; at a start they are read back from the lake. What a
later row changes about one that is in the lake already is `overdue` until `recount.py` has written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute

from otel_llm.failures import swallow

from ..lake.schema import memory_schema
from .calls import calls_of
from .links import links_of, newest
from .settle import Decisions, apply, decisions, with_families
from .sieve import related_to

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: Calls in memory at most, about 280 bytes each: what came before them is looked at no more.
CALLS_MAX: Final = 100_000
_CHUNKS_MAX: Final = 64
#: Columns of few and long values, of which each is kept once a batch: they would take 150 bytes more.
_FEW: Final = ("scope", "emitter", "request_model", "response_model", "dialect")


class Change(NamedTuple):
    """What has to be written of a row in the lake: its date, and why it is not counted; None where it is now."""

    day: date
    why: str | None


class RecentCalls:
    """Settles the rows of each batch beside those that came before. `load` gives rows of the lake, the newest first."""

    def __init__(self, load: Callable[[], Iterable[pa.Table]]) -> None:
        self._load = load
        self._calls: pa.Table | None = None
        self._links = links_of(memory_schema("spans").empty_table())
        self.overdue: dict[str, Change] = {}

    def settle(self, rows: pa.Table) -> pa.Table:
        """The rows, each call counted once among them and those that came before. Never fails for what they hold."""
        try:
            return self._settle(rows, calls_of(rows), links_of(rows))
        except Exception as error:
            swallow("counting", error)
            return rows

    def look_back(self) -> pa.Table:
        """The calls that came before; at first what they leave to be written, too."""
        if self._calls is None:
            calls, self._links = self._read()
            self._calls = _kept(self._decide(calls, calls)[0])
        return self._calls

    def _settle(self, rows: pa.Table, calls: pa.Table, links: pa.Table) -> pa.Table:
        before = self.look_back()
        self._links = newest(pa.concat_tables([self._links, links]))
        earlier = _plain(related_to(calls, before, rows))
        if not calls.num_rows and not earlier.num_rows:
            return rows
        looked_at = pa.concat_tables([earlier, calls])
        after, decided = self._decide(looked_at, earlier)
        if earlier.num_rows:
            before = _without(before, earlier["row_id"])
        self._calls = _bounded(pa.concat_tables([before, _kept(after)]))
        return apply(rows, decided)

    def _decide(self, calls: pa.Table, stored: pa.Table) -> tuple[pa.Table, Decisions]:
        """The calls as is decided, and what is; what that changes of the `stored` ones is overdue."""
        decided, families = decisions(calls, self._links)
        if decided:
            days = {row["row_id"]: row["date"] for row in stored.select(["row_id", "date"]).to_pylist()}
            self.overdue |= {row_id: Change(days[row_id], why) for row_id, why in decided.items() if row_id in days}
        return with_families(apply(calls, decided), families), decided

    def _read(self) -> tuple[pa.Table, pa.Table]:
        nothing = memory_schema("spans").empty_table()
        calls, links = [calls_of(nothing)], [links_of(nothing)]
        for rows in self._load():
            calls.append(calls_of(rows))
            links.append(links_of(rows))
            if sum(found.num_rows for found in calls) >= CALLS_MAX:
                break
        return _in_order(calls), newest(_in_order(links))


def _in_order(newest_first: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(reversed(newest_first)).combine_chunks()


def _kept(calls: pa.Table) -> pa.Table:
    """As they are remembered."""
    return _with_few(calls, lambda column: column.dictionary_encode())


def _plain(calls: pa.Table) -> pa.Table:
    """As they came."""
    return _with_few(calls, lambda column: column.cast(pa.string()))


def _with_few(calls: pa.Table, made: Callable[[Any], Any]) -> pa.Table:
    for name in _FEW:
        calls = calls.set_column(calls.schema.get_field_index(name), name, made(calls[name]))
    return calls


def _without(calls: pa.Table, row_ids: Any) -> pa.Table:
    """The calls without some. Those that came with none of them stay where they are: a copy of all takes long."""
    is_out = pc.is_in(calls["row_id"], value_set=row_ids.combine_chunks()).combine_chunks()
    kept, end = [], 0
    for part in calls.to_batches():
        some = is_out.slice(end, part.num_rows)
        end += part.num_rows
        kept.append(part.filter(pc.invert(some)) if pc.any(some).as_py() else part)
    return pa.Table.from_batches(kept, calls.schema)


def _bounded(calls: pa.Table) -> pa.Table:
    calls = calls.slice(max(0, calls.num_rows - CALLS_MAX))
    if calls["row_id"].num_chunks <= _CHUNKS_MAX:
        return calls
    return _kept(_plain(calls).combine_chunks())  # without values that none of them has
