"""Answers, what they are about, and the questions that have a shape of their own: calls without a price, a trace."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import OtelLlmError, UsageError

from .narrowing import files_of_trace
from .opening import fill, question
from .statements import condition, readable_errors
from .timespan import span
from .trace_tree import Tree, grow

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: its rows, what they add up to (all of them, shown or not), remarks for people.

    `minor` are the columns that a table for people can do without, the least first; one that `is_rounded` shows its
    money there to the cent. `source` tells what was read, where it was not all calls, `nothing` what no rows mean.
    """

    data: pa.Table
    total: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    minor: tuple[str, ...] = ()
    source: str = ""
    is_rounded: bool = False
    nothing: str = "no calls match"

    def rows(self) -> list[dict[str, Any]]:
        """The rows as Python values: money as Decimal, maps as dict."""
        return self.data.to_pylist(maps_as_pydicts="strict")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls a question is about: SQL conditions and their parameters; `where` comes from `condition`; `notes` are
    what is odd about it, for people."""

    conditions: tuple[str, ...] = ("true",)
    parameters: dict[str, Any] = field(default_factory=dict)
    where: str = "true"
    notes: tuple[str, ...] = ()


def selection(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: str | None = None,
    until: str | None = None,
    where: str | None = None,
    now: dt.datetime | None = None,
) -> Selection:
    """Calls that began at `since` or later and before `until`, and for which the SQL expression `where` holds.

    Raises UsageError for times that cannot be read or leave none between them, and for expressions that are none.
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    now = now or dt.datetime.now(dt.UTC)
    first, end = span(connection, since, until, now=now)
    for name, moment, operator in (("since", first, ">="), ("until", end, "<")):
        if moment is None:
            continue
        parameters |= {name: moment, f"{name}_date": moment.date()}
        # The second condition says the same of the partition: whole days of files are not opened.
        date_operator = ">=" if name == "since" else "<="
        conditions.append(f"start_time {operator} ${name} AND date {date_operator} ${name}_date")
    notes = (f"--since {since} is in the future",) if first is not None and first > now else ()
    return Selection(tuple(conditions), parameters, "true" if where is None else condition(connection, where), notes)


def unpriced(connection: duckdb.DuckDBPyConnection, selection: Selection | None = None) -> Table:
    """The counted calls without a price, a row a provider, model and reason: what the sums leave out.

    Columns: provider, model, reason (cost_status), calls, input_tokens, output_tokens, first_call, last_call.
    """
    chosen = selection or Selection()
    query = fill(question("unpriced"), filter=" AND ".join(chosen.conditions), where=chosen.where)
    with readable_errors(None if chosen.where == "true" else chosen.where):
        return Table(connection.sql(query, params=chosen.parameters).to_arrow_table(), notes=chosen.notes)


def trace(connection: duckdb.DuckDBPyConnection, trace_id: str) -> Tree:
    """The spans of a trace as a tree with sums for each subtree.

    `trace_id` may be a beginning that only one trace has, or `last` for the trace that began last. Raises UsageError
    for what is no id or fits several traces, OtelLlmError when there is no such trace.
    """
    wanted = _id_of(trace_id)
    whole = wanted if len(wanted) == _ID_DIGITS else _find_trace(connection, trace_id, wanted)
    with readable_errors(), files_of_trace(connection, "spans", whole):
        answer = connection.execute(question("trace"), {"trace_id": whole})
        names = [column[0] for column in answer.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    if not rows:
        raise _no_trace(trace_id)
    return grow(whole, rows)


_ID_DIGITS: Final = 32


def _id_of(trace_id: str) -> str:
    """A trace's id or the beginning of one, in lower case; nothing for `last`."""
    wanted = trace_id.strip().lower()
    if wanted == "last":
        return ""
    if not wanted or len(wanted) > _ID_DIGITS or set(wanted) - set("0123456789abcdef"):
        raise UsageError(f"{trace_id!r} is no trace id: give up to {_ID_DIGITS} hex digits, or `last`")
    return wanted


def _find_trace(connection: duckdb.DuckDBPyConnection, trace_id: str, prefix: str) -> str:
    """The id of the one trace whose id begins so; of the newest where nothing is given."""
    with readable_errors():
        rows = connection.execute(question("find_trace"), {"prefix": prefix}).fetchall()
    found = [row[0] for row in rows]
    if not found:
        raise _no_trace(trace_id)
    if len(found) > 1 and prefix:
        more = " ..." if len(found) > 5 else ""
        raise UsageError(f"several traces begin with {trace_id}: {', '.join(found[:5])}{more}")
    return str(found[0])


def _no_trace(trace_id: str) -> OtelLlmError:
    hint = "`otel-llm sql 'FROM traces'` lists them, `otel-llm trace last` shows the newest"
    return OtelLlmError(f"no trace {trace_id}: {hint}")
