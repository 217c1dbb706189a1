"""`otel-llm export`: calls, the answer of any query, conversations for fine-tuning, or spans as OTLP, into a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import partial
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from otel_llm.errors import UsageError
from otel_llm.redaction import Redactor, read_hook, read_patterns
from otel_llm_semconv import attributes as a

from .asking import (
    DataOption,
    OutputOption,
    SinceOption,
    TzOption,
    UntilOption,
    WhereOption,
    opened,
    opened_whole,
    target,
    write_rows,
)
from .commandline import run, say
from .config import data_dir
from .conversations import REASONS, Conversations
from .render import Format
from .spans_file import lines

if TYPE_CHECKING:
    import duckdb

    from .query import Selection

_REDACT_ENV: Final = "OTEL_LLM_REDACT"
_REDACT_WITH_ENV: Final = "OTEL_LLM_REDACT_WITH"
_ROWS_AT_ONCE: Final = 2000


class What(StrEnum):
    """What leaves."""

    CALLS = "calls"
    CONVERSATIONS = "conversations"
    SPANS = "spans"


class FileFormat(StrEnum):
    """How rows are written to a file."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


def export(argv: list[str]) -> int:
    """`otel-llm export [calls | conversations | spans]`."""
    return run("export", _export, argv)


def _export(
    what: Annotated[
        What, typer.Argument(help="The calls as rows; what was said in them, for fine-tuning; or all spans, as OTLP.")
    ] = What.CALLS,
    *,
    query: Annotated[
        str | None, typer.Option(metavar="SQL", help="Rows of this statement instead of calls, as of `otel-llm sql`.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    where: WhereOption = None,
    min_score: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="Conversations whose average score of this name is so high. Repeatable."),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help=f"[redacted] for what this matches, besides what ${_REDACT_ENV} does.",
        ),
    ] = None,
    tz: TzOption = "UTC",
    format: Annotated[FileFormat, typer.Option(help="How rows are written; the others are JSON lines.")] = (
        FileFormat.PARQUET
    ),
    data: DataOption = None,
    output: OutputOption = None,
) -> None:
    """Write calls, or the rows of any query, as Parquet, CSV or JSON lines; conversations in OpenAI's chat format for
    fine-tuning, tools included, each once; or spans as OTLP, as `otel-llm import` and OpenTelemetry's collector read
    them. Conversations that are left out are counted by reason on stderr."""
    from . import query as lake

    if query and (what is not What.CALLS or since or until or where):
        raise UsageError("--query says by itself which rows: leave the rest out")
    if what is not What.CONVERSATIONS and (min_score or redact):
        raise UsageError("--min-score and --redact are for conversations: otel-llm export conversations ...")
    scores, redactor = _scores(min_score or []), _redactor(redact or [])
    with opened_whole(data, tz) if query else opened(data, tz, where) as connection:
        chosen = lake.selection(connection, since=since, until=until, where=where)
        match what:
            case What.CALLS:
                rows = lake.sql(connection, query) if query else _answer(connection, "calls", chosen)
                write = partial(_write_rows, Format(format), rows)
            case What.CONVERSATIONS:
                write = partial(_write_conversations, _conversations(connection, chosen, scores), redactor)
            case What.SPANS:
                write = partial(_write_lines, lines(_spans(connection, chosen)))
        with target(Format(format) if what is What.CALLS else Format.JSONL, output, data_dir(data)) as out:
            write(out)


def _write_rows(format: Format, reader: Any, out: IO[bytes]) -> None:
    from .query.statements import readable_errors

    with readable_errors():
        write_rows(format, reader, None, out)


def _write_conversations(rows: Iterable[dict[str, Any]], redactor: Redactor | None, out: IO[bytes]) -> None:
    found = Conversations(redactor)
    _write_lines(found.lines(rows), out)
    say(f"{found.count:,} conversations")
    for reason, count in sorted(found.skipped.items()):
        say(f"left out: {count:,}, {REASONS[reason]} ({reason})")


def _conversations(
    connection: duckdb.DuckDBPyConnection, chosen: Selection, scores: dict[str, float]
) -> Iterator[dict[str, Any]]:
    from .query.opening import fill, literal, question

    worthy = [fill(question("_worthy"), name=literal(name), least=repr(least)) for name, least in scores.items()]
    is_worthy = " AND ".join(worthy) or "true"
    return _rows(_answer(connection, "conversations", chosen, is_worthy=is_worthy, truncated=a.CONTENT_TRUNCATED))


def _spans(connection: duckdb.DuckDBPyConnection, chosen: Selection) -> Iterator[dict[str, Any]]:
    from .query.opening import fill, question

    filter = " AND ".join(chosen.conditions)
    is_all = chosen.where == "true"
    which = filter if is_all else fill(question("_of_traces"), where=chosen.where, filter=filter)
    return _rows(_answer(connection, "spans", chosen, which=which))


def _answer(connection: duckdb.DuckDBPyConnection, name: str, chosen: Selection, **parts: str) -> Any:
    """The batches of `queries/<name>.sql`."""
    from .query.opening import fill, question
    from .query.statements import readable_errors

    text = fill(question(name), where=chosen.where, filter=" AND ".join(chosen.conditions), **parts)
    with readable_errors(None if chosen.where == "true" else chosen.where):
        return connection.sql(text, params=chosen.parameters).to_arrow_reader(_ROWS_AT_ONCE)


def _rows(batches: Any) -> Iterator[dict[str, Any]]:
    from .query.statements import readable_errors

    with readable_errors():
        for batch in batches:
            yield from batch.to_pylist()


def _write_lines(lines: Iterable[str], out: IO[bytes]) -> None:
    for line in lines:
        out.write(line.encode("utf-8", "surrogatepass") + b"\n")


def _scores(given: list[str]) -> dict[str, float]:
    """NAME=N, by name."""
    found = {}
    for one in given:
        name, _, least = one.rpartition("=")
        try:
            found[name] = float(least)
        except ValueError:
            found[""] = 0.0
        if "" in found:
            raise UsageError(f"--min-score {one!r} is not written NAME=N, such as helpful=0.8")
    return found


def _redactor(given: list[str]) -> Redactor | None:
    """What the apps' own redaction is told to find, and what is given."""
    patterns = (*read_patterns(os.environ.get(_REDACT_ENV, "")), *read_patterns(given))
    hook = read_hook(os.environ.get(_REDACT_WITH_ENV))
    return Redactor(patterns, hook) if patterns or hook else None
