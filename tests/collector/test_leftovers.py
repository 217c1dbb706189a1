"""Files that nobody needs are found and deleted; those that somebody writes or reads are not."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from rig import otlp
from rig.lake import count, merge, store
from rig.processes import collector

from otel_llm_collector import journal, maintenance
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.leftovers import find
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.upkeep import delete_leftovers, work_alone

HOUR_S = 3600.0


def segments(data: Path, number: int) -> None:
    for _ in range(number):
        store(data, otlp.request(otlp.span(otlp.chat(**{"gen_ai.input.messages": "[]"}))))
        Converter(data).convert_some()


def old(path: Path, hours: float) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"left")
    moment = time.time() - hours * HOUR_S
    os.utime(path, (moment, moment))
    return path


def asked(data: Path, capsys: pytest.CaptureFixture[str], command: Any, *more: str) -> tuple[list[Any], str]:
    assert command(["--data", str(data), "--format", "json", *more]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_only_what_is_old_and_named_by_no_commit_is_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segments(tmp_path, 2)
    (folder,) = (tmp_path / "spans").glob("date=*")
    orphan, unfinished = old(folder / "x.parquet", 25), old(folder / "y.parquet.tmp", 25)
    draft = old(tmp_path / "journal" / "collector.json.7.tmp", 25)
    fresh = old(folder / "z.parquet.tmp", 23)
    said, note = asked(tmp_path, capsys, maintenance.gc, "--dry-run")
    assert {row["file"]: (row["place"], row["bytes"], row["why"]) for row in said} == {
        f"spans/{folder.name}/x.parquet": ("spans", 4, "in no commit"),
        f"spans/{folder.name}/y.parquet.tmp": ("spans", 4, "in no commit"),
        "journal/collector.json.7.tmp": ("journal", 4, "unfinished"),
    }
    assert note == "3 files, 12 bytes would be deleted\n"
    assert orphan.exists()
    again, note = asked(tmp_path, capsys, maintenance.gc)
    assert again == said
    assert note == "3 files, 12 bytes were deleted\n"
    assert [path.exists() for path in (orphan, unfinished, draft, fresh)] == [False, False, False, True]
    assert asked(tmp_path, capsys, maintenance.gc) == ([], "0 files, 0 bytes were deleted\n")
    assert asked(tmp_path, capsys, maintenance.gc, "--grace", "22")[1] == "1 files, 4 bytes were deleted\n"
    assert count(tmp_path) == 2


def test_files_that_were_replaced_a_moment_ago_stay_for_their_readers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments(tmp_path, 3)
    merge(tmp_path)  # and killed before it deletes what it replaced
    for path in (tmp_path / "spans").glob("date=*/*"):
        old(path, 30) if "merged" not in path.name else None
    assert asked(tmp_path, capsys, maintenance.gc)[0] == []
    monkeypatch.setattr("otel_llm_collector.lake.leftovers.REPLACED_H", 0)
    assert {row["why"] for row in asked(tmp_path, capsys, maintenance.gc)[0]} == {"replaced"}
    assert count(tmp_path) == 3


def test_compact_merges_today_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segments(tmp_path, 3)
    left = tmp_path / "spans" / "date=2026-01-01" / f"merged-{journal.read_collector_id(tmp_path)}-0.parquet.tmp"
    old(left, 0)
    rows = otlp.rows(tmp_path, "FROM t ORDER BY row_id")
    said, _ = asked(tmp_path, capsys, maintenance.compact)
    (spans,) = (row for row in said if row["table"] == "spans")
    assert (spans["files"], spans["files_after"]) == (3, 1)
    assert len(LakeTable(tmp_path, "spans").live_files()) == 1
    assert not left.exists(), "what a killed merge left"
    assert len(list(find(tmp_path, time.time()))) == 0
    for path in (tmp_path / "spans").glob("date=*/*"):
        path.unlink() if "merged" not in path.name else None
    assert otlp.rows(tmp_path, "FROM t ORDER BY row_id") == rows


def test_compact_beside_a_collector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segments(tmp_path / "data", 4)
    with collector(tmp_path / "data") as running:
        for _ in range(5):
            otlp.post(running.traces_url, otlp.request(otlp.span(otlp.chat())).SerializeToString())
        asked(tmp_path / "data", capsys, maintenance.compact)
        asked(tmp_path / "data", capsys, maintenance.gc)
        assert running.stop() == 0
    delete_leftovers(tmp_path / "data")
    from otel_llm_collector import query

    with query.connect(tmp_path / "data") as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT row_id) FROM spans").fetchone() == (9, 9)


def test_who_waits_for_a_merge_is_told_by_whom(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    segments(tmp_path, 1)
    monkeypatch.setattr(work_alone.__wrapped__, "__defaults__", (0.0,))  # type: ignore[attr-defined]
    with work_alone(tmp_path, "upkeep"):
        assert maintenance.compact(["--data", str(tmp_path)]) == 1
    assert f"already has a merge: pid {os.getpid()} (upkeep)" in capsys.readouterr().err


@pytest.mark.parametrize("command", [maintenance.compact, maintenance.gc])
def test_without_a_lake_they_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: Any) -> None:
    journal.Writer(tmp_path)
    assert command(["--data", str(tmp_path)]) == 3
    assert (
        capsys.readouterr().err
        == f"otel-llm {command.__name__}: no lake in {tmp_path}: name another place with --data\n"
    )
