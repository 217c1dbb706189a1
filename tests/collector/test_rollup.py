"""What calls add up to is made of whole files, and gone when one of them is: late, merged, erased, dropped, killed."""

from __future__ import annotations

import datetime as dt
import math
import time
from pathlib import Path

import duckdb
import pytest
from rig import otlp
from rig.lake import store
from rig.rollups import add_up, keeper, kept

from otel_llm_collector import maintenance, query, upkeep
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.compact import Compactor
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.merge import Stopped
from otel_llm_collector.lake.replaced import Replacing
from otel_llm_collector.query.opening import sums_of_parts
from otel_llm_collector.rollup import cells
from otel_llm_collector.rollup.cubes import TABLE
from otel_llm_collector.rollup.due import due
from otel_llm_collector.rollup.origin import Origin, apart, mark
from otel_llm_collector.upkeep import Upkeep, remove_leftovers
from otel_llm_semconv.tables import TABLES

DAY_NS = 86_400 * 10**9
NONE_YET = "there is no roll-up of them yet: a collector makes it once a day is over, `otel-llm compact` now"
#: Noon of a day in the middle of a month, of late.
NOON_NS = int(dt.datetime.now(dt.UTC).replace(day=15, hour=12).timestamp()) * 10**9 - 60 * DAY_NS


def calls(data: Path, *days: int, user: str = "ada", **more: object) -> None:
    """A call of each of some days."""
    sent = [otlp.chat(**{"user.id": user, "otel_llm.property.team": "north", **more}) for _ in days]
    spans = [otlp.span(call, start_ns=NOON_NS + day * DAY_NS) for call, day in zip(sent, days, strict=True)]
    store(data, otlp.request(*spans))
    converter = Converter(data)
    while converter.convert_some():
        pass


def total(data: Path) -> tuple[int, str]:
    """How many calls there are, and where that is from."""
    with query.connect(data, views=query.views_for()) as connection:
        answer, exact = (query.cost(connection, "user", exact=exact) for exact in (False, True))
    assert answer.rows() == exact.rows()
    return sum(row["calls"] for row in answer.rows()), answer.source


def test_dates_that_are_over_are_added_up_by_the_upkeep(tmp_path: Path) -> None:
    calls(tmp_path, 0, 1)
    upkeep = Upkeep(tmp_path, clock=lambda: time.time() + 7 * 3600, rollup_keys=("team",))
    while upkeep.step():
        pass
    assert total(tmp_path) == (2, "read from the roll-up people, 2 dates in 1 file")
    with duckdb.connect() as stranger:
        stranger.execute((tmp_path / "views.sql").read_text())
        assert stranger.execute("SELECT DISTINCT properties['team'] FROM rollups WHERE cube = 'users'").fetchall() == [
            ("north",)
        ]
    upkeep.close()


def test_a_date_that_goes_on_is_not(tmp_path: Path) -> None:
    calls(tmp_path, 0)
    add_up(tmp_path, now_s=time.time() + 5 * 3600)
    assert kept(tmp_path) == {}
    assert total(tmp_path) == (1, f"read from the calls themselves, 1 file: {NONE_YET}")


def test_what_comes_late_is_read_beside_it_and_added_up_when_it_is_merged(tmp_path: Path) -> None:
    calls(tmp_path, 0, 1)
    add_up(tmp_path)
    calls(tmp_path, 1)
    count, source = total(tmp_path)
    assert (count, source.partition(", and ")[2]) == (3, "from the calls of 1 file that it does not have")
    add_up(tmp_path)
    assert total(tmp_path) == (3, "read from the roll-up people, 2 dates in 1 file")
    live = {mark(file.path) for file in LakeTable(tmp_path, "spans").live_files()}
    assert {one for origin in kept(tmp_path).values() for one in origin.files} == live


def test_what_was_written_again_is_not_read(tmp_path: Path) -> None:
    calls(tmp_path, 0, 1)
    add_up(tmp_path)
    calls(tmp_path, 0)
    compactor = Compactor(Replacing(LakeTable(tmp_path, "spans")), "0" * 16, lambda: math.inf)
    assert compactor.step()
    count, source = total(tmp_path)
    assert count == 3
    assert source.startswith("read from the roll-up people, 1 date in 1 file, and from the calls of 1 file")


def test_dates_that_are_dropped_are_gone_from_it(tmp_path: Path) -> None:
    calls(tmp_path, 0, 1)
    add_up(tmp_path)
    upkeep = Upkeep(tmp_path, {"spans": 1}, clock=lambda: NOON_NS / 1e9 + 1.6 * 86_400)
    assert upkeep.drop_old()
    assert total(tmp_path)[0] == 1
    add_up(tmp_path)
    left = dt.datetime.fromtimestamp(NOON_NS / 1e9 + 86_400, dt.UTC).date()
    assert [origin.first for origin in kept(tmp_path).values()] == [left]
    upkeep.close()


