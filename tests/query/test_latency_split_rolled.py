"""Where the time of traces goes is the same out of the roll-up, wherever their spans lie and whatever came or went."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import pytest
from rig.rollups import add_up

from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.query import connect, latency_split, selection, views_for
from otel_llm_collector.rollup import cells

from .conftest import Run, SmallLake, span

DAY_S = 86_400
CONDITIONS = (None, "user_id = 'ada'", "status = 'ERROR'")
SINCE = (None, "2026-11-02", "2026-11-02T12:00", "2026-11-03")
BY = ("service", "user,model", "day", "trace")


def a_span(pick: random.Random, number: int) -> dict[str, Any]:
    """A span of one of a few traces, each of which has its day and some spans on the others."""
    trace = pick.randrange(1, 12)
    day = trace % 3 if pick.random() < 0.8 else pick.randrange(3)
    kind = pick.choice(["CLIENT", "SERVER", "INTERNAL"])
    says = pick.choice([{}, {}, {"otel_llm.provider.time": "0.5"}, {"otel_llm.retry.wait": "0.2"}])
    row = span(
        number,
        pick.choice([None, number - 1, number - 2]),
        trace,
        at=day * DAY_S + pick.choice([pick.random() * 4, DAY_S - 1 + number / 1000]),
        ms=pick.choice([0, -3, 100, 1500, pick.random() * 3000]),
        kind=kind,
        attributes=[*says.items()],
        service_name=pick.choice(["desk", "till"]),
        user_id=pick.choice(["ada", "bob", None]),
        status=pick.choice(["OK", "ERROR"]),
        response_model=pick.choice(["a", "b"]),
        clock_flag=pick.choice([None, None, None, "out_of_range"]),
        not_counted_reason=pick.choice([None, None, "echo"]),
        time_to_first_chunk_ns=pick.choice([None, 10**8]),
        **({"cost": "1"} if pick.random() < 0.4 else {}),
    )
    return row | ({"trace_id": None} if pick.random() < 0.03 else {})


def check(lake: SmallLake, pick: random.Random) -> str:
    """Ask with the roll-up and without; where all answers with it came from."""
    with connect(lake.data, views=views_for()) as connection:
        sources = {same(connection, pick.choice(BY), where=None)} | {
            same(connection, pick.choice(BY), where=pick.choice(CONDITIONS), since=pick.choice(SINCE)) for _ in range(3)
        }
    [source] = sources
    return source


def same(connection: duckdb.DuckDBPyConnection, by: str, **chosen: Any) -> str:
    asked = selection(connection, **chosen)
    rolled, exact = (latency_split(connection, by, asked, exact=exact) for exact in (False, True))
    assert rolled.data.schema == exact.data.schema
    assert rolled.rows() == exact.rows(), (by, chosen)
    assert rolled.total == exact.total
    assert exact.source.endswith("as was asked for")
    return rolled.source


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 30))])
def test_with_and_without_the_roll_up_the_answers_are_the_same(
    lake: SmallLake, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "_SPANS_AT_ONCE", 15)
    pick = random.Random(seed)
    first, second, late, last = ([a_span(pick, number) for number in range(n, n + 30)] for n in (10, 100, 200, 300))
    lake.add(first)
    lake.add(second)
    add_up(lake.data)
    merged = [file.path for file in LakeTable(lake.data, "spans").live_files()][:1]
    assert check(lake, pick) == "read from the roll-up traces, 3 dates in 3 files"
    paths = lake.add(late)
    assert "3 dates in 3 files, and from the spans of" in check(lake, pick)
    lake.add([row | {"user_id": "eve"} for row in late[1:]], remove=paths)
    check(lake, pick)
    lake.add(last, remove=merged)
    assert "2 dates in 2 files" in check(lake, pick)


def test_a_trace_over_midnight_is_one(lake: SmallLake) -> None:
    before, behind = DAY_S - 1.0, DAY_S + 1.0
    lake.add(
        [
            span(1, None, at=before, ms=4000, kind="SERVER"),
            span(2, 1, at=behind, ms=1000, cost="1", service_name="portal"),
            span(3, None, 2, at=behind, ms=500, cost="1", service_name="portal"),
        ]
    )
    add_up(lake.data)
    with connect(lake.data) as connection:
        answer = latency_split(connection)
        stored = connection.execute(
            "SELECT date, total_ns, model_ns FROM rollups WHERE cube = 'traces' ORDER BY ALL"
        ).fetchall()
    assert [(str(day), *times) for day, *times in stored] == [
        ("2026-11-02", None, None),
        ("2026-11-03", 500_000_000, 500_000_000),
        ("2026-11-03", 1_000_000_000, 1_000_000_000),
    ]
    [row] = answer.rows()
    assert (row["traces"], row["total_ms"], row["model_ms"], row["own_ms"]) == (2, 2250, 750, 1500)


def test_the_command_says_what_was_read(lake: SmallLake, run: Run) -> None:
    lake.add([span(1, None, cost="1", service_name="portal")])
    told = run("latency", "--split", "--explain")
    assert "read from the spans themselves, 1 file: there is no roll-up of them yet" in told.err
    add_up(lake.data)
    assert "read from the roll-up traces, 1 date in 1 file\n" in run("latency", "--split", "--explain").err
    assert "as was asked for" in run("latency", "--split", "--explain", "--exact").err
