"""The commands that read: `otel-llm sql | cost | latency | trace`. stdout carries data, everything else is stderr's."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from otel_llm.errors import OtelLlmError, UsageError

from .commandline import run, say, stdout_bytes
from .config import CONTRACTS_ENV, DATA_DEFAULT, DATA_ENV, contracts, data_dir, use_prices
from .render import Format

if TYPE_CHECKING:
    import duckdb

    from .query import Table

ROWS_DEFAULT = 100
BLOCKS_DEFAULT = 10  # rows too wide for the terminal, shown as a block each
SPANS_DEFAULT = 200

DataOption = Annotated[
    str | None,
    typer.Option(metavar="DIR", help=f"Data directory, or a bucket. Default: ${DATA_ENV}, else {DATA_DEFAULT}."),
]
_By = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="What to group by, separated by commas: model, user, agent, workflow, session, prompt, tool, provider, "
        "service, environment, operation, status, trace, day, hour, month, property.KEY, attribute.KEY, any column.",
    ),
]
_Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only calls from then on: 2026-11-01, 24h, 7d, today, yesterday.")
]
_Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only calls before then.")]
_Tz = Annotated[
    str, typer.Option(metavar="ZONE", help="IANA time zone of days and of times without an offset, shown and read.")
]
_Where = Annotated[
    str | None, typer.Option(metavar="SQL", help="Only calls for which this expression over llm_calls holds.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=f"Rows at most, 0 for all. Default: {ROWS_DEFAULT} in a table, else all."),
]
_SqlLimit = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help=f"Rows at most, 0 for all. Default: {ROWS_DEFAULT} in a table, {BLOCKS_DEFAULT} where rows are too wide "
        "for one and each stands as a block, else all.",
    ),
]
_Prices = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Price list, as of `otel-llm prices update`. Default: the one in use."),
]
_Contracts = Annotated[
    Path | None,
    typer.Option("--contracts", metavar="FILE", help=f"Contract prices. Default: ${CONTRACTS_ENV}, else none."),
]
FormatOption = Annotated[Format, typer.Option(help="How the answer is written.")]
OutputOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of stdout.")]


def sql(argv: list[str]) -> int:
    """`otel-llm sql QUERY`: the rows of one reading SQL statement over the lake."""
    return run("sql", _sql, argv)


def cost(argv: list[str]) -> int:
    """`otel-llm cost --by NAMES`: what the calls cost."""
    return run("cost", _cost, argv)


def latency(argv: list[str]) -> int:
    """`otel-llm latency --by NAMES`: how long the calls take."""
    return run("latency", _latency, argv)


def trace(argv: list[str]) -> int:
    """`otel-llm trace ID`: a trace as a tree."""
    return run("trace", _trace, argv)


def reprice(argv: list[str]) -> int:
    """`otel-llm reprice`: what the calls would cost by other prices, beside what they did."""
    return run("reprice", _reprice, argv)


def renormalise(argv: list[str]) -> int:
    """`otel-llm renormalise`: rows out of the archive once more, after a mapping was corrected."""
    return run("renormalise", _renormalise, argv)


def prices_check(argv: list[str]) -> int:
    """`otel-llm prices check`: the calls that have no price."""
    return run("prices check", _prices_check, argv)


def _sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SQL statement that reads; - takes it from stdin.")],
    *,
    data: DataOption = None,
    tz: _Tz = "UTC",
    limit: _SqlLimit = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Ask the lake in SQL. Tables: spans, messages, llm_calls, traces, sessions, users, models, prompts, agents,
    cost_daily, logs, metrics, scores, scored_calls; `DESCRIBE spans` lists the columns."""
    from . import query as lake
    from .query.statements import readable_errors

    text = sys.stdin.read() if query == "-" else query
    with _opened(data, tz) as connection:
        reader = lake.sql(connection, text)
        with readable_errors(), _target(format, output, data_dir(data)) as out:
            if format is Format.TABLE:
                _print_result(reader, limit, out)
            else:
                _write_rows(format, reader, limit, out)


def _grouped(question: str, what: str) -> Callable[..., None]:
    """The command that asks `query.<question>` by dimensions; `what` is its help."""

    def command(
        *,
        by: _By = "model",
        since: _Since = None,
        until: _Until = None,
        tz: _Tz = "UTC",
        where: _Where = None,
        data: DataOption = None,
        limit: LimitOption = None,
        format: FormatOption = Format.TABLE,
        output: OutputOption = None,
    ) -> None:
        from . import query as lake

        with _opened(data, tz) as connection:
            chosen = lake.selection(connection, since=since, until=until, where=where)
            answer = getattr(lake, question)(connection, by, chosen)
            _print_answer(answer, limit, format, output, data)

    command.__doc__ = what
    return command


_cost = _grouped("cost", "What do the calls cost? Exact to the last digit; calls without a price are counted beside.")
_latency = _grouped("latency", "How long do the calls take, and how long until the first streamed chunk? Milliseconds.")


