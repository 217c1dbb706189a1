"""What a time cost beside the time of the same length before it, and what drove the change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .answers import Selection, Table, selection
from .keys import known_dimensions
from .opening import fill, question
from .questions import Question, answered, parts
from .timespan import as_long_before, between

if TYPE_CHECKING:
    import duckdb


def change(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "model",
    *,
    since: str | None,
    until: str | None = None,
    where: str | None = None,
    now: dt.datetime | None = None,
) -> Table:
    """The cost of a time beside the equally long time before it, the largest change first.

    Columns: the dimensions, calls and calls_before (those with a price), cost_usd, cost_before_usd, change_usd, change
    (of the cost before, NULL where there was none), and volume_usd, mix_usd, tokens_usd, price_usd, which add up to
    change_usd. Raises UsageError without `since`, and as `cost` does.
    """
    chosen, middle = _twice(connection, since, until, where, now)
    query = fill(question("change"), **parts(known_dimensions(connection, by), chosen))
    return answered(connection, _QUESTION, query, replace(chosen, parameters={**chosen.parameters, "middle": middle}))


def _twice(
    connection: duckdb.DuckDBPyConnection,
    since: str | None,
    until: str | None,
    where: str | None,
    now: dt.datetime | None,
) -> tuple[Selection, dt.datetime]:
    """A selection of the time and the one before it, and the moment between them."""
    if since is None:
        raise UsageError("--compare needs --since: the time before has the same length, as in `--since 7d`")
    middle, end = between(connection, since, until, now=now)
    begin = as_long_before(connection, middle, end).isoformat()
    return selection(connection, since=begin, until=end.isoformat(), where=where, now=now), middle


def _notes(total: Mapping[str, Any]) -> tuple[str, ...]:
    now, before = total["unpriced_now"], total["unpriced_before"]
    if not now and not before:
        return ()
    return (f"without a price, and in no figure: {now:,} calls, and {before:,} before",)


_QUESTION: Final = Question(
    "change",
    "What did a time cost beside the time before it, and what drove the change?",
    notes=_notes,
    minor=("calls_before", "mix_usd", "price_usd", "tokens_usd", "volume_usd"),
    is_rounded=True,
)
