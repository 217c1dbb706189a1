"""The tree of a trace: exact sums below every span, whatever shape the senders made it."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_llm.errors import OtelLlmError
from otel_llm_collector.console import hidden_spans, trace_text
from otel_llm_collector.query import Tree, connect, trace
from otel_llm_collector.query.trace_tree import MISSING_PARENT, PARENT_CYCLE, grow, outline

from .conftest import Run, SmallLake, span


def plant(*spans: dict[str, Any]) -> Tree:
    columns = ("input_tokens", "output_tokens", "cost_usd", "session_id", "user_id", "workflow_name", "error_type")
    rows = [dict.fromkeys(columns) | row for row in spans]
    return grow(
        "1", sorted([row | {"is_sound": True} for row in rows], key=lambda row: (row["start_time_ns"], row["span_id"]))
    )


def test_three_thousand_spans_sum_exactly_below_each(lake: SmallLake) -> None:
    dice = random.Random(11)
    parents: dict[int, int | None] = {1: None}
    parents |= {child: dice.randrange(max(1, child - 40), child) for child in range(2, 3001)}
    costs = {child: str(Decimal(dice.randrange(1, 10**15)).scaleb(-12)) for child in parents if dice.random() < 0.6}
    priced = {child: {"cost": cost} for child, cost in costs.items()}
    lake.add([span(child, parent, at=child / 1000, **priced.get(child, {})) for child, parent in parents.items()])
    expected = {child: Decimal(costs.get(child, 0)) for child in parents}
    for child in sorted(parents, reverse=True):  # a parent's number is always below its children's
        if parent := parents[child]:
            expected[parent] += expected[child]
    with connect(lake.data) as connection:
        tree = trace(connection, "last")
    assert {int(node.row["span_id"], 16): node.sums.cost_usd or Decimal(0) for node in tree.nodes} == expected
    assert tree.sums.spans == 3000
    assert tree.sums.cost_usd == expected[1]
    rows = tree.table().to_pylist()
    assert [row["span_id"] for row in rows] == [node.row["span_id"] for node in tree.nodes]
    assert rows[0]["subtree_cost_usd"] == expected[1]


def test_a_trace_is_found_in_whatever_files_it_lies(tmp_path: Path) -> None:
    lake = SmallLake(tmp_path / "da[t]a").create()
    day_s = 86_400
    lake.add([span(1, at=day_s - 1, cost="1"), span(9, None, 2)])
    lake.add([span(2, 1, at=day_s, cost="2")])
    lake.add([span(8, None, 3, at=2 * day_s)])
    with connect(lake.data) as connection:
        assert [trace(connection, f"{number:032x}").sums.spans for number in (1, 2, 3, 1)] == [2, 1, 1, 2]
        assert trace(connection, f"{1:032x}").sums.cost_usd == 3
        with pytest.raises(OtelLlmError, match="no trace"):
            trace(connection, f"{4:032x}")
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (4,)


def test_thirty_thousand_levels_do_not_hurt() -> None:
    tree = plant(*(span(level, level - 1 or None, at=level / 1000, cost="0.001") for level in range(1, 30_001)))
    assert tree.sums.cost_usd == Decimal(30)
    assert tree.nodes[-1].depth == 29_999
    text = trace_text(tree, limit=50)
    assert len(text.splitlines()) < 60
    assert max(map(len, text.splitlines())) <= 80
    assert "29,950 more spans" in text
    assert len(trace_text(tree).splitlines()) > 30_000


def test_what_is_shown_and_what_is_hidden_add_up() -> None:
    leaves = [span(child, 1 + child % 3, at=child, cost="0.1") for child in range(10, 110)]
    tree = plant(span(1), span(2, 1), span(3, 1), *leaves)
    for bounds in ({"limit": 20}, {"depth": 1}, {"depth": 0}, {"limit": 1}, {"depth": 1, "limit": 2}):
        lines = outline(tree, **bounds)
        shown = [line.node for line in lines if line.node]
        assert len(shown) + hidden_spans(tree, **bounds) == 103
        own = sum((Decimal("0.1") for node in shown if node.row["is_llm_call"]), Decimal(0))
        assert own + sum(line.sums.cost_usd or 0 for line in lines if line.node is None) == Decimal(10)
    assert hidden_spans(tree) == 0


def test_spans_without_their_parents_stand_under_their_own_roots() -> None:
    tree = plant(span(1, cost="1"), span(2, 77, at=1, cost="2"), span(3, 2, at=2, cost="4"))
    assert [(node.row["name"], node.mark, node.sums.cost_usd) for node in tree.roots] == [
        ("step 1", None, Decimal(1)),
        ("step 2", MISSING_PARENT, Decimal(6)),
    ]
    assert "step 2 [parent missing]" in trace_text(tree)
    assert trace_text(tree).splitlines()[-1].split() == ["total", "7.00", "2.10", "s", "-", "-"]


def test_circles_of_parents_are_cut_once() -> None:
    tree = plant(
        span(1, 3, at=0, cost="1"),
        span(2, 1, at=1, cost="2"),
        span(3, 2, at=2, cost="4"),
        span(4, 2, at=3, cost="8"),
        span(5, 5, at=4, cost="16"),
        span(6, 4, at=5, cost="32"),
    )
    assert [node.row["name"] for node in tree.roots] == ["step 1", "step 5"]
    assert {node.mark for node in tree.roots} == {PARENT_CYCLE}
    assert len(tree.nodes) == 6
    assert tree.sums.cost_usd == Decimal(63)


def test_absent_tokens_and_costs_stay_absent() -> None:
    tree = plant(span(1), span(2, 1), span(3, 1, cost=None))
    assert (tree.sums.cost_usd, tree.sums.input_tokens, tree.sums.calls, tree.sums.unpriced_calls) == (None, None, 1, 1)


def test_the_time_of_a_subtree_reaches_to_its_last_end() -> None:
    tree = plant(span(1, at=0, ms=100), span(2, 1, at=0.05, ms=400), span(3, 1, at=0.2, ms=-50))
    assert tree.sums.duration_ns == 450_000_000


def test_a_trace_reads_well_at_80_columns(clinic: SmallLake, run: Run) -> None:
    ran = run("trace", "0" * 31 + "1")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "trace 00000000000000000000000000000001\n"
        "3 spans · 2 calls · 2026-11-02 00:00:00 UTC\n"
        "session s1 · user ada\n"
        "\n"
        "                                               cost USD      time  input  output\n"
        "intake                                   1.250150000001    3.00 s  1,300      70\n"
        "├─ chat gpt-4o-mini                      0.000150000001    1.00 s  1,000      50\n"
        "└─ chat claude                           1.250000000000  500.0 ms    300      20\n"
    )


def test_names_cannot_steer_the_terminal_or_break_the_columns(lake: SmallLake, run: Run) -> None:
    lake.add([span(1, name="\x1b[31mred\nline"), span(2, 1, name="漢字" * 30, status="ERROR", error_type="Timeout")])
    ran = run("trace", "last")
    assert "\x1b" not in ran.out
    assert r"\x1b[31mred\nline" in ran.out
    assert "漢字漢" in ran.out


@pytest.mark.parametrize(
    ("trace_id", "code", "message"),
    [
        ("ffff", 1, "no trace ffff"),
        ("xyz", 2, "'xyz' is no trace id"),
        ("", 2, "'' is no trace id"),
        ("0" * 33, 2, "is no trace id"),
        ("0" * 20, 2, "several traces begin with"),
    ],
)
def test_ids_that_name_no_trace(clinic: SmallLake, run: Run, trace_id: str, code: int, message: str) -> None:
    ran = run("trace", trace_id)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_a_beginning_or_last_is_enough(lake: SmallLake, run: Run) -> None:
    lake.add([span(1, None, 0xAB << 120, at=5), span(1, None, 0xCD << 120, at=9)])
    assert run("trace", "AB").out.startswith("trace ab000")
    assert run("trace", "last").out.startswith("trace cd000")


def test_bounds_are_said(lake: SmallLake, run: Run) -> None:
    lake.add([span(1), *(span(child, 1, at=child, cost="0.1") for child in range(2, 12))])
    ran = run("trace", "last", "--limit", "4")
    assert "└─ … 7 more spans" in ran.out
    assert ran.err == "7 of 11 spans are not shown one by one: --limit 0 without --depth shows all\n"
    assert run("trace", "last", "--limit", "0").err == ""
    assert len(run("trace", "last", "--limit", "1", "--format", "json").json) == 11


def test_the_flat_rows_of_a_trace(clinic: SmallLake, run: Run) -> None:
    first, second, _ = run("trace", "0" * 31 + "1", "--format", "json").json
    assert first["name"] == "intake"
    assert (first["depth"], first["cost_usd"], first["subtree_cost_usd"]) == (0, None, "1.250150000001")
    assert (second["depth"], second["parent_span_id"], second["subtree_cost_usd"]) == (1, f"{1:016x}", "0.000150000001")
    assert second["start_time"] == "2026-11-02T00:00:00.500000+00:00"
