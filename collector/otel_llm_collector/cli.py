"""Commands that ask in a way of their own: `otel-llm sql | trace | reprice | renormalise`, `otel-llm prices check`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from otel_llm.errors import UsageError

from . import query as lake
from .asking import (
    SPANS_DEFAULT,
    Asked,
    ContractsOption,
    DataOption,
    FormatOption,
    LimitOption,
    OutputOption,
    PricesOption,
    SinceOption,
    SqlLimitOption,
    TzOption,
    UntilOption,
    WhereOption,
    answering,
    opened,
    opened_whole,
    print_answer,
    print_result,
    target,
    terminal_width,
    write_answer,
    write_rows,
)
from .commandline import run, say
from .config import contracts, data_dir, use_prices
from .query import Table
from .render import Format


def sql(argv: list[str]) -> int:
    """`otel-llm sql QUERY`: the rows of one reading SQL statement over the lake."""
    return run("sql", _sql, argv)


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
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="One SQL statement that reads; - takes it from stdin.")
    ] = None,
    *,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Take the statement from this file.")] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", "-i", help="Ask again and again, with history and completion.")
    ] = False,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="The value of $NAME in the statement. Repeatable.")
    ] = None,
    data: DataOption = None,
    tz: TzOption = "UTC",
    limit: SqlLimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Ask the lake in SQL. Tables: spans, messages, llm_calls, traces, sessions, users, models, prompts, agents, tools,
    errors, cost_daily, logs, metrics, scores, scored_calls and others; `DESCRIBE spans` lists the columns."""
    from .query.statements import readable_errors

    if interactive:
        from .shell import interact

        return interact(data, tz, limit)
    text = _statement(query, file)
    with opened_whole(data, tz) as connection:
        reader = lake.sql(connection, text, _parameters(param or ()))
        with readable_errors(), target(format, output, data_dir(data)) as out:
            if format is Format.TABLE:
                print_result(reader, limit, out, terminal_width(output))
            else:
                write_rows(format, reader, limit, out)
    return None


def _statement(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise UsageError("give one statement, or --file FILE, or -i to type several")
    if file is not None:
        return file.read_text("utf-8")
    return sys.stdin.read() if query == "-" else str(query)


def _parameters(pairs: Sequence[str]) -> dict[str, str]:
    """The values of `--param NAME=VALUE`: texts, which DuckDB casts to what they are compared with."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--param {pair!r}: write NAME=VALUE")
        found[name.removeprefix("$")] = value
    return found


def _find_unpriced(asked: Asked) -> Table:
    """Which calls have no price, why, and how many tokens that hides."""
    return lake.unpriced(asked.connection, asked.selection())


_prices_check = answering(_find_unpriced)


def _reprice(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    tz: TzOption = "UTC",
    where: WhereOption = None,
    prices: PricesOption = None,
    contract_file: ContractsOption = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Price calls again and keep the figures in `repriced_costs`, beside the billed ones, which stay. Prints the
    difference by model."""
    from . import reprice as repricing

    use_prices(prices)
    by_contract = contracts(contract_file)
    with opened(data, tz, where) as connection:
        chosen = lake.selection(connection, since=since, until=until, where=where)
        done = repricing.reprice(connection, data_dir(data), chosen, by_contract)
    found = done.table()
    print_answer(lake.Table(found, notes=chosen.notes), limit, format, output, data)
    if found.num_rows:
        say(f"run {done.run_id}: FROM repriced_costs WHERE run_id = '{done.run_id}'")


def _renormalise(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    tz: TzOption = "UTC",
    prices: PricesOption = None,
    contract_file: ContractsOption = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """Read the archived requests again, as they are mapped today, and put what has changed in the place of the rows,
    at the price list that they were priced by. Prints what the calls of each model added up to before and after, where
    that differs. A collector may be running."""
    from . import renormalise as renormalising

    use_prices(prices)
    by_contract = contracts(contract_file)
    with opened(data, tz) as connection:
        began = lake.between(connection, since, until)
    done = renormalising.renormalise(data_dir(data), *began, by_contract)
    write_answer(lake.Table(done.models), limit, format, output, data)
    for line in renormalising.notes(done):
        say(line)


def _trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Trace id, its beginning, or `last` for the newest.")],
    *,
    data: DataOption = None,
    tz: TzOption = "UTC",
    waterfall: Annotated[bool, typer.Option("--waterfall", help="Bars of time in the place of tokens.")] = False,
    depth: Annotated[int | None, typer.Option(min=0, metavar="N", help="Levels below the root. Default: all.")] = None,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="Spans to show in the tree, 0 for all.")
    ] = SPANS_DEFAULT,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """A trace as a tree, with what each subtree cost, took and used. The other formats carry every span."""
    from .console import hidden_spans, trace_text

    with opened(data, tz) as connection:
        tree = lake.trace(connection, trace_id)
    with target(format, output, data_dir(data)) as out:
        if format is not Format.TABLE:
            rows = tree.table()
            write_rows(format, rows.to_reader(), None, out)
            return
        bounds: dict[str, int | None] = {"depth": depth, "limit": limit or None}
        out.write(trace_text(tree, width=terminal_width(output), waterfall=waterfall, **bounds).encode())
    if hidden := hidden_spans(tree, **bounds):
        say(f"{hidden:,} of {tree.sums.spans:,} spans are not shown one by one: --limit 0 without --depth shows all")
