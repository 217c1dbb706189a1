"""The questions behind the commands: what calls cost, how long they take, how a trace hangs together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import OtelLlmError, UsageError

from .dimensions import Dimension, dimensions
from .narrowing import files_of_trace
from .notes import cost_notes
from .opening import fill, part_sums, question, sums_of_parts
from .statements import condition, readable_errors
from .timespan import instant
from .trace_tree import Tree, grow

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: its rows, what they add up to (all of them, shown or not), and remarks for people."""

    data: pa.Table
    total: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """The rows as Python values: money as Decimal, maps as dict."""
        return self.data.to_pylist(maps_as_pydicts="strict")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which calls a question is about: SQL conditions and their parameters; `where` comes from `condition`."""

    conditions: tuple[str, ...] = ("true",)
    parameters: dict[str, Any] = field(default_factory=dict)
    where: str = "true"


def selection(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: str | None = None,
    until: str | None = None,
    where: str | None = None,
    now: dt.datetime | None = None,
) -> Selection:
    """Calls that began at `since` or later and before `until`, and for which the SQL expression `where` holds.

    Raises UsageError for times that cannot be read and for expressions that are none.
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {}
    for name, text, operator in (("since", since, ">="), ("until", until, "<")):
        if text is None:
            continue
        moment = instant(connection, text, now=now)
        parameters |= {name: moment, f"{name}_date": moment.date()}
        # The second condition says the same of the partition: whole days of files are not opened.
        date_operator = ">=" if name == "since" else "<="
        conditions.append(f"start_time {operator} ${name} AND date {date_operator} ${name}_date")
    return Selection(tuple(conditions), parameters, "true" if where is None else condition(connection, where))


def cost(
    connection: duckdb.DuckDBPyConnection, by: str | Iterable[str] = "model", selection: Selection | None = None
) -> Table:
    """What the counted calls cost, a row a combination of `by`, the dearest first (by time where `by` begins so).

    Columns: the dimensions, calls, errors, input_tokens (cache reads included), cache_read_tokens, output_tokens,
    cost_usd (exact, NULL where nothing has a price), unpriced_calls, unpriced_reasons (cost_status -> calls),
    share (of the total cost, 0 to 1). Raises UsageError for an unknown dimension or column.
    """
    rows, total = _ask(connection, "cost", dimensions(by), selection or Selection())
    return Table(rows, _shown(total), cost_notes(total))


def latency(
    connection: duckdb.DuckDBPyConnection, by: str | Iterable[str] = "model", selection: Selection | None = None
) -> Table:
    """How long the counted calls take, failed ones included, a row a combination of `by`, the busiest first.

    Columns: the dimensions, calls, errors, p50_ms, p95_ms, p99_ms (whole call), first_chunk_p50_ms, ..._p95_ms,
    ..._p99_ms (until the first streamed chunk; NULL without streams). Raises UsageError as `cost` does.
    """
    rows, total = _ask(connection, "latency", dimensions(by), selection or Selection())
    return Table(rows, _shown(total))


def unpriced(connection: duckdb.DuckDBPyConnection, selection: Selection | None = None) -> Table:
    """The counted calls without a price, a row a provider, model and reason: what the sums leave out.

    Columns: provider, model, reason (cost_status), calls, input_tokens, output_tokens, first_call, last_call.
    """
    chosen = selection or Selection()
    query = fill(question("unpriced"), filter=" AND ".join(chosen.conditions), where=chosen.where)
    with readable_errors(None if chosen.where == "true" else chosen.where):
        return Table(connection.sql(query, params=chosen.parameters).to_arrow_table())


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
#: Columns that a query gives for the notes under its answer; they are no part of it.
_FOR_NOTES: Final = ("is_total", "unknown_models", "inexact_reasons")


def _shown(total: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in total.items() if name not in _FOR_NOTES}


def _ask(
    connection: duckdb.DuckDBPyConnection, name: str, by: list[Dimension], chosen: Selection
) -> tuple[pa.Table, dict[str, Any]]:
    """Run `queries/<name>.sql`: its rows, and the row over all of them."""
    columns = [f"_by{position}" for position in range(len(by))]
    query = fill(
        question(name),
        by=", ".join(f"{part.expression} AS {column}" for part, column in zip(by, columns, strict=True)),
        names=", ".join(columns),
        first_name=columns[0],
        output_names=", ".join(f"{column} AS {_quoted(part.name)}" for part, column in zip(by, columns, strict=True)),
        order=f"{columns[0]}, " if by[0].is_time else "",
        filter=" AND ".join(chosen.conditions),
        where=chosen.where,
        part_sums=part_sums(),
        sums_of_parts=sums_of_parts(),
        last_sums=sums_of_parts(is_last=True),
    )
    with readable_errors(None if chosen.where == "true" else chosen.where):
        answer = connection.sql(query, params=chosen.parameters).to_arrow_table()
    flagged = answer.num_rows - 1  # the order puts the row over everything last, and it is always there
    total = answer.slice(flagged).to_pylist(maps_as_pydicts="strict")[0]
    return answer.drop_columns([name for name in _FOR_NOTES if name in total]).slice(0, flagged), total


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
