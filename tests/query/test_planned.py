"""Answers out of roll-ups are those of the calls, whatever has come, gone or changed since they were made."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rig.rollups import add_up

from otel_llm_collector.endpoint.lakes import Lakes
from otel_llm_collector.endpoint.parcel import packed, unpacked
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.query import (
    Bounds,
    Table,
    connect,
    cost,
    forecast,
    latency,
    selection,
)
from otel_llm_collector.rollup.cubes import CUBES, RELATIVE_ERROR

from .conftest import MIDNIGHT, Run, SmallLake, span

DAY_S = 86_400
#: Days from 2026-11-02: two months, of which one has one date alone.
DAYS = (-3, -2, -1, 0)
QUESTIONS = (
    "model", "user", "user,model", "provider,service", "agent,prompt,prompt_version", "status,error_type",
    "property.team", "property.team,user", "property.other", "session", "day", "day,model", "hour", "month,user",
    "date,model", "environment,operation,workflow", "cost_status", "request_model,response_model", "tenant", "trace",
)  # fmt: skip
CONDITIONS = (
    None, "user_id = 'ada'", "provider = 'openai' AND model IS NOT NULL", "properties['team'] = 'north'",
    "properties['other'] IS NULL", "status = 'ERROR' OR cost_usd IS NULL", "date >= DATE '2026-11-01'",
    "session_id = 's1'", "cardinality(properties) > 0", "llm_calls.service_name LIKE 'de%'",
    "user_id IN (SELECT max(user_id) FROM llm_calls)",
)  # fmt: skip
TIMES = (None, "2026-11-01", "2026-10-31T12:30", "2026-11-03", "2026-11-01T23:00", "2026-12-01")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")


def a_row(pick: random.Random, number: int) -> dict[str, Any]:
    """A row of some date, mostly a call, with values of few kinds."""
    day = pick.choice(DAYS)
    ns = pick.choice([0, 1, -5, 10 ** pick.randrange(12), pick.randrange(1, 10**11)])
    priced = pick.choice([None, "0.000000000001", f"{pick.randrange(10**6)}.{pick.randrange(10**12):012}"])
    team = pick.choice([None, "north", "south"])
    row = span(
        number,
        None,
        number,
        at=day * DAY_S + pick.choice([0, 1, 1800, 3599, 43_200, DAY_S - 1]),
        provider=pick.choice([None, "openai", "anthropic"]),
        request_model=pick.choice(["a", "b"]),
        response_model=pick.choice([None, "a-1", "b-1"]),
        user_id=pick.choice([None, "ada", "bob", "it's"]),
        service_name=pick.choice(["desk", None]),
        agent_name=pick.choice(["nurse", None]),
        session_id=pick.choice(["s1", "s2", None]),
        prompt_name=pick.choice(["triage", None]),
        prompt_version=pick.choice(["1", "2"]),
        status=pick.choice(["UNSET", "ERROR", "OK", None]),
        error_type=pick.choice(["429", None]),
        tenant=pick.choice(["t", None]),
        input_tokens=pick.choice([None, 0, 5, 10**12 - 1, 10**12]),
        output_tokens=pick.choice([None, 7]),
        usage_status=pick.choice(["reported", "partial", None]),
        properties=pick.choice([None, [], [("team", team), ("other", "x")], [("other", "y")]]),
        time_to_first_chunk_ns=pick.choice([None, 0, 17, 10**8]),
        **({"cost": priced} if pick.random() < 0.9 else {}),
    )
    if "cost_status" in row:
        row["cost_status"] = pick.choice(["exact", "assumed_ttl"]) if priced else pick.choice(["unknown_model", None])
    return row | {"duration_ns": ns}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 30))])
def test_with_and_without_roll_ups_the_answers_are_the_same(lake: SmallLake, seed: int) -> None:
    pick = random.Random(seed)
    first, second, late = ([a_row(pick, number) for number in range(n, n + 25)] for n in (1, 100, 200))
    lake.add(first)
    lake.add(second)
    add_up(lake.data)
    check_some(lake.data, pick)
    paths = lake.add(late)
    check_some(lake.data, pick)
    lake.add([row | {"user_id": "eve"} for row in late[1:]], remove=paths)
    check_some(lake.data, pick)
    add_up(lake.data)
    lake.add([row | {"user_id": "eve"} for row in late[2:]], remove=live(lake)[:1])
    check_some(lake.data, pick)


def live(lake: SmallLake) -> list[str]:
    return [file.path for file in LakeTable(lake.data, "spans").live_files()]


def check_some(data: Path, pick: random.Random) -> None:
    with connect(data) as connection:
        for _ in range(2):
            by, where, tz = (pick.choice(known) for known in (QUESTIONS, CONDITIONS, ZONES))
            since, until = pick.choice([pair for pair in itertools.product(TIMES, TIMES) if lies_between(*pair)])
            check(connection, by, where=where, since=since, until=until, tz=tz)


def lies_between(since: str | None, until: str | None) -> bool:
    return since is None or until is None or since < until


def check(connection: duckdb.DuckDBPyConnection, by: str, *, tz: str = "UTC", **chosen: Any) -> tuple[str, str]:
    """Ask with and without roll-ups; where the two answers came from."""
    connection.execute(f"SET TimeZone = '{tz}'")
    asked = selection(connection, **chosen)
    costs = [cost(connection, by, asked, exact=exact) for exact in (False, True)]
    times = [latency(connection, by, asked, exact=exact) for exact in (False, True)]
    assert costs[0].data.schema == costs[1].data.schema
    assert costs[0].rows() == costs[1].rows()
    assert (costs[0].total, costs[0].notes) == (costs[1].total, costs[1].notes)
    check_times(*times)
    return costs[0].source, times[0].source


def check_times(rolled: Table, exact: Table) -> None:
    assert rolled.data.schema == exact.data.schema
    pairs = zip([*rolled.rows(), rolled.total or {}], [*exact.rows(), exact.total or {}], strict=True)
    for found, wanted in pairs:
        for name, value in wanted.items():
            rounded = 0.11 if name == "tokens_per_s" else 0.0011 if name.endswith("_ms") else None
            if rounded and value is not None:
                assert found[name] == pytest.approx(value, rel=RELATIVE_ERROR + 1e-9, abs=rounded), name
            else:
                assert found[name] == value, name


@pytest.fixture(scope="module")
def whole_months(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A call of each of eight dates from 2026-10-28 on, added up."""
    lake = SmallLake(tmp_path_factory.mktemp("months") / "data").create()
    first = (dt.datetime(2026, 10, 28, tzinfo=dt.UTC) - MIDNIGHT).days
    models = {"provider": "openai", "request_model": "m", "properties": [("team", "north")], "session_id": "s"}
    lake.add(
        [
            span(n, None, n, at=(first + n) * DAY_S + 5400, ms=n + 1, cost=f"0.{n + 1}", user_id=f"u{n % 3}", **models)
            for n in range(8)
        ]
    )
    add_up(lake.data)
    return lake


