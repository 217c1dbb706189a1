"""The journal: numbered segments of CRC-framed OTLP requests. What is answered with success is on disk here.

    journal/000000000007.open    the segment being written (one writer, the receiver)
    journal/000000000006.seg     closed, waiting for the converter
    archive/000000000005.seg     converted; kept for a while, so that a mapping bug can be repaired
    journal/quarantine/          closed segments with a damaged frame, after their sound frames were converted

A frame is a 24-byte header (magic, length, CRC-32, kind, length of the tenant, receive time), the tenant's name and the
request's protobuf, as sent.
Light: the receiver imports this.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from .direct import File, room
from .quick_zlib import crc32

TRACES: Final = 1
LOGS: Final = 2
METRICS: Final = 3

_MAGIC: Final = b"OLJ1"
_HEADER: Final = struct.Struct("<4sIIBB2xQ")
_CHECKED: Final = struct.Struct("<IBB2xQ")
TENANT_BYTES_MAX: Final = 255
_NAME: Final = re.compile(r"^(\d{12})\.(open|seg)$")
#: A request's protobuf: read from the file, or where all of the file was read to.
Payload: TypeAlias = bytes | memoryview
_Read = Callable[[int], Payload]


@dataclass(frozen=True, slots=True)
class Frame:
    """One stored request: the signal's kind, when it came (ns since 1970), its protobuf, and where the next begins.

    `tenant` is whose token it came with, '' where none was asked for.
    """

    kind: int
    received_ns: int
    payload: Payload
    end: int
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A journal file and its number."""

    number: int
    path: Path


class CorruptFrameError(Exception):
    """A frame that cannot be read: torn (a crash cut it) or damaged. `offset` is where it begins."""

    def __init__(self, path: Path, offset: int) -> None:
        super().__init__(f"{path.name}: no sound frame at byte {offset}")
        self.offset = offset


def journal_dir(data: Path) -> Path:
    return data / "journal"


def archive_dir(data: Path) -> Path:
    return data / "archive"


def quarantine_dir(data: Path) -> Path:
    return journal_dir(data) / "quarantine"


def closed_segments(folder: Path) -> list[Segment]:
    """The closed segments of a folder, in the order of their numbers."""
    return _segments(folder, "seg")


def all_segments(folder: Path) -> list[Segment]:
    """The segments of a folder, closed or being written."""
    return _segments(folder, "seg", "open")


def open_segments(folder: Path) -> list[Segment]:
    """The segments being written, at most one while a receiver lives."""
    return _segments(folder, "open")


def find_segment(data: Path, number: int) -> Segment | None:
    """The closed segment of a number, in the journal or the archive. It moves only from the first to the second."""
    name = f"{number:012d}.seg"
    for folder in (journal_dir(data), archive_dir(data)):
        if (folder / name).exists():
            return Segment(number, folder / name)
    return None


def next_number(data: Path) -> int:
    """The number that the next segment will have: all lower ones exist, existed or never will."""
    return int(json.loads(identity_path(data).read_text())["next_segment"])


def read_frames(path: Path, offset: int = 0) -> Iterator[Frame]:
    """The frames of a segment from `offset` on. Ends at the end of the file; raises CorruptFrameError elsewhere."""
    with path.open("rb") as file:
        file.seek(offset)
        yield from _frames(path, file.read, offset)


def read_sound_frames(path: Path, content: memoryview | None = None) -> Iterator[Frame | CorruptFrameError]:
    """Every sound frame of a segment, and an error in the place of each damaged stretch between them.

    With `content`, all that the segment holds, nothing is read, and the payloads are views of it.
    """
    offset: int | None = 0
    while offset is not None:
        try:
            if content is None:
                yield from read_frames(path, offset)
            else:
                yield from _frames(path, _reader(content, offset), offset)
        except CorruptFrameError as error:
            yield error
            offset = _next_sound(path, error.offset + 1)
        else:
            return


def _reader(content: memoryview, offset: int) -> _Read:
    """Reads on from there, as a file would."""

    def read(size: int) -> memoryview:
        nonlocal offset
        offset += size
        return content[offset - size : offset]

    return read


def _frames(path: Path, read: _Read, offset: int) -> Iterator[Frame]:
    while head := read(_HEADER.size):
        frame = _read_frame(path, read, head, offset)
        yield frame
        offset = frame.end


def _next_sound(path: Path, offset: int) -> int | None:
    """Where the next sound frame begins at or after `offset`; None where there is none."""
    content = path.read_bytes()
    while (offset := content.find(_MAGIC, offset)) >= 0:
        with contextlib.suppress(CorruptFrameError):
            next(read_frames(path, offset))
            return offset
        offset += 1
    return None


def _read_frame(path: Path, read: _Read, head: Payload, offset: int) -> Frame:
    if len(head) < _HEADER.size:
        raise CorruptFrameError(path, offset)
    magic, length, crc, kind, tenant_length, received_ns = _HEADER.unpack(head)
    if magic != _MAGIC:
        raise CorruptFrameError(path, offset)
    tenant, payload = read(tenant_length), read(length)
    if len(payload) != length or crc != _crc(kind, received_ns, tenant, payload):
        raise CorruptFrameError(path, offset)
    return Frame(kind, received_ns, payload, offset + _HEADER.size + tenant_length + length, str(tenant, "utf-8"))


def frame_header(kind: int, received_ns: int, payload: Payload, tenant: str = "") -> bytes:
    """What stands before a request's protobuf. `tenant` is at most TENANT_BYTES_MAX bytes as UTF-8."""
    name = tenant.encode()
    crc = _crc(kind, received_ns, name, payload)
    return _HEADER.pack(_MAGIC, len(payload), crc, kind, len(name), received_ns) + name


