"""The lake: exactly once, whole, and safe to compact."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from rig import otlp
from rig.lake import count, store
from rig.parquet import bloom_columns
from rig.told import PEER, Told

from otel_llm.failures import raise_faults
from otel_llm_collector import journal
from otel_llm_collector.columns import reader
from otel_llm_collector.converter import Converter
from otel_llm_collector.flow import Flow, Stored, Way
from otel_llm_collector.lake import files, seen
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.schema import arrow_schema, memory_schema
from otel_llm_collector.rows import Rows
from otel_llm_semconv import tables


def content(**more: Any) -> dict[str, Any]:
    return otlp.chat(**{"gen_ai.input.messages": '[{"role":"user"}]', **more})


def test_a_portion_is_let_go_before_the_next_is_made(tmp_path: Path) -> None:
    made: list[weakref.ref[pa.Table]] = []

    def read(_: Iterable[Stored]) -> Iterator[Rows]:
        for number in range(3):
            assert not any(table() for table in made)
            row = {"row_id": f"{number:016x}", "date": date(2026, 11, 3), "segment": 1, "collector_id": "c0"}
            rows = Rows(files.as_table("metrics", [row]), np.array([number], np.uint64))
            made.append(weakref.ref(rows.first))
            yield rows
            del rows

    flow = Flow(tmp_path, "c0", Way((journal.METRICS,), read, ("metrics",)), lambda *_: None)
    assert flow.convert({journal.METRICS: [(1, journal.Frame(journal.METRICS, 0, b"", 0))]}, 1)
    assert count(tmp_path, "metrics") == len(made) == 3


@pytest.mark.parametrize("merged_max", [1, 50, 10_000])
def test_keys_are_known_however_they_came(monkeypatch: pytest.MonkeyPatch, merged_max: int) -> None:
    monkeypatch.setattr(seen, "_MERGED_MAX", merged_max)
    all_keys = np.random.default_rng(7).permutation(np.arange(0, 2000, 2, dtype=np.uint64))
    held = seen.KeySet(all_keys[:100])
    for portion in np.split(all_keys[100:], [1, 40, 41, 300, 600]):
        assert not held.holds(portion).any()
        held.add(portion)
        assert held.holds(portion).all()
        assert not held.holds(portion + np.uint64(1)).any()
    assert sorted(held.all()) == sorted(all_keys)
    assert len(held) == len(all_keys)


class CrashError(BaseException):
    """Stands for the moment of a SIGKILL."""


def append_but(name: str, error: BaseException) -> Callable[..., bool]:
    """`LakeTable.append`, which fails for one table."""
    append = LakeTable.append

    def failing(table: LakeTable, *args: Any) -> bool:
        if table.name == name:
            raise error
        return append(table, *args)

    return failing


@pytest.mark.parametrize("point", ["before spans", "after spans", "before messages", "after messages", "release"])
def test_a_crash_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        store(tmp_path, otlp.request(*(otlp.span(content()) for _ in range(5))))

    append = LakeTable.append

    def crashing_append(table: LakeTable, *args: Any) -> bool:
        if point == f"before {table.name}":
            raise CrashError
        done = append(table, *args)
        if point == f"after {table.name}":
            raise CrashError
        return done

    def crashing_release(*_: Any) -> None:
        raise CrashError

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "append", crashing_append)
        if point == "release":
            patched.setattr(Converter, "_release", crashing_release)
        with pytest.raises(CrashError):
            Converter(tmp_path).convert_some()
    store(tmp_path, otlp.request(otlp.span(content())))
    converter = Converter(tmp_path)
    while converter.convert_some():
        pass
    assert (count(tmp_path), count(tmp_path, "messages")) == (16, 16)
    assert otlp.rows(tmp_path, "SELECT count(DISTINCT row_id) n FROM t", "messages") == [{"n": 16}]
    assert len(journal.closed_segments(journal.archive_dir(tmp_path))) == 4


def test_replay_makes_one_row_of_a_span_that_a_segment_has_in_two_portions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ROWS_MAX", 100)
    spans = [otlp.span(content()) for _ in range(300)]
    spans[-1].CopyFrom(spans[0])
    store(tmp_path, otlp.request(*spans))
    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "append", append_but("messages", CrashError()))
        with pytest.raises(CrashError):
            Converter(tmp_path).convert_some()
    assert Converter(tmp_path).convert_some()
    assert (count(tmp_path), count(tmp_path, "messages")) == (299, 299)


@pytest.mark.parametrize("name", ["spans", "messages"])
def test_a_fault_of_converting_while_rows_are_counted_again_ends_that_and_doubles_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_faults(on=False)
    store(tmp_path, Told("theirs", PEER, parent="ours", at=(1, 99)).request())
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, Told("ours").request())
    assert converter.convert_some()
    late = [otlp.span(content()) for _ in range(3)]
    store(tmp_path, otlp.request(*late))
    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "append", append_but(name, OSError(28, "no space left on device")))
        with pytest.raises(OSError, match="no space left"):
            converter.recount_some()
    store(tmp_path, otlp.request(*late))
    converters = (converter, Converter(tmp_path)) if name == "messages" else (Converter(tmp_path),)
    for one in converters:  # the process ends; were it to go on, it would still know what is in the log
        while one.convert_some() or one.recount_some():
            pass
        one.close()
    listed = {
        table: sum(file.rows for file in LakeTable(tmp_path, table).live_files()) for table in ("spans", "messages")
    }
    assert listed == {"spans": 5, "messages": 3}
    assert (count(tmp_path), count(tmp_path, "messages")) == (5, 3)


def test_the_same_span_is_one_row_within_and_across_segments(tmp_path: Path) -> None:
    request = otlp.request(otlp.span(content()), otlp.span(otlp.chat()))
    store(tmp_path, request, request)
    store(tmp_path, request)
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, request)
    assert converter.convert_some()
    assert not converter.convert_some()
    assert (count(tmp_path), count(tmp_path, "messages")) == (2, 1)


def test_replace_gives_up_where_a_file_is_no_longer_live(tmp_path: Path) -> None:
    store(tmp_path, otlp.request(otlp.span(otlp.chat())))
    Converter(tmp_path).convert_some()
    first, second = LakeTable(tmp_path, "spans"), LakeTable(tmp_path, "spans")
    old = first.live_files()
    merged = [files.write_file(table, files.read_files(table, old), old[0].day, "x") for table in (first, second)]
    assert first.replace(old, [merged[0]])
    assert not second.replace(old, [merged[1]])
    second.refresh()
    assert [file.path for file in second.live_files()] == [merged[0].path]


def test_replace_gives_up_where_somebody_commits_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old files were live when it looked: only the commit itself can notice."""
    store(tmp_path, otlp.request(otlp.span(otlp.chat())))
    Converter(tmp_path).convert_some()
    first, second = LakeTable(tmp_path, "spans"), LakeTable(tmp_path, "spans")
    old = first.live_files()
    merged = [files.write_file(table, files.read_files(table, old), old[0].day, "x") for table in (first, second)]
    assert first.replace(old, [merged[0]])
    monkeypatch.setattr(second, "refresh", lambda: None)
    assert {file.path for file in second.live_files()} == {file.path for file in old}
    assert not second.replace(old, [merged[1]])
    assert [file.path for file in LakeTable(tmp_path, "spans").live_files()] == [merged[0].path]


