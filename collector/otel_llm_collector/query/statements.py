"""Running a statement of the user's: reading ones only, and errors as one line that says what to do."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import OtelLlmError, UsageError

from .hql import understood
from .opening import VIEWS, glob_unescape

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_ONLY_READING: Final = (
    "only reading statements run here (SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN); "
    "for others open `views.sql` of the data directory in DuckDB"
)
_EMPTY: Final = "the query is empty: try `otel-llm sql 'FROM llm_calls LIMIT 5'`"
_EXPLAIN: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^)]*\)\s*)?", re.IGNORECASE)
_MISSING_FILE: Final = re.compile(r'(?:No files found that match the pattern|Cannot open file) "([^"]+)"')
_WITHOUT_VALUE: Final = re.compile(r"Values were not provided for the following parameters: (.+)")
_WITHOUT_PARAMETER: Final = re.compile(r"identifiers of the excess parameters: (.+)")
_OTHER_NUMBER: Final = re.compile(r"Parameter/argument count mismatch .* Expected (\d+), got (\d+)")
_UNKNOWN_TABLE: Final = re.compile(r"Table with name (\S+) does not exist")
_UNKNOWN_COLUMN: Final = re.compile(r'Referenced column "([^"]+)" (was )?not found')


#: Values of a statement: by `$name`, or by `?` and `$1` in their order.
Parameters = Mapping[str, Any] | Sequence[Any]


def sql(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Parameters | None = None
) -> pa.RecordBatchReader:
    """Run one reading statement; its rows come in batches, as they are computed.

    Raises UsageError for what does not parse, names what is not there, or would write; OtelLlmError when it fails.
    """
    with readable_errors():
        query = understood(connection, query)
        check_reading(connection, query)
        reader: pa.RecordBatchReader = connection.sql(query, params=parameters or None).to_arrow_reader(50_000)
        return reader


def check_reading(
    connection: duckdb.DuckDBPyConnection, query: str, *, advice: str = _ONLY_READING, if_empty: str = _EMPTY
) -> None:
    """Raise UsageError unless the text is one statement that only reads; `advice` says what does.

    A statement's type is not enough: DuckDB 2 runs `WITH x AS (COPY ... TO 'file') FROM x`, which is a SELECT.
    """
    import duckdb

    statements = connection.extract_statements(query)
    if not statements:
        raise UsageError(if_empty)
    if len(statements) > 1:
        raise UsageError(f"expected one SQL statement, got {len(statements)}: send them one at a time")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:  # EXPLAIN ANALYZE runs what it explains
        check_reading(connection, _EXPLAIN.sub("", _without_comments(connection, query), count=1), advice=advice)
    elif kind == duckdb.StatementType.MULTI:  # a PIVOT that looks up its columns first; it has no syntax tree to ask
        if re.search(r"\bcopy\b", query, re.IGNORECASE):
            raise UsageError(advice)
    elif kind != duckdb.StatementType.SELECT or _writes(connection, query):
        raise UsageError(advice)


def condition(connection: duckdb.DuckDBPyConnection, where: str) -> str:
    """The user's --where as a text that is one condition over `llm_calls` and nothing else, whatever it is put into.

    It is DuckDB's own spelling of what it parsed, so nothing of the user's text reaches the query. Raises UsageError.
    """
    with readable_errors(where):
        _check_tokens(where)
        text = _one_expression(connection, where)
        check_reading(connection, text)
        safe = text.removeprefix(_OVER_CALLS)
        calls = f"(SELECT * FROM llm_calls WHERE {safe}) AS llm_calls"  # noqa: S608 (the parser's own spelling)
        rows = connection.execute(f"DESCRIBE SELECT ({safe}) FROM {calls}").fetchall()  # noqa: S608
    if others := {kind for _, kind, *_ in rows} - {"BOOLEAN"}:
        raise UsageError(f"in --where: this is {', '.join(sorted(others))}, not a condition{_EXAMPLE}")
    return safe


_OVER_CALLS: Final = "SELECT 1 FROM llm_calls WHERE "
_EXAMPLE: Final = " such as \"provider = 'openai'\""


def _check_tokens(where: str) -> None:
    """Raise UsageError for what has no place in one condition, although it parses."""
    import duckdb

    if not where.strip():
        raise UsageError(f"--where is empty: give an SQL expression{_EXAMPLE}")
    for position, kind in duckdb.tokenize(where):
        if kind == duckdb.token_type.comment:
            raise UsageError("in --where: leave the comment out (-- and /* begin one)")
        if kind == duckdb.token_type.operator and where.encode()[position : position + 1] == b";":
            raise UsageError("in --where: expected one SQL expression, without a semicolon")


def _one_expression(connection: duckdb.DuckDBPyConnection, where: str) -> str:
    """`SELECT 1 FROM llm_calls WHERE ...` as the parser understood it: only its condition may be the user's."""
    parsed = syntax_tree(connection, _OVER_CALLS + where)
    if parsed["error"]:
        raise UsageError(f"in --where: {parsed['error_message']}")
    plain = syntax_tree(connection, _OVER_CALLS + "true")
    node = parsed["statements"][0]["node"]
    plain["statements"][0]["node"]["where_clause"] = node.get("where_clause")
    if parsed != plain:
        raise UsageError(f"in --where: expected one SQL expression{_EXAMPLE}, without clauses or parameters after it")
    rows = connection.execute("SELECT json_deserialize_sql(CAST(? AS JSON))", [json.dumps(parsed)]).fetchall()
    return str(rows[0][0])


