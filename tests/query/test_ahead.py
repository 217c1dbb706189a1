"""What is to come, and what was odd: over histories that are made here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from otel_llm.errors import UsageError
from otel_llm_collector.query import anomalies, connect, forecast
from otel_llm_collector.query.outlook import outlook

from .conftest import MIDNIGHT, Run, SmallLake, span

DAY_S = 86_400
#: A Monday, eight weeks and a day after `MIDNIGHT`, in the afternoon.
NOW = MIDNIGHT + dt.timedelta(days=56, hours=15)
WEEK = (1.0, 1.05, 1.1, 1.05, 0.95, 0.5, 0.4)


def daily_costs(seed: int, days: int = 90) -> list[float]:
    """A history: growth, weekdays, noise, a level that wanders, at times a jump."""
    random = np.random.default_rng(seed)
    growth = random.choice([0, 0, 0.002, 0.005, -0.002])
    level = np.exp(np.cumsum(random.normal(growth, random.choice([0, 0.01, 0.03]), days)))
    week = np.array(WEEK) if random.random() < 0.7 else np.ones(7)
    costs = 100 * level * week[np.arange(days) % 7] * np.exp(random.normal(0, random.uniform(0.05, 0.4), days))
    if random.random() < 0.15:
        costs[int(random.integers(20, days)) :] *= random.uniform(0.6, 1.8)
    return [float(cost) for cost in costs]


@pytest.mark.parametrize("days", [5, 15, 30])
def test_nine_of_ten_months_end_within_their_interval(days: int) -> None:
    """Backtest: what was said of the days to come, against them."""
    hits = 0
    for seed in range(200):
        costs = daily_costs(seed)
        said = outlook(costs[:-days], days)
        hits += said.low <= sum(costs[-days:]) <= said.high
    assert 0.80 <= hits / 200 <= 0.95


def test_weekdays_are_no_surprise() -> None:
    said = outlook([100 * WEEK[day % 7] for day in range(56)], 7)
    assert said.middle == pytest.approx(100 * sum(WEEK), rel=0.03)
    assert (said.high - said.low) / said.middle < 0.1
    saturday_first = outlook([100 * WEEK[(day + 5) % 7] for day in range(56)], 1, first_weekday=5)
    assert saturday_first.middle == pytest.approx(50, rel=0.05)  # eight weeks later it is Saturday again


def history(lake: SmallLake, call: Callable[[int], list[dict[str, Any]]], days: int = 57) -> None:
    """`call(day)` has the calls of a day: columns of `span`."""
    rows = [
        span(place + 1, None, day * 1000 + place + 1, at=day * DAY_S + 3600 + place, **columns)
        for day in range(days)
        for place, columns in enumerate(call(day))
    ]
    lake.add(rows)


def test_the_months_end(lake: SmallLake) -> None:
    """A dollar a day: 29 days of December are over or begun, 27 of them whole."""
    history(lake, lambda day: [{"cost": "1", "request_model": "gpt-4o", "provider": "openai"}])
    with connect(lake.data) as connection:
        (row,) = forecast(connection, now=NOW).rows()
    assert (row["scenario"], row["month"], row["days_left"]) == ("as it is", dt.date(2026, 12, 1), 4)
    assert (row["spent_usd"], row["previous_usd"]) == (Decimal(28), Decimal(29))
    assert (row["forecast_usd"], row["low_usd"], row["high_usd"]) == (Decimal(31), Decimal(31), Decimal(31))


def test_a_forecast_of_nothing_says_so(lake: SmallLake) -> None:
    history(lake, lambda day: [{"cost": "1"}], days=9)
    with connect(lake.data) as connection:
        assert forecast(connection, now=NOW).notes == ()
        (note,) = forecast(connection, now=NOW + dt.timedelta(days=70)).notes
    assert note.endswith("the weeks that a forecast learns from: 0 is no forecast")


def test_another_model_from_now_on(lake: SmallLake) -> None:
    """gpt-4o-mini takes 0.15 and 0.60 USD a million where gpt-4o takes 2.50 and 10: 6 % of it."""
    told = {
        "request_model": "gpt-4o-2024-08-06",
        "provider": "openai",
        "input_tokens": 200_000,
        "output_tokens": 50_000,
    }
    history(lake, lambda day: [{"cost": "1", **told}, {"cost": "1", "request_model": "other"}])
    with connect(lake.data) as connection:
        now, then = forecast(connection, now=NOW, replace=["gpt-4o=gpt-4o-mini"]).rows()
        assert (then["scenario"], now["forecast_usd"]) == ("gpt-4o=gpt-4o-mini", Decimal(62))
        # Today has cost two dollars already; three days of 1.06 follow, said of 4 days as a whole: 4 x 1.06 = 4.24.
        assert then["forecast_usd"] == 54 + Decimal("4.24")
        for text, match in (
            ("gpt-4o", "write OLD=NEW"),
            ("gpt-4o=no-such-model", "no price of 'no-such-model'"),
            ("gpt-5=gpt-4o", "no call of 'gpt-5'"),
        ):
            with pytest.raises(UsageError, match=match):
                forecast(connection, now=NOW, replace=text)
        twice = ["gpt-4o=gpt-4o-mini", "gpt-4o-2024-08-06=gpt-5-mini"]
        with pytest.raises(UsageError, match="calls of 'gpt-4o-2024-08-06' would be replaced twice"):
            forecast(connection, now=NOW, replace=twice)


def test_a_forecast_needs_a_week(lake: SmallLake) -> None:
    history(lake, lambda day: [{"cost": "1"}], days=4)
    with (
        connect(lake.data) as connection,
        pytest.raises(UsageError, match="needs 7 whole days with their costs, there are 3"),
    ):
        forecast(connection, now=MIDNIGHT + dt.timedelta(days=3, hours=12))


def triage(tokens: int, count: int = 30, **more: Any) -> list[dict[str, Any]]:
    return [{"cost": str(tokens / 10**6), "input_tokens": tokens, "prompt_name": "triage", **more}] * count


def test_longer_calls_are_told_and_weekends_are_not(lake: SmallLake) -> None:
    history(
        lake, lambda day: triage(1400 if day == 54 else 1000, count=30 if day % 7 < 5 else 60)
    )  # a weekend has twice the calls
    with connect(lake.data) as connection:
        rows = anomalies(connection, "prompt", since="2026-12-21", now=NOW).rows()
    assert {(str(row["day"]), row["metric"], row["change"]) for row in rows} == {
        ("2026-12-26", "usd_per_call", 0.4),
        ("2026-12-26", "input_per_call", 0.4),
    }


def test_the_day_that_goes_on_is_judged_by_what_a_call_is(lake: SmallLake) -> None:
    failing = {"status": "ERROR", "error_type": "500"}
    history(
        lake, lambda day: triage(1000, **(failing if day == 56 else {})) if day < 56 else triage(1000, 22, **failing)
    )
    with connect(lake.data) as connection:
        rows = anomalies(connection, "prompt,user", since="7d", now=NOW).rows()
    assert [(row["dimension"], row["metric"], row["actual"], row["change"]) for row in rows] == [
        ("prompt", "error_rate", 1.0, None)
    ]


def test_a_day_that_until_cuts_is_no_fall(lake: SmallLake) -> None:
    history(lake, lambda day: triage(1000, 200), days=10)  # a call a second, from one o'clock on
    with connect(lake.data) as connection:
        asked = {"since": "2026-11-10", "until": "2026-11-11T01:01"}
        assert anomalies(connection, "prompt", **asked, now=NOW).rows() == []


def test_a_day_is_compared_with_whole_days(lake: SmallLake) -> None:
    history(lake, lambda day: triage(1000, 300 if day == 28 else 80 if day // 7 % 2 == 0 else 60), days=29)
    with connect(lake.data) as connection:
        rows = anomalies(connection, "prompt", since="2026-11-30T01:00:30", now=NOW).rows()
    assert [row["expected"] for row in rows if row["metric"] == "calls"] == [70]  # of 80, 60, 80 and 60


def test_what_was_not_odd_is_told_apart_from_what_was_not_there(lake: SmallLake, run: Run) -> None:
    history(lake, lambda day: triage(1000, 30, properties=[("team", "a")]), days=9)
    time = ("--since", "2026-11-09", "--until", "2026-11-11")
    assert run("anomalies", "--by", "prompt", *time).err == "no day was unlike others\n"
    assert run("anomalies", "--by", "property.tem", *time).err == (
        "none of these calls has property.tem; others are property.team\nno day was unlike others\n"
    )
    ran = run("anomalies", "--by", "team", *time)
    assert (ran.code, 'Did you mean "property.team"?' in ran.err) == (2, True)


def test_the_commands_know_nothing_of_an_empty_time(lake: SmallLake, run: Run) -> None:
    history(lake, lambda day: triage(1000, 1), days=1)
    assert run("anomalies").err == "no calls match\n"
    ran = run("forecast", "--where", "model = 'none'")
    assert (ran.code, "needs 7 whole days" in ran.err) == (2, True)