@pytest.fixture(scope="module")
def opened(whole_months: SmallLake) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(whole_months.data) as connection:
        yield connection


@pytest.fixture
def month(whole_months: SmallLake, lake: SmallLake) -> SmallLake:
    """The same, to be changed."""
    shutil.rmtree(lake.data)
    shutil.copytree(whole_months.data, lake.data)
    lake.files = [*whole_months.files]
    return lake


@pytest.mark.parametrize(
    ("by", "chosen", "costs", "times"),
    [
        ("model", {}, "the roll-up calls, 8 dates in 2 files", "the roll-up models, 8 dates in 2 files"),
        ("user", {}, "the roll-up people, 8 dates in 2 files", "no roll-up has user_id"),
        ("day", {}, "the roll-up calls, 8 dates in 2 files", "the roll-up model_days, 8 dates in 2 files"),
        ("hour", {}, "the roll-up calls, 8 dates in 8 files", "tells them apart as finely"),
        ("day", {"tz": "Europe/Berlin"}, "the roll-up calls, 8 dates in 8 files", "tells them apart as finely"),
        ("day", {"tz": "Asia/Kolkata"}, "hours of this time zone", "hours of this time zone"),
        ("day", {"tz": "Atlantic/Reykjavik"}, "8 dates in 2 files", "8 dates in 2 files"),
        ("model", {"tz": "Asia/Kolkata"}, "8 dates in 2 files", "8 dates in 2 files"),
        ("user,model", {}, "the roll-up users, 8 dates in 2 files", "no roll-up has user_id"),
        ("user,day", {}, "the roll-up people, 8 dates in 8 files", "no roll-up has user_id"),
        ("session", {}, "no roll-up has session_id", "no roll-up has session_id"),
        ("property.team", {}, "the roll-up calls", "the roll-up latency"),
        ("property.other", {}, "with property.other (rollup_properties)", "with property.other (rollup_properties)"),
        ("model", {"where": "random() < 2"}, "what the condition asks", "what the condition asks"),
        ("agent,user", {}, "no roll-up has agent_name, user_id together", "no roll-up has user_id"),
        ("model", {"since": "2026-11-01"}, "4 dates in 1 file", "4 dates in 1 file"),
        (
            "model",
            {"since": "2026-10-31T10:00"},
            "4 dates in 1 file, and from the calls of 1 file",
            "4 dates in 1 file",
        ),
        ("user", {"until": "2026-10-30"}, "2 dates in 2 files", "no roll-up has user_id"),
    ],
)
def test_what_is_read(
    opened: duckdb.DuckDBPyConnection, by: str, chosen: dict[str, Any], costs: str, times: str
) -> None:
    found = check(opened, by, **chosen)
    assert costs in found[0]
    assert times in found[1]


