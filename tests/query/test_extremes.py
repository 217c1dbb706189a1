"""Counts, times and clocks that cannot be, and still must not spoil a question."""

from __future__ import annotations

import datetime as dt

import pytest

from otel_llm_collector.query import QUESTIONS, connect, views_for
from otel_llm_collector.query.opening import VIEWS

from .conftest import MIDNIGHT, Run, SmallLake, span


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_fails_beyond_the_largest_number(extremes: SmallLake, view: str) -> None:
    with connect(extremes.data, views=views_for(view)) as connection:
        assert isinstance(connection.execute(f"FROM {view}").fetchall(), list)


@pytest.mark.parametrize("format", ["table", "json", "csv", "parquet"])
@pytest.mark.parametrize(
    "argv",
    [
        ("cost", "--by", "day,user"),
        ("cost", "--since", "2000-01-01", "--compare", "previous"),
        ("trace", "last"),
        *((name,) for name in QUESTIONS if name not in ("errors", "latency_split", "top")),
    ],
)
def test_no_command_fails_beyond_the_largest_number(
    extremes: SmallLake, run: Run, argv: tuple[str, ...], format: str
) -> None:
    ran = run(*argv, "--format", format)
    notes = [line for line in ran.err.splitlines() if not line.startswith("no room in 80 columns for ")]
    assert (ran.code, notes) == (0, [])


def test_no_time_is_split_where_no_clock_can_be_right(extremes: SmallLake, run: Run) -> None:
    ran = run("latency", "--split")
    assert (ran.code, ran.err) == (0, "no calls match\n")


def test_an_end_that_cannot_be_is_no_duration(lake: SmallLake, run: Run) -> None:
    years = {"duration_ns": 10 * 365 * 86_400 * 10**9, "clock_flag": "end_out_of_range"}
    lake.add([span(1, 1, cost="1", ms=10), span(2, 1, cost="1") | years])
    for options in ((), ("--exact",)):
        (row,) = run("latency", *options, "--format", "json").json
        assert (row["calls"], row["p99_ms"]) == (2, pytest.approx(10, rel=0.02))


def test_a_sum_that_fits_no_column_is_not_known_and_money_is(extremes: SmallLake, run: Run) -> None:
    (row,) = run("cost", "--by", "user", "--format", "json").json
    assert (row["input_tokens"], row["cost_usd"]) == (None, "3.000000000000")
    root, *_ = run("trace", "last", "--format", "json").json
    assert (root["subtree_input_tokens"], root["subtree_cost_usd"]) == (None, "3.000000000000")
    assert f"{2 * (2**63 - 1):,}" in run("trace", "last").out


def broken(span_id: int, parent: int | None, received_s: float, start_ns: int, flag: str) -> dict[str, object]:
    """A span whose start cannot be: dated by its receipt."""
    row = span(span_id, parent, 1, at=received_s, ms=10, name="broken")
    return row | {"start_time_ns": start_ns, "clock_flag": flag}


def test_the_newest_trace_is_newest_by_its_date_not_by_its_clock(lake: SmallLake, run: Run) -> None:
    lake.add([broken(1, None, 10, 2**63 - 1, "out_of_range"), span(1, None, 2, at=20), span(1, None, 3, at=5)])
    assert run("trace", "last").out.startswith(f"trace {2:032x}")


def test_a_broken_clock_stretches_no_trace(lake: SmallLake, run: Run) -> None:
    lake.add(
        [
            span(1, None, 1, at=1, ms=1500, name="root", service_name="sound", session_id="s", session_name="first"),
            broken(2, 1, 3, 0, "zero_time") | {"service_name": "odd", "session_id": "s", "session_name": "odd"},
            broken(3, 1, 4, 2**62, "out_of_range"),
        ]
    )
    with connect(lake.data) as connection:
        rows = connection.execute("SELECT name, service_name, start_time, duration_ms FROM traces").fetchall()
        assert connection.execute("SELECT session_name FROM sessions").fetchall() == [("first",)]
    assert rows == [("root", "sound", MIDNIGHT + dt.timedelta(seconds=1), 1500.0)]
    root, *below = run("trace", "last", "--format", "json").json
    assert root["subtree_duration_ms"] == 1500.0
    assert [row["subtree_duration_ms"] for row in below] == [None, None]


def test_clocks_that_are_wrong_together_still_measure(lake: SmallLake, run: Run) -> None:
    day = 86_400 * 10**9
    lake.add([broken(1, None, 3, day, "out_of_range"), broken(2, 1, 4, day + 10**9, "out_of_range")])
    with connect(lake.data) as connection:
        assert connection.execute("SELECT duration_ms FROM traces").fetchall() == [(1010.0,)]
    assert run("trace", "last", "--format", "json").json[0]["subtree_duration_ms"] == 1010.0
