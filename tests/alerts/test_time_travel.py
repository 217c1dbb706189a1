"""Alerts over histories that are made: when they fire, when not, and when it is over. Nobody waits: time is told."""

from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal
from typing import Any

import pytest

from otel_llm_collector.alerts.message import Message

from .conftest import MONDAY, SPEND, Lake, at, brief, call, evenly, minutes

DELAY = 'delay = "0s"\n'


def test_it_fires_once_within_a_window_and_resolves_when_all_was_well_for_long_enough(lake: Lake) -> None:
    lake.add(evenly(at("09:00"), at("12:00"), 60, user_id="ada", cost_usd="0.5"))  # 5 in 10 minutes
    lake.add(evenly(at("10:00"), at("10:30"), 60, user_id="ada", cost_usd="1"))  # and 10 more
    lake.add(evenly(at("09:00"), at("12:00"), 60, user_id="bob", cost_usd="0.9"))
    fired, resolved = lake.replayed(DELAY + SPEND, at("09:30"), at("12:00"))
    assert (fired.event, resolved.event) == ("firing", "resolved")
    assert at("10:00") < fired.time <= at("10:10")
    assert fired.value is not None
    assert 10 < fired.value <= 15
    assert dict(fired.labels) == {"user": "ada"}
    # the window holds the last of it until 10:40; five minutes later it is over
    assert at("10:30") < resolved.time <= at("10:40") + minutes(5)
    assert (resolved.fired_at, resolved.breach_id) == (fired.time, fired.breach_id)
    assert fired.text == f"spend (user ada): sum cost {fired.value:g} USD, above 10 USD"


def test_a_value_exactly_at_the_threshold_is_not_above_it_and_money_is_exact(lake: Lake) -> None:
    lake.add(evenly(at("10:00"), at("10:10"), 6, cost_usd="0.1"))  # 100 times 0.1 is 10, not 10 and a bit
    assert lake.replayed(DELAY + SPEND.replace('by = "user"', ""), at("10:09"), at("10:11")) == []
    lake.add([call(at("10:05"), cost_usd="0.000000000001")])
    events = lake.replayed(DELAY + SPEND.replace('by = "user"', ""), at("10:09"), at("10:11"))
    assert [event.event for event in events] == ["firing"]


def test_not_before_the_minimum_volume(lake: Lake) -> None:
    rule = DELAY + '[[alert]]\nname = "errors"\nmetric = "error_rate"\nwindow = "10m"\nabove = 0.5\nmin_calls = 20\n'
    lake.add(evenly(at("10:00"), at("10:30"), 60, status="ERROR"))  # ten in a window, all of them failed
    assert lake.replayed(rule, at("10:00"), at("10:30")) == []
    lake.add(evenly(at("10:30"), at("11:00"), 20, status="ERROR"))
    (fired,) = lake.replayed(rule, at("10:00"), at("10:59"))
    assert at("10:30") < fired.time <= at("10:40")
    assert (fired.value, fired.calls >= 20) == (1.0, True)


def test_a_breach_that_comes_and_goes_is_one(lake: Lake) -> None:
    """A value that swings round the limit every two minutes: nobody is told more than once."""
    rule = DELAY + '[[alert]]\nname = "busy"\nmetric = "calls"\nwindow = "1m"\nabove = 10\nresolve_after = "5m"\n'
    starts = [at("10:00") + minutes(minute) for minute in range(0, 40, 2)]
    lake.add(one for start in starts for one in evenly(start, start + minutes(1), 4))
    assert brief(lake.replayed(rule, at("09:55"), at("10:50"))) == [("firing", "10:00"), ("resolved", "10:44")]


