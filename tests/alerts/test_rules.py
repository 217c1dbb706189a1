"""The rule file: what is wrong in it is told with its line, and what is right is read as it is written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from otel_llm.errors import UsageError
from otel_llm_collector.alerts.metrics import METRICS, value_sql
from otel_llm_collector.alerts.rules import KEYS, Rule
from otel_llm_collector.alerts.values import Times
from otel_llm_collector.alerts.watch import moment_before

from .conftest import Lake, at

GOOD = '[[alert]]\nname = "a"\nmetric = "cost"\nabove = 1\n\n[[alert]]\nname = "b"\n'


@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        ('metirc = "cost"\nabove = 1', 8, "unknown key 'metirc', did you mean 'metric'?"),
        ('metric = "costs"\nabove = 1', 8, "metric: give one of cache_hit_rate"),
        ('metric = "cost"\nabove = "1"', 9, "above: give a number"),
        ('metric = "cost"\nabove = nan', 9, "above: give a number"),
        ('metric = "cost"\nabove = true', 9, "above: give a number"),
        ('metric = "cost"', 7, "give one of above, below, rises, falls, budget"),
        ('metric = "cost"\nabove = 1\nbelow = 2', 10, "give one of above, below"),
        ('metric = "cost"\nsql = "SELECT 1 AS value"\nabove = 1', 8, "give one of metric and sql"),
        ('metric = "cost"\nwindow = "10"\nabove = 1', 9, "window: give a length of time from 1m to 31d"),
        ('metric = "cost"\nwindow = "1s"\nabove = 1', 9, "window: give a length of time from 1m to 31d"),
        ('metric = "cost"\nby = "usr"\nabove = 1', 9, "by: cannot group by 'usr'."),
        ('metric = "cost"\nrises = 40', 9, 'rises: give a percentage above 0, such as "40%"'),
        ('metric = "cost"\nrises = "40%"\ncompared_to = "yesterday"', 10, "compared_to: give one of previous window"),
        ('metric = "cost"\nabove = 1\ncompared_to = "last week"', 10, "compared_to goes with rises and falls"),
        ('metric = "error_rate"\naggregation = "sum"\nabove = 1', 9, "this metric has no aggregation"),
        ('metric = "latency"\naggregation = "median"\nabove = 1', 9, "give one of sum, avg, min, max, p50"),
        ('metric = "latency"\nbudget = 1', 9, "a budget is of something that adds up"),
        ('metric = "cost"\naggregation = "max"\nbudget = 1', 10, "a budget is of something that adds up"),
        ('metric = "cost"\nabove = 1\nburn_rate = 2', 10, "a burn rate is that of a budget"),
        ('metric = "score"\nabove = 1', 8, "score goes with metric"),
        ('metric = "error_rate"\nabove = 20', 9, "error_rate is 0 to 1: write 0.2 for 20 %"),
        ('metric = "error_rate"\nabove = 1', 9, "error_rate is 0 to 1, and never above 1: write 0.2 for 20 %"),
        ('metric = "cache_hit_rate"\nbelow = 2.5', 9, "cache_hit_rate is 0 to 1: write 0.025 for 2.5 %"),
        ('metric = "cache_hit_rate"\nbelow = 0', 9, "cache_hit_rate is 0 to 1, and never below 0: write 0.2 for 20 %"),
        ('metric = "error_rate"\nabove = -1', 9, "error_rate is 0 to 1: write 0.2 for 20 %"),
        ('metric = "cost"\nfalls = "150%"', 9, 'falls by more than all of it: write "100%" at most'),
        ('sql = "SELECT 1 AS value"\nby = "user"\nabove = 1', 9, "by goes with metric"),
        ('metric = "cost"\nabove = 1\nchannels = ["pager"]', 10, "no channel 'pager': there are stdout"),
        ('metric = "cost"\nabove = 1\nsilence = "at night"', 10, "'at night': give times such as"),
        ('metric = "cost"\nabove = 1\nmin_calls = -1', 10, "min_calls: give a whole number"),
        ('metric = "cost"\nabove = 1\n[channels.x]\ntype = "webhook"\nurl = "x"', 12, "channel 'x': url: give http"),
        ('metric = "cost"\nabove = 1\n[channels.x]\ntype = "slack"\nulr = "x"', 12, "did you mean 'url'?"),
        ('metric = "cost"\nabove = 1\n[alerts]\n', 10, "unknown key 'alerts', did you mean 'alert'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(lake: Lake, written: str, line: int, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        lake.rules(GOOD + written)
    assert str(caught.value).startswith(f"{lake.path} line {line}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[[alert]\n", "is no TOML"),
        ('tz = "Mars/Olympus"', "line 1: tz: unknown time zone 'Mars/Olympus'"),
        ('delay = "2h"', "line 1: delay: give a length of time from 0s to 1h"),
        ("alert = 1", "line 1: write [[alert]] above each"),
        ('[[alert]]\nmetric = "cost"\nabove = 1', "line 1: an alert needs a name"),
        (GOOD.split("\n\n", maxsplit=1)[0] + "\n" + GOOD.split("\n\n", maxsplit=1)[0], "several alerts are called 'a'"),
    ],
)
def test_so_is_what_is_wrong_with_the_file(lake: Lake, written: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        lake.rules(written)
    assert said in str(caught.value)


def test_numbers_are_as_exact_as_they_are_written(lake: Lake) -> None:
    (rule,) = lake.rules('[[alert]]\nname = "a"\nmetric = "cost"\nabove = 0.000000000001\n').rules
    assert rule.above == Decimal("0.000000000001")
    assert (rule.window, rule.channels, rule.volume_min) == (dt.timedelta(hours=1), ("stdout",), 1)


@pytest.mark.parametrize(
    ("window", "every"), [("1m", 6), ("5m", 30), ("1h", 60), ("1d", 60), ("7d", 420), ("30d", 1800)]
)
def test_rules_are_looked_at_ten_times_a_window_and_at_most_each_minute(lake: Lake, window: str, every: int) -> None:
    (rule,) = lake.rules(f'[[alert]]\nname = "a"\nmetric = "cost"\nabove = 1\nwindow = "{window}"\n').rules
    assert rule.every.total_seconds() == every
    moment = moment_before(rule, at("10:07:41"))
    assert moment.timestamp() % every == 0
    assert dt.timedelta(0) <= at("10:07:41") - moment < rule.every


@pytest.mark.parametrize(
    ("times", "inside", "outside"),
    [
        ("22:00-06:00", ["mon 22:00", "mon 05:59", "sun 23:00"], ["mon 06:00", "mon 21:59"]),
        ("sat-sun", ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        ("mon-fri 18:00-08:00", ["mon 18:00", "fri 23:00", "sat 07:59"], ["sat 08:00", "mon 07:00", "sat 19:00"]),
        ("fri-mon 09:00-10:00", ["sat 09:30", "mon 09:59"], ["tue 09:30"]),
        ("wed", ["wed 12:00"], ["thu 12:00"]),
    ],
)
def test_times_of_the_week(times: str, inside: list[str], outside: list[str]) -> None:
    def when(text: str) -> dt.datetime:
        day, clock = text.split()
        return at(clock, ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day))

    found = Times(times)
    assert [text for text in inside if not found.holds(when(text))] == []
    assert [text for text in outside if found.holds(when(text))] == []


def test_keys_and_metrics_are_registered_once(lake: Lake) -> None:
    assert set(KEYS) == {name for name in Rule.__dataclass_fields__ if name != "place"}
    assert list(METRICS) == sorted(METRICS)
    for metric in METRICS.values():
        assert bool(metric.each) != bool(metric.whole)
        assert value_sql(metric, "")
