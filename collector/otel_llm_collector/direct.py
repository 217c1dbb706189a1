"""Files past the system's cache, for what is read once or twice, and by us.

Copying into the cache takes memory that nothing has used for long, which a virtual machine has given back to its host:
touching that costs several times what writing does. Here whole blocks go from and to the disk without it. What fills
no block, small pieces, and file systems that refuse (O_DIRECT is Linux's) take the usual way.
Light: the receiver imports this.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

Octets: TypeAlias = bytes | memoryview

#: Where pieces begin and end, in memory and in the file: what every disk takes, and whole pages of the cache.
BLOCK: Final = max(4096, mmap.PAGESIZE)
#: Less than this is not worth a way of its own.
LARGE_BYTES_MIN: Final = 64 * 1024
_ROOM_BYTES: Final = 1024 * 1024
_FLAG: Final[int] = getattr(os, "O_DIRECT", 0)


def room() -> mmap.mmap:
    """Memory in which blocks are put together. Files that are written one after the other may share it."""
    return mmap.mmap(-1, _ROOM_BYTES)


def whole_blocks(size: int) -> int:
    """The bytes of as many blocks as so many bytes need."""
    return -(-size // BLOCK) * BLOCK


class File:
    """A new file that is written from its beginning to its end. Not thread-safe.

    After an OSError it can be cut and closed, no more.
    """

    def __init__(self, path: Path, room: mmap.mmap) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o640)
        self._room = memoryview(room)
        #: What waits in the room, each byte as far from a block's beginning as in the file.
        self._start = self._end = 0
        self.closed = False

    def write(self, piece: Octets) -> int:
        """Add to the end; may wait in memory until `flush`. Returns how many bytes these are."""
        rest = memoryview(piece).cast("B")
        while rest:
            taken = rest[: len(self._room) - self._end]
            self._room[self._end : self._end + len(taken)] = taken
            self._end, rest = self._end + len(taken), rest[len(taken) :]
            if self._end == len(self._room):
                self.flush()
        return len(piece)

    def flush(self) -> None:
        """Hand on what waits in memory."""
        start, end = self._start, self._end
        self._start = self._end = end % BLOCK  # whatever comes now: what failed is not tried again
        first = min(whole_blocks(start), end)
        last = max(end // BLOCK * BLOCK, first)
        if last - first < LARGE_BYTES_MIN:
            first = last = end
        self._put(start, first)
        self._put(self._put_blocks(first, last), end)

    def sync(self) -> None:
        """Return once all that was added is on disk."""
        self.flush()
        os.fdatasync(self._file)

    def cut(self, size: int) -> None:
        """Leave nothing behind the first `size` bytes, durably."""
        self._end = self._start
        os.ftruncate(self._file, size)
        os.fdatasync(self._file)

    def close(self) -> None:
        """Hand on what waits, and write no more. May be repeated."""
        if self.closed:
            return
        self.closed = True
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _put_blocks(self, start: int, end: int) -> int:
        """Write whole blocks past the cache; returns the end of what was written, where it ends early or is refused."""
        if start < end:
            with contextlib.suppress(_Refused), _direct(self._file):
                return start + os.write(self._file, self._room[start:end])
        return start

    def _put(self, start: int, end: int) -> None:
        while start < end:
            start += os.write(self._file, self._room[start:end])


def read_into(path: Path, place: memoryview) -> int:
    """Read all of a file into memory that begins with a block of its own and is large enough; returns its size."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        blocks = place[: size // BLOCK * BLOCK if size >= LARGE_BYTES_MIN else 0]
        done = 0
        if blocks:
            with contextlib.suppress(_Refused), _direct(file.fileno()):
                done = file.readinto(blocks)
        while done < size and (count := file.readinto(place[done:size])):
            done += count
    return done


class _Refused(Exception):  # noqa: N818 - it is no error
    """The file system, or its disk, wants the usual way."""


@contextlib.contextmanager
def _direct(file: int) -> Iterator[None]:
    """Read or write a file past the cache; raises _Refused where that does not go."""
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | _FLAG)
        yield
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        raise _Refused from error
    finally:
        fcntl.fcntl(file, fcntl.F_SETFL, flags)
