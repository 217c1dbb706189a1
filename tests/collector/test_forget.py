"""A user is forgotten: no byte of what they said is left, costs and counts are, and everybody else's rows are whole."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint
from rig import otlp
from rig.lake import merge, store
from rig.processes import collector, wait_for

from otel_llm_collector import cli, erasure, journal, maintenance, query
from otel_llm_collector.converter import Converter
from otel_llm_collector.erasure.requests import _padded
from otel_llm_collector.erasure.subject import Subject
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.process import change_rows
from otel_llm_semconv.tables import DERIVED, TABLES

ALICE, BOB = "alice@example.org", "bob@example.org"
#: Stands in everything that Alice said or that is said of her.
SECRET = "my-knee-hurts"
EAR = "my-ear-rings"
SUMS = "SELECT count(*), sum(cost_usd), sum(input_tokens) FROM llm_calls"


def said(text: str) -> str:
    return json.dumps([{"role": "user", "parts": [{"type": "text", "content": text}]}])


def call(user: str | None, text: str, **more: Any) -> dict[str, Any]:
    named = {} if user is None else {"user.id": user, "session.id": f"{user}-1"}
    return otlp.chat(**{"gen_ai.input.messages": said(text), "app.note": text, **named, **more})


def requests() -> list[Any]:
    """Of Alice: a call, a step of its trace that names nobody, a record, a score, a metric. Of Bob: the same."""
    found: list[Any] = []
    for user, text in ((ALICE, SECRET), (BOB, EAR)):
        first = otlp.span(call(user, text, **{"otel_llm.property.patient": user}), name=f"chat for {user}")
        step = otlp.span(call(None, text), trace_id=first.trace_id, parent=first.span_id)
        first.events.add(name=text)
        record = otlp.record({"user.id": user, "mood": text}, body=AnyValue(string_value=text))
        unnamed = otlp.record({"mood": text}, trace_id=first.trace_id, body=AnyValue(string_value=text))
        score = otlp.record(
            {"user.id": user, "gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.explanation": text},
            event_name="gen_ai.evaluation.result",
        )
        point = NumberDataPoint(as_int=1, time_unix_nano=first.start_time_unix_nano)
        point.attributes.append(KeyValue(key="user", value=AnyValue(string_value=user)))
        metric = Metric(name="visits", gauge=Gauge(data_points=[point]))
        found += [otlp.request(first, step), otlp.logs(record, unnamed, score), otlp.metrics(metric)]
    return found


def converted(data: Path) -> None:
    converter = Converter(data)
    while converter.convert_some() or converter.recount_some():
        pass
    converter.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A lake with both of them, in one segment; some files were merged, what they replaced is still there."""
    place = tmp_path / "data"
    for _ in range(2):
        store(place, *requests())
        converted(place)
    merge(place)
    store(place, *requests())
    converted(place)
    return place


def left(data: Path, *needles: str) -> list[str]:
    """Where any of the texts still stands, in the bytes of a file or in its rows. A collector may be running."""
    while True:
        with contextlib.suppress(FileNotFoundError):  # renamed or deleted meanwhile: look again
            return _left(data, *needles)


def _left(data: Path, *needles: str) -> list[str]:
    found = []
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        texts = [path.read_bytes()]
        if path.suffix == ".parquet" and path.parent.name.startswith("date="):
            texts.append(repr(pq.read_table(path, partitioning=None).to_pylist()).encode())
        if any(needle.encode() in text for needle in needles for text in texts):
            found.append(str(path.relative_to(data)))
    return found


def ask(data: Path, question: str) -> list[tuple[Any, ...]]:
    with query.connect(data, views=query.views_for(question)) as connection:
        return connection.execute(question).fetchall()


