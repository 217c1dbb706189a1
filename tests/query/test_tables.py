"""Tables for people: whatever the width, no digit, time or id is cut."""

from __future__ import annotations

import datetime as dt
import random
import shlex
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from otel_llm_collector.console import answer_table, result_table
from otel_llm_collector.grid import Column, cells_of, grid, shortened
from otel_llm_collector.query import Table

from .conftest import MIDNIGHT, Run, SmallLake, span

SIGNS = "abcdefghij  -_/.é漢字🙂"
INT, TEXT, TIME = pa.int64(), pa.string(), pa.timestamp("us", tz="UTC")


def word(dice: random.Random, length: int) -> str:
    return "".join(dice.choices(SIGNS, k=length)).strip() or "x"


def random_columns(dice: random.Random, rows: int) -> list[tuple[str, Column]]:
    """Numbers, ids and text of any length under headings of any length."""
    columns = []
    for _ in range(dice.randrange(1, 9)):
        kind = dice.choice(["number", "text", "id"])
        cells = {
            "number": lambda: f"{dice.randrange(10 ** dice.randrange(1, 25)):,}",
            "text": lambda: word(dice, dice.randrange(1, 80)),
            "id": lambda: f"{dice.randrange(16**32):032x}",
        }
        made = [cells[kind]() for _ in range(rows)]
        columns.append((word(dice, dice.randrange(1, 20)), Column.of(INT if kind == "number" else TEXT, made)))
    return columns


@pytest.mark.parametrize("seed", range(60))
def test_no_number_and_no_id_is_ever_cut(seed: int) -> None:
    dice = random.Random(seed)
    columns = random_columns(dice, rows=4)
    whole = [cell for _, column in columns if not column.is_breakable for cell in column.cells]
    for width in {20, 21, 80, 200, *dice.sample(range(20, 201), 12)}:
        for footer in (False, True):
            shown = grid(columns, width, footer=footer)
            words = shown.split()
            assert [cell for cell in whole if cell not in words] == [], (width, shown)
            narrowest = sum(
                2 + (min(column.natural(name), 10) if column.is_breakable else column.natural(name))
                for name, column in columns
            )
            assert max(map(cells_of, shown.splitlines())) <= max(width, narrowest - 2)


@pytest.mark.parametrize("seed", range(20))
def test_text_is_broken_but_not_lost(seed: int) -> None:
    dice = random.Random(seed)
    cell = word(dice, 300)
    shown = grid([("text", Column.of(TEXT, [cell]))], 20 + seed)
    assert "".join(shown.split("\n", 2)[2].split()) == "".join(cell.split())


@pytest.mark.parametrize("width", range(20, 201, 7))
def test_an_answer_shows_every_count_and_cost_it_keeps(width: int) -> None:
    names = ["exact", "reported", "claude-haiku-4-5-20251001"]
    data = pa.table(
        {
            "cost_status": pa.array([names[0], "unknown_model"]),
            "usage_status": pa.array([names[1], "reported"]),
            "model": pa.array([names[2], "gpt-4o-mini-2024-07-18"]),
            "calls": pa.array([18, 14]),
            "input_tokens": pa.array([123_456_789_012, 1]),
            "cost_usd": pa.array([Decimal("0.123456789012"), None]),
            "unpriced_calls": pa.array([0, 14]),
        }
    )
    total = {"calls": 32, "input_tokens": 123_456_789_013, "cost_usd": Decimal("0.123456789012"), "unpriced_calls": 14}
    shown = answer_table(Table(data, total), width=width)
    assert shown.splitlines()[-1].split() == ["total", "32", "123,456,789,013", "0.123456789012", "14"]
    assert "unpriced" in shown.split()


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_times_and_ids_stand_whole_in_any_result(width: int) -> None:
    moment = dt.datetime(2026, 11, 2, 10, 30, 15, 123456, tzinfo=dt.UTC)
    columns: dict[str, Any] = {
        "trace_id": ["0123456789abcdef0123456789abcdef"],
        "start_time": pa.array([moment], TIME),
        "name": ["a long name of a step that may be broken"],
    }
    shown = result_table(pa.table(columns), width=width)
    assert columns["trace_id"][0] in shown
    assert "2026-11-02T10:30:15.123456+00:00" in shown


