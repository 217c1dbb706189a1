"""Opening a lake: exactly the live files, in our connection and in anybody's DuckDB."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otel_llm.errors import NoDataError, OtelLlmError, UsageError
from otel_llm_collector.lake.schema import arrow_schema
from otel_llm_collector.query import connect, views_for, views_sql
from otel_llm_collector.query.opening import VIEWS
from otel_llm_semconv.tables import TABLES

from .conftest import Run, SmallLake, span


def ask(data: Path, query: str) -> list[tuple[object, ...]]:
    with connect(data) as connection:
        return connection.execute(query).fetchall()


def plain(script: str, query: str, *before: str) -> list[tuple[object, ...]]:
    """Ask a DuckDB that has nothing of ours but the script."""
    with duckdb.connect() as connection:
        for statement in before:
            connection.execute(statement)
        connection.execute(script)
        return connection.execute(query).fetchall()


def test_every_view_has_a_file_and_every_file_is_a_view() -> None:
    files = {path.name for path in (resources.files("otel_llm_collector") / "views").iterdir()}
    assert files == {f"{view}.sql" for view in VIEWS} | {"_call_sums.sql"}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_answers_beside_those_that_it_needs(clinic: SmallLake, view: str) -> None:
    with connect(clinic.data, views=views_for(f'SELECT * FROM "{view.upper()}"')) as connection:
        assert isinstance(connection.execute(f"FROM {view}").fetchall(), list)


def test_all_are_made_unless_it_is_known_what_is_asked(clinic: SmallLake) -> None:
    found = ask(clinic.data, "SELECT view_name FROM duckdb_views() WHERE NOT internal")
    assert {name for (name,) in found} == set(VIEWS)
    assert {"spans", "llm_calls"} < set(views_for()) < set(VIEWS)


def test_the_views_read_the_columns_of_the_lake(clinic: SmallLake) -> None:
    added = {"model": "VARCHAR", "duration_ms": "DOUBLE", "time_to_first_chunk_ms": "DOUBLE"}
    for table, extra in (("spans", added), ("messages", {})):
        described = {name: kind for name, kind, *_ in ask(clinic.data, f"DESCRIBE {table}")}
        types = {column.name: column.type for column in TABLES[table]} | extra
        assert {
            name: kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for name, kind in described.items()
        } == types


def test_views_sql_needs_nothing_of_ours(clinic: SmallLake) -> None:
    counts = "\nUNION ALL ".join(f"SELECT '{view}', count(*), sum(hash({view})) FROM {view}" for view in VIEWS)
    assert plain(views_sql(clinic.data), counts, "SET TimeZone = 'UTC'") == ask(clinic.data, counts)


def test_a_plain_glob_gives_the_same_rows(clinic: SmallLake) -> None:
    glob = f"read_parquet('{clinic.data}/spans/date=*/*.parquet')"
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT count(*), sum(cost_usd) FILTER (WHERE is_llm_call) FROM {glob}").fetchall()
    assert rows == ask(clinic.data, "SELECT count(*), sum(cost_usd) FILTER (WHERE is_llm_call) FROM spans")


def test_views_sql_takes_an_exact_file_list_and_another_place(clinic: SmallLake, tmp_path: Path) -> None:
    script = views_sql(clinic.data)
    first = clinic.data / "spans" / clinic.files[0]
    assert plain(script, "SELECT count(*) FROM spans", f"SET VARIABLE spans_files = ['{first}']") == [(3,)]
    moved = shutil.move(clinic.data, tmp_path / "moved")
    assert plain(script, "SELECT count(*) FROM spans", f"SET VARIABLE otel_llm_data = '{moved}'") == [(6,)]


def test_views_sql_sees_files_that_come_later(clinic: SmallLake) -> None:
    with duckdb.connect() as connection:
        connection.execute(views_sql(clinic.data))
        clinic.add([span(9, at=3)])
        assert connection.execute("SELECT count(*) FROM spans").fetchall() == [(7,)]


def test_tables_without_files_are_empty_and_typed(lake: SmallLake) -> None:
    script = views_sql(lake.data)
    counts = "\nUNION ALL ".join(f"SELECT count(*) FROM {view}" for view in VIEWS)
    assert set(plain(script, counts)) == {(0,)}
    assert plain(script, "SELECT typeof(sum(cost_usd)) FROM spans") == [("DECIMAL(38,12)",)]


@pytest.mark.parametrize("name", ["with space", "it's", "brackets [1]", "star*", "ümläut", "what?"])
def test_any_directory_name_works(tmp_path: Path, name: str) -> None:
    lake = SmallLake(tmp_path / name).create()
    lake.add([span(1, cost="0.1")])
    assert ask(lake.data, "SELECT sum(cost_usd) FROM llm_calls") == [(Decimal("0.1"),)]
    assert plain(views_sql(lake.data), "SELECT sum(cost_usd) FROM llm_calls") == [(Decimal("0.1"),)]


def test_a_replaced_file_counts_once(lake: SmallLake) -> None:
    old = lake.add([span(1, cost="0.1")]) + lake.add([span(2, cost="0.2")])
    lake.add([span(1, cost="0.1"), span(2, cost="0.2")], remove=old)
    assert all((lake.data / "spans" / path).exists() for path in old)
    assert ask(lake.data, "SELECT count(*), sum(cost_usd) FROM llm_calls") == [(2, Decimal("0.3"))]


def test_a_file_without_a_commit_does_not_count(clinic: SmallLake) -> None:
    stray = clinic.data / "spans" / "date=2026-11-02" / "stray.parquet"
    pq.write_table(pa.Table.from_pylist([span(77)], schema=arrow_schema("spans")), stray)
    assert ask(clinic.data, "SELECT count(*) FROM spans") == [(6,)]


def test_files_of_older_and_newer_schemas_read_together(lake: SmallLake) -> None:
    lake.add([span(1, cost="0.1")])
    path = lake.data / "spans" / lake.add([span(2, cost="0.2")])[0]
    table = pq.read_table(path, partitioning=None).drop_columns(["sample_rate", "cost_image_usd"])
    pq.write_table(table.append_column("of_the_future", pa.array(["x"])), path)
    assert ask(lake.data, "SELECT count(sample_rate), sum(cost_usd) FROM llm_calls") == [(0, Decimal("0.3"))]


def test_readers_see_whole_commits_while_files_come(lake: SmallLake) -> None:
    lake.add([span(1, None, 1, cost="0.1"), span(2, 1, 1, cost="0.2")])
    done = threading.Event()

    def append() -> None:
        for trace in range(2, 22):
            lake.add([span(1, None, trace, cost="0.1"), span(2, 1, trace, cost="0.2")])
        done.set()

    writer = threading.Thread(target=append)
    writer.start()
    counts = []
    while not done.is_set():
        ((count, cost),) = ask(lake.data, "SELECT count(*), sum(cost_usd) FROM llm_calls")
        assert count % 2 == 0
        assert cost == Decimal("0.15") * count
        counts.append(count)
    writer.join()
    assert counts == sorted(counts)
    assert ask(lake.data, "SELECT count(*) FROM llm_calls") == [(42,)]


def test_no_lake_and_empty_lakes_say_what_to_do(tmp_path: Path, lake: SmallLake) -> None:
    (tmp_path / "empty").mkdir()
    for data, problem in (
        (tmp_path / "missing", "no data directory"),
        (tmp_path / "empty", "no lake"),
        (lake.data, "holds nothing yet"),
    ):
        with pytest.raises(NoDataError, match=problem) as caught:
            connect(data)
        assert "otel-llm demo" in str(caught.value)
        assert "--data" in str(caught.value)


def test_a_table_whose_first_commit_is_under_way_is_no_lake_yet(tmp_path: Path) -> None:
    (tmp_path / "spans" / "_delta_log").mkdir(parents=True)
    with pytest.raises(NoDataError):
        connect(tmp_path)


def test_a_damaged_log_is_an_error_not_an_empty_lake(clinic: SmallLake) -> None:
    for commit in (clinic.data / "spans" / "_delta_log").glob("*.json"):
        commit.write_text("{")
    with pytest.raises(OtelLlmError, match="cannot read the Delta log") as caught:
        connect(clinic.data)
    assert caught.value.exit_code == 1


def test_an_unknown_time_zone_is_wrong_usage(clinic: SmallLake) -> None:
    with pytest.raises(UsageError, match="unknown time zone 'Mars/Olympus'"):
        connect(clinic.data, tz="Mars/Olympus")


def test_reading_changes_no_file(clinic: SmallLake) -> None:
    def listing() -> list[tuple[Path, int]]:
        return sorted((path, path.stat().st_mtime_ns) for path in clinic.data.rglob("*"))

    before = listing()
    with connect(clinic.data) as connection:
        for view in VIEWS:
            connection.execute(f"FROM {view}").fetchall()
    assert listing() == before


def test_the_commands_start_without_duckdb_and_pyarrow() -> None:
    code = (
        "import sys, otel_llm_collector.questions as c; c.cost(['--help']);"
        "print({'duckdb', 'pyarrow'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.splitlines()[-1] == "set()"


def test_messages_join_their_spans(clinic: SmallLake) -> None:
    row = {"row_id": span(2)["row_id"], "date": dt.date(2026, 11, 2), "input_messages": "[]"}
    clinic.add([row], table="messages")
    joined = "SELECT name, input_messages FROM spans JOIN messages USING (row_id)"
    assert ask(clinic.data, joined) == [("chat gpt-4o-mini", "[]")]
    assert plain(views_sql(clinic.data), joined) == [("chat gpt-4o-mini", "[]")]


def test_a_lake_of_a_newer_version_says_so(clinic: SmallLake, run: Run) -> None:
    log = clinic.data / "spans" / "_delta_log"
    protocol = {"protocol": {"minReaderVersion": 99, "minWriterVersion": 99}}
    (log / f"{len(list(log.glob('*.json'))):020d}.json").write_text(json.dumps(protocol))
    ran = run("cost")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "a newer version wrote it: pip install --upgrade 'otel-llm[collector]'" in ran.err
