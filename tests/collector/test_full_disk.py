"""A disk that really is full: what was acknowledged on it is in the tables once, after there is room again."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of six megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot make a small disk here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_acknowledged(disk: Path) -> None:
    data = disk / "data"
    with collector(data, "--disk-free-bytes-min", "1") as running:
        acknowledged = fill(running)
        assert acknowledged, "nothing was taken at all"
        subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True)
        last = otlp.span(otlp.chat())
        body = otlp.request(last).SerializeToString()
        wait_for(lambda: otlp.post(running.traces_url, body).status == 200)
        acknowledged.append(last.span_id.hex())
        wait_for(lambda: not list((data / "journal").glob("*.seg")), 60)
        assert running.stop() == 0
    rows = {row["span_id"]: row["n"] for row in otlp.rows(data, "SELECT span_id, count(*) n FROM t GROUP BY 1")}
    assert [span for span in acknowledged if rows.get(span) != 1] == []
    assert max(rows.values()) == 1


def fill(running: CollectorProcess) -> list[str]:
    """Send until a request is refused for want of room; the spans that were acknowledged."""
    acknowledged: list[str] = []
    for _ in range(200):
        spans = [otlp.span(otlp.chat(note="x" * 2000)) for _ in range(50)]
        answer = otlp.post(running.traces_url, otlp.request(*spans).SerializeToString())
        if answer.status == 503:
            assert answer.headers["retry-after"]
            return acknowledged
        assert answer.status == 200
        acknowledged += [span.span_id.hex() for span in spans]
    raise AssertionError("the disk took more than it has")