@contextmanager
def readable_errors(where: str | None = None) -> Iterator[None]:
    """Turn DuckDB's errors into ours: one line with the nearest names. `where` is the user's --where, if any."""
    import duckdb

    try:
        yield
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException) as error:
        raise UsageError(_about_parameters(str(error)) or _explain(str(error), where)) from error
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        if told := _about_parameters(str(error)):
            raise UsageError(told) from error
        raise OtelLlmError(_explain(str(error), where)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise OtelLlmError(_explain(str(error), where)) from error  # how Arrow passes on what a later batch met


def closest(name: str, names: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """' Did you mean "x"?' for the name nearest to a wrong one, or nothing."""
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f' Did you mean "{near[0]}"?' if near else ""


def _without_comments(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The statement from its first word on, as DuckDB sees it."""
    import duckdb

    start = next((position for position, kind in duckdb.tokenize(query) if kind != duckdb.token_type.comment), 0)
    return query.encode()[start:].decode()


def _writes(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether a SELECT holds a COPY, INSERT, UPDATE or DELETE inside its WITH clause."""
    tree = syntax_tree(connection, query)
    return bool(tree["error"]) or any(str(node.get("type")).endswith("_QUERY_NODE") for node in nodes(tree))


def syntax_tree(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """A SELECT as DuckDB's parser understood it, `error` and `error_message` where it did not."""
    rows = connection.execute("SELECT CAST(json_serialize_sql(?) AS VARCHAR)", [query]).fetchall()
    return json.loads(rows[0][0])


def nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """Every object in a syntax tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _explain(message: str, where: str | None) -> str:
    """DuckDB's message on one line: what is wrong, what was near, where it stands."""
    if missing := _MISSING_FILE.search(message):
        return _gone(missing[1])
    lines = [line.strip() for line in message.strip().splitlines() if line.strip(" ^")]
    place = f" (at: {_excerpt(message)})" if lines[-1].startswith("LINE ") and where is None else ""
    lines = [line for line in lines if not line.startswith("LINE ")]
    if unknown := _UNKNOWN_TABLE.search(message):
        name = unknown[1]
        return f'no table "{name}".{closest(name, VIEWS)} There are: {", ".join(VIEWS)}'
    text = " ".join(lines) + place
    if _UNKNOWN_COLUMN.search(message):
        text += "; `DESCRIBE spans` lists the columns"
    return f"in --where: {text}" if where is not None else text


def _about_parameters(message: str) -> str:
    """What to do where a statement's parameters and the values for them are not the same; nothing for other errors."""
    if found := _WITHOUT_VALUE.search(message):
        first = found[1].split(",")[0].strip()
        return f'no value for ${first}: give --param {first}=..., in Python {first}=..., over HTTP "parameters"'
    if found := _WITHOUT_PARAMETER.search(message):
        first = found[1].split(",")[0].strip()
        return f"there is a value for ${first}, but no ${first} in the statement: leave it out, or correct the name"
    if found := _OTHER_NUMBER.search(message):
        return f"{found[2]} given for the {found[1]} parameters of the statement: write $name in it for each value"
    return ""


def _gone(pattern: str) -> str:
    """What to do where a file that the log lists is not on the disk."""
    path = glob_unescape(pattern)
    if "/date=" not in path:
        return f"no file at {path}"
    table = path.rpartition("/date=")[0]
    cure = f"from deltalake import DeltaTable; DeltaTable({json.dumps(table, ensure_ascii=False)}).repair()"
    return (
        f"a file of the lake is missing: {path}; ask again, and if it stays away put it back, or give up its rows with "
        f"python -c {shlex.quote(cure)}"
    )


def _excerpt(message: str) -> str:
    """The piece of the query that DuckDB's caret points at, and a little of what follows."""
    lines = message.rstrip().splitlines()
    caret = next((line for line in reversed(lines) if line.strip() and not line.strip(" ^")), "")
    source = next((line for line in reversed(lines) if line.startswith("LINE ")), "")
    return source[caret.find("^") :][:40].strip() if caret else source.split(":", 1)[-1].strip()[:60]
