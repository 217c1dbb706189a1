"""Faults and repetitions that are rare: still no row is missing, and none is there twice, in any table."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import CommitFailedError
from rig import otlp
from rig.lake import count, store

from otel_llm.failures import RAISE_ENV
from otel_llm_collector import cli, journal
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake import files
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.replaced import Replacing
from otel_llm_semconv import attributes as a

DAY_NS = 86_400 * 10**9


class Crash(BaseException):
    """The end of the process."""


@pytest.fixture(autouse=True)
def _as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RAISE_ENV, raising=False)


def told(text: str = "hello") -> dict[str, Any]:
    return otlp.chat(**{a.INPUT_MESSAGES: f'[{{"role":"user","parts":[{{"type":"text","content":"{text}"}}]}}]'})


def convert(data: Path) -> None:
    converter = Converter(data)
    while converter.convert_some() or converter.recount_some():
        pass
    converter.close()


def counts(data: Path) -> tuple[int, int]:
    """Of spans and of messages, as a glob sees them."""
    return count(data), count(data, "messages")


def contents(data: Path) -> list[tuple[Any, ...]]:
    """Of each message its date and text, as the log lists them."""
    table, columns = LakeTable(data, "messages"), ["date", "input_messages"]
    rows = [row for file in table.live_files() for row in files.read_columns(table, file, columns).to_pylist()]
    return sorted(tuple(row.values()) for row in rows)


def failing_once(real: Callable[..., Any], table: str, nth: int, error: BaseException) -> Callable[..., Any]:
    """The call of that number for a table fails; it is not made."""
    calls = 0

    def call(of: LakeTable, *arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += of.name == table
        if of.name == table and calls == nth:
            raise error
        return real(of, *arguments, **named)

    return call


def crash_before_messages(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert up to the moment when the spans are in the log and their messages are not."""
    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "append", failing_once(LakeTable.append, "messages", 1, Crash()))
        with pytest.raises(Crash):
            Converter(data).convert_some()


def test_a_replay_tells_the_dates_of_one_span_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, now = {"trace_id": os.urandom(16), "span_id": os.urandom(8)}, time.time_ns()
    earlier, later = (otlp.span(told(), start_ns=now - ago * DAY_NS, **ids) for ago in (3, 0))
    store(tmp_path, otlp.request(earlier))
    convert(tmp_path)
    store(tmp_path, otlp.request(earlier))  # once more, beside the same ids on another date
    store(tmp_path, otlp.request(later))
    crash_before_messages(tmp_path, monkeypatch)
    convert(tmp_path)
    assert counts(tmp_path) == (2, 2)


def test_a_replay_tells_the_segments_of_one_span_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    span = otlp.span(told(), start_ns=time.time_ns() - 500 * DAY_NS)  # too old: it has the date of its receipt
    payload, today = otlp.request(span).SerializeToString(), time.time_ns()
    for place, received_ns in enumerate((today - DAY_NS, today - DAY_NS, today)):
        writer = journal.Writer(tmp_path)
        writer.append([(journal.frame_header(journal.TRACES, received_ns, payload), payload)])
        writer.rotate()
        if place == 0:
            convert(tmp_path)
    crash_before_messages(tmp_path, monkeypatch)
    convert(tmp_path)
    assert counts(tmp_path) == (2, 2)


def test_renormalising_tells_the_dates_of_one_span_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids, now = {"trace_id": os.urandom(16), "span_id": os.urandom(8)}, time.time_ns()
    spans = [otlp.span(told(text), start_ns=now - ago * DAY_NS, **ids) for text, ago in (("one", 3), ("two", 0))]
    store(tmp_path, otlp.request(*spans))
    convert(tmp_path)
    before = contents(tmp_path)
    assert len({date for date, _ in before}) == 2
    assert cli.renormalise(["--data", str(tmp_path)]) == 0
    assert "0 rows of spans and 0 of messages" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("table", ["spans", "messages"])
def test_want_of_memory_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    store(tmp_path, otlp.request(otlp.span(told())))
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_file", failing_once(files.write_file, table, 1, MemoryError("malloc failed")))
        with pytest.raises(MemoryError):
            convert(tmp_path)
    convert(tmp_path)
    assert counts(tmp_path) == (1, 1)
    assert not journal.quarantine_dir(tmp_path).exists()


def test_want_of_memory_for_many_rows_is_met_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, otlp.request(*(otlp.span(told()) for _ in range(100))))
    monkeypatch.setattr(files, "write_file", failing_once(files.write_file, "spans", 1, MemoryError("malloc failed")))
    convert(tmp_path)
    assert counts(tmp_path) == (100, 100)


def test_a_span_that_cannot_be_stored_has_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, *_ = spans = [otlp.span(told()) for _ in range(3)]
    store(tmp_path, otlp.request(*spans))
    real = files.write_file

    def write(table: LakeTable, rows: Any, *arguments: Any, **named: Any) -> Any:
        if table.name == "spans" and bad.span_id.hex() in rows["span_id"].to_pylist():
            raise ValueError("not this one")
        return real(table, rows, *arguments, **named)

    monkeypatch.setattr(files, "write_file", write)
    convert(tmp_path)
    assert counts(tmp_path) == (2, 2)


def test_what_is_written_by_halves_leaves_no_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    store(tmp_path, otlp.request(*(otlp.span(told(), start_ns=now - ago * DAY_NS) for ago in (2, 0))))
    monkeypatch.setattr(files, "write_file", failing_once(files.write_file, "spans", 2, ValueError("not now")))
    convert(tmp_path)
    assert counts(tmp_path) == (2, 2)


def test_a_commit_whose_answer_is_lost_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, otlp.request(*(otlp.span(told()) for _ in range(3))))
    convert(tmp_path)
    table, real = LakeTable(tmp_path, "spans"), LakeTable._commit

    def commit(table: LakeTable, *arguments: Any) -> None:
        real(table, *arguments)
        patch.undo()
        raise CommitFailedError("the answer is lost")

    patch = pytest.MonkeyPatch()
    patch.setattr(LakeTable, "_commit", commit)
    (file,) = table.live_files()
    assert Replacing(table).change(file, lambda rows: rows, "changed") is not None
    (changed,) = LakeTable(tmp_path, "spans").live_files()
    assert changed.path != file.path
    assert files.read_columns(table, changed, ["row_id"]).num_rows == 3
