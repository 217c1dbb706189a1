"""The questions that are one file of SQL each, `queries/<name>.sql`: asked of the counted calls, by some dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .answers import Selection, Table
from .dimensions import Dimension, dimensions
from .notes import cost_notes
from .opening import call_sums, fill, part_sums, question, sums_of_parts
from .statements import readable_errors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Question:
    """A question: what it answers, in a line; what it groups by, and whether that can be chosen; remarks on its totals;
    the columns that a table for people can do without, the least first."""

    name: str
    summary: str
    by: str = "model"
    is_regroupable: bool = True
    notes: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda total: ()
    minor: tuple[str, ...] = ()


#: Every one has a file in `queries/`, a command, and a method in Python.
QUESTIONS: Final = {
    row.name: row
    for row in (
        Question(
            "cache",
            "What was read from caches, and what did that save? Money by each model's own input price.",
            minor=("cache_write_tokens", "cache_read_tokens", "input_tokens"),
        ),
        Question(
            "cost",
            "What do the calls cost? Exact to the last digit; calls without a price are counted beside.",
            notes=cost_notes,
        ),
        Question(
            "errors",
            "Which calls fail, how, how often, and after how many attempts?",
            minor=("last_trace_id", "attempts", "http_statuses", "last_time"),
        ),
        Question(
            "latency",
            "How long do the calls take, how long until the first streamed chunk, how many tokens come a second?",
        ),
        Question(
            "prompts",
            "Versions of prompts side by side: cost, tokens, latency and errors of a call, and what they were scored.",
            by="prompt,prompt_version",
            is_regroupable=False,
            minor=("last_time", "first_time", "input_per_call", "output_per_call", "scores", "cost_usd"),
        ),
        Question(
            "sessions",
            "Sessions: who, when, how long, how many calls, at what cost?",
            by="session",
            is_regroupable=False,
            minor=("busy_ms", "errors", "first_time", "traces", "session_name", "output_tokens"),
        ),
        Question(
            "top",
            "What goes on: calls a minute, money an hour, errors, latency, and the trend of the cost?",
            minor=("errors", "cost_usd"),
        ),
        Question(
            "users",
            "Who uses how much, how often, since when? The dearest first.",
            by="user",
            is_regroupable=False,
            minor=("active_days", "last_time", "errors", "share", "first_time", "sessions", "input_per_call"),
        ),
    )
}
#: Columns that a query gives for the notes under its answer; they are no part of it.
_FOR_NOTES: Final = ("is_total", "unknown_models", "inexact_reasons")


def ask(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    by: str | Iterable[str] | None = None,
    selection: Selection | None = None,
) -> Table:
    """The answer of `queries/<name>.sql`, a row a combination of `by`, and the row over all of them as its total.

    The first lines of each file say what its columns are, and in which order rows come. Raises UsageError for an
    unknown question, dimension or column.
    """
    asked = QUESTIONS.get(name)
    if asked is None:
        raise UsageError(f"there is no question {name!r}: {', '.join(sorted(QUESTIONS))}")
    if by is not None and not asked.is_regroupable:
        raise UsageError(f"{name} is always by {asked.by}")
    chosen = selection or Selection()
    query = fill(question(name), **parts(dimensions(asked.by if by is None else by), chosen))
    with readable_errors(None if chosen.where == "true" else chosen.where):
        rows, total = _split(connection.sql(query, params=chosen.parameters).to_arrow_table())
    return Table(
        rows, {key: value for key, value in total.items() if key not in _FOR_NOTES}, asked.notes(total), asked.minor
    )


def cost(
    connection: duckdb.DuckDBPyConnection, by: str | Iterable[str] = "model", selection: Selection | None = None
) -> Table:
    """What the counted calls cost, a row a combination of `by`, the dearest first (by time where `by` begins so).

    Columns: the dimensions, calls, errors, input_tokens (cache reads included), cache_read_tokens, output_tokens,
    cost_usd (exact, NULL where nothing has a price), unpriced_calls, unpriced_reasons (cost_status -> calls),
    share (of the total cost, 0 to 1). Raises UsageError for an unknown dimension or column.
    """
    return ask(connection, "cost", by, selection)


def latency(
    connection: duckdb.DuckDBPyConnection, by: str | Iterable[str] = "model", selection: Selection | None = None
) -> Table:
    """How long the counted calls take, failed ones included, a row a combination of `by`, the busiest first.

    Columns: the dimensions, calls, errors, p50_ms, p90_ms, p95_ms, p99_ms (whole call), first_chunk_p50_ms, ..._p95_ms,
    ..._p99_ms (until the first streamed chunk; NULL without streams), tokens_per_s (the median of output tokens a
    second, from the first chunk on where it is known). Raises UsageError as `cost` does.
    """
    return ask(connection, "latency", by, selection)


def parts(by: list[Dimension], chosen: Selection) -> dict[str, str]:
    """What stands in the places `{name}` of a question's SQL, for these dimensions and calls."""
    columns = [f"_by{position}" for position in range(len(by))]
    named = list(zip(by, columns, strict=True))
    dimensioned = ", ".join(f"{part.expression} AS {column}" for part, column in named)
    filtered = f"WHERE {chosen.where}) WHERE {' AND '.join(chosen.conditions)})"
    return {
        "chosen_calls": f"(SELECT *, {dimensioned} FROM (SELECT * FROM llm_calls {filtered}",  # noqa: S608
        "chosen_scores": f"(SELECT *, {dimensioned} FROM (SELECT * FROM scored_calls AS llm_calls {filtered}",  # noqa: S608
        "names": ", ".join(columns),
        "matched_names": " AND ".join(f"called.{column} IS NOT DISTINCT FROM scores.{column}" for column in columns),
        "first_name": columns[0],
        "output_names": ", ".join(f"{column} AS {_quoted(part.name)}" for part, column in named),
        "order": f"{columns[0]}, " if by[0].is_time else "",
        "call_sums": call_sums(),
        "part_sums": part_sums(),
        "sums_of_parts": sums_of_parts(),
        "last_sums": sums_of_parts(is_last=True),
    }


def _split(answer: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    """The rows, and the one over all of them: the order of every question puts it last, and it is always there."""
    flagged = answer.num_rows - 1
    total = answer.slice(flagged).to_pylist(maps_as_pydicts="strict")[0]
    return answer.drop_columns([name for name in _FOR_NOTES if name in total]).slice(0, flagged), total


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