def test_a_lake_without_roll_ups_says_so(clinic: SmallLake) -> None:
    with connect(clinic.data) as connection:
        source = cost(connection).source
    assert source.startswith("read from the calls themselves, 3 files: there is no roll-up of them yet: ")
    assert source.endswith("a collector makes it once a day is over, `otel-llm compact` now")


def test_what_comes_later_is_read_beside_it(month: SmallLake) -> None:
    month.add([span(99, None, 99, at=60, cost="7", request_model="m")])
    with connect(month.data) as connection:
        answer = cost(connection)
    assert answer.source.endswith("8 dates in 2 files, and from the calls of 1 file that it does not have")
    assert answer.total is not None
    assert answer.total["calls"] == 9


def test_a_connection_keeps_to_the_files_that_it_was_opened_with(month: SmallLake) -> None:
    with connect(month.data) as connection:
        before = cost(connection)
        month.add([span(99, None, 99, at=60, cost="7", request_model="m")])
        add_up(month.data)
        again = cost(connection)
        assert again.data.equals(before.data)
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (8,)


def test_the_commands_say_what_was_read(month: SmallLake, run: Run) -> None:
    told = run("cost", "--explain")
    assert (told.code, told.err) == (0, "read from the roll-up calls, 8 dates in 2 files\n")
    exact = run("cost", "--explain", "--exact")
    assert exact.out == told.out
    assert exact.err == "read from the calls themselves, 8 files: as was asked for\n"
    assert run("cost").err == ""
    assert "within 1%" in run("latency").err
    assert run("latency", "--exact").err == ""


@pytest.mark.parametrize(("tenant", "source"), [(None, "roll-up calls, 8 dates in 2 files"), ("nobody", "no roll-up")])
def test_strangers_are_answered_from_it_but_tenants_are_not(
    whole_months: SmallLake, tenant: str | None, source: str
) -> None:
    lakes = Lakes(whole_months.data)
    with lakes.opened("UTC", Bounds(2**30, tenant)) as connection:
        answer = unpacked(packed(cost(connection)))
        assert connection.execute("SELECT count(*) > 0 FROM rollups").fetchone() == (tenant is None,)
    assert source in answer.source
    assert [row["calls"] for row in answer.rows()] == ([8] if tenant is None else [])


def test_a_forecast_is_made_of_it(opened: duckdb.DuckDBPyConnection) -> None:
    opened.execute("SET TimeZone = 'UTC'")
    answer = forecast(opened, until="2026-11-04")
    assert answer.source.startswith("read from the roll-up calls, 7 dates in 4 files")
    [row] = answer.rows()
    assert (row["spent_usd"], row["previous_usd"]) == (Decimal("1.8"), Decimal("1.0"))


def test_the_forecast_says_what_was_read(month: SmallLake, run: Run) -> None:
    told = run("forecast", "--explain", "--until", "2026-11-04")
    told_of = "read from the roll-up calls, 7 dates in 4 files, and from the calls of 1 file that it does not have\n"
    assert (told.code, told.err) == (0, told_of)


def test_every_cube_has_every_call(opened: duckdb.DuckDBPyConnection) -> None:
    told = opened.execute(
        "SELECT cube, made_of LIKE '%\"is_month\":true%', sum(calls), sum(cost_usd) FROM rollups "
        "WHERE date < '2026-11-01' AND cube <> 'traces' GROUP BY ALL ORDER BY ALL"
    )
    wanted = sum(Decimal(f"0.{n + 1}") for n in range(4))
    rows = told.fetchall()
    months_and_dates = [(cube.name, calls) for cube in sorted(CUBES, key=lambda cube: cube.name) for calls in (4, 4)]
    assert [(name, calls) for name, _, calls, _ in rows] == sorted(months_and_dates)
    assert {usd for name, _, _, usd in rows if name in ("calls", "people", "users")} == {wanted}
