"""Where a table's files are: in a folder of the data directory, or in a bucket that the directory names.

Paths are relative to the table's folder. A file is written to a draft first, which is always on a local disk, and has
its name only once all of it is kept.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from otel_llm.errors import OtelLlmError

from .. import direct
from ..journal import sync_folder, uncache
from .address import address_of

_DRAFTS: Final = "drafts"
_COPY_BYTES: Final = 8 * 1024 * 1024


class Stored(NamedTuple):
    """A file that there is: its size in bytes, and when it was written, in seconds since 1970."""

    path: str
    size: int
    modified_s: float


class Place(ABC):
    """The folder of one table. `uri` is what the libraries of Delta know it by."""

    uri: str

    @abstractmethod
    def make(self) -> None:
        """Make the folder, where folders have to be made."""

    @abstractmethod
    def source(self, path: str) -> Any:
        """What Parquet opens to read a file."""

    @abstractmethod
    def draft(self, path: str) -> Path:
        """Where a file is written before it has its name; no glob over the table finds it."""

    def sink(self, draft: Path, *, is_cached: bool) -> pa.NativeFile:
        """Where a draft is written to; unless it `is_cached`, it need not be in the system's memory afterwards."""
        return pa.OSFile(str(draft), "wb")

    @abstractmethod
    def publish(self, draft: Path, path: str) -> None:
        """Give a file its name, once all of it is kept for good."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""

    @abstractmethod
    def uncache(self, path: str) -> None:
        """Keep no more in memory of a file, which is hardly read again."""

    @abstractmethod
    def files(self, pattern: str = "*") -> Iterator[Stored]:
        """All files of all dates whose name fits a glob's pattern, and drafts that were left."""


def place_of(data: Path, table: str) -> Place:
    """The place of a table of a data directory."""
    address = address_of(data)
    if address is None:
        return Folder((data / table).absolute())
    return Bucket(f"{address}/{table}", (data / _DRAFTS).absolute())


class Folder(Place):
    """On a local disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = str(root)

    def make(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)

    def source(self, path: str) -> Any:
        return self._root / path

    def draft(self, path: str) -> Path:
        final = self._root / path
        final.parent.mkdir(exist_ok=True)
        return final.with_name(final.name + ".tmp")

    def sink(self, draft: Path, *, is_cached: bool) -> pa.NativeFile:
        if is_cached:
            return super().sink(draft, is_cached=is_cached)
        file: Any = direct.File(draft, direct.room())
        return pa.PythonFile(file, "w")

    def publish(self, draft: Path, path: str) -> None:
        final = self._root / path
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        draft.rename(final)
        sync_folder(final.parent)
        sync_folder(self._root)

    def delete(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)

    def uncache(self, path: str) -> None:
        uncache(self._root / path)

    def files(self, pattern: str = "*") -> Iterator[Stored]:
        for path in self._root.glob(f"date=*/{pattern}"):
            yield from _stored(path, path.parent.name)


class Bucket(Place):
    """In an object store, as pyarrow and deltalake reach it: keys and endpoint by the usual variables of its vendor."""

    def __init__(self, uri: str, drafts: Path) -> None:
        self.uri = uri
        self._drafts = drafts

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return open_store(self.uri)

    def make(self) -> None:
        """Nothing: a key is all that a folder is."""

    def source(self, path: str) -> Any:
        store, root = self._opened
        return store.open_input_file(f"{root}/{path}")

    def draft(self, path: str) -> Path:
        self._drafts.mkdir(exist_ok=True)
        return self._drafts / path.partition("/")[2]

    def publish(self, draft: Path, path: str) -> None:
        store, root = self._opened
        with draft.open("rb") as file, store.open_output_stream(f"{root}/{path}") as stream:
            while piece := file.read(_COPY_BYTES):
                stream.write(piece)
        draft.unlink()

    def delete(self, path: str) -> None:
        folder, _, name = path.partition("/")
        if folder == _DRAFTS:
            (self._drafts / name).unlink(missing_ok=True)
            return
        store, root = self._opened
        with contextlib.suppress(FileNotFoundError):
            store.delete_file(f"{root}/{path}")

    def uncache(self, path: str) -> None:
        """Nothing of it is in memory here."""

    def files(self, pattern: str = "*") -> Iterator[Stored]:
        for draft in self._drafts.glob(pattern):
            yield from _stored(draft, _DRAFTS)
        store, root = self._opened
        for found in store.get_file_info(pafs.FileSelector(root, allow_not_found=True, recursive=True)):
            path = found.path.removeprefix(f"{root}/")
            day, _, name = path.partition("/")
            if found.is_file and day.startswith("date=") and fnmatchcase(name, pattern):
                yield Stored(path, found.size, found.mtime_ns / 1e9)


def _stored(path: Path, folder: str) -> Iterator[Stored]:
    with contextlib.suppress(FileNotFoundError):  # its owner has deleted it
        stat = path.stat()
        yield Stored(f"{folder}/{path.name}", stat.st_size, stat.st_mtime)


def open_store(uri: str) -> tuple[Any, str]:
    """A file system, and the path in it that an address names."""
    try:
        return pafs.FileSystem.from_uri(uri)
    except (OSError, ValueError) as error:  # Arrow's own errors are one of these
        raise OtelLlmError(f"cannot open {uri}: {error}") from error