def test_no_traffic_is_told_where_calls_are_below(lake: Lake) -> None:
    rule = DELAY + '[[alert]]\nname = "silent"\nmetric = "calls"\nwindow = "10m"\nbelow = 1\n'
    lake.add([*evenly(at("09:00"), at("10:00"), 60), *evenly(at("11:00"), at("12:00"), 60)])
    assert brief(lake.replayed(rule, at("09:30"), at("11:50"))) == [("firing", "10:10"), ("resolved", "11:06")]


def test_a_call_counts_in_the_window_in_which_it_ended(lake: Lake) -> None:
    """Slow calls come late: by their start, a window would hold the quick ones alone."""
    rule = DELAY + '[[alert]]\nname = "slow"\nmetric = "latency"\naggregation = "max"\nwindow = "5m"\nabove = 1000\n'
    lake.add([call(at("10:20"), ms=20 * 60_000)])
    (fired,) = lake.replayed(rule, at("10:00"), at("10:22"))
    assert at("10:20") <= fired.time <= at("10:21")
    assert fired.value == 20 * 60_000


def season(moment: dt.datetime) -> float:
    """Calls an hour: a fifth of the day's at night, half of it at weekends, and none too smooth."""
    day = 1 + math.sin((moment.hour - 9) / 24 * 2 * math.pi)
    return (30 + 60 * day) * (0.5 if moment.weekday() >= 5 else 1)


def seasonal(days: int, seed: int = 7) -> list[dict[str, Any]]:
    """Calls of some days, by hour and weekday, with noise: in number, tokens and cost."""
    dice, found = random.Random(seed), []
    for hour in range(days * 24):
        moment = MONDAY + dt.timedelta(hours=hour)
        for _ in range(round(season(moment) * dice.uniform(0.9, 1.1))):
            tokens = round(dice.gauss(1000, 150) * (1.6 if moment.hour < 6 else 1))  # long jobs run at night
            ended = moment + dt.timedelta(seconds=dice.uniform(0, 3599))
            found.append(call(ended, input_tokens=tokens, output_tokens=100, cost_usd=Decimal(tokens).scaleb(-6)))
    return found


CHANGES = """
[[alert]]
name = "tokens"
metric = "tokens_per_call"
window = "1h"
rises = "30%"
compared_to = "last week"
min_calls = 20

[[alert]]
name = "spend"
metric = "cost"
window = "6h"
rises = "40%"
compared_to = "last week"
min_calls = 20

[[alert]]
name = "calls"
metric = "calls"
window = "6h"
falls = "40%"
compared_to = "last week"
min_calls = 20
"""


@pytest.fixture(scope="module")
def weeks() -> list[dict[str, Any]]:
    return seasonal(17)


def test_seasons_are_no_alert(lake: Lake, weeks: list[dict[str, Any]]) -> None:
    """Nights are a fifth of days, weekends half, tokens of a call 60 % more at night: every week."""
    lake.add(weeks)
    assert lake.replayed(DELAY + CHANGES, at("00:00", 7), at("00:00", 17), minutes(20)) == []
    # the same seen against the window before is a change each morning
    before = DELAY + CHANGES.replace('compared_to = "last week"', "")
    assert len(lake.replayed(before, at("00:00", 7), at("00:00", 9), minutes(20))) > 4


@pytest.mark.parametrize("when", ["03:00", "14:00"])
def test_forty_percent_more_tokens_are_caught_within_a_window(
    lake: Lake, weeks: list[dict[str, Any]], when: str
) -> None:
    shift = at(when, 15)
    lake.add(
        {**one, "input_tokens": round(one["input_tokens"] * 1.44)} if one["start_time"] >= shift else one
        for one in weeks
        if shift - dt.timedelta(days=9) <= one["start_time"] < shift + dt.timedelta(hours=3)
    )
    rule = DELAY + CHANGES.split("\n\n", maxsplit=1)[0]
    (fired,) = lake.replayed(rule, shift - dt.timedelta(hours=30), shift + dt.timedelta(hours=1, minutes=1))
    assert shift < fired.time <= shift + dt.timedelta(hours=1)
    assert fired.baseline is not None
    assert fired.value is not None
    assert fired.value / fired.baseline >= 1.3


