"""Merging files: every row once, in order, in bounded memory and few files, whatever ends it."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import otlp
from rig.lake import count, merge, store
from rig.parquet import bloom_columns

from otel_llm.failures import raise_faults
from otel_llm_collector import journal
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake import compact, files
from otel_llm_collector.lake import merge as merging
from otel_llm_collector.lake.log import DataFile, LakeTable
from otel_llm_collector.lake.plan import CLOSED_AFTER_S, FAN_IN, SMALL_BYTES, plan
from otel_llm_collector.upkeep import Upkeep, remove_leftovers, work_alone

DAY = date(2026, 11, 3)
NOON_S = datetime(2026, 11, 3, 12, tzinfo=UTC).timestamp()
LATER_S = NOON_S + 2 * 86_400
MIB = 1024 * 1024
GIB = 1024 * MIB


class CrashError(BaseException):
    """Stands for the moment of a SIGKILL."""


def content(**more: Any) -> dict[str, Any]:
    return otlp.chat(**{"gen_ai.input.messages": '[{"role":"user"}]', **more})


def segments(data: Path, number: int, spans: int = 1) -> None:
    """So many segments of spans, each its own file."""
    for _ in range(number):
        store(data, otlp.request(*(otlp.span(content()) for _ in range(spans))))
        Converter(data).convert_some()


# --- what is merged ----------------------------------------------------------------------------------------------


def sized(*sizes: int, day: date = DAY, added_s: float = NOON_S) -> list[DataFile]:
    return [DataFile(f"date={day}/{n:04d}-{size}", day, size, 10, added_s=added_s) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([100] * (FAN_IN - 1), 0),
        ([100] * FAN_IN, FAN_IN),
        ([100] * (FAN_IN - 1) + [MIB], 0),
        ([100] * 99, FAN_IN),
        ([SMALL_BYTES] * 90, 0),
        ([100, MIB, 10 * MIB] * 34, FAN_IN),
        ([100 * 9**n for n in range(8) for _ in range(13)], 13),
        ([100 * 8**n for n in range(7) for _ in range(25)], 25),
    ],
    ids=["too few", "enough", "of one size", "bounded", "large", "small first", "fewer where many wait", "any"],
)
def test_what_is_merged_while_a_date_goes_on(sizes: list[int], chosen: int) -> None:
    found = plan("spans", sized(*sizes), NOON_S)
    assert len(found) >= chosen if chosen else not found
    assert len(found) <= FAN_IN
    assert [file.size for file in found] == sorted(sizes)[: len(found)]


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([100], 0),
        ([100, 200], 2),
        ([100, 900 * MIB], 2),
        ([900 * MIB, GIB], 0),
        ([100 * MIB, 900 * MIB], 0),
        ([100, GIB], 0),
        ([100, 100, GIB], 2),
        ([600 * MIB] * 3, 3),
        ([700 * MIB] * 3, 0),
        ([128 * MIB] * 40, 7),
    ],
)
def test_a_date_that_is_over_comes_into_few_files(sizes: list[int], chosen: int) -> None:
    assert plan("spans", sized(*sizes), NOON_S) == []
    assert len(plan("spans", sized(*sizes), LATER_S)) == chosen


def test_what_came_late_waits_until_nothing_more_comes() -> None:
    late = sized(900 * MIB) + sized(100, added_s=LATER_S)
    assert plan("spans", late, LATER_S + CLOSED_AFTER_S - 1) == []
    assert len(plan("spans", late, LATER_S + CLOSED_AFTER_S + 1)) == 2


def test_new_content_is_compressed_once_there_is_much_of_it_or_no_more_comes() -> None:
    def new(number: int, size: int) -> list[DataFile]:
        return [DataFile(f"c0-{n:012d}-{n:012x}.parquet", DAY, size, 10, added_s=NOON_S) for n in range(number)]

    assert plan("messages", new(5, 40 * MIB), NOON_S) == []
    assert len(plan("messages", new(5, 40 * MIB), NOON_S + 61)) == 5
    assert len(plan("messages", new(13, 40 * MIB), NOON_S)) == 13
    assert plan("messages", new(1, 1000), NOON_S + 61) == []


class Simulated:
    """A table that merges as it is planned, without its bytes."""

    def __init__(self) -> None:
        self.files: list[DataFile] = []
        self.written: Counter[str] = Counter()
        self.received = self.most_small = self.number = 0

    def receive(self, day: date, size: int, now_s: float) -> None:
        self._add(day, size, now_s)
        self.received += size

    def merge(self, now_s: float) -> bool:
        chosen = plan("spans", self.files, now_s)
        if not chosen:
            return False
        self.files = [file for file in self.files if file not in chosen]
        whole, rest = divmod(sum(file.size for file in chosen), GIB)
        for size in [GIB] * whole + [rest] * bool(rest):
            self._add(chosen[0].day, size, max(file.added_s for file in chosen))
        return True

    def _add(self, day: date, size: int, now_s: float) -> None:
        self.number += 1
        self.files.append(DataFile(f"{self.number}", day, size, 1, added_s=now_s))
        self.written["bytes"] += size
        small = Counter(file.day for file in self.files if file.size < SMALL_BYTES)
        self.most_small = max(self.most_small, sum(count - 1 for count in small.values()))


@pytest.mark.parametrize("late", [0, 0.05])
def test_there_are_never_many_small_files_and_a_row_is_not_written_over_and_over(late: float) -> None:
    """Three days of a file a minute, of all sizes; some of it is for one of ninety dates before."""
    chance, table = random.Random(7), Simulated()
    start = datetime.combine(DAY, datetime.min.time(), UTC)
    for minute in range(3 * 1440):
        now = start + timedelta(minutes=minute)
        back = timedelta(days=chance.randrange(90) if chance.random() < late else 0)
        table.receive((now - back).date(), int(2 ** chance.uniform(10, 26)), now.timestamp())
        table.merge(now.timestamp())
    while table.merge(now.timestamp() + 86_400):
        pass
    assert table.most_small < 200
    assert table.written["bytes"] / table.received < 7
    for day in {file.day for file in table.files}:
        sizes = [file.size for file in table.files if file.day == day]
        assert len(sizes) <= 1 + sum(sizes) / (600 * MIB)


# --- how it is merged --------------------------------------------------------------------------------------------


def write(table: LakeTable, keys: list[list[tuple[Any, ...]]], text: str = "") -> list[DataFile]:
    """A file of each list of (time in ns, trace id)."""
    found, number = [], 0
    for some in keys:
        rows = []
        for moment, trace_id in some:
            number += 1
            when = datetime.fromtimestamp(moment, UTC)
            rows.append({"row_id": f"{number:016x}", "date": DAY, "time": when, "trace_id": trace_id, "body": text})
        found.append(files.write_file(table, files.as_table(table.name, rows), DAY, "c0-000000000001", is_new=True))
    return found


def read(table: LakeTable, files: list[DataFile]) -> list[dict[str, Any]]:
    return [
        row for file in files for row in pq.read_table(table.place.source(file.path), partitioning=None).to_pylist()
    ]


_KEYS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "a", "b", "c"])), min_size=1, max_size=40)


@settings(max_examples=30, deadline=None)
@given(keys=st.lists(_KEYS, min_size=1, max_size=5), at_once=st.sampled_from([1, 7, 1000]))
def test_merged_files_have_every_row_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: list[list[tuple[Any, ...]]], at_once: int
) -> None:
    table = LakeTable(tmp_path_factory.mktemp("lake"), "logs")
    old = write(table, keys)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(merging, "_ROWS_AT_ONCE", at_once)
        merged, new = merging.merge(table, old, "merged-c0")
    assert merged == old
    rows, before = read(table, new), read(table, old)
    order = [(row["time"], row["trace_id"] is None, row["trace_id"]) for row in rows]
    assert all(one <= other for one, other in itertools.pairwise(order) if one[2] and other[2])
    assert [key[:2] for key in order] == sorted(key[:2] for key in order)
    assert sorted(row["row_id"] for row in rows) == sorted(row["row_id"] for row in before)
    assert {row["row_id"]: row for row in rows} == {row["row_id"]: row for row in before}


def test_a_large_date_becomes_files_that_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = LakeTable(tmp_path, "logs")
    old = write(table, [[(second, "a") for second in range(start, 3000, 3)] for start in range(3)])
    monkeypatch.setattr(merging, "FILE_BYTES_MAX", 1)
    monkeypatch.setattr(merging, "_GROUP_BYTES_MAX", 1)
    monkeypatch.setattr(merging, "_ROWS_AT_ONCE", 900)
    _, new = merging.merge(table, old, "merged-c0")
    assert len(new) > 2
    times = [row["time"] for row in read(table, new)]
    assert times == sorted(times)
    assert len(times) == 3000


def test_what_stays_has_larger_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "_GROUP_BYTES_MAX", 1)
    monkeypatch.setattr(merging, "_ROWS_AT_ONCE", 2)
    segments(tmp_path, 2, spans=9)
    table = LakeTable(tmp_path, "spans")
    _, new = merging.merge(table, table.live_files(), "merged-c0")
    assert row_groups(table, new[0]) > 1
    merge(tmp_path)
    table.refresh()
    assert [(file.rows, row_groups(table, file)) for file in table.live_files()] == [(18, 1)]


def row_groups(table: LakeTable, file: DataFile) -> int:
    return pq.read_metadata(table.place.source(file.path)).num_row_groups


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """Arrow's memory during a test, counted apart."""
    before = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counted)
    yield counted
    pa.set_memory_pool(before)