def test_the_librarys_own_compaction_still_duplicates_rows_in_a_race(tmp_path: Path) -> None:
    """Why `replace` exists. When this fails, the library is mended and the note in `log.py` can go."""
    for _ in range(2):
        store(tmp_path, otlp.request(otlp.span(otlp.chat())))
        Converter(tmp_path).convert_some()
    first, second = (DeltaTable(str(tmp_path / "spans")) for _ in range(2))
    first.optimize.compact()
    second.optimize.compact()
    first.update_incremental()
    assert sum(action["num_records"] for action in pa.table(first.get_add_actions(flatten=True)).to_pylist()) == 4


def test_a_table_of_an_older_version_gets_the_new_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = tables.TABLES["messages"]
    with monkeypatch.context() as older:
        older.setitem(tables.TABLES, "messages", columns[:-1])
        arrow_schema.cache_clear()
        memory_schema.cache_clear()
        store(tmp_path, otlp.request(otlp.span(content())))
        Converter(tmp_path).convert_some()
    arrow_schema.cache_clear()
    memory_schema.cache_clear()
    store(tmp_path, otlp.request(otlp.span(content(**{"gen_ai.tool.definitions": "[]"}))))
    Converter(tmp_path).convert_some()
    known = DeltaTable(str(tmp_path / "messages")).schema().fields
    assert [field.name for field in known] == [column.name for column in columns]
    found = otlp.rows(tmp_path, "SELECT tool_definitions AS d FROM t ORDER BY d NULLS LAST", "messages")
    assert found == [{"d": "[]"}, {"d": None}]