def test_a_change_by_prompt_is_against_the_window_before(lake: Lake) -> None:
    rule = DELAY + (
        '[[alert]]\nname = "prompt"\nmetric = "tokens_per_call"\nby = ["prompt"]\nwindow = "1h"\nrises = "40%"\n'
        "min_calls = 30\n"
    )
    for prompt, tokens in (("triage", 1000), ("summary", 700)):
        lake.add(evenly(at("08:00"), at("10:00"), 60, prompt_name=prompt, input_tokens=tokens))
    lake.add(evenly(at("10:00"), at("12:00"), 60, prompt_name="triage", input_tokens=1400))
    lake.add(evenly(at("10:00"), at("12:00"), 60, prompt_name="summary", input_tokens=700))
    lake.add(evenly(at("10:00"), at("12:00"), 60, prompt_name="new", input_tokens=9000))  # compared with nothing
    fired, *_ = lake.replayed(rule, at("09:50"), at("12:00"))
    assert dict(fired.labels) == {"prompt": "triage"}
    assert at("10:30") < fired.time <= at("11:00")
    assert fired.text == (
        "prompt (prompt triage): tokens_per_call 1400 tokens, +40.0% against 1000 tokens in the window before"
    )


def test_a_breach_that_has_nothing_to_be_compared_with_any_more_says_so(lake: Lake) -> None:
    rule = DELAY + (
        '[[alert]]\nname = "spend"\nmetric = "cost"\nwindow = "1h"\nrises = "50%"\n'
        'compared_to = "last week"\nmin_calls = 10\n'
    )
    lake.add(evenly(at("07:00", -7), at("10:00", -7), 60, cost_usd="1"))
    lake.add(evenly(at("08:00"), at("12:00"), 30, cost_usd="1"))
    fired, resolved = lake.replayed(rule, at("08:00"), at("12:00"), minutes(10))
    assert (fired.baseline, resolved.baseline) == (60.0, None)
    assert resolved.text == (
        "spend is over: sum cost 120 USD, and too few calls at the same time last week to compare it with"
    )


def test_a_fall_is_caught_and_the_week_before_is_by_the_clock(lake: Lake) -> None:
    rule = DELAY + (
        'tz = "Europe/Berlin"\n[[alert]]\nname = "calls"\nmetric = "calls"\nwindow = "1h"\nfalls = "50%"\n'
        'compared_to = "last week"\n'
    )
    lake.add(evenly(at("07:00", -14), at("08:00", -14), 60))  # nine to ten, there, while it is summer
    lake.add(evenly(at("08:00", -7), at("09:00", -7), 60))  # and once it is not
    lake.add(evenly(at("08:00"), at("09:00"), 300))
    assert lake.replayed(rule, at("00:00", -7), at("00:00", -6), minutes(10)) == []
    fired, resolved = lake.replayed(rule, at("00:00"), at("00:00", 1), minutes(10))
    assert at("08:00") < fired.time <= at("09:00")
    assert resolved.time >= at("09:50")
    assert "%" in fired.text
    assert fired.text.endswith("at the same time last week")


