"""Opening a data directory: DuckDB in memory over the files that the Delta log lists, and the views on top."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from otel_llm.errors import NoDataError, OtelLlmError, UsageError
from otel_llm_semconv.tables import TABLES

from ..lake.address import address_of, in_a_line

if TYPE_CHECKING:
    import duckdb

#: The views in the order of their definition: each reads only those before it.
VIEWS: Final = (
    "spans",
    "messages",
    "repriced_costs",
    "llm_calls",
    "traces",
    "sessions",
    "users",
    "models",
    "prompts",
    "agents",
    "tools",
    "errors",
    "cost_daily",
    "logs",
    "metrics",
    "usage_metrics",
    "scores",
    "scored_calls",
    "session_scores",
    "prompt_scores",
    "request_response_rmt",
    "rollups",
    "alerts",
)
_CAST: Final = re.compile(r"TRY_CAST\((.*) AS BIGINT\) AS")
_WORD: Final = re.compile(r"\w+")
#: What SQL of ours reads: a name elsewhere is a column, or stands in a comment.
_FROM: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_SUM: Final = re.compile(r"(count|sum)\(.* AS (\w+),?$", re.MULTILINE)
_NEWER: Final = "; a newer version wrote it: pip install --upgrade 'otel-llm[collector]'"
DATA_VARIABLE: Final = "otel_llm_data"
#: The table of what calls add up to, and the variable that holds what its files were made of, as JSON.
ROLLUPS: Final = "rollups"
ROLLUPS_LOG: Final = "rollups_log"
#: SQL of whether a call, or a cell of calls, has no cost since nobody knows the price of its model.
NO_PRICE: Final = "cost_usd IS NULL AND cost_status = 'unknown_model'"
_NO_LIMIT: Final = 2**63 - 1
_HEADER: Final = """\
-- The tables and views of this otel-llm lake, for any DuckDB: `.read views.sql`, then `FROM llm_calls`.
-- Written by otel-llm; it is written again when a table gets its first file.
-- Is the directory elsewhere now?   SET VARIABLE {data_variable} = '/new/place';
-- A compaction leaves the files it replaced on disk for ten minutes, and a glob counts their rows twice.
-- Exact at any time: `otel-llm sql`, or   SET VARIABLE spans_files = [the live files of the Delta log];
"""
#: A UNION with no rows: it gives every column of the schema, also those that are younger than all files.
_SOURCE: Final = """
    SELECT {columns}
    FROM ({empty}
    UNION ALL BY NAME FROM read_parquet({files}, hive_partitioning = true, union_by_name = true))
"""


#: Table -> its files.
Files = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection for strangers may use and see.

    `memory_bytes_max` is for the whole query, which never uses the disk; `tenant` sees its own rows alone, None all.
    """

    memory_bytes_max: int
    tenant: str | None = None


_NOTHING: Final[Mapping[str, str]] = {}


def connect(data: Path, *, tz: str = "UTC", views: Collection[str] = VIEWS) -> duckdb.DuckDBPyConnection:
    """Open the lake in `data` as it is now: one consistent version a table, and the views.

    `tz` is the IANA time zone in which timestamps are shown, days begin and times without an offset are read.
    Raises NoDataError where there is no lake or nothing in it yet, UsageError for an unknown time zone.
    """
    return connect_to(data, all_live_files(data), rolled=rolled_up(data), tz=tz, views=views)


def over(data: Path, table: str, paths: Iterable[str], views: Collection[str]) -> duckdb.DuckDBPyConnection:
    """Open some files of one table, as its log names them, in UTC, with the `views` that read it alone."""
    from ..lake.place import place_of

    uri = place_of(data, table).uri
    chosen = [glob_escape(f"{uri}/{path}") for path in paths]
    return connect_to(data, {table: chosen}, views=views)


def views_for(*texts: str | None) -> list[str]:
    """The views that our own questions and these texts read: making all takes longer than most questions."""
    named = {word for text in texts if text for word in _WORD.findall(text.lower())}
    wanted = _with_needs(named) | _read_by_questions()
    return [view for view in VIEWS if view in wanted]


def connect_to(
    data: Path,
    files: Files,
    *,
    rolled: Mapping[str, str] = _NOTHING,
    tz: str = "UTC",
    bounds: Bounds | None = None,
    views: Collection[str] = VIEWS,
) -> duckdb.DuckDBPyConnection:
    """The same over these files, as `all_live_files` and `rolled_up` told them, with all `views` or some.

    With `bounds` the connection reaches nothing but them, and no setting can be changed.
    """
    if rolled:
        files = {**files, ROLLUPS: sorted(rolled)}
    connection = _in_memory(tz, bounds)
    try:
        connection.execute(f"SET VARIABLE {ROLLUPS_LOG} = ?", [json.dumps(rolled)])
        _reach(connection, data)
        _create_views(connection, data, files, bounds.tenant if bounds else None, views)
        if bounds:
            _lock(connection, files)
    except BaseException:
        connection.close()
        raise
    return connection


