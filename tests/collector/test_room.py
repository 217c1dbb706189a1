"""A journal or a disk that is full: clients are told to wait, nothing acknowledged is lost, it resumes."""

from __future__ import annotations

import signal
from pathlib import Path

import grpc
import psutil
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector import journal
from otel_llm_collector.config_file import Configured
from otel_llm_collector.receiver.refusals import BusyError
from otel_llm_collector.receiver.room import Room
from otel_llm_collector.signals import SIGNALS

BODY = otlp.request(*(otlp.span(otlp.chat(note="x" * 1000)) for _ in range(100))).SerializeToString()
TRACES = SIGNALS[journal.TRACES]


def status(running: CollectorProcess) -> int:
    return otlp.post(running.traces_url, otlp.request(otlp.span(otlp.chat())).SerializeToString()).status


def converter_of(running: CollectorProcess) -> psutil.Process:
    name = "otel_llm_collector.converter"
    return wait_for(lambda: next((child for child in running.tree() if name in child.cmdline()), None))


def test_a_journal_that_nobody_converts_refuses_at_its_limit_and_resumes(tmp_path: Path) -> None:
    with collector(tmp_path / "data", "--journal-bytes-max", "300000") as running:
        converter = converter_of(running)
        converter.suspend()
        taken = 0
        while (answer := otlp.post(running.traces_url, BODY)).status == 200:
            taken += 1
            assert taken < 20
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "the journal is full" in Status.FromString(answer.data).message
        assert taken >= 2
        refusal = refused_over_grpc(running)
        assert refusal.code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert RetryInfo.FromString(refusal.details[0].value).retry_delay.seconds == 1
        converter.resume()
        wait_for(lambda: status(running) == 200)
        wait_for(lambda: "there is room again" in running.stderr)
        assert running.stop() == 0
        found = otlp.rows(running.data, "SELECT count(*) n FROM t WHERE map_contains(attributes, 'note')")
        assert found == [{"n": 100}], "the same spans were sent each time"


def refused_over_grpc(running: CollectorProcess) -> Status:
    with grpc.insecure_channel(running.grpc) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(TRACES.method, None, None)(BODY, timeout=20)
    details = dict(caught.value.trailing_metadata())["grpc-status-details-bin"]
    return Status.FromString(details)


def test_a_disk_without_room_refuses_and_resumes(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('disk_free_bytes_min = "900TiB"')
    with collector(tmp_path / "data", "--config", str(path)) as running:
        wait_for(lambda: "the disk is full" in running.stderr)
        assert status(running) == 503
        path.write_text("")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status(running) == 200)
        assert running.stop() == 0


def test_what_is_written_between_two_looks_counts(tmp_path: Path) -> None:
    journal.Writer(tmp_path)
    room = Room(tmp_path, Configured({"journal_bytes_max": "1000"}, {}, None).config)
    room.check()
    room.add(1001)
    with pytest.raises(BusyError, match="the journal is full"):
        room.check()
    room.look()
    room.check()
