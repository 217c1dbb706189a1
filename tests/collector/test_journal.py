"""The journal keeps what was acknowledged and cuts what was not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otel_llm_collector import journal


def write(data: Path, *payloads: bytes, close: bool = False) -> journal.Writer:
    writer = journal.Writer(data)
    writer.append([(journal.frame_header(journal.TRACES, 7, payload), payload) for payload in payloads])
    if close:
        writer.rotate()
    return writer


def payloads(path: Path) -> list[bytes]:
    return [frame.payload for frame in journal.read_frames(path)]


def test_frames_come_back_whole(tmp_path: Path) -> None:
    write(tmp_path, b"one", b"", b"three" * 1000, close=True)
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    frames = list(journal.read_frames(segment.path))
    assert [frame.payload for frame in frames] == [b"one", b"", b"three" * 1000]
    assert {(frame.kind, frame.received_ns) for frame in frames} == {(journal.TRACES, 7)}
    assert payloads(segment.path)[1:] == [f.payload for f in journal.read_frames(segment.path, frames[0].end)]


@pytest.mark.parametrize("cut", [1, 10, 24, 25, 28])
def test_a_torn_tail_is_cut_and_counted(tmp_path: Path, cut: int) -> None:
    writer = write(tmp_path, b"kept")
    kept = writer.size
    (segment,) = journal.open_segments(journal.journal_dir(tmp_path))
    torn = journal.frame_header(journal.TRACES, 8, b"torn") + b"torn"
    with segment.path.open("ab") as file:
        file.write(torn[:cut] if cut < len(torn) else torn[:-1] + b"x")
    recovered = journal.Writer(tmp_path)
    assert recovered.torn_bytes == min(cut, len(torn))
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    assert payloads(segment.path) == [b"kept"]
    assert segment.path.stat().st_size == kept


def test_numbers_are_never_used_twice(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        write(tmp_path, b"x", close=True)
        (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
        numbers.append(segment.number)
        segment.path.unlink()  # converted and cleaned away
    assert numbers == [1, 2, 3]
    assert journal.Writer(tmp_path).collector_id == journal.read_collector_id(tmp_path)


@pytest.mark.parametrize("place", [0, 6, 9, 20, 26])
def test_damage_anywhere_is_noticed(tmp_path: Path, place: int) -> None:
    write(tmp_path, b"payload", b"second", close=True)
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    content = bytearray(segment.path.read_bytes())
    content[place] ^= 0x40
    segment.path.write_bytes(content)
    with pytest.raises(journal.CorruptFrameError):
        payloads(segment.path)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write(tmp_path, b"first")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            writer.append([(journal.frame_header(journal.TRACES, 1, b"lost"), b"lost")])
    writer.append([(journal.frame_header(journal.TRACES, 1, b"second"), b"second")])
    writer.rotate()
    segments = journal.closed_segments(journal.journal_dir(tmp_path))
    assert [payloads(segment.path) for segment in segments] == [[b"first"], [b"second"]]


def test_damage_between_sound_frames_loses_only_the_damaged_one(tmp_path: Path) -> None:
    writer = write(tmp_path, b"one", b"two", b"three")
    (segment,) = journal.open_segments(journal.journal_dir(tmp_path))
    content = bytearray(segment.path.read_bytes())
    content[24 + 3 + 24] ^= 1  # the payload of the second frame
    segment.path.write_bytes(content + b"torn tail")
    assert journal.Writer(tmp_path).torn_bytes == len(b"torn tail")
    (segment,) = journal.closed_segments(journal.journal_dir(tmp_path))
    assert segment.path.stat().st_size == writer.size
    found = list(journal.read_sound_frames(segment.path))
    assert [frame.payload for frame in found if isinstance(frame, journal.Frame)] == [b"one", b"three"]
    assert [type(frame) for frame in found][1] is journal.CorruptFrameError


def test_a_segment_that_cannot_be_closed_is_closed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write(tmp_path, b"first")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", broken)
        with pytest.raises(OSError, match="Input"):
            writer.rotate()
    assert writer.size == 0
    writer.append([(journal.frame_header(journal.TRACES, 1, b"second"), b"second")])
    writer.rotate()
    segments = journal.closed_segments(journal.journal_dir(tmp_path))
    assert [payloads(segment.path) for segment in segments] == [[b"first"], [b"second"]]


def test_a_disk_that_fails_twice_keeps_what_was_acknowledged_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = write(tmp_path, b"first")

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        patched.setattr(os, "ftruncate", broken)
        with pytest.raises(OSError, match="Input"):
            writer.append([(journal.frame_header(journal.TRACES, 1, b"refused")[:10], b"")])
    writer.append([(journal.frame_header(journal.TRACES, 1, b"second"), b"second")])
    writer.rotate()
    segments = journal.closed_segments(journal.journal_dir(tmp_path))
    assert [payloads(segment.path) for segment in segments] == [[b"first"], [b"second"]]


def test_what_is_read_no_more_leaves_memory(tmp_path: Path) -> None:
    path = tmp_path / "read"
    with path.open("wb") as file:
        file.write(b"x" * 65_536)
        file.flush()
        os.fsync(file.fileno())
    if not is_in_memory(path):
        pytest.skip("this file system does not tell what of a file is in memory")
    journal.uncache(path)
    assert not is_in_memory(path)
    assert path.read_bytes() == b"x" * 65_536
    journal.uncache(tmp_path / "gone")


def is_in_memory(path: Path) -> bool:
    """Whether the first of a file can be read without waiting for the disk."""
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(4096)], 0, getattr(os, "RWF_NOWAIT", 0)) > 0
        except OSError:
            return False