def everything(data: Path, *needles: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables, but those that are made of others, in which one of the texts stands."""
    whole: dict[str, list[dict[str, Any]]] = {}
    for name in (name for name in TABLES if name not in DERIVED and LakeTable.exists(data, name)):
        paths = [data / name / file.path for file in LakeTable(data, name).live_files()]
        rows = [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]
        whole[name] = sorted((row for row in rows if any(needle in repr(row) for needle in needles)), key=repr)
    return whole


def forget(data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[dict[str, int], str]:
    assert maintenance.forget(["--data", str(data), "--format", "json", *(more or ("--user", ALICE))]) == 0
    told = capsys.readouterr()
    return {row["place"]: row["erased"] for row in json.loads(told.out)}, told.err


def test_no_byte_of_it_is_left_and_costs_stay(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sums, bob = ask(data, SUMS), everything(data, BOB, EAR)
    assert left(data, SECRET, ALICE)
    done, note = forget(data, capsys)
    assert left(data, SECRET, ALICE) == []
    assert done == {
        "archive": 9, "quarantine": 0, "messages": 6, "metrics": 3, "scores": 3, "logs": 9, "spans": 6,
    }  # fmt: skip
    assert ask(data, SUMS) == sums
    assert everything(data, BOB, EAR) == bob
    users = ask(
        data,
        "SELECT user_id, count(*), count(m.row_id) FROM spans LEFT JOIN messages m USING (row_id) "
        "WHERE user_id IS NOT NULL GROUP BY 1 ORDER BY 1",
    )
    pseudonym = users[1][0]
    assert pseudonym.startswith("forgotten-")
    assert users == [(BOB, 3, 3), (pseudonym, 3, 0)]
    assert f"{pseudonym} stands in the tables for user {ALICE}" in note
    assert ask(data, f"SELECT DISTINCT session_id, name FROM spans WHERE user_id = '{pseudonym}'") == [
        (f"{pseudonym}-1", f"chat for {pseudonym}")
    ]


def test_it_can_be_run_again_and_says_that_there_is_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forget(data, capsys)
    versions = [LakeTable(data, name).version for name in ("spans", "messages", "logs")]
    done, note = forget(data, capsys)
    assert set(done.values()) == {0}
    assert note == f"nothing of user {ALICE} is stored\n"
    assert [LakeTable(data, name).version for name in ("spans", "messages", "logs")] == versions


class CrashError(BaseException):
    """Stands for the moment of a SIGKILL."""


@pytest.mark.parametrize("commits", [pytest.param(n, marks=[pytest.mark.slow] if n % 4 else []) for n in range(8)])
def test_wherever_it_was_ended_the_next_run_finishes(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    sums, done, replace = ask(data, SUMS), 0, LakeTable.replace

    def crashing_replace(*args: Any, **options: Any) -> bool:
        nonlocal done
        if done == commits:
            raise CrashError
        done += 1
        return replace(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "replace", crashing_replace)
        with pytest.raises(CrashError):
            erasure.forget(data, Subject("user_id", ALICE))
    forget(data, capsys)
    assert left(data, SECRET, ALICE) == []
    assert ask(data, SUMS) == sums


def test_the_archive_stays_readable_and_its_frames_where_they_were(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def frames() -> list[tuple[int, int]]:
        segments = journal.closed_segments(journal.archive_dir(data))
        return [(s.number, frame.end) for s in segments for frame in journal.read_frames(s.path)]

    before, bob = frames(), everything(data, BOB, EAR)
    forget(data, capsys)
    assert frames() == before
    assert cli.renormalise(["--data", str(data)]) == 0
    assert "0 rows of spans and 0 of messages have changed" in capsys.readouterr().err
    assert left(data, SECRET, ALICE) == []
    again = data.with_name("again")
    shutil.copytree(journal.archive_dir(data), journal.journal_dir(again))
    shutil.copy(journal.identity_path(data), journal.identity_path(again))
    converted(again)
    assert len(everything(again, BOB, EAR)["spans"]) == len(bob["spans"]) == 6


def test_who_alone_said_something_is_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path, otlp.request(otlp.span(call(ALICE, SECRET))))
    converted(tmp_path)
    done, _ = forget(tmp_path, capsys)
    assert (done["messages"], done["spans"]) == (1, 1)
    assert left(tmp_path, SECRET, ALICE) == []


def test_a_session_can_be_forgotten_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = otlp.span(call(ALICE, "another-day") | {"session.id": "second"})
    store(data, otlp.request(other))
    converted(data)
    done, _ = forget(data, capsys, "--session", f"{ALICE}-1")
    assert (done["spans"], done["messages"]) == (6, 6)
    assert ask(data, "SELECT user_id, session_id FROM spans WHERE session_id = 'second'") == [(ALICE, "second")]
    assert ask(data, f"SELECT count(*) FROM spans WHERE session_id = '{ALICE}-1'") == [(0,)]
    assert len(ask(data, "FROM messages WHERE input_messages LIKE '%another-day%'")) == 1


def test_what_cannot_be_read_is_not_kept_of_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spans, record = otlp.request(otlp.span(call(ALICE, SECRET))), otlp.record({"user.id": ALICE, "mood": SECRET})
    store(tmp_path, spans, otlp.logs(record), otlp.request(otlp.span(call(BOB, EAR))))
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    frames = list(journal.read_frames(segment.path))
    damaged = bytearray(segment.path.read_bytes())
    damaged[frames[0].end - 20] ^= 1
    segment.path.write_bytes(damaged)
    converted(tmp_path)
    assert len(list(journal.quarantine_dir(tmp_path).iterdir())) == 1
    done, _ = forget(tmp_path, capsys)
    assert done["quarantine"] == 1
    assert left(tmp_path, SECRET, ALICE) == []
    assert left(tmp_path, EAR)


def test_it_is_not_run_beside_another_that_changes_rows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with change_rows(data, "renormalise"):
        assert maintenance.forget(["--data", str(data), "--user", ALICE]) == 1
    told = f"pid {os.getpid()} (renormalise): run this again once that has ended"
    assert told in capsys.readouterr().err
    assert left(data, SECRET)
    forget(data, capsys)


def test_what_is_not_in_the_tables_yet_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path, *requests())
    converted(tmp_path)
    store(tmp_path, *requests())
    assert maintenance.forget(["--data", str(tmp_path), "--user", ALICE]) == 1
    assert "start `otel-llm collector` once, then run this again" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("--user", "a", "--session", "b")])
def test_one_of_user_and_session_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    assert maintenance.forget(["--data", str(tmp_path), *flags]) == 2
    assert capsys.readouterr().err == "otel-llm forget: give one of --user ID and --session ID\n"


def test_it_works_beside_a_running_collector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, stop, sent = tmp_path / "data", threading.Event(), [0]
    with collector(place) as running:

        def send() -> None:
            while not stop.is_set():
                otlp.post(running.traces_url, otlp.request(otlp.span(call(BOB, "hm"))).SerializeToString())
                sent[0] += 1

        for request in requests():
            kind = {"ExportTraceServiceRequest": "traces", "ExportLogsServiceRequest": "logs"}
            path = kind.get(type(request).__name__, "metrics")
            url = f"http://{running.http}/v1/{path}"
            assert otlp.post(url, request.SerializeToString()).status == 200
        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: sent[0] > 5 and LakeTable.exists(place, "spans"))
        done, _ = forget(place, capsys)
        assert done["spans"] == 2
        assert left(place, SECRET, ALICE) == []
        stop.set()
        sender.join()
        assert running.stop() == 0
    assert ask(place, f"SELECT count(*), count(DISTINCT row_id) FROM spans WHERE user_id = '{BOB}'") == [
        (sent[0] + 1, sent[0] + 1)
    ]
    assert left(place, SECRET, ALICE) == []


@pytest.mark.parametrize("room", [0, 1, 5, 6, 7, 200, 70_000])
def test_a_request_keeps_its_length(room: int) -> None:
    request = otlp.request(otlp.span(otlp.chat()))
    whole = request.SerializeToString()
    padded = _padded(whole, len(whole) + room)
    assert len(padded) == len(whole) + room
    read = type(request).FromString(padded)
    assert len(read.resource_spans) == (1 if room == 0 or room > 5 else 0)