def test_who_is_forgotten_is_gone_from_it_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls(tmp_path, 0, 1, user="alice@example.org")
    calls(tmp_path, 0, 1, user="bob@example.org")
    add_up(tmp_path)
    held = [path for path in (tmp_path / TABLE).rglob("*.parquet") if b"alice@example.org" in path.read_bytes()]
    assert held or "alice@example.org" in str(duckdb.sql(f"FROM '{tmp_path}/{TABLE}/*/*.parquet'").fetchall())
    assert maintenance.forget(["--data", str(tmp_path), "--user", "alice@example.org"]) == 0
    assert not list((tmp_path / TABLE).rglob("*.parquet"))
    assert total(tmp_path)[0] == 4
    add_up(tmp_path)
    told = duckdb.sql(f"SELECT DISTINCT user_id FROM '{tmp_path}/{TABLE}/*/*.parquet' WHERE cube = 'users'").fetchall()
    bob, alice = (str(user) for (user,) in sorted(told))
    assert bob == "bob@example.org"
    assert alice.startswith("forgotten-")
    capsys.readouterr()


def test_a_killed_upkeep_leaves_nothing_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls(tmp_path, 0)
    keeping = keeper(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "replace", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            keeping.step()
    assert len(list((tmp_path / TABLE).rglob("*.parquet"))) == 1
    assert total(tmp_path)[1].endswith(NONE_YET)
    monkeypatch.setattr(upkeep.journal, "read_collector_id", lambda _: "0123456789abcdef")
    remove_leftovers(tmp_path)
    assert not list((tmp_path / TABLE).rglob("*.parquet"))
    add_up(tmp_path)
    assert total(tmp_path) == (1, "read from the roll-up people, 1 date in 1 file")


def test_it_stops_when_it_is_told_to_and_leaves_nothing(tmp_path: Path) -> None:
    calls(tmp_path, 0)
    keeping = keeper(tmp_path)
    keeping._is_stopped = lambda: True
    with pytest.raises(Stopped):
        keeping.step()
    assert not [path for path in (tmp_path / TABLE).rglob("*") if path.parent.name.startswith("date=")]


def test_sums_that_fit_no_column_are_read_from_the_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls(tmp_path, 0, 1)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr(cells, "part_sums", lambda: sums_of_parts().replace("sum(input_tokens)", "9e18::HUGEINT * 2"))
    keeping = keeper(tmp_path)
    assert not keeping.step()
    assert keeping._given_up
    assert total(tmp_path) == (2, f"read from the calls themselves, 2 files: {NONE_YET}")


def test_other_properties_are_added_up_anew_and_a_command_keeps_to_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls(tmp_path, 0, 1)
    add_up(tmp_path, ("team",))
    add_up(tmp_path, ("other", "team"))
    assert {origin.keys for origin in kept(tmp_path).values()} == {("other", "team")}
    calls(tmp_path, 2)
    assert maintenance.compact(["--data", str(tmp_path), "--format", "json"]) == 0
    assert {origin.keys for origin in kept(tmp_path).values()} == {("other", "team")}
    assert '"table": "rollups"' in capsys.readouterr().out
    assert total(tmp_path)[0] == 3


def test_every_sum_of_calls_has_a_column() -> None:
    names = {line.rpartition(" AS ")[2].rstrip(",") for line in sums_of_parts().splitlines()}
    assert names <= {column.name for column in TABLES[TABLE]}


def test_months_are_made_once_over_or_when_a_week_of_dates_is_new() -> None:
    days = [dt.date(2026, 10, 1) + dt.timedelta(days=n) for n in range(33)]
    marks = {day: frozenset({str(day)}) for day in days}
    october, november = dt.date(2026, 10, 1), dt.date(2026, 11, 1)
    of_dates = [Origin(marks[day], day, day + dt.timedelta(days=1), is_month=False) for day in days]
    assert [origin.first for origin in due(marks, [], (), {october})] == days[::-1]
    [month] = due(marks, of_dates, (), {october})
    assert (month.first, month.end, len(month.files)) == (october, november, 31)
    assert list(due(marks, [*of_dates, month], (), {october})) == []
    six, seven = ({day: marks[day] for day in days[:count]} for count in (6, 7))
    assert [len(list(due(some, of_dates, (), ()))) for some in (six, seven)] == [0, 1]


def test_no_file_counts_what_another_does() -> None:
    day = dt.date(2026, 10, 1)
    month, first, second = (
        Origin(frozenset(files), day, day, is_month=len(files) > 1) for files in (("a", "b"), ("a",), ("c",))
    )
    assert apart({"first": first, "month": month, "second": second}) == {"month": month, "second": second}