def test_a_narrow_terminal_gets_longer_lines_rather_than_fewer_digits(
    lake: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"request_model": "gpt-4o-mini-2024-07-18", "usage_status": "reported"}
    unpriced = [span(n, cost=None, cost_status="inconsistent_usage", **models) for n in range(2, 16)]
    lake.add([span(1, cost="0.000150000001", cost_status="estimated_tokens", **models), *unpriced])
    for width in (20, 60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        ran = run("cost", "--by", "cost_status,usage_status,model")
        assert "unpriced" in ran.out.split()
        assert ran.out.splitlines()[-1].split() == ["total", "15", "0.000150000001", "14"]
        assert ran.err.startswith(f"no room in {width} columns for share, output_tokens, input_tokens;")


@pytest.mark.parametrize("command", ["cost --by session", "sessions", "sql 'FROM spans'", "trace last"])
def test_what_goes_down_a_pipe_is_as_wide_as_it_needs_to_be(
    lake: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, tmp_path: Path
) -> None:
    name = "one session with a name that is longer than any terminal is wide " * 3 + "."
    lake.add([span(1, session_id=name, name=name, cost="1")])
    monkeypatch.delenv("COLUMNS")
    ran = run(*shlex.split(command))
    assert name in ran.out
    assert "no room" not in ran.err
    run(*shlex.split(command), "--output", str(tmp_path / "told"))
    assert (tmp_path / "told").read_text() == ran.out


@pytest.mark.parametrize(
    "command", ["cost", "prompts", "errors", "latency", "latency --split", "cache", "top --rounds 1"]
)
def test_no_name_is_broken_while_a_column_can_go(lake: SmallLake, run: Run, command: str) -> None:
    names = {"request_model": "claude-haiku-4-5-20251001", "prompt_name": "triage", "prompt_version": "v1"}
    call = {"input_tokens": 123_456_789, "output_tokens": 1_234, "cost": "1234.123456", "status": "ERROR"}
    lake.add([span(1, at=time.time() - MIDNIGHT.timestamp() - 60, **names, **call)])
    ran = run(*command.split(), "--by", "prompt,model")
    assert max(map(cells_of, ran.out.splitlines())) <= 80
    assert names["request_model"] in ran.out.split()


def test_what_is_compared_is_to_the_cent_and_its_drivers_go_before_its_figures(lake: SmallLake, run: Run) -> None:
    model = "claude-sonnet-4-5-20250929"
    days = {1: "12.345678901", 2: "23.456789012"}
    lake.add([span(day, at=86_400 * day, cost=cost, request_model=model) for day, cost in days.items()])
    asked = ["--compare", "previous", "--since", "2026-11-04", "--until", "2026-11-05"]
    ran = run("cost", *asked)
    assert ran.out.splitlines()[-3].split()[:6] == [model, "1", "23.46", "12.35", "11.11", "+90.0%"]
    assert max(map(cells_of, ran.out.splitlines())) <= 80
    assert "no room in 80 columns for calls_before, mix_usd" in ran.err
    assert days[2] in run("cost", *asked, "--format", "csv").out


def test_latency_gives_up_the_last_percentiles_before_it_breaks_a_name(lake: SmallLake, run: Run) -> None:
    call = {"cost": "0", "ms": 1234, "time_to_first_chunk_ns": 1_234_000_000, "status": "ERROR"}
    lake.add([span(1, request_model="claude-haiku-4-5-20251001", **call)])
    lines = run("latency").out.splitlines()
    assert lines[3].startswith("claude-haiku-4-5-20251001 ")
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == ["model", "calls", "p50", "ms", "p95", "ms", "p99", "ms", "p50", "ms", "p95", "ms"]
    twice = run("latency", "--by", "model,trace").out.splitlines()
    assert twice[1].count("p99") == 0
    assert twice[1].count("p95") == 2


def test_a_tree_shortens_names_but_no_remark(lake: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {"name": "step " * 30, "status": "ERROR", "error_type": "ProviderUnreachableError 529"}
    lake.add([span(1), span(2, 1, **failed), *(span(n, 1) for n in range(10, 50))])
    monkeypatch.setenv("COLUMNS", "40")
    shown = run("trace", "last", "--limit", "2").out
    assert "✗ ProviderUnreachableError 529" in shown
    assert "… 40 more spans" in shown
    assert "step st… " in shown


def test_shortened_text_fits() -> None:
    assert shortened("漢字漢字", 8) == "漢字漢字"
    assert shortened("漢字漢字", 7) == "漢字漢…"
    assert cells_of(shortened("漢字漢字", 6)) <= 6


def test_blocks_stop_where_the_help_says(lake: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.add([span(number) for number in range(1, 31)])
    ran = run("sql", "FROM spans")
    assert ran.out.count("── row ") == 10
    assert ran.err.startswith("the first 10 rows, there are more; --limit 0 shows all")
    assert run("sql", "FROM spans", "--limit", "20").out.count("── row ") == 20
    assert run("sql", "FROM spans", "--limit", "0").out.count("── row ") == 30
    monkeypatch.setenv("COLUMNS", "300")
    help_text = " ".join(run("sql", "--help").out.split())
    assert (
        "Default: 100 in a table, 10 where rows are too wide for one and each stands as a block, else all." in help_text
    )
