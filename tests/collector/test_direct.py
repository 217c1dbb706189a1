"""Files past the system's cache: the same bytes, whatever the pieces and whatever the file system says."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_llm_collector import direct
from otel_llm_collector.columns.request import room as aligned

MB = 1024 * 1024
SIZES = [1, 100, direct.BLOCK - 1, direct.BLOCK, direct.BLOCK + 1, direct.LARGE_BYTES_MIN, MB - 1, MB, MB + 1, 3 * MB]


def some_pieces(seed: int) -> list[list[bytes]]:
    """Groups of pieces of all sizes, of bytes of their own."""
    chance = random.Random(seed)
    groups = [[chance.choice(SIZES) + chance.randrange(40) for _ in range(chance.randrange(1, 5))] for _ in range(6)]
    return [[chance.randbytes(size) for size in group] for group in groups]


def write(path: Path, groups: list[list[bytes]]) -> None:
    file = direct.File(path, direct.room())
    for group in groups:
        for piece in group:
            assert file.write(piece) == len(piece)
        file.sync()
    file.close()


def written(path: Path, groups: list[list[bytes]]) -> bytes:
    """What a file holds after these groups."""
    write(path, groups)
    return path.read_bytes()


def refuse_flag(file: int, command: int, argument: int = 0) -> int:
    """As a file system without it does."""
    if command == fcntl.F_SETFL and argument & os.O_DIRECT:
        raise OSError(errno.EINVAL, "refused")
    return 0 if command == fcntl.F_SETFL else fcntl.F_GETFL


def refusing(real: Callable[..., int]) -> Callable[..., int]:
    """As a disk of larger blocks does: the flag is taken, large pieces are not."""

    def write_some(file: int, piece: memoryview) -> int:
        if is_direct(file):
            raise OSError(errno.EINVAL, "refused")
        return real(file, piece)

    return write_some


def is_direct(file: int) -> bool:
    return bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)


def is_cached(path: Path) -> bool:
    """Whether the system has the middle of a file in memory."""
    with path.open("rb") as file:
        try:
            os.preadv(file.fileno(), [bytearray(direct.BLOCK)], MB, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize("seed", range(5))
def test_pieces_of_any_size(tmp_path: Path, seed: int) -> None:
    groups = some_pieces(seed)
    whole = b"".join(piece for group in groups for piece in group)
    assert written(tmp_path / "file", groups) == whole
    place = aligned(direct.whole_blocks(len(whole))).data
    assert direct.read_into(tmp_path / "file", place) == len(whole)
    assert place[: len(whole)] == whole


def test_files_share_a_room(tmp_path: Path) -> None:
    room, names = direct.room(), ["first", "second"]
    for number, name in enumerate(names):
        file = direct.File(tmp_path / name, room)
        file.write(bytes([number]) * 100_001)
        file.close()
    assert [(tmp_path / name).read_bytes() for name in names] == [bytes([number]) * 100_001 for number in range(2)]


def test_a_file_system_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = some_pieces(7)
    whole = b"".join(piece for group in groups for piece in group)
    with monkeypatch.context() as patch:
        patch.setattr("fcntl.fcntl", refuse_flag)
        assert written(tmp_path / "file", groups) == whole
        place = aligned(direct.whole_blocks(len(whole))).data
        assert direct.read_into(tmp_path / "file", place) == len(whole)
    assert place[: len(whole)] == whole


def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = some_pieces(8)
    monkeypatch.setattr(os, "write", refusing(os.write))
    assert written(tmp_path / "file", groups) == b"".join(piece for group in groups for piece in group)


def test_a_write_that_ends_early_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups, real = some_pieces(9), os.write
    monkeypatch.setattr(os, "write", lambda file, piece: real(file, piece[: max(1, len(piece) // 3)]))
    assert written(tmp_path / "file", groups) == b"".join(piece for group in groups for piece in group)


def test_what_is_cut_is_gone(tmp_path: Path) -> None:
    file = direct.File(tmp_path / "file", direct.room())
    file.write(bytes(200_000))
    file.sync()
    file.write(b"waits")
    file.cut(1000)
    file.close()
    assert (tmp_path / "file").stat().st_size == 1000


def test_a_name_that_is_taken_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        direct.File(tmp_path / "file", direct.room())


def test_large_files_are_not_in_memory(tmp_path: Path) -> None:
    write(tmp_path / "usual", [[bytes(60_000)]] * 60)
    if not is_cached(tmp_path / "usual"):
        pytest.skip("this file system does not say what it has in memory")
    write(tmp_path / "past", [[bytes(3 * MB)]])
    probe = os.open(tmp_path / "past", os.O_RDONLY)
    try:
        fcntl.fcntl(probe, fcntl.F_SETFL, os.O_DIRECT)
    except OSError:
        pytest.skip("this file system knows no way past the cache")
    finally:
        os.close(probe)
    assert not is_cached(tmp_path / "past")