def all_live_files(data: Path) -> Files:
    """The files of every table now, but of what calls of all tenants add up to, which is no answer for one of them.

    Raises NoDataError where there is no lake or nothing in it yet.
    """
    files = {table: live_files(data, table) for table in TABLES if table != ROLLUPS}
    if not any(files[table] for table in ("spans", "logs", "metrics")):
        raise NoDataError(_why_no_data(data))
    return files


def _reach(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    """Have DuckDB read from the bucket that a data directory names, through Arrow: it has no way of its own."""
    if (address := address_of(data)) is None:
        return
    from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

    from ..lake.place import open_store

    scheme = address.partition("://")[0]

    class Store(ArrowFSWrapper):  # type: ignore[misc]  # the package is untyped
        protocol = scheme

    connection.register_filesystem(Store(open_store(address)[0]))


def _lock(connection: duckdb.DuckDBPyConnection, files: Files) -> None:
    """Leave the connection no way to anything but these files, and none to change that."""
    # DuckDB asks for a path as it was given, and as it is opened
    paths = {path for found in files.values() for one in found for path in (one, glob_unescape(one))}
    for setting in (
        f"allowed_paths = [{', '.join(map(literal, sorted(paths)))}]",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _create_views(
    connection: duckdb.DuckDBPyConnection, data: Path, files: Files, tenant: str | None, views: Collection[str]
) -> None:
    from .statements import readable_errors

    # Creating a view reads the footers of its files: the first is enough, the variable is looked up in each query.
    for table, paths in files.items():
        connection.execute(f"SET VARIABLE {table}_files = ?", [paths[:1]])
    with readable_errors():
        filled = [table for table, paths in files.items() if paths]
        connection.execute(_script(data, filled, tenant, views))
    for table, paths in files.items():
        connection.execute(f"SET VARIABLE {table}_files = ?", [paths])


def views_sql(data: Path) -> str:
    """The text of `views.sql`: the same views for a DuckDB that has nothing of ours.

    A table that has no file yet is a typed empty relation there, as DuckDB refuses a glob without matches: write the
    text again when a table gets its first file.
    """
    from ..lake.place import place_of

    return _script(data, filled=[table for table in TABLES if any(place_of(data, table).files("*.parquet"))])


def live_files(data: Path, table: str) -> list[str]:
    """Paths of the files that the table's Delta log lists now; none where there is no table."""
    if not _has_log(data, table):
        return []
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    from ..lake.place import place_of

    try:
        uris = DeltaTable(place_of(data, table).uri).file_uris()
    except TableNotFoundError:  # the directory stands, its first commit does not yet
        return []
    except (DeltaError, OSError) as error:
        told = in_a_line(error)
        cure = _NEWER if "reader version" in told or "reader feature" in told.lower() else ""
        raise OtelLlmError(f"cannot read the Delta log in {address_of(data) or data}/{table}: {told}{cure}") from error
    return sorted(glob_escape(unquote(uri.removeprefix("file://"))) for uri in uris)


def rolled_up(data: Path) -> dict[str, str]:
    """What the files of `rollups` were made of, by the path of each, as their log says it now."""
    if not _has_log(data, ROLLUPS):
        return {}
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    from ..lake.log import least
    from ..lake.place import place_of

    uri = place_of(data, ROLLUPS).uri
    try:
        return {glob_escape(f"{uri}/{path}"): text for path, text in least(DeltaTable(uri), "made_of").items()}
    except (DeltaError, OSError):  # questions are answered without them, which takes longer
        return {}


def _has_log(data: Path, table: str) -> bool:
    """Whether a table has been begun, as far as can be told without asking a bucket."""
    return address_of(data) is not None or (data / table / "_delta_log").is_dir()


def call_sums() -> str:
    """The SELECT items that add up counted calls, the same in every view and question."""
    return _read("views", "_call_sums").rstrip()


def part_sums() -> str:
    """The same of a part of what is summed up: too large a sum is found by `sums_of_parts`."""
    return _CAST.sub(r"\1 AS", call_sums())


def sums_of_parts(*, is_last: bool = False) -> str:
    """The SELECT items that add up the sums of parts, again and again; the last time as `call_sums` has them."""
    return ",\n".join(_sum_of_parts(*found, is_last=is_last) for found in _SUM.findall(call_sums()))


def sum_names() -> list[str]:
    """The columns of `call_sums`."""
    return [name for _, name in _SUM.findall(call_sums())]


def _sum_of_parts(function: str, name: str, *, is_last: bool) -> str:
    summed = f"coalesce(sum({name}), 0)" if function == "count" else f"sum({name})"
    cast = "{}" if name == "cost_usd" or not is_last else "TRY_CAST({} AS BIGINT)"
    return f"{cast.format(summed)} AS {name}"


def question(name: str) -> str:
    """The text of `queries/<name>.sql`."""
    return _read("queries", name)


def fill(template: str, **parts: str) -> str:
    """Put SQL texts into the `{name}` places of a template; other braces stay."""
    return re.sub(r"\{([a-z_]+)\}", lambda match: parts.get(match[1], match[0]), template)


def glob_escape(path: str) -> str:
    """The path as a DuckDB glob that matches only itself."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def glob_unescape(pattern: str) -> str:
    """The path that `glob_escape` was given."""
    return re.sub(r"\[([*?\[])\]", r"\1", pattern)


def literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _script(data: Path, filled: Collection[str], tenant: str | None = None, chosen: Collection[str] = VIEWS) -> str:
    parts = {
        table: _of_tenant(table, _source(data, table), tenant) if table in filled else _empty(table) for table in TABLES
    }
    texts = {view: _read("views", view) for view in VIEWS if view in chosen}
    views = [fill(text, source=parts.get(view, ""), call_sums=call_sums()) for view, text in texts.items()]
    return "\n".join([_HEADER.format(data_variable=DATA_VARIABLE), *views])


@functools.cache
def _read_by_questions() -> set[str]:
    folder = resources.files("otel_llm_collector") / "queries"
    return _with_needs(
        {name for file in folder.iterdir() for name in _FROM.findall(file.read_text("utf-8"))} | {ROLLUPS}
    )


def _with_needs(named: set[str]) -> set[str]:
    """The views among these names, and those that they read."""
    found = named.intersection(VIEWS)
    for view in reversed(VIEWS):
        if view in found:
            found.update(_FROM.findall(_read("views", view)))
    return found.intersection(VIEWS)


def _source(data: Path, table: str) -> str:
    """A relation over the table's files."""
    columns = ", ".join(column.name for column in TABLES[table])
    directory = literal(glob_escape(address_of(data) or str(data.resolve())))
    pattern = f"coalesce(getvariable('{DATA_VARIABLE}'), {directory}) || '/{table}/date=*/*.parquet'"
    files = f"coalesce(getvariable('{table}_files'), [{pattern}])"
    return fill(_SOURCE, columns=columns, empty=_empty(table), files=files)


def _of_tenant(table: str, source: str, tenant: str | None) -> str:
    """The rows of a tenant: those that name it, else those of spans that it sees, else none.

    A condition of the query must see no other row, since its errors tell what they met: a comparison with a text is
    done by the scan, before everything else, and nothing is pushed below a LIMIT.
    """
    if tenant is None:
        return source
    names = {column.name for column in TABLES[table]}
    if "tenant" in names:
        return f"FROM ({source}) WHERE tenant = {literal(tenant)}"
    own = "row_id IN (SELECT row_id FROM spans)" if "row_id" in names else "false"
    return f"FROM ({source}) WHERE {own} LIMIT {_NO_LIMIT}"


def _empty(table: str) -> str:
    columns = ", ".join(f"CAST(NULL AS {column.type}) AS {column.name}" for column in TABLES[table])
    return f"SELECT {columns} WHERE false"


@functools.cache
def _read(folder: str, name: str) -> str:
    return (resources.files("otel_llm_collector") / folder / f"{name}.sql").read_text("utf-8")


def _in_memory(tz: str, bounds: Bounds | None) -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(Path(tempfile.gettempdir()) / "otel-llm-duckdb"),  # made only when a query spills
        "autoinstall_known_extensions": "false",  # a reader opens no connection to anywhere
        "parquet_metadata_cache": "true",  # a file never changes: its footer is read once
    }
    if bounds:
        memory = {"memory_limit": f"{bounds.memory_bytes_max}B", "enable_external_file_cache": "false"}
        config |= {**memory, "temp_directory": ""}
    connection = duckdb.connect(config=config)
    try:
        connection.execute(f"SET TimeZone = {literal(tz)}")
    except duckdb.Error as error:
        connection.close()
        message = f"unknown time zone {tz!r}: use an IANA name such as Europe/Berlin ({_first_line(error)})"
        raise UsageError(message) from error
    return connection


def _why_no_data(data: Path) -> str:
    cure = "start `otel-llm collector` and send spans to it, run `otel-llm demo`, or name another place with --data"
    if (address := address_of(data)) is not None:
        return f"the lake in {address} holds nothing yet: {cure}"
    if not data.is_dir():
        return f"no data directory at {data}: {cure}"
    if not (data / "spans" / "_delta_log").is_dir():
        return f"no lake in {data}: {cure}"
    return f"the lake in {data} holds nothing yet: {cure}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
