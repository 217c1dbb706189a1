"""`--forward`: a second OTLP receiver sees what was sent, byte for byte, and never slows the first."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm.errors import UsageError
from otel_llm_collector import forward, journal


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


def test_a_segment_that_moves_while_it_is_looked_for_is_not_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    class Target:
        def __init__(self, _: str) -> None: ...

        def send(self, payload: bytes) -> None:
            sent.append(payload)

        def close(self) -> None: ...

    monkeypatch.setitem(forward.SCHEMES, "http", Target)
    journal.Writer(tmp_path)
    forwarder = forward.Forwarder(tmp_path, "http://127.0.0.1:1")
    archive = journal.archive_dir(tmp_path)
    archive.mkdir()
    exists = Path.exists

    def moving(path: Path) -> bool:
        """The converter archives a segment right after it was looked for in the journal."""
        found = exists(path)
        if path.parent.name == "journal" and path.suffix == ".seg" and found:
            path.rename(archive / path.name)
            return False
        return found

    monkeypatch.setattr(Path, "exists", moving)
    payloads = [b"1", b"2", b"3"]
    writer = journal.Writer(tmp_path)
    for payload in payloads:
        writer.append([(journal.frame_header(journal.TRACES, 1, payload), payload)])
        writer.rotate()
    forwarder.start()
    wait_for(lambda: sent == payloads)
    forwarder.stop()


@pytest.mark.parametrize("url", ["http://h:99999", "http://[bad", "ftp://h:1", "http://", "h:4318", "http://h:0"])
def test_a_bad_target_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="give http://HOST:PORT"):
        forward.check_url(url)
