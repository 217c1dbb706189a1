"""The lakes that `make bench-query` and `bench-rollups` ask are like the collector's, and the programs answer."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from otel_llm_collector import query
from otel_llm_collector.rollup.cubes import CUBES
from otel_llm_semconv.pricing import price_call
from otel_llm_semconv.usage import FIELDS, Usage

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROWS = 4_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lakes")


def test_every_question_is_asked(folder: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "query_lake.py"), "--folder", str(folder)]
    done = subprocess.run([*command, "--rows", str(ROWS)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"of \d+ bars missed", done.stdout)
    assert "spans added up in" in done.stdout
    assert "0.004 M spans" in done.stdout


def test_its_rows_are_whole_and_priced(folder: Path) -> None:
    connection = query.connect(folder / str(ROWS))
    counted = connection.execute("SELECT count(*), count(DISTINCT span_id), count(DISTINCT trace_id) FROM spans")
    assert counted.fetchone() == (3_840, 3_840, 480)  # whole traces, 16 a date
    calls = connection.execute("SELECT * FROM llm_calls ORDER BY span_id LIMIT 50")
    names = [column[0] for column in calls.description or ()]
    for row in (dict(zip(names, values, strict=True)) for values in calls.fetchall()):
        usage = Usage(**{name: row.get(name) for name in FIELDS})
        priced = price_call(row["provider"], (row["response_model"],), usage, row["start_time"])
        assert (row["cost_usd"], row["cost_status"]) == (priced.amount, priced.status)
        assert row["cost_usd"] is None or isinstance(row["cost_usd"], Decimal)
    tree = query.trace(connection, "last")
    assert (tree.sums.spans, tree.sums.calls) == (8, 5)
    content = connection.execute("SELECT count(*) FROM messages WHERE trace_id = ?", [tree.trace_id]).fetchone()
    assert content == (5,)


def test_what_is_added_up_is_asked_and_every_cube_has_every_call(folder: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "rollup_lake.py"), "--folder", str(folder), "--days", "3"]
    done = subprocess.run([*command, "--calls", "300000"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"of \d+ bars missed", done.stdout)
    assert "3 dates in 1 file" in done.stdout
    with query.connect(folder / "rolled-300000") as connection:
        cells = connection.execute("SELECT cube, date, made_of, sum(calls) FROM rollups GROUP BY ALL").fetchall()
    assert len(cells) == len(CUBES) * 4  # three dates and their month
    assert {calls for *_, calls in cells} == {100_000, 300_000}