@pytest.mark.parametrize("by", ["property.team", "user", "model"])
def test_a_month_has_a_budget_for_each_group_in_its_own_time_zone(lake: Lake, by: str) -> None:
    rule = DELAY + (
        f'tz = "America/New_York"\n[[alert]]\nname = "budget"\nmetric = "cost"\nby = ["{by}"]\nbudget = 30\n'
        'window = "6h"\nburn_rate = 10\n'
    )
    red, blue = (
        {"properties": [("team", who)], "user_id": who, "request_model": who, "response_model": who}
        for who in ("red", "blue")
    )
    lake.add(evenly(at("04:00", -1), at("04:00", 20), 3600, cost_usd="0.04", **blue))  # 29 a month: all is well
    lake.add([call(at("03:59", -1), cost_usd="29.99", **red)])  # the last minute of October, there
    lake.add([call(at("12:00", 2), cost_usd="2.5", **red), call(at("12:00", 5), cost_usd="27.5", **red)])
    events = lake.replayed(rule, at("00:00", 0), at("00:00", 30), minutes(30))
    assert [(event.event, event.kind, dict(event.labels), event.time.day) for event in events] == [
        ("firing", "burn_rate", {by: "red"}, 4),
        ("resolved", "burn_rate", {by: "red"}, 4),
        ("firing", "budget", {by: "red"}, 7),
        ("firing", "burn_rate", {by: "red"}, 7),
        ("resolved", "burn_rate", {by: "red"}, 7),
        ("resolved", "budget", {by: "red"}, 1),  # a new month
    ]
    assert events[2].text == f"budget ({by} red): sum cost 30 USD this month, of a budget of 30 USD"
    assert events[-1].time >= dt.datetime(2026, 12, 1, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ('metric = "cache_hit_rate"\nbelow = 0.5', 0.25),
        ('metric = "cache_read_tokens"\nabove = 999', 1000.0),
        ('metric = "latency"\naggregation = "p50"\nabove = 100', 250.0),
        ('metric = "time_to_first_chunk"\nabove = 40', 50.0),
        ('metric = "tokens"\nabove = 1', 4400.0),
        ('metric = "output_tokens"\naggregation = "max"\nabove = 1', 100.0),
        ('metric = "calls"\nwhere = "user_id = \'ada\'"\nabove = 1', 2.0),
        ('metric = "error_rate"\nabove = 0.2', 0.25),
        ('sql = "SELECT count(*) AS value FROM llm_calls WHERE start_time >= $since"\nabove = 3', 4.0),
        ('metric = "score"\nscore = "helpful"\nbelow = 0.5', 0.25),
    ],
)
def test_every_metric_is_what_it_says(lake: Lake, rule: str, value: float) -> None:
    first = {"ms": 250, "time_to_first_chunk_ns": 50 * 10**6, "input_tokens": 1000, "output_tokens": 100}
    calls = [call(at("10:05"), **first, cache_read_tokens=250, user_id=user) for user in ("ada", "ada", "bob", "bob")]
    calls[3]["status"] = "ERROR"
    lake.add(calls)
    scores = [
        {"time": at("10:06"), "date": MONDAY.date(), "name": name, "value": value, "trace_id": f"{0:016x}{number:016x}"}
        for number, (name, value) in enumerate([("helpful", 0.0), ("helpful", 0.5), ("other", 1.0)])
    ]
    lake.add(scores, "scores")
    events = lake.replayed(f'{DELAY}[[alert]]\nname = "it"\nwindow = "10m"\n{rule}', at("10:09"), at("10:10"))
    assert [event.value for event in events] == [value]


def test_own_sql_has_groups_and_calls_of_its_own(lake: Lake) -> None:
    lake.add(evenly(at("10:00"), at("10:10"), 60, user_id="ada", finish_reasons=["length"]))
    lake.add(evenly(at("10:00"), at("10:10"), 60, user_id="bob", finish_reasons=["stop"]))
    rule = DELAY + (
        '[[alert]]\nname = "cut"\nwindow = "10m"\nabove = 0.5\nmin_calls = 10\nsql = """\n'
        "SELECT user_id, avg(CAST(list_contains(finish_reasons, 'length') AS INTEGER)) AS value, count(*) AS calls\n"
        'FROM llm_calls WHERE start_time >= $since AND start_time < $until GROUP BY user_id"""\n'
    )
    events: list[Message] = lake.replayed(rule, at("10:00"), at("10:10"))
    assert [(dict(event.labels), event.value, event.calls) for event in events] == [({"user_id": "ada"}, 1.0, 10)]
