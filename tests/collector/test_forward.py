"""`--forward`: a second OTLP receiver sees what was sent, byte for byte, and never slows the first."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_the_same_trace_reaches_a_second_receiver(tmp_path: Path, scheme: str) -> None:
    with collector(tmp_path / "second") as second:
        target = f"{scheme}://{second.http if scheme == 'http' else second.grpc}"
        with collector(tmp_path / "first", "--forward", target) as first:
            spans = [otlp.span(otlp.chat(), trace_id=b"\x07" * 16) for _ in range(10)]
            assert otlp.post(first.traces_url, otlp.request(*spans).SerializeToString()).status == 200
            columns = "* EXCLUDE (collector_id, segment)"
            ours = wait_for(lambda: otlp.rows(first.data, f"SELECT {columns} FROM t ORDER BY span_id"))
            theirs = wait_for(lambda: otlp.rows(second.data, f"SELECT {columns} FROM t ORDER BY span_id"))
    assert len(ours) == 10
    assert ours == theirs


def test_a_dead_target_delays_nothing_and_gets_all_once_it_lives(tmp_path: Path) -> None:
    with collector(tmp_path / "second") as second:
        address = second.http
        assert second.stop() == 0
    with collector(tmp_path / "first", "--forward", f"http://{address}") as first:
        for index in range(5):
            body = otlp.request(otlp.span(otlp.chat(), name=f"call {index}")).SerializeToString()
            assert otlp.post(first.traces_url, body).status == 200
        wait_for(lambda: len(otlp.rows(first.data, "FROM t")) == 5)
        wait_for(lambda: "waits" in first.stderr)
        with collector(tmp_path / "second", "--http", address) as second:
            wait_for(lambda: len(otlp.rows(second.data, "FROM t")) == 5)


def test_a_restarted_forwarder_goes_on_where_it_was(tmp_path: Path) -> None:
    with collector(tmp_path / "second") as second:
        target = f"http://{second.http}"
        for name in ("before", "after"):
            with collector(tmp_path / "first", "--forward", target) as first:
                body = otlp.request(otlp.span(otlp.chat(), name=name)).SerializeToString()
                assert otlp.post(first.traces_url, body).status == 200
                assert first.stop() == 0
        wait_for(lambda: len(otlp.rows(second.data, "FROM t")) == 2)


def test_a_collector_does_not_forward_to_itself(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(AssertionError, match="this collector itself"):
        CollectorProcess(tmp_path / "data", "--forward", f"http://localhost:{port}", http=f"127.0.0.1:{port}")
