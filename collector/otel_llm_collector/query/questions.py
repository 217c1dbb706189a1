"""The questions that are one file of SQL each, `queries/<name>.sql`: asked of the counted calls, by some dimensions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from ..rollup.cubes import RELATIVE_ERROR
from .answers import Selection, Table
from .dimensions import TIMES, Dimension
from .keys import known_dimensions, notes_on_keys
from .mixture import places_of
from .notes import cost_notes
from .opening import call_sums, fill, part_sums, question, sums_of_parts
from .plan import planned, planned_traces
from .statements import readable_errors
from .trace_times import times_of_chosen

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Question:
    """A question: what it answers, in a line; what it groups by, and whether that can be chosen; remarks on its totals;
    the columns that a table for people can do without, the least first; whether roll-ups may answer it, and whether
    that table shows money to the cent; what it means where calls match, and no row comes of them."""

    name: str
    summary: str
    by: str = "model"
    is_regroupable: bool = True
    notes: Callable[[Mapping[str, Any]], tuple[str, ...]] = lambda total: ()
    minor: tuple[str, ...] = ()
    is_rolled: bool = False
    is_rounded: bool = False
    nothing: str = ""


#: Every one has a file in `queries/`, a method in Python, and a command or, as `latency --split`, an option of one.
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
            minor=("errors", "share", "cache_read_tokens", "output_tokens", "input_tokens"),
            is_rolled=True,
        ),
        Question(
            "errors",
            "Which calls fail, how, how often, and after how many attempts?",
            minor=("last_trace_id", "attempts", "http_statuses", "last_time"),
            nothing="none of these calls failed",
        ),
        Question(
            "latency",
            "How long do the calls take, how long until the first streamed chunk, how many tokens come a second?",
            is_rolled=True,
        ),
        Question(
            "latency_split",
            "Where does the time of traces go: to the model, the network, other services, own code?",
            by="service",
            minor=("timed_calls", "calls"),
            is_rolled=True,
        ),
        Question(
            "prompts",
            "Versions of prompts side by side: cost, tokens, latency and errors of a call, and what they were scored.",
            by="prompt,prompt_version",
            minor=(
                "last_time",
                "first_time",
                "input_per_call",
                "output_per_call",
                "cost_usd",
                "scores",
                "p50_ms",
                "error_rate",
                "unpriced_calls",
            ),
        ),
        Question(
            "sessions",
            "Sessions: who, when, how long, how many calls, at what cost?",
            by="session",
            is_regroupable=False,
            minor=(
                "busy_ms",
                "errors",
                "first_time",
                "traces",
                "session_name",
                "output_tokens",
                "duration_s",
                "input_tokens",
                "unpriced_calls",
            ),
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
_WITHIN: Final = f"percentiles are within {RELATIVE_ERROR:.0%}, out of the roll-up; --exact reads the calls"
#: Columns that a query gives for the notes under its answer; they are no part of it.
_FOR_NOTES: Final = ("is_total", "unknown_models", "inexact_reasons", "unpriced_now", "unpriced_before")


def ask(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    by: str | Iterable[str] | None = None,
    selection: Selection | None = None,
    *,
    exact: bool = False,
) -> Table:
    """The answer of `queries/<name>.sql`, a row a combination of `by`, and the row over all of them as its total.

    The first lines of each file say what its columns are, and in which order rows come. Roll-ups are read where they
    tell what is asked and it is not to be `exact`. Raises UsageError for an unknown question, dimension or column.
    """
    asked = QUESTIONS.get(name)
    if asked is None:
        raise UsageError(f"there is no question {name!r}: {', '.join(sorted(QUESTIONS))}")
    if by is not None and not asked.is_regroupable:
        raise UsageError(f"{name} is always by {asked.by}")
    found = known_dimensions(connection, asked.by if by is None else by)
    find = _traced if name == "latency_split" else _rolled if asked.is_rolled else _read
    answer = find(connection, asked, found, selection or Selection(), exact=exact)
    return replace(answer, notes=(*answer.notes, *notes_on_keys(connection, found, answer.data)))


def _read(
    connection: duckdb.DuckDBPyConnection, asked: Question, found: list[Dimension], chosen: Selection, *, exact: bool
) -> Table:
    """The answer out of the calls themselves, which is always `exact`."""
    return answered(connection, asked, fill(question(asked.name), **parts(found, chosen)), chosen)


def _rolled(
    connection: duckdb.DuckDBPyConnection, asked: Question, found: list[Dimension], chosen: Selection, *, exact: bool
) -> Table:
    """The answer out of roll-ups and what they do not have."""
    name = asked.name
    sources = planned(connection, found, chosen, exact=exact, is_timed=name == "latency")
    text = question("latency_rolled" if sources.rolled and name == "latency" else name)
    names = ", ".join(_columns(found))
    mixed = places_of(name, sources, names, functools.partial(_chosen, found, chosen))
    is_whole = bool(sources.rolled) and not sources.calls
    with sources.narrowing(connection):
        answer = answered(
            connection,
            asked,
            fill(text, **parts(found, chosen) | mixed),
            replace(chosen, conditions=("true",), parameters={}) if is_whole else chosen,
        )
    more = (_WITHIN,) if sources.rolled and name == "latency" else ()
    return replace(answer, notes=answer.notes + more, source=sources.source)


def _traced(
    connection: duckdb.DuckDBPyConnection, asked: Question, found: list[Dimension], chosen: Selection, *, exact: bool
) -> Table:
    """The answer about whole traces, out of the roll-up of their times and what it does not have."""
    sources = planned_traces(connection, exact=exact)
    is_all = (chosen.conditions, chosen.where) == (("true",), "true")
    query = fill(question(asked.name), **parts(found, chosen), times=times_of_chosen(sources, is_all=is_all))
    with sources.narrowing(connection):
        return replace(answered(connection, asked, query, chosen), source=sources.source)


def answered(connection: duckdb.DuckDBPyConnection, asked: Question, query: str, chosen: Selection) -> Table:
    """The answer of SQL whose last row, over all of them, is the total. Raises UsageError as `ask` does."""
    with readable_errors(None if chosen.where == "true" else chosen.where):
        rows, total = _split(connection.sql(query, params=chosen.parameters).to_arrow_table())
    told = {key: value for key, value in total.items() if key not in _FOR_NOTES}
    found = Table(rows, told, (*chosen.notes, *asked.notes(total)), asked.minor, is_rounded=asked.is_rounded)
    return replace(found, nothing=asked.nothing) if asked.nothing and total["calls"] else found


def cost(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "model",
    selection: Selection | None = None,
    *,
    exact: bool = False,
) -> Table:
    """What the counted calls cost, a row a combination of `by`, the dearest first (by time where `by` begins so).

    Columns: the dimensions, calls, errors, input_tokens (cache reads included), cache_read_tokens, output_tokens,
    cost_usd (exact, NULL where nothing has a price), unpriced_calls, unpriced_reasons (cost_status -> calls),
    share (of the total cost, 0 to 1). The same whether roll-ups are read or, always where it is to be `exact`, the
    calls. Raises UsageError for an unknown dimension or column.
    """
    return ask(connection, "cost", by, selection, exact=exact)


def latency(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "model",
    selection: Selection | None = None,
    *,
    exact: bool = False,
) -> Table:
    """How long the counted calls take, failed ones included, a row a combination of `by`, the busiest first.

    Columns: the dimensions, calls, errors, p50_ms, p90_ms, p95_ms, p99_ms (whole call), first_chunk_p50_ms, ..._p95_ms,
    ..._p99_ms (until the first streamed chunk; NULL without streams), tokens_per_s (the median of output tokens a
    second, from the first chunk on where it is known). Out of roll-ups, which are read unless it is to be `exact`,
    percentiles are within 1 % of those of the calls, and a note says so. Raises UsageError as `cost` does.
    """
    return ask(connection, "latency", by, selection, exact=exact)


def latency_split(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "service",
    selection: Selection | None = None,
    *,
    exact: bool = False,
) -> Table:
    """Where the time of whole traces goes, each moment counted once, a row a combination of `by`, the busiest first.

    The traces are those with a call that was chosen, whole. Columns: the dimensions (of a trace's first call), traces,
    calls, timed_calls (whose provider, or server, told its time), total_ms and its parts: model_ms, network_ms (NULL
    where it is known of nothing), waiting_ms (between attempts), services_ms (other CLIENT spans), own_ms. They are
    means of a trace, the same whether roll-ups are read or, where it is to be `exact`, spans alone. Raises UsageError
    as `cost` does.
    """
    return ask(connection, "latency_split", by, selection, exact=exact)


def parts(by: list[Dimension], chosen: Selection) -> dict[str, str]:
    """What stands in the places `{name}` of a question's SQL, for these dimensions and calls."""
    columns = _columns(by)
    named = list(zip(by, columns, strict=True))
    return {
        "chosen_calls": _chosen(by, chosen, "llm_calls"),
        "chosen_scores": _chosen(by, chosen, "scored_calls"),
        "names": ", ".join(columns),
        "matched_names": " AND ".join(f"asked.{column} IS NOT DISTINCT FROM beside.{column}" for column in columns),
        "first_name": columns[0],
        "first_of_names": ", ".join(
            f"arg_min({column}, (start_time, start_time_ns)) AS {column}" for column in columns
        ),
        "output_names": ", ".join(f"{column} AS {_quoted(part.name)}" for part, column in named),
        "order": f"{columns[0]}, " if by[0].is_time else "",
        "call_sums": call_sums(),
        "part_sums": part_sums(),
        "sums_of_parts": sums_of_parts(),
        "last_sums": sums_of_parts(is_last=True),
        "took": fill(question("_took"), names=", ".join(columns), first_name=columns[0]),
        "day": TIMES["day"],
    }


def _columns(by: Sequence[Dimension]) -> list[str]:
    return [f"_by{position}" for position in range(len(by))]


def _named(by: Sequence[Dimension]) -> str:
    """SELECT items of what is grouped by."""
    return ", ".join(f"{part.expression} AS {column}" for part, column in zip(by, _columns(by), strict=True))


def _chosen(by: Sequence[Dimension], chosen: Selection, calls: str, *, is_whole: bool = False) -> str:
    """A relation with what is grouped by, of the rows that are chosen; of all times where it `is_whole`."""
    filtered = "true" if is_whole else " AND ".join(chosen.conditions)
    return f"(SELECT *, {_named(by)} FROM (SELECT * FROM {calls} AS llm_calls WHERE {chosen.where}) WHERE {filtered})"  # noqa: S608


def _split(answer: pa.Table) -> tuple[pa.Table, dict[str, Any]]:
    """The rows, and the one over all of them: the order of every question puts it last, and it is always there."""
    flagged = answer.num_rows - 1
    total = answer.slice(flagged).to_pylist(maps_as_pydicts="strict")[0]
    return answer.drop_columns([name for name in _FOR_NOTES if name in total]).slice(0, flagged), total


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
