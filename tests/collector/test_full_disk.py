"""A disk that really is full: what was acknowledged on it is in the tables once, after there is room again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector.config_file import Configured

MB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of six megabytes."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=6m", "tmpfs") as place:
        yield place


@pytest.fixture
def real_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that is written past the system's cache, of which six megabytes are free; `others` has the rest."""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 400 * MB)
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot make a file system here: {made.stderr.strip()}")
    with mounted(tmp_path / "disk", "-o", "loop", str(image)) as place:
        with (place / "others").open("wb") as file:
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
            os.posix_fallocate(file.fileno(), 0, free - 6 * MB)
        yield place


@contextmanager
def mounted(place: Path, *what: str) -> Iterator[Path]:
    """A disk at a place."""
    place.mkdir()
    made = subprocess.run(["mount", *what, str(place)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot make a small disk here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_acknowledged(disk: Path) -> None:
    loses_nothing(disk, lambda: subprocess.run(["mount", "-o", "remount,size=300m", str(disk)], check=True))


def test_a_full_disk_that_is_written_past_the_cache_loses_nothing(real_disk: Path) -> None:
    loses_nothing(real_disk, (real_disk / "others").unlink)


def loses_nothing(disk: Path, make_room: Callable[[], object]) -> None:
    data = disk / "data"
    with collector(data, "--disk-free-bytes-min", "1") as running:
        acknowledged = fill(running)
        assert acknowledged, "nothing was taken at all"
        make_room()
        last = otlp.span(otlp.chat())
        body = otlp.request(last).SerializeToString()
        wait_for(lambda: otlp.post(running.traces_url, body).status == 200)
        acknowledged.append(last.span_id.hex())
        wait_for(lambda: not list((data / "journal").glob("*.seg")), 60)
        assert running.stop() == 0
    rows = {row["span_id"]: row["n"] for row in otlp.rows(data, "SELECT span_id, count(*) n FROM t GROUP BY 1")}
    assert [span for span in acknowledged if rows.get(span) != 1] == []
    assert max(rows.values()) == 1


def test_a_full_disk_is_emptied_by_who_can(disk: Path) -> None:
    """Upkeep deletes what the archive may keep no longer, though nothing can be written, not even who holds a lock."""
    data = disk / "data"
    with collector(data, "--disk-free-bytes-min", "1") as running:
        assert otlp.post(running.traces_url, otlp.request(otlp.span(otlp.chat())).SerializeToString()).status == 200
        assert running.stop() == 0
    (kept,) = (data / "archive").iterdir()
    config = Configured({"data": str(data), "archive_bytes_max": "1"}, {}, None).config
    for lock in (data / "journal").glob("*.lock"):
        lock.write_text("")  # as it is at the first start
    stuff(disk / "others")
    command = [sys.executable, "-m", "otel_llm_collector.upkeep"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as upkeep:
        assert upkeep.stdin is not None
        upkeep.stdin.write(config.dump() + "\n")
        upkeep.stdin.flush()
        wait_for(lambda: not kept.exists(), 60)


def stuff(file: Path) -> None:
    """Take all that is left of a disk."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 4096)


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
