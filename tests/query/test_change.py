"""What a time cost beside the one before it: the parts add up, and each is what it says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.errors import UsageError
from otel_llm_collector.query import change, connect
from otel_llm_collector.query.drivers import Cell, Drivers, drivers

from .conftest import Run, SmallLake, span

NOW = dt.datetime(2026, 11, 4, tzinfo=dt.UTC)
DAY_S = 86_400
ZERO = Decimal(0)


def only(**parts: str) -> Drivers:
    return Drivers(*(Decimal(parts.get(name, "0")) for name in ("volume", "mix", "tokens", "price")))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"a": Cell(10, 100, Decimal(1))}, {"a": Cell(20, 200, Decimal(2))}, only(volume="1")),
        ({"a": Cell(10, 100, Decimal(1))}, {"a": Cell(10, 140, Decimal("1.4"))}, only(tokens="0.4")),
        ({"a": Cell(10, 100, Decimal(1))}, {"a": Cell(10, 100, Decimal(3))}, only(price="2")),
        ({"a": Cell(10, 100, Decimal(1))}, {"b": Cell(10, 100, Decimal(5))}, only(mix="4")),
        ({}, {"a": Cell(10, 100, Decimal(1))}, only(volume="1")),
        ({"a": Cell(10, 100, Decimal(1))}, {}, only(volume="-1")),
        ({}, {}, only()),
    ],
)
def test_one_cause_is_one_part(before: dict[Any, Cell], now: dict[Any, Cell], expected: Drivers) -> None:
    assert drivers(before, now) == expected


cells = st.builds(Cell, st.integers(1, 10**6), st.integers(0, 10**9), st.decimals(0, 10**5, places=12, allow_nan=False))
times = st.dictionaries(st.sampled_from("abcd"), cells)


@settings(deadline=None)
@given(times, times)
def test_the_parts_add_up_to_the_change(before: dict[Any, Cell], now: dict[Any, Cell]) -> None:
    found = drivers(before, now)
    cost = [sum((cell.cost_usd for cell in cells.values()), ZERO) for cells in (before, now)]
    assert found.volume_usd + found.mix_usd + found.tokens_usd + found.price_usd == cost[1] - cost[0]


@pytest.fixture
def two_days(lake: SmallLake) -> SmallLake:
    """A prompt of which a call took 100 tokens on one day and 140 on the next; another that came on the second."""

    def call(number: int, day: int, prompt: str, tokens: int, cost: str | None) -> dict[str, Any]:
        told = {"prompt_name": prompt, "input_tokens": tokens, "request_model": "m", "provider": "p"}
        return span(number, None, number, at=day * DAY_S, cost=cost, **told)

    lake.add([call(1, 0, "triage", 100, "0.10"), call(2, 0, "triage", 100, "0.10"), call(3, 0, "triage", 1, None)])
    lake.add([call(4, 1, "triage", 140, "0.14"), call(5, 1, "triage", 140, "0.14"), call(6, 1, "intake", 10, "0.01")])
    return lake


def test_a_change_by_prompt(two_days: SmallLake) -> None:
    with connect(two_days.data) as connection:
        found = change(connection, "prompt", since="2026-11-03", until="2026-11-04")
    triage, intake = found.rows()
    assert (triage["prompt"], triage["calls"], triage["calls_before"]) == ("triage", 2, 2)
    assert (triage["cost_before_usd"], triage["cost_usd"], triage["change"]) == (Decimal("0.20"), Decimal("0.28"), 0.4)
    assert (triage["tokens_usd"], triage["volume_usd"], triage["price_usd"]) == (Decimal("0.08"), ZERO, ZERO)
    assert (intake["volume_usd"], intake["change"], intake["cost_before_usd"]) == (Decimal("0.01"), None, ZERO)
    assert found.total is not None
    assert found.total["change_usd"] == Decimal("0.09")
    assert found.notes == ("without a price, and in no figure: 0 calls, and 1 before",)


def test_the_command_needs_a_time(two_days: SmallLake, run: Run) -> None:
    ran = run("cost", "--compare", "previous")
    assert (ran.code, ran.err.startswith("otel-llm cost: --compare needs --since")) == (2, True)
    ran = run("cost", "--by", "prompt", "--since", "2026-11-03", "--until", "2026-11-04", "--compare", "previous")
    assert (ran.code, "tokens" in ran.out, max(map(len, ran.out.splitlines())) <= 80) == (0, True, True)
    with connect(two_days.data) as connection, pytest.raises(UsageError, match="is not after --since"):
        change(connection, since="2026-11-03", until="2026-11-02")