def _prices_check(
    *,
    since: _Since = None,
    until: _Until = None,
    tz: _Tz = "UTC",
    where: _Where = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Which calls have no price, why, and how many tokens that hides."""
    from . import query as lake

    with _opened(data, tz) as connection:
        chosen = lake.selection(connection, since=since, until=until, where=where)
        answer = lake.unpriced(connection, chosen)
        _print_answer(answer, limit, format, output, data)


def _reprice(
    *,
    since: _Since = None,
    until: _Until = None,
    tz: _Tz = "UTC",
    where: _Where = None,
    prices: _Prices = None,
    contract_file: _Contracts = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Price calls again and keep the figures in `repriced_costs`, beside the billed ones, which stay. Prints the
    difference by model."""
    from . import query as lake
    from . import reprice as repricing

    use_prices(prices)
    by_contract = contracts(contract_file)
    with _opened(data, tz) as connection:
        chosen = lake.selection(connection, since=since, until=until, where=where)
        done = repricing.reprice(connection, data_dir(data), chosen, by_contract)
    found = done.table()
    _print_answer(lake.Table(found), limit, format, output, data)
    if found.num_rows:
        say(f"run {done.run_id}: FROM repriced_costs WHERE run_id = '{done.run_id}'")


def _renormalise(
    *,
    since: _Since = None,
    until: _Until = None,
    tz: _Tz = "UTC",
    prices: _Prices = None,
    contract_file: _Contracts = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Read the archived requests again, as they are mapped today, and put what has changed in the place of the rows,
    at the price list that they were priced by. Prints what the calls of each model added up to before and after, where
    that differs. A collector may be running."""
    from . import query as lake
    from . import renormalise as renormalising

    use_prices(prices)
    by_contract = contracts(contract_file)
    with _opened(data, tz) as connection:
        began = lake.between(connection, since, until)
    done = renormalising.renormalise(data_dir(data), *began, by_contract)
    write_answer(lake.Table(done.models), limit, format, output, data)
    for line in renormalising.notes(done):
        say(line)


def _trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Trace id, its beginning, or `last` for the newest.")],
    *,
    data: DataOption = None,
    tz: _Tz = "UTC",
    depth: Annotated[int | None, typer.Option(min=0, metavar="N", help="Levels below the root. Default: all.")] = None,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="Spans to show in the tree, 0 for all.")
    ] = SPANS_DEFAULT,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """A trace as a tree, with what each subtree cost, took and used. The other formats carry every span."""
    from . import query as lake
    from .console import hidden_spans, trace_text

    with _opened(data, tz) as connection:
        tree = lake.trace(connection, trace_id)
    with _target(format, output, data_dir(data)) as out:
        if format is not Format.TABLE:
            rows = tree.table()
            _write_rows(format, rows.to_reader(), None, out)
            return
        bounds: dict[str, int | None] = {"depth": depth, "limit": limit or None}
        out.write(trace_text(tree, width=_width(), **bounds).encode())
    if hidden := hidden_spans(tree, **bounds):
        say(f"{hidden:,} of {tree.sums.spans:,} spans are not shown one by one: --limit 0 without --depth shows all")


@contextlib.contextmanager
def _opened(data: str | None, tz: str) -> Iterator[duckdb.DuckDBPyConnection]:
    from .query import connect

    with connect(data_dir(data), tz=tz) as connection:
        yield connection


@contextlib.contextmanager
def _target(format: Format, output: Path | None, data: Path) -> Iterator[IO[bytes]]:
    """Where the answer goes: the file that was asked for, else stdout."""
    if output is not None:
        if output.resolve().is_relative_to(data.resolve()):
            raise UsageError(f"--output {output} lies inside the data directory: choose another place")
        try:
            with output.open("wb") as file:
                yield file
        except OSError as error:
            if error.errno is None:
                raise
            raise OtelLlmError(f"cannot write {output}: {error.strerror}") from error
        return
    if format is Format.PARQUET and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal: add --output FILE, or send stdout to a file")
    with stdout_bytes() as out:
        yield out


def _print_answer(answer: Table, limit: int | None, format: Format, output: Path | None, data: str | None) -> None:
    write_answer(answer, limit, format, output, data)
    if not answer.data.num_rows:
        say("no calls match")


def write_answer(answer: Table, limit: int | None, format: Format, output: Path | None, data: str | None) -> None:
    """Write the answer of a command to where it was asked for, with its notes on stderr."""
    from .console import answer_table, printable

    with _target(format, output, data_dir(data)) as out:
        if format is not Format.TABLE:
            _write_rows(format, answer.data.to_reader(), limit, out)
        else:
            shown = ROWS_DEFAULT if limit is None else limit or None
            out.write(answer_table(answer, limit=shown, width=_width()).encode())
            if shown is not None and answer.data.num_rows > shown:
                say(f"the first {shown:,} of {answer.data.num_rows:,} rows; --limit 0 shows all")
    for note in answer.notes:
        say(printable(note))


def _print_result(reader: Any, limit: int | None, out: IO[bytes]) -> None:
    import pyarrow as pa

    from .console import fits_grid, result_table

    shown = ROWS_DEFAULT if limit is None else limit
    rows = pa.Table.from_batches(_first(reader, shown + 1 if shown else None), schema=reader.schema)
    if limit is None and not fits_grid(rows, _width()):
        shown = BLOCKS_DEFAULT
    out.write(result_table(rows.slice(0, shown or None), width=_width()).encode())
    if shown and rows.num_rows > shown:
        say(f"the first {shown:,} rows, there are more; --limit 0 shows all, --format csv, json or parquet writes all")


def _write_rows(format: Format, reader: Any, limit: int | None, out: IO[bytes]) -> None:
    from .render import write

    write(format, reader.schema, _first(reader, limit or None), out)


def _first(batches: Any, limit: int | None) -> Iterator[Any]:
    """The batches up to so many rows."""
    for batch in batches:
        if limit is None:
            yield batch
            continue
        yield batch.slice(0, limit)
        limit -= min(batch.num_rows, limit)
        if not limit:
            return


def _width() -> int:
    return shutil.get_terminal_size((80, 24)).columns
