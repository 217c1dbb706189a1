"""The notes under a sum of money."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm_collector.query import connect, cost
from otel_llm_collector.query.notes import INEXACT, UNPRICED, cost_notes
from otel_llm_semconv.pricing import STATUSES

from .conftest import Run, SmallLake, span


def noted(lake: SmallLake) -> tuple[str, ...]:
    with connect(lake.data) as connection:
        return cost(connection).notes


def rows_and_total(lake: SmallLake) -> list[dict[str, Any]]:
    with connect(lake.data) as connection:
        answer = cost(connection)
    assert answer.total is not None
    return [*answer.rows(), answer.total]


def total(calls: int, reasons: dict[str, int], **more: Any) -> dict[str, Any]:
    sums = {"calls": calls, "unpriced_calls": sum(reasons.values()), "unpriced_reasons": reasons}
    return sums | {"unknown_models": None, "inexact_reasons": None} | more


def test_every_status_has_its_words() -> None:
    assert {*UNPRICED, *INEXACT} - {"no_status", "partial"} == {*STATUSES} - {"exact"}


@pytest.mark.parametrize(
    ("row", "notes"),
    [
        (total(5, {}), ()),
        (
            total(1, {"missing_usage": 1}),
            ("1 of 1 call has no cost and is not in the sums: 1 failed or reported no usage (missing_usage)",),
        ),
        (
            total(3200, {"inconsistent_usage": 1, "missing_usage": 1200}),
            (
                (
                    "1,201 of 3,200 calls have no cost and are not in the sums: 1,200 failed or reported no usage "
                    "(missing_usage), 1 with token counts that cannot be (inconsistent_usage)"
                ),
            ),
        ),
        (
            total(9, {"{x}": 1}),
            ("1 of 9 calls has no cost and is not in the sums: 1 {x}",),
        ),
        (
            total(9, {}, inexact_reasons={"partial": 1}),
            ("1 call is counted with what is known: 1 interrupted stream (usage_status partial)",),
        ),
    ],
)
def test_notes_are_sentences(row: dict[str, Any], notes: tuple[str, ...]) -> None:
    assert cost_notes(row) == notes


def test_reasons_stand_in_one_order_the_most_calls_first(lake: SmallLake) -> None:
    reasons = ["b", "a", "c", "a", "d", "c", "a", "e"]
    lake.add([span(n, None, n, cost=None, cost_status=reason) for n, reason in enumerate(reasons, 1)])
    for row in rows_and_total(lake):
        assert list(row["unpriced_reasons"].items()) == [("a", 3), ("c", 2), ("b", 1), ("d", 1), ("e", 1)]


def test_models_without_a_price_are_named(lake: SmallLake) -> None:
    unknown = {"cost": None, "cost_status": "unknown_model"}
    lake.add(
        [span(n, **unknown, request_model=f"m{n % 2}") for n in range(1, 4)] + [span(4, **unknown), span(5, cost="1")]
    )
    words = "not in the sums: 4 where the model has no known price"
    assert noted(lake) == (f"4 of 5 calls have no cost and are {words}: m1, m0 (unknown_model)",)
    lake.add([span(n, **unknown, request_model=f"m{n}") for n in range(6, 9)])
    assert noted(lake)[0].endswith("m1, m0, m6, 2 more (unknown_model)")


def test_figures_that_are_not_exact_are_told(lake: SmallLake) -> None:
    lake.add(
        [
            span(1, cost="1", usage_status="partial"),
            span(2, cost="1", usage_status="partial", cost_status="assumed_ttl"),
            span(3, cost="1", usage_status="reported", cost_status="assumed_ttl"),
            span(4, cost="1", usage_status="reported"),
            span(5, cost=None, usage_status="partial", cost_status="unknown_model"),
        ]
    )
    assert noted(lake)[1] == (
        "3 calls are counted with what is known: 2 interrupted streams (usage_status partial), "
        "1 cache write at the default TTL (assumed_ttl)"
    )


def test_a_note_steers_no_terminal(lake: SmallLake, run: Run) -> None:
    lake.add([span(1, cost=None, cost_status="unknown_model", request_model="a\x1b[31m\nb")])
    assert r"price: a\x1b[31m\nb (unknown_model)" in run("cost").err
    assert run("cost").err.count("\n") == 1