def _crc(kind: int, received_ns: int, tenant: Payload, payload: Payload) -> int:
    head = _CHECKED.pack(len(payload), kind, len(tenant), received_ns)
    return crc32(payload, crc32(tenant, crc32(head)))


class Writer:
    """The one writer of a journal: appends groups of frames durably and starts a new segment when told to.

    Not thread-safe: the receiver calls it from one task at a time. An OSError leaves nothing of the group behind.
    """

    def __init__(self, data: Path) -> None:
        self._folder = journal_dir(data)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._identity = _Identity.load(data)
        self.torn_bytes = sum(_recover(segment) for segment in open_segments(self._folder))
        self._file: File | None = None
        self._room = room()
        self._path = self._folder
        self._unclosed: list[tuple[Path, bool]] = []  # segments that still have their open name; sound or to be cut
        self.size = 0

    @property
    def collector_id(self) -> str:
        return self._identity.collector_id

    def append(self, frames: Sequence[tuple[bytes, bytes]]) -> None:
        """Write (header, payload) pairs and return once they are on disk."""
        file = self._open() if self._file is None else self._file
        try:
            written = sum(file.write(part) for frame in frames for part in frame)
            file.sync()
        except OSError:
            self._abandon_tail(file)
            raise
        self.size += written

    def rotate(self) -> None:
        """Close the open segment, if any: from here on the converter may take it.

        After an OSError the segment waits, and is closed with the next call of `rotate`.
        """
        if self._file is not None:
            self._leave(is_sound=True)
        while self._unclosed:
            path, is_sound = self._unclosed[0]
            if is_sound:
                _close(path)
            elif path.exists():
                _recover(Segment(0, path))
            self._unclosed.pop(0)

    def _leave(self, *, is_sound: bool) -> None:
        """Write no more to the open segment."""
        file, self._file, self.size = self._file, None, 0
        self._unclosed.append((self._path, is_sound))
        if file is not None:
            file.close()

    def _open(self) -> File:
        number = self._identity.take_segment()
        self._path = self._folder / f"{number:012d}.open"
        self._file = File(self._path, self._room)
        sync_folder(self._folder)
        return self._file

    def _abandon_tail(self, file: File) -> None:
        """After a failed write or fsync nothing after `size` can be trusted: cut it and go on in a new segment."""
        is_sound = False
        with contextlib.suppress(OSError):
            file.cut(self.size)
            is_sound = True
        with contextlib.suppress(OSError):  # the disk is beyond writing; closed later, or at the next start
            self._leave(is_sound=is_sound)
            self.rotate()


class _Identity:
    """The collector's id and the next segment number, kept beside the journal: numbers are never used twice."""

    def __init__(self, data: Path, collector_id: str, next_segment: int) -> None:
        self._path = identity_path(data)
        self.collector_id = collector_id
        self._next = next_segment

    @classmethod
    def load(cls, data: Path) -> _Identity:
        path = identity_path(data)
        seen = [s.number for folder in (journal_dir(data), archive_dir(data)) for s in _segments(folder, "seg", "open")]
        if not path.exists():
            identity = cls(data, secrets.token_hex(4), max(seen, default=0) + 1)
            identity._save()
            return identity
        stored = json.loads(path.read_text())
        return cls(data, stored["collector_id"], max([stored["next_segment"], *(n + 1 for n in seen)]))

    def take_segment(self) -> int:
        number = self._next
        self._next += 1
        self._save()
        return number

    def _save(self) -> None:
        replace_file(self._path, json.dumps({"collector_id": self.collector_id, "next_segment": self._next}))


def identity_path(data: Path) -> Path:
    return journal_dir(data) / "collector.json"


def read_collector_id(data: Path) -> str:
    """The id of the collector that owns this journal; FileNotFoundError before its first start."""
    return str(json.loads(identity_path(data).read_text())["collector_id"])


def replace_file(path: Path, text: str) -> None:
    """Put `text` in place of a file's content, durably and in one step."""
    temporary = path.with_suffix(f"{path.suffix}.{os.getpid()}.tmp")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def uncache(path: Path) -> None:
    """Let the system forget what it holds in memory of a file that is on disk and hardly read any more.

    Else what is written next takes memory that nothing has used for long, which a virtual machine has given back to its
    host: touching that costs ten times what writing does.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError):  # a hint: files are as they were
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _recover(segment: Segment) -> int:
    """Close a segment that a crash left open: cut what follows its last sound frame, which was never acknowledged.

    Returns how many bytes were cut. Damage between sound frames stays: the converter reads round it and keeps it.
    """
    sound = max((frame.end for frame in read_sound_frames(segment.path) if isinstance(frame, Frame)), default=0)
    torn = segment.path.stat().st_size - sound
    if sound == 0:
        segment.path.unlink()
        return torn
    with segment.path.open("r+b") as file:
        file.truncate(sound)
        os.fsync(file.fileno())
    _close(segment.path)
    return torn


def _close(path: Path) -> None:
    """Give a segment its closed name, which the converter looks for. May be repeated where it failed half-way."""
    if path.exists():
        path.rename(path.with_suffix(".seg"))
    sync_folder(path.parent)


def _segments(folder: Path, *suffixes: str) -> list[Segment]:
    if not folder.is_dir():
        return []
    matches = (_NAME.match(name) for name in os.listdir(folder))
    found = [Segment(int(m[1]), folder / m[0]) for m in matches if m and m[2] in suffixes]
    return sorted(found, key=lambda segment: segment.number)