def test_memory_does_not_grow_with_the_files(
    tmp_path: Path, pool: pa.MemoryPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, most = LakeTable(tmp_path, "logs"), []
    monkeypatch.setattr(merging, "_BYTES_AT_ONCE", MIB)
    monkeypatch.setattr(merging, "_GROUP_BYTES_MAX", 4 * MIB)
    for rows in (2_000, 16_000):
        old = write(table, [[(n, "a") for n in range(rows)] for _ in range(4)], "x" * 500)
        before = pool.max_memory()
        counted = pa.proxy_memory_pool(pool)
        pa.set_memory_pool(counted)
        merging.merge(table, old, "merged-c0")
        pa.set_memory_pool(pool)
        most.append(counted.max_memory())
        assert before
    small, large = most
    assert large < 2 * small


def test_pages_of_long_texts_are_small(tmp_path: Path, pool: pa.MemoryPool) -> None:
    table = LakeTable(tmp_path, "logs")
    (file,) = write(table, [[(n, "a") for n in range(1024)]], "x" * 4096)
    before = pool.max_memory()
    counted = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(counted)
    with pq.ParquetFile(table.place.source(file.path), pre_buffer=False, buffer_size=4096) as source:
        next(source.iter_batches(10, columns=["body"]))
    pa.set_memory_pool(pool)
    assert before > 4 * MIB, "all texts at once"
    assert 4096 * 10 < counted.max_memory() < 2 * MIB


def test_only_as_many_files_are_open_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = LakeTable(tmp_path, "logs")
    old = write(table, [[(1, "a")]] * 5)
    monkeypatch.setattr(merging, "_OPEN_BYTES_MAX", 1)
    merged, new = merging.merge(table, old, "merged-c0")
    assert merged == old[: merging.FILES_MIN]
    assert sum(file.rows for file in new) == merging.FILES_MIN


def test_a_merged_file_has_bloom_filters_and_statistics(tmp_path: Path) -> None:
    segments(tmp_path, 3, spans=40)
    merge(tmp_path).close()
    for name, columns in (("spans", {"trace_id", "session_id"}), ("messages", {"trace_id"})):
        table = LakeTable(tmp_path, name)
        (file,) = table.live_files()
        assert file.rows == 120
        assert bloom_columns(table.place.source(file.path)) == columns
        (listed,) = pa.table(table._delta.get_add_actions(flatten=True)).to_pylist()
        ids = [row["trace_id"] for row in read(table, [file])]
        assert (listed["min.trace_id"], listed["max.trace_id"]) == (min(ids), max(ids))


# --- in the lake -------------------------------------------------------------------------------------------------


def test_compaction_keeps_every_row_once(tmp_path: Path) -> None:
    days = [time.time_ns() - days * 86_400_000_000_000 for days in (2, 1)]
    journal.Writer(tmp_path)
    converter = Converter(tmp_path)
    for _ in range(5):
        store(tmp_path, otlp.request(*(otlp.span(content(), start_ns=ns) for ns in days for _ in range(3))))
        assert converter.convert_some()
    table = LakeTable(tmp_path, "spans")
    assert len(table.live_files()) == 10
    before = otlp.rows(tmp_path, "FROM t ORDER BY row_id")
    upkeep = merge(tmp_path)
    assert count(tmp_path) == 2 * len(before), "readers of the replaced files still find them"
    upkeep.close()
    table.refresh()
    assert [file.rows for file in table.live_files()] == [15, 15]
    assert otlp.rows(tmp_path, "FROM t ORDER BY row_id") == before


def test_the_converter_goes_on_beside_it(tmp_path: Path) -> None:
    request = otlp.request(otlp.span(content()))
    store(tmp_path, request)
    converter = Converter(tmp_path)
    converter.convert_some()
    segments(tmp_path, 2)
    merge(tmp_path).close()
    store(tmp_path, request, otlp.request(otlp.span(content())))
    assert converter.convert_some(), "its own view of the table is older than the merge"
    assert count(tmp_path) == 4


@pytest.mark.parametrize("point", ["before replace", "after replace"])
def test_a_crash_while_compacting_loses_and_doubles_nothing(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments(tmp_path, 4)
    replace = LakeTable.replace

    def crashing_replace(*args: Any, **options: Any) -> bool:
        if point == "after replace":
            replace(*args, **options)
        raise CrashError

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "replace", crashing_replace)
        with pytest.raises(CrashError):
            merge(tmp_path)
    Converter(tmp_path)
    remove_leftovers(tmp_path)
    assert count(tmp_path) == 4
    assert otlp.rows(tmp_path, "SELECT count(DISTINCT row_id) n FROM t") == [{"n": 4}]


def test_a_failed_compaction_is_put_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segments(tmp_path, 4)
    raise_faults(on=False)

    def failing(*_: Any) -> Any:
        raise MemoryError

    upkeep = Upkeep(tmp_path, clock=lambda: LATER_S + 1e9)
    with monkeypatch.context() as patched:
        patched.setattr(compact, "merge", failing)
        assert not upkeep.step()
    assert not upkeep.step(), "it is tried again later, not at once"
    assert count(tmp_path) == 4


def test_who_is_told_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    table = LakeTable(tmp_path, "logs")
    old = write(table, [[(1, "a")]] * 5)
    with pytest.raises(merging.Stopped):
        merging.merge(table, old, "merged-c0", lambda: True)
    assert {found.path.partition("/")[2] for found in table.place.files()} == {
        file.path.partition("/")[2] for file in old
    }


def test_one_process_merges_at_a_time(tmp_path: Path) -> None:
    segments(tmp_path, 4)
    upkeep = Upkeep(tmp_path, clock=lambda: LATER_S + 1e9)
    with work_alone(tmp_path, "another"):
        assert not upkeep.step()
    assert upkeep.step()


def test_new_content_takes_no_time_to_compress(tmp_path: Path) -> None:
    store(tmp_path, otlp.request(otlp.span(content() | {"gen_ai.input.messages": "a" * 2_000_000})))
    assert Converter(tmp_path).convert_some()
    table = LakeTable(tmp_path, "messages")
    assert table.live_files()[0].size > 2_000_000
    merge(tmp_path, now_s=time.time() + 61)
    table.refresh()
    assert table.live_files()[0].size < 20_000
    assert len(otlp.rows(tmp_path, "SELECT input_messages AS text FROM t", "messages")[0]["text"]) == 2_000_000
