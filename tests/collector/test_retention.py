"""What is old is dropped: each table after its own time, rows that refer to it answer NULL."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rig import otlp
from rig.lake import count, store

from otel_llm_collector import journal, query
from otel_llm_collector.archive import Archive
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.options import KEPT_DAYS, OPTIONS
from otel_llm_collector.upkeep import Upkeep
from otel_llm_semconv.tables import DERIVED, TABLES

DAY_NS = 86_400_000_000_000
KEPT = {"spans": 400, "messages": 30}
COSTS = "SELECT s.cost_usd IS NOT NULL, m.input_messages FROM llm_calls s LEFT JOIN messages m USING (row_id)"


def lake(data: Path, *ages_days: int) -> None:
    """A call with content of each age."""
    now = time.time_ns()
    calls = [otlp.chat(**{"gen_ai.input.messages": f'[{{"age":{days}}}]'}) for days in ages_days]
    spans = [otlp.span(call, start_ns=now - days * DAY_NS) for call, days in zip(calls, ages_days, strict=True)]
    store(data, otlp.request(*spans))
    Converter(data).convert_some()


def ask(data: Path, question: str) -> list[tuple[Any, ...]]:
    with query.connect(data) as connection:
        return connection.execute(question).fetchall()


def by_a_stranger(data: Path, question: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute((data / "views.sql").read_text())
        return connection.execute(question).fetchall()


def test_content_goes_before_costs_do(tmp_path: Path) -> None:
    lake(tmp_path, 0, 29, 32, 300)
    upkeep = Upkeep(tmp_path, KEPT)
    assert upkeep.drop_old()
    assert not upkeep.drop_old()
    said = f"{COSTS} ORDER BY s.start_time"
    assert ask(tmp_path, said) == [(True, None), (True, None), (True, '[{"age":29}]'), (True, '[{"age":0}]')]
    assert count(tmp_path, "messages") == 4, "readers of the dropped files still find them"
    upkeep.close()
    assert count(tmp_path, "messages") == 2
    assert by_a_stranger(tmp_path, said) == ask(tmp_path, said)


def test_a_table_that_is_left_without_a_file_answers_nothing(tmp_path: Path) -> None:
    lake(tmp_path, 100)
    upkeep = Upkeep(tmp_path, KEPT)
    upkeep.drop_old()
    upkeep.close()
    assert ask(tmp_path, COSTS) == by_a_stranger(tmp_path, COSTS) == [(True, None)]


def test_a_date_is_dropped_as_a_whole_once_all_of_it_is_too_old(tmp_path: Path) -> None:
    lake(tmp_path, 0, 1, 2, 3)
    noon = time.time() // 86_400 * 86_400 + 43_200
    Upkeep(tmp_path, {"spans": 2}, clock=lambda: noon).drop_old()
    assert len(LakeTable(tmp_path, "spans").live_files()) == 3
    assert len(LakeTable(tmp_path, "messages").live_files()) == 4, "kept for ever where nobody says how long"


def test_conversion_goes_on_beside_it(tmp_path: Path) -> None:
    lake(tmp_path, 300)
    converter = Converter(tmp_path)
    upkeep = Upkeep(tmp_path, {"spans": 30, "messages": 30})
    upkeep.drop_old()
    upkeep.close()
    now = time.time_ns()
    store(tmp_path, otlp.request(otlp.span(otlp.chat(), start_ns=now - 300 * DAY_NS), otlp.span(otlp.chat())))
    assert converter.convert_some()
    assert count(tmp_path) == 2


@pytest.mark.parametrize(("age_days", "kept"), [(29, 1), (31, 0)])
def test_what_is_in_quarantine_is_kept_as_long_as_content(tmp_path: Path, age_days: int, kept: int) -> None:
    folder = journal.quarantine_dir(tmp_path)
    folder.mkdir(parents=True)
    path = folder / "000000000007.seg"
    path.write_bytes(b"damaged")
    moment = time.time() - age_days * 86_400
    os.utime(path, (moment, moment))
    Archive(tmp_path, 7, 1_000_000, 30).clean()
    assert len(list(folder.iterdir())) == kept


def test_every_table_has_an_option() -> None:
    assert set(KEPT_DAYS) == set(TABLES) - DERIVED
    assert set(KEPT_DAYS.values()) <= {row.name for row in OPTIONS}
    defaults = {row.name: row.default for row in OPTIONS}
    assert (defaults["spans_days"], defaults["messages_days"]) == (400, 30)
