"""Cost and latency: exact sums, any grouping, the days of any time zone."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from importlib import resources
from typing import Any

import pytest

from otel_llm.errors import UsageError
from otel_llm_collector.query import Table, connect, cost, latency, selection, views_for
from otel_llm_collector.query.dimensions import names
from otel_llm_collector.query.timespan import as_long_before, between, instant

from .conftest import SmallLake, span

NOW = dt.datetime(2026, 11, 3, 0, 30, tzinfo=dt.UTC)
DAY_S = 86_400


def ask_cost(lake: SmallLake, by: str = "model", tz: str = "UTC", **chosen: Any) -> Table:
    with connect(lake.data, tz=tz, views=views_for()) as connection:
        return cost(connection, by, selection(connection, now=NOW, **chosen))


def column(table: Table, *wanted: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in wanted) for row in table.rows()]


def test_cost_counts_calls_only_and_puts_the_dearest_first(clinic: SmallLake) -> None:
    answer = ask_cost(clinic)
    assert answer.rows() == [
        {
            "model": "claude-sonnet-4-5",
            "calls": 1,
            "errors": 0,
            "input_tokens": 300,
            "cache_read_tokens": None,
            "output_tokens": 20,
            "cost_usd": Decimal("1.25"),
            "unpriced_calls": 0,
            "unpriced_reasons": None,
            "share": 0.714224,
        },
        {
            "model": "gpt-4o-mini-2024-07-18",
            "calls": 3,
            "errors": 1,
            "input_tokens": 1007,
            "cache_read_tokens": 200,
            "output_tokens": 51,
            "cost_usd": Decimal("0.500150000001"),
            "unpriced_calls": 1,
            "unpriced_reasons": {"missing_usage": 1},
            "share": 0.285776,
        },
    ]
    assert answer.total is not None
    assert answer.total["cost_usd"] == Decimal("1.750150000001")
    assert answer.notes == (
        "1 of 4 calls has no cost and is not in the sums: 1 failed or reported no usage (missing_usage)",
    )


def test_sums_are_exact_to_the_last_digit(lake: SmallLake) -> None:
    dice = random.Random(7)
    costs = [Decimal(dice.randrange(10**17)).scaleb(-12) for _ in range(5000)]
    lake.add([span(number, cost=str(value), user_id=f"u{number % 7}") for number, value in enumerate(costs, start=1)])
    answer = ask_cost(lake, "user")
    expected = {f"u{rest}": sum(costs[(rest - 1) % 7 :: 7]) for rest in range(7)}
    assert dict(column(answer, "user", "cost_usd")) == expected
    assert answer.total is not None
    assert answer.total["cost_usd"] == sum(costs)


def test_a_group_without_any_price_has_no_cost_rather_than_zero(clinic: SmallLake) -> None:
    rows = column(ask_cost(clinic, "user"), "user", "calls", "cost_usd", "unpriced_calls")
    assert rows == [
        ("ada", 2, Decimal("1.250150000001"), 0),
        (None, 1, Decimal("0.5"), 0),
        ("bob", 1, None, 1),
    ]


def test_grouping_by_properties_and_several_names(clinic: SmallLake) -> None:
    answer = ask_cost(clinic, "property.department, provider,property.it's")
    assert column(answer, "property.department", "provider", "property.it's", "calls") == [
        ("triage", "anthropic", "odd", 1),
        ("billing", "openai", None, 1),
        ("triage", "openai", "odd", 1),
        (None, "openai", None, 1),
    ]


def test_every_dimension_answers(clinic: SmallLake) -> None:
    with connect(clinic.data) as connection:
        for name in names():
            assert sum(row["calls"] for row in cost(connection, [name]).rows()) == 4
        assert sum(row["calls"] for row in latency(connection, [*names()[:9], "attribute.y"]).rows()) == 4


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("modle", "cannot group by 'modle'. Did you mean \"model\"?"),
        ("cost_usd", "cannot group by 'cost_usd'"),
        ("input_tokens", "cannot group by 'input_tokens'"),
        ("property.", "cannot group by 'property.'"),
        ("model; DROP VIEW spans", "cannot group by"),
        ("", "--by needs at least one of"),
        ("user,user", "--by names a dimension twice"),
    ],
)
def test_unknown_dimensions_are_wrong_usage(clinic: SmallLake, by: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask_cost(clinic, by)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("tz", "days"),
    [
        ("UTC", [("2026-11-02", 3), ("2026-11-03", 1)]),
        ("Europe/Berlin", [("2026-11-02", 2), ("2026-11-03", 2)]),
        ("America/New_York", [("2026-11-01", 2), ("2026-11-02", 2)]),
    ],
)
def test_days_begin_where_the_time_zone_says(clinic: SmallLake, tz: str, days: list[tuple[str, int]]) -> None:
    answer = ask_cost(clinic, "day", tz)
    assert [(str(day), calls) for day, calls in column(answer, "day", "calls")] == days


@pytest.mark.parametrize(
    ("chosen", "tz", "calls"),
    [
        ({"since": "today"}, "UTC", 1),
        ({"since": "today"}, "Europe/Berlin", 2),
        ({"since": "yesterday", "until": "today"}, "UTC", 3),
        ({"since": "2026-11-02", "until": "2026-11-03"}, "Europe/Berlin", 2),
        ({"since": "2026-11-02T00:00:01"}, "UTC", 3),
        ({"since": "2026-11-02T01:00:01+01:00"}, "America/New_York", 3),
        ({"until": "2026-11-02T00:00:01.5Z"}, "UTC", 1),
        ({"since": "1h"}, "UTC", 2),
        ({"since": "60m", "until": "30m"}, "UTC", 1),
        ({"since": "2w"}, "UTC", 4),
        ({"until": "now"}, "UTC", 4),
        ({"since": "2027-01-01"}, "UTC", 0),
    ],
)
def test_since_and_until(clinic: SmallLake, chosen: dict[str, str], tz: str, calls: int) -> None:
    answer = ask_cost(clinic, tz=tz, **chosen)
    assert answer.total is not None
    assert answer.total["calls"] == calls
    assert sum(row["calls"] for row in answer.rows()) == calls


def test_days_of_23_and_25_hours(clinic: SmallLake) -> None:
    with connect(clinic.data, tz="Europe/Berlin") as connection:
        noon = dt.datetime(2026, 10, 26, 11, tzinfo=dt.UTC)  # the day after the clocks went back
        begin, end = (instant(connection, word, now=noon) for word in ("yesterday", "today"))
    assert end - begin == dt.timedelta(hours=25)


def test_weeks_tile_across_a_change_of_clocks(clinic: SmallLake) -> None:
    with connect(clinic.data, tz="Europe/Berlin") as connection:
        mondays = [dt.datetime(2026, 10, day, 4, tzinfo=dt.UTC) for day in (19, 26)]  # cron runs in the night
        first, second = (between(connection, "7d", "today", now=now) for now in mondays)
        assert (as_long_before(connection, *second), second[0]) == first
    assert (first[1] - first[0], second[1] - second[0]) == (dt.timedelta(hours=168), dt.timedelta(hours=169))


def test_what_is_no_span_of_days_is_as_long_before(clinic: SmallLake) -> None:
    first, end = dt.datetime(2026, 10, 25, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, 5, tzinfo=dt.UTC)
    with connect(clinic.data, tz="Europe/Berlin") as connection:
        assert as_long_before(connection, first, end) == first - dt.timedelta(hours=5)


@pytest.mark.parametrize(
    ("since", "until"), [("2026-11-20", "2026-11-10"), ("today", "today"), ("now", "1h"), ("0d", "2026-11-01")]
)
def test_no_time_between_is_wrong_usage(clinic: SmallLake, since: str, until: str) -> None:
    with pytest.raises(UsageError, match=f"--until {until} is not after --since {since}"):
        ask_cost(clinic, since=since, until=until)


def test_a_time_to_come_is_told(clinic: SmallLake) -> None:
    assert ask_cost(clinic, since="2126-11-20").notes == ("--since 2126-11-20 is in the future",)
    with connect(clinic.data) as connection, pytest.raises(UsageError, match="--since 2126-11-20 is not before now"):
        between(connection, "2126-11-20", None)


@pytest.mark.parametrize("text", ["foo", "7", "7y", "999999w", "900000d", "2026-13-01", "2026-11-01Tnoon", "", "-1d"])
def test_unreadable_times_are_wrong_usage(clinic: SmallLake, text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the time"):
        ask_cost(clinic, since=text)


@pytest.mark.parametrize(
    ("where", "calls"),
    [
        ("provider = 'openai'", 3),
        ("status = 'ERROR' OR cost_usd > 1", 2),
        ("user_id IS DISTINCT FROM '--' AND name <> ';'", 4),
        ("len(list_filter(map_keys(properties), lambda key: key LIKE 'dep%')) = 1", 3),
        ("start_time AT TIME ZONE 'Europe/Berlin' < TIMESTAMP '2026-11-03' AND NOT cost_usd BETWEEN 1 AND 2", 1),
        ("model IN (SELECT request_model FROM spans WHERE user_id = 'bob')", 3),
        ("user_id = '{filter}'", 0),
    ],
)
def test_where_is_any_sql_expression(clinic: SmallLake, where: str, calls: int) -> None:
    answer = ask_cost(clinic, where=where)
    assert answer.total is not None
    assert answer.total["calls"] == calls


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nope > 1", 'Referenced column "nope" not found'),
        ("cost_usd >", "syntax error"),
        ("true); COPY spans TO 'x'; SELECT (1", "without a semicolon"),
        ("1=1) or (1=1", "syntax error"),
        ("true) UNION (SELECT 1", "syntax error"),
        ("true UNION SELECT 1", "expected one SQL expression"),
        ("true GROUP BY 1", "expected one SQL expression"),
        ("true LIMIT 1", "expected one SQL expression"),
        ("true QUALIFY true", "expected one SQL expression"),
        ("user_id = $since", "expected one SQL expression"),
        ("user_id = ?", "expected one SQL expression"),
        ("true;", "without a semicolon"),
        ("true -- or not", "leave the comment out"),
        ("cost_usd > 1 /* or */", "leave the comment out"),
        ("user_id = 'abc", "unterminated"),
        ('"user_id = 1', "unterminated"),
        ("'abc'", "this is VARCHAR, not a condition"),
        ("1", "this is INTEGER, not a condition"),
        ("sum(cost_usd) > 1", "WHERE clause cannot contain aggregates"),
        ("exists(WITH x AS (COPY spans TO 'x') FROM x)", "only reading statements"),
        ("frobnicate(1)", "frobnicate"),
        ("", "--where is empty"),
    ],
)
def test_a_broken_where_is_wrong_usage(clinic: SmallLake, where: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask_cost(clinic, where=where)
    assert message in str(caught.value)


def test_latency_knows_percentiles_and_first_chunks(lake: SmallLake) -> None:
    calls = [
        span(
            ms,
            ms=ms,
            cost="0",
            request_model="m",
            output_tokens=ms,
            time_to_first_chunk_ns=ms * 100_000 if ms % 2 else None,
        )
        for ms in range(1, 102)
    ]
    backwards = span(500, ms=-5, cost="0", request_model="m", status="ERROR")
    lake.add([*calls, backwards])
    with connect(lake.data) as connection:
        answer = latency(connection, "model")
    expected = {
        "calls": 102,
        "errors": 1,
        "p50_ms": 51.0,
        "p90_ms": 91.0,
        "p95_ms": 96.0,
        "p99_ms": 100.0,
        "first_chunk_p50_ms": 5.1,
        "first_chunk_p95_ms": 9.6,
        "first_chunk_p99_ms": 10.0,
        "tokens_per_s": 1055.6,  # of half the calls 1000 a second, of half in nine tenths of their time
    }
    assert answer.rows() == [{"model": "m"} | expected]
    assert answer.total == {"model": None} | expected


def test_agents_roll_up_the_tree_and_their_own_costs_add_up(lake: SmallLake) -> None:
    agent = {"operation": "invoke_agent"}
    lake.add(
        [
            span(1, agent_name="chief", **agent),
            span(2, 1, cost="1"),
            span(3, 1),
            span(4, 3, agent_name="scout", **agent),
            span(5, 4, cost="10", input_tokens=5),
            span(6, 5, cost=None),
            span(7, 4, agent_name="idle", **agent),
            span(8, cost="100"),
            span(9, 99, agent_name="orphan", **agent),
            span(10, 9, cost="1000"),
            span(20, 22, agent_name="circle", **agent),
            span(21, 20, cost="5"),
            span(22, 21),
        ]
    )
    columns = "agent_name, parent_agent_name, calls, cost_usd, unpriced_calls, own_calls, own_cost_usd"
    with connect(lake.data) as connection:
        rows = connection.execute(f"SELECT {columns} FROM agents ORDER BY span_id").fetchall()
    assert rows == [
        ("chief", None, 3, Decimal(11), 1, 1, Decimal(1)),
        ("scout", "chief", 2, Decimal(10), 1, 2, Decimal(10)),
        ("idle", "scout", 0, None, 0, 0, None),
        ("orphan", None, 1, Decimal(1000), 0, 1, Decimal(1000)),
        ("circle", "circle", 1, Decimal(5), 0, 1, Decimal(5)),
    ]


def test_entity_views_add_up_and_count_what_has_no_price(clinic: SmallLake) -> None:
    with connect(clinic.data) as connection:
        for view in ("models", "cost_daily", "traces"):
            totals = connection.execute(f"SELECT sum(cost_usd), sum(calls), sum(unpriced_calls) FROM {view}").fetchall()
            assert totals == [(Decimal("1.750150000001"), 4, 1)]
        assert connection.execute("SELECT user_id, sessions, calls FROM users ORDER BY 1").fetchall() == [
            ("ada", 1, 2),
            ("bob", 0, 1),
        ]
        assert connection.execute("SELECT session_id, spans, calls FROM sessions").fetchall() == [("s1", 2, 2)]
        assert connection.execute("SELECT prompt_name, prompt_version, calls FROM prompts").fetchall() == [
            ("triage", "2", 1)
        ]
        assert connection.execute("SELECT name, duration_ms, spans FROM traces ORDER BY trace_id").fetchall() == [
            ("intake", 3000.0, 3),
            ("chat gpt-4o-mini", 40.0, 1),
            ("chat gpt-4o-mini", 1100.0, 2),
        ]


@pytest.mark.parametrize(
    ("tz", "hours"),
    [
        ("UTC", ["05:00+00:00", "06:00+00:00"]),
        ("America/New_York", ["01:00-04:00", "01:00-05:00"]),  # clocks go back between them
        ("Asia/Kathmandu", ["11:00+05:45", "12:00+05:45"]),
        ("America/St_Johns", ["02:00-03:30", "03:00-03:30"]),
    ],
)
def test_an_hour_is_one_whatever_clocks_call_it(lake: SmallLake, tz: str, hours: list[str]) -> None:
    times = (5.6 * 3600, 6.6 * 3600)
    lake.add([span(n, None, n, at=time - DAY_S, cost="1") for n, time in enumerate(times, 1)])  # of 2026-11-01
    found = ask_cost(lake, "hour", tz=tz).rows()
    assert [f"{row['hour']:%H:%M}{row['hour'].isoformat()[-6:]}" for row in found] == hours


def test_every_question_begins_with_what_it_asks() -> None:
    for path in (resources.files("otel_llm_collector") / "queries").iterdir():
        first = path.read_text().splitlines()[0]
        assert first.startswith("-- "), path
