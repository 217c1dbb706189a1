"""A stranger's query: what the guard refuses by its text, what the connection refuses by itself, whose rows it sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from otel_llm.errors import UsageError
from otel_llm_collector.query import Bounds, all_live_files, connect_to, guard

from .conftest import SmallLake, span

MEMORY_BYTES_MAX = 256 * 1024 * 1024


def bounded(lake: SmallLake, tenant: str | None = None) -> duckdb.DuckDBPyConnection:
    return connect_to(lake.data, all_live_files(lake.data), bounds=Bounds(MEMORY_BYTES_MAX, tenant))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    lake = SmallLake(tmp_path_factory.mktemp("guarded") / "data").create()
    lake.add([span(1, cost="1", provider="openai")])
    return lake


@pytest.fixture(scope="module")
def fenced(small: SmallLake) -> Iterator[duckdb.DuckDBPyConnection]:
    with bounded(small) as connection:
        yield connection


@pytest.mark.parametrize(
    "query",
    [
        "SELECT model, sum(cost_usd) FROM llm_calls GROUP BY ALL",
        "FROM main.spans LIMIT 1",
        "WITH mine AS (FROM spans), yours AS (FROM mine) FROM yours",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 9) FROM t",
        "DESCRIBE spans",
        "SUMMARIZE llm_calls",
        "SHOW TABLES",
        "VALUES (1)",
        "PIVOT llm_calls ON provider IN ('openai') USING sum(cost_usd)",
        "SELECT unnest(map_keys(properties)), json_extract('{}', 'a') FROM spans, range(2), unnest([1])",
        "SELECT quantile_cont(duration_ms, 0.5) OVER (PARTITION BY model) FROM spans",
    ],
)
def test_questions_over_the_tables_run(fenced: duckdb.DuckDBPyConnection, query: str) -> None:
    guard.check(fenced, query)
    fenced.execute(query).fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "COPY spans TO 'x.csv'",
        "WITH x AS (COPY spans TO 'x.csv') FROM x",
        "CREATE TABLE x AS FROM spans",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '1TB'",
        "SET VARIABLE spans_files = ['/etc/passwd']",
        "RESET ALL",
        "CALL enable_logging()",
        "CHECKPOINT",
        "EXPORT DATABASE 'x'",
        "FROM spans; FROM spans",
        "PIVOT llm_calls ON provider USING sum(cost_usd)",
        "EXPLAIN ANALYZE FROM spans",
        "",
        "FROM read_csv('/etc/passwd')",
        "FROM read_text('/etc/passwd')",
        "FROM read_blob('journal/*')",
        "FROM READ_PARQUET('x.parquet')",
        "FROM '/etc/passwd'",
        "FROM 'x.parquet'",
        "FROM glob('/*')",
        "FROM sniff_csv('/etc/passwd')",
        "FROM parquet_metadata('x.parquet')",
        "FROM query('FROM duckdb_settings()')",
        "FROM query_table('duckdb_views')",
        "FROM histogram('duckdb_views', 'sql')",
        "FROM json_execute_serialized_sql('{}')",
        "FROM duckdb_settings()",
        "FROM duckdb_secrets()",
        "FROM duckdb_views",
        "FROM duckdb_variables()",
        "FROM pragma_database_size()",
        "FROM information_schema.tables",
        "FROM pg_catalog.pg_views",
        "FROM sqlite_master",
        "FROM memory.main.spans",
        "WITH duckdb_views AS (SELECT 1) SELECT (WITH x AS (FROM duckdb_views) FROM x)",
        "SHOW databases",
        "SHOW ALL TABLES",
        "DESCRIBE FROM duckdb_settings()",
        "SELECT getenv('PATH')",
        "SELECT GetVariable('spans_files')",
        "SELECT 'spans_files'.getvariable()",
        "SELECT list_transform(['spans_files'], lambda name: getvariable(name))",
        "SELECT count(*) FILTER (WHERE getvariable('spans_files') IS NULL) OVER () FROM spans",
        "FROM spans ORDER BY current_setting('allowed_paths')",
        "FROM spans LIMIT (SELECT len(current_setting('allowed_paths')))",
        "SELECT json_serialize_plan('FROM read_text(''/etc/passwd'')')",
        "SELECT pg_get_viewdef(1)",
        "SELECT __internal_decompress_string(1::UTINYINT)",
        "SELECT sleep_ms(1)",
    ],
)
def test_everything_else_is_refused_in_one_line(fenced: duckdb.DuckDBPyConnection, query: str) -> None:
    with pytest.raises(UsageError) as refused:
        guard.check(fenced, query)
    assert str(refused.value)
    assert "\n" not in str(refused.value)
    assert "views.sql" not in str(refused.value)  # which a client has not


def statements(lake: SmallLake) -> dict[str, str]:
    file = lake.data / "spans" / lake.files[0]
    return {
        "another file": "FROM read_text('/etc/passwd')",
        "the log": f"FROM read_text('{lake.data}/spans/_delta_log/*')",
        "listing": f"FROM glob('{lake.data}/*')",
        "writing elsewhere": f"COPY (SELECT 1) TO '{lake.data}/x.csv'",
        "writing over a file": f"COPY (SELECT 1) TO '{file}'",
        "a database": f"ATTACH '{lake.data}/x.db'",
        "an extension": "INSTALL httpfs",
        "another extension": "LOAD httpfs",
        "a setting": "SET enable_external_access = true",
        "more memory": "SET memory_limit = '1TB'",
        "more paths": "SET allowed_paths = ['/etc/passwd']",
        "variables of Python": "FROM fenced",
        "the network": "FROM read_text('https://localhost/')",
    }


@pytest.mark.parametrize("what", list(statements(SmallLake(Path(), ["x"]))))
def test_the_connection_itself_has_no_other_way(small: SmallLake, fenced: duckdb.DuckDBPyConnection, what: str) -> None:
    before = {path: path.read_bytes() for path in small.data.rglob("*.*") if path.is_file()}
    with pytest.raises(duckdb.Error):
        fenced.execute(statements(small)[what])
    assert {path: path.read_bytes() for path in small.data.rglob("*.*") if path.is_file()} == before


def test_memory_ends_where_the_bound_says(fenced: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.OutOfMemoryException):
        fenced.execute("SELECT list(repeat('x', 1000)) FROM range(10_000_000)")


def test_a_directory_with_signs_of_a_glob_is_read(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path / "da ta[x]*'").create()
    lake.add([span(1, cost="1")])
    with bounded(lake) as connection:
        assert connection.execute("SELECT count(*) FROM llm_calls").fetchall() == [(1,)]


@pytest.fixture
def tenants(lake: SmallLake) -> SmallLake:
    """Rows of two tenants by turns; what only one of them has can be told by the error that it makes."""
    ids = range(1, 101)
    lake.add(
        [span(n, cost="1", tenant="south" if n % 2 else "north", user_id="secret" if n % 2 else "12") for n in ids]
    )
    own = ("row_id", "date", "trace_id", "span_id")
    spans = [{name: span(n)[name] for name in own} for n in ids]
    lake.add(
        [row | {"input_messages": "secret" if n % 2 else "12"} for n, row in zip(ids, spans, strict=True)], "messages"
    )
    return lake


def test_a_tenant_sees_its_own_rows(tenants: SmallLake) -> None:
    counts = "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM messages), (SELECT sum(cost_usd) FROM users)"
    for tenant, expected in (("north", (50, 50, 50)), ("o'ther", (0, 0, None)), (None, (100, 100, 100))):
        with bounded(tenants, tenant) as connection:
            assert connection.execute(counts).fetchall() == [expected]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM spans WHERE user_id::INT = 12",
        "SELECT count(*) FROM spans WHERE user_id::INT = 12 AND tenant IS NOT NULL",
        "SELECT count(*) FROM spans JOIN (SELECT 12 AS x) ON x = user_id::INT",
        "SELECT count(*) FROM spans WHERE CASE WHEN user_id = 'secret' THEN error(user_id) ELSE true END",
        "SELECT count(*) FROM messages WHERE input_messages::INT = 12",
        "SELECT count(*) FROM messages JOIN spans USING (row_id) WHERE input_messages::INT = 12",
        "SELECT count(*) FROM messages WHERE CASE WHEN input_messages = 'secret' THEN error('') ELSE true END",
    ],
)
def test_no_condition_meets_the_rows_of_others(tenants: SmallLake, query: str) -> None:
    with bounded(tenants, "north") as connection:
        assert connection.execute(query).fetchall() == [(50,)]
