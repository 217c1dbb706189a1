"""What the commands that ask have in common: their options, and how an answer leaves. stdout carries data alone."""

from __future__ import annotations

import contextlib
import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from otel_llm.errors import OtelLlmError, UsageError

from .commandline import say, stdout_bytes
from .config import CONTRACTS_ENV, DATA_DEFAULT, DATA_ENV, data_dir
from .grid import UNBOUNDED
from .render import Format

if TYPE_CHECKING:
    import duckdb

    from .query import Selection, Table

ROWS_DEFAULT = 100
BLOCKS_DEFAULT = 10  # rows too wide for the terminal, shown as a block each
SPANS_DEFAULT = 200

DataOption = Annotated[
    str | None,
    typer.Option(metavar="DIR", help=f"Data directory, or a bucket. Default: ${DATA_ENV}, else {DATA_DEFAULT}."),
]
ByOption = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="What to group by, separated by commas: model, user, agent, workflow, session, prompt, tool, provider, "
        "service, environment, operation, status, trace, day, hour, month, property.KEY, attribute.KEY, any column.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only calls from then on: 2026-11-01, 24h, 7d, today, yesterday. 24h and 7d count back from --until.",
    ),
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="Only calls before then.")]
TzOption = Annotated[
    str, typer.Option(metavar="ZONE", help="IANA time zone of days and of times without an offset, shown and read.")
]
WhereOption = Annotated[
    str | None, typer.Option(metavar="SQL", help="Only calls for which this expression over llm_calls holds.")
]
ExactOption = Annotated[
    bool, typer.Option("--exact", help="Read the calls themselves, not what they were added up to.")
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Say on stderr what was read: the calls, or which roll-up.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help=f"Rows at most, 0 for all. Default: {ROWS_DEFAULT} in a table, else all."),
]
SqlLimitOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help=f"Rows at most, 0 for all. Default: {ROWS_DEFAULT} in a table, {BLOCKS_DEFAULT} where rows are too wide "
        "for one and each stands as a block, else all.",
    ),
]
PricesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Price list, as of `otel-llm prices update`. Default: the one in use."),
]
ContractsOption = Annotated[
    Path | None,
    typer.Option("--contracts", metavar="FILE", help=f"Contract prices. Default: ${CONTRACTS_ENV}, else none."),
]
FormatOption = Annotated[Format, typer.Option(help="How the answer is written.")]
OutputOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write to this file instead of stdout.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command is asked about: the lake, and the options that all of them have in common."""

    connection: duckdb.DuckDBPyConnection
    since: str | None
    until: str | None
    where: str | None

    def selection(self) -> Selection:
        """The calls that it is about. Raises UsageError."""
        from .query import selection

        return selection(self.connection, since=self.since, until=self.until, where=self.where)


def answering(find: Callable[..., Table]) -> Callable[..., None]:
    """The command that prints what `find(asked, **options)` answers, with the options of `find` and the common ones."""

    def command(**options: Any) -> None:
        common = {name: options.pop(name) for name in _COMMON}
        data, tz = common["data"], common["tz"]
        with opened(data, tz, common["where"]) as connection:
            asked = Asked(connection, *(common[name] for name in ("since", "until", "where")))
            print_answer(find(asked, **options), common["limit"], common["format"], common["output"], data)

    own = list(inspect.signature(find, eval_str=True).parameters.values())[1:]
    command.__signature__ = inspect.Signature([*own, *_COMMON.values()])  # type: ignore[attr-defined]
    command.__annotations__ = {}
    command.__doc__ = find.__doc__
    return command


def _common(
    *,
    since: SinceOption = None,
    until: UntilOption = None,
    tz: TzOption = "UTC",
    where: WhereOption = None,
    data: DataOption = None,
    limit: LimitOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:
    """The options that commands have in common, as their order in --help has them."""


_COMMON: Final = inspect.signature(_common, eval_str=True).parameters


@contextlib.contextmanager
def opened(data: str | None, tz: str, where: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake, for our own questions and a condition of the user's."""
    from .query import connect, views_for

    with connect(data_dir(data), tz=tz, views=views_for(where)) as connection:
        yield connection


@contextlib.contextmanager
def opened_whole(data: str | None, tz: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake with all views, for queries of the user's."""
    from .query import connect

    with connect(data_dir(data), tz=tz) as connection:
        yield connection


@contextlib.contextmanager
def target(format: Format, output: Path | None, data: Path) -> Iterator[IO[bytes]]:
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


def print_answer(answer: Table, limit: int | None, format: Format, output: Path | None, data: str | None) -> None:
    write_answer(answer, limit, format, output, data)
    if not answer.data.num_rows:
        say(answer.nothing)


def write_answer(answer: Table, limit: int | None, format: Format, output: Path | None, data: str | None) -> None:
    """Write the answer of a command to where it was asked for, with its notes on stderr."""
    from .console import printable, show

    with target(format, output, data_dir(data)) as out:
        if format is not Format.TABLE:
            write_rows(format, answer.data.to_reader(), limit, out)
        else:
            shown = ROWS_DEFAULT if limit is None else limit or None
            width = terminal_width(output)
            table = show(answer, limit=shown, width=width)
            out.write(table.text.encode())
            if table.left_out:
                say(f"no room in {width} columns for {', '.join(table.left_out)}; --format csv has them")
            if shown is not None and answer.data.num_rows > shown:
                say(f"the first {shown:,} of {answer.data.num_rows:,} rows; --limit 0 shows all")
    for note in answer.notes:
        say(printable(note))


def print_result(reader: Any, limit: int | None, out: IO[bytes], width: int) -> None:
    import pyarrow as pa

    from .console import fits_grid, result_table

    shown = ROWS_DEFAULT if limit is None else limit
    rows = pa.Table.from_batches(_first(reader, shown + 1 if shown else None), schema=reader.schema)
    if limit is None and not fits_grid(rows, width):
        shown = BLOCKS_DEFAULT
    out.write(result_table(rows.slice(0, shown or None), width=width).encode())
    if shown and rows.num_rows > shown:
        say(f"the first {shown:,} rows, there are more; --limit 0 shows all, --format csv, json or parquet writes all")


def write_rows(format: Format, reader: Any, limit: int | None, out: IO[bytes]) -> None:
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


def terminal_width(output: Path | None = None) -> int:
    """The columns of the terminal, or of COLUMNS; as many as are needed where an answer goes to a file or a pipe."""
    is_shown = output is None and sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size((80, 24)).columns if is_shown or os.environ.get("COLUMNS") else UNBOUNDED