def test_an_append_of_a_segment_happens_once_whoever_does_it(tmp_path: Path) -> None:
    first, second = LakeTable(tmp_path, "spans"), LakeTable(tmp_path, "spans")
    assert first.append([], "collector", 7)
    assert not second.append([], "collector", 7)
    assert not second.append([], "collector", 6)
    assert second.append([], "other", 1)


def test_own_unlisted_files_are_removed_at_the_start(tmp_path: Path) -> None:
    store(tmp_path, otlp.request(otlp.span(otlp.chat())))
    Converter(tmp_path).convert_some()
    (listed,) = (tmp_path / "spans").glob("date=*/*.parquet")
    mine = listed.with_name(f"{journal.read_collector_id(tmp_path)}-000000000009-abc.parquet")
    foreign = listed.with_name("feedbeef-000000000001-abc.parquet")
    for path in (mine, foreign, mine.with_name(mine.name + ".tmp")):
        path.write_bytes(listed.read_bytes())
    Converter(tmp_path)
    assert set(listed.parent.iterdir()) == {listed, foreign}


def test_files_are_as_the_schema_says(tmp_path: Path) -> None:
    store(tmp_path, otlp.request(otlp.span(content(**{"session.id": "s"}))))
    Converter(tmp_path).convert_some()
    for name, compression in (("spans", "SNAPPY"), ("messages", "UNCOMPRESSED")):
        (path,) = (tmp_path / name).glob("date=*/*.parquet")
        parquet = pq.ParquetFile(path)
        assert parquet.schema_arrow.names == arrow_schema(name).names
        column = parquet.metadata.row_group(0).column(parquet.schema_arrow.names.index("trace_id"))
        assert column.compression == compression
    bloom = bloom_columns(next((tmp_path / "spans").glob("date=*/*.parquet")))
    assert bloom == {"trace_id", "session_id"}


def test_a_damaged_segment_gives_what_is_sound_and_is_kept(tmp_path: Path) -> None:
    store(tmp_path, *(otlp.request(otlp.span(otlp.chat(), name=f"call {n}")) for n in range(3)))
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    frames = list(journal.read_frames(segment.path))
    damaged = bytearray(segment.path.read_bytes())
    damaged[frames[1].end + 30] ^= 1
    segment.path.write_bytes(damaged)
    converter = Converter(tmp_path)
    assert converter.convert_some()
    assert not converter.convert_some()
    assert otlp.rows(tmp_path, "SELECT name FROM t ORDER BY name") == [{"name": "call 0"}, {"name": "call 1"}]
    assert (tmp_path / "journal" / "quarantine" / segment.path.name).exists()
