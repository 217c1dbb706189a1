"""The records of a file, one after the other, whatever it is written in: JSON lines, JSON, CSV, Parquet, or the frames
of OpenTelemetry's file exporter; packed by gzip or zstd. Memory is bounded by the longest record.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from ..receiver.inflate import inflate
from ..receiver.refusals import RefusedError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: A longer record is not read.
RECORD_BYTES_MAX: Final = 64 * 1024 * 1024
_CHUNK_CHARS: Final = 1024 * 1024
_ROWS_AT_ONCE: Final = 1000
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_PARQUET: Final = b"PAR1"
_LENGTH_BYTES: Final = 4
_LOOK_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Piece:
    """A record: an object, or the protobuf of a frame; `line` is where it begins, or its number where there are none.

    Where `fault` says why, nothing could be read there.
    """

    line: int
    value: dict[str, Any] | bytes | None = None
    fault: str = ""


class File:
    """A file that is being read. `position` and `size` are in bytes, as it lies there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._raw: IO[bytes] | None = None

    @property
    def position(self) -> int:
        return self._raw.tell() if self._raw and not self._raw.closed else 0

    def pieces(self) -> Generator[Piece]:
        """The records in their order. OSError where the file cannot be read at all."""
        with self.path.open("rb") as raw:
            self._raw = raw
            try:
                stream, head = _unpacked(raw)
                yield from _reader(head)(stream)
            except (EOFError, gzip.BadGzipFile, zstd.ZstdError) as error:
                yield Piece(0, fault=f"the file is packed, and damaged from here on: {error}")


def _unpacked(raw: IO[bytes]) -> tuple[io.BufferedReader, bytes]:
    """The stream without its compression, and its first bytes."""
    stream = cast(io.BufferedReader, raw)
    head = stream.peek(_LOOK_BYTES)
    if head.startswith(_GZIP):
        stream = io.BufferedReader(gzip.GzipFile(fileobj=raw))
    elif head.startswith(_ZSTD):
        stream = io.BufferedReader(zstd.ZstdFile(raw))
    return stream, stream.peek(_LOOK_BYTES)


def _reader(head: bytes) -> Callable[[io.BufferedReader], Iterator[Piece]]:
    if head.startswith(_PARQUET):
        return _parquet
    if head.startswith(b"\0"):  # the length of a frame
        return _frames
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return _json if text[:1] in (b"{", b"[") else _csv


def _frames(stream: io.BufferedReader) -> Iterator[Piece]:
    """Frames with their length before them; each may be packed for itself, and be JSON or protobuf."""
    number = 0
    while head := stream.read(_LENGTH_BYTES):
        number += 1
        length = int.from_bytes(head, "big")
        if len(head) < _LENGTH_BYTES or length > RECORD_BYTES_MAX:
            yield Piece(number, fault="no length of a frame; the rest of the file is not read")
            return
        frame = stream.read(length)
        if len(frame) < length:
            yield Piece(number, fault="the file ends inside this frame")
            return
        yield _frame(number, frame)


def _frame(number: int, frame: bytes) -> Piece:
    try:
        if frame.startswith(_ZSTD):
            frame = inflate(frame, "zstd", RECORD_BYTES_MAX)
    except RefusedError as error:
        return Piece(number, fault=error.reason)
    return _line(number, frame) if frame.startswith(b"{") else Piece(number, frame)


def _json(stream: io.BufferedReader) -> Iterator[Piece]:
    """An object a line; or objects over several lines, in a list or not."""
    first = stream.readline(RECORD_BYTES_MAX).removeprefix(b"\xef\xbb\xbf")
    piece = _line(1, first)
    if piece.fault:
        with _text(stream) as rest:
            yield from _documents(rest, first.decode(errors="replace"))
        return
    yield piece
    line = 1
    while text := stream.readline(RECORD_BYTES_MAX):
        line += 1
        if not text.endswith(b"\n") and len(text) == RECORD_BYTES_MAX:
            _skip_line(stream)
            yield Piece(line, fault=_too_long())
        elif text.strip():
            yield _line(line, text)


@contextlib.contextmanager
def _text(stream: io.BufferedReader) -> Iterator[IO[str]]:
    """The rest of a stream as text. The stream stays open."""
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    try:
        yield text
    finally:
        text.detach()


def _skip_line(stream: io.BufferedReader) -> None:
    while (text := stream.readline(RECORD_BYTES_MAX)) and not text.endswith(b"\n"):
        pass


def _line(number: int, text: bytes) -> Piece:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Piece(number, fault=f"no JSON: {str(error)[:100]}")
    return Piece(number, value) if isinstance(value, dict) else Piece(number, fault="no JSON object")


def _documents(stream: IO[str], text: str) -> Iterator[Piece]:
    """The objects of a text, which may be the members of one list. After one that is broken it goes on with the next
    that begins a line."""
    decoder, place, line = json.JSONDecoder(), 0, 1
    while True:
        begins = _begin(text, place)
        line += text.count("\n", place, begins)
        place = begins
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            more = stream.read(max(_CHUNK_CHARS, len(text) - place)) if len(text) - place < RECORD_BYTES_MAX else ""
            text, place = text[place:] + more, 0
            if more:
                continue
            if not text:
                return
            yield Piece(line, fault=f"no JSON: {str(error)[:100]}")
            after = text.find("\n{", 1)
            if after < 0:
                return
            line += text.count("\n", 0, after)
            place = after
            continue
        yield Piece(line, value) if isinstance(value, dict) else Piece(line, fault="no JSON object")
        line += text.count("\n", place, end)
        place = end


def _begin(text: str, place: int) -> int:
    """Where the next object begins: behind white space, and what stands between the members of a list."""
    while place < len(text) and text[place] in " \t\r\n,[]\ufeff":
        place += 1
    return place


def _csv(stream: io.BufferedReader) -> Iterator[Piece]:
    """A row a record, its fields by the names of the first row; those that are empty are left out."""
    csv.field_size_limit(RECORD_BYTES_MAX)
    with _text(stream) as text:
        yield from _rows(csv.reader(text))


def _rows(rows: Any) -> Iterator[Piece]:
    names: list[str] | None = None
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Piece(line, fault=f"no row of CSV: {error}")
            continue
        if row is None:
            return
        if names is None:
            names = row
        elif row:
            yield _row(line, names, row)


def _row(line: int, names: list[str], row: list[str]) -> Piece:
    if len(row) != len(names):
        return Piece(line, fault=f"{len(row)} fields where the first row names {len(names)}")
    return Piece(line, {name: field for name, field in zip(names, row, strict=True) if field != ""})


def _parquet(stream: io.BufferedReader) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(stream).iter_batches(_ROWS_AT_ONCE):
            for value in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield Piece(number, value)
    except pa.ArrowException as error:
        yield Piece(number + 1, fault=f"no Parquet from here on: {str(error)[:100]}")


def _too_long() -> str:
    return f"longer than {RECORD_BYTES_MAX >> 20} MiB"
