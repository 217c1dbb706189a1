"""What a time cost beside the one before it: the parts add up, and each is what it says."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_llm.errors import UsageError
from otel_llm_collector.query import change, connect
from otel_llm_collector.query.opening import fill, question

from .conftest import Run, SmallLake, span

NOW = dt.datetime(2026, 11, 4, tzinfo=dt.UTC)
DAY_S = 86_400
ZERO = Decimal(0)
CONNECTION = duckdb.connect()
#: Model, tokens and cost of each.
Calls = list[tuple[str, int, Decimal]]


def parts(before: Calls, now: Calls) -> tuple[Decimal, ...]:
    """What drove the change: volume, mix, tokens, price."""
    rows = [(place, *call) for place, calls in enumerate((before, now)) for call in calls]
    texts = [
        f"({place}, '{model}', {tokens}, CAST('{cost:f}' AS DECIMAL(38, 12)))" for place, model, tokens, cost in rows
    ]
    calls = f"""(
        SELECT *, 1 AS _by0, 'p' AS provider, 0 AS output_tokens
        FROM (VALUES {", ".join([*texts, "(0, 'unpriced', 0, NULL)"])})
            AS calls (start_time, model, input_tokens, cost_usd)
    )"""
    query = fill(question("change"), chosen_calls=calls, names="_by0", output_names="_by0 AS one")
    found, total = CONNECTION.sql(query, params={"middle": 1}).to_arrow_table().to_pylist()
    assert {**found, "one": None, "is_total": True} == total
    sums = [sum((call[2] for call in calls), ZERO) for calls in (before, now)]
    assert [found["cost_before_usd"], found["cost_usd"], found["change_usd"]] == [*sums, sums[1] - sums[0]]
    return tuple(found[f"{part}_usd"] for part in ("volume", "mix", "tokens", "price"))


ONE = ("a", 10, Decimal("0.1"))


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([ONE], [ONE] * 2, ("0.1", "0", "0", "0")),
        ([ONE], [("a", 14, Decimal("0.14"))], ("0", "0", "0.04", "0")),
        ([ONE], [("a", 10, Decimal("0.3"))], ("0", "0", "0", "0.2")),
        ([ONE], [("b", 10, Decimal("0.5"))], ("0", "0.4", "0", "0")),
        ([], [ONE], ("0.1", "0", "0", "0")),
        ([ONE], [], ("-0.1", "0", "0", "0")),
        ([], [], ("0", "0", "0", "0")),
    ],
)
def test_one_cause_is_one_part(before: Calls, now: Calls, expected: tuple[str, ...]) -> None:
    assert parts(before, now) == tuple(map(Decimal, expected))


def test_several_causes_are_apart() -> None:
    """Twice the calls, half of them of a model that is new: ln 2 of the weights, which are 0.1 and 1 / ln 1e100."""
    assert parts([ONE], [ONE, ("b", 10, Decimal(1))]) == (Decimal("0.072325"), Decimal("0.927675"), ZERO, ZERO)


costs = st.decimals(0, 10**5, places=12, allow_nan=False)
calls = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 10**9), costs), max_size=8)


@settings(deadline=None)
@given(calls, calls)
def test_the_parts_add_up_to_the_change(before: Calls, now: Calls) -> None:
    cost = [sum((call[2] for call in calls), ZERO) for calls in (before, now)]
    assert sum(parts(before, now), ZERO) == cost[1] - cost[0]


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
