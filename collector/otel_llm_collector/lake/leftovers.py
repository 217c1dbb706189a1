"""Files that nobody needs: replaced ones that a killed process left, unfinished ones, those that no commit names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from deltalake import DeltaTable

from otel_llm_semconv.tables import TABLES

from .log import LakeTable
from .place import Place, place_of

#: Hours that a file which no commit names may be one that is being written; and that one may be read by somebody.
GRACE_H: Final = 24
REPLACED_H: Final = 1


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file to delete, its size in bytes, and why it may go. `place` is the table or folder that it lies in."""

    place: str
    path: str
    size: int
    why: str
    delete: Callable[[], None]


def find(data: Path, now_s: float, grace_h: float = GRACE_H) -> Iterator[Leftover]:
    """The leftovers of a data directory. What others are about to write or read is younger than `grace_h`."""
    before_s = now_s - grace_h * 3600
    for name in TABLES:
        if LakeTable.exists(data, name):
            yield from _of_table(name, place_of(data, name), before_s)
    for folder in (data, data / "journal"):
        for path in folder.glob("*.tmp"):
            with contextlib.suppress(FileNotFoundError):  # its owner has deleted it
                if (stat := path.stat()).st_mtime < before_s:
                    gone = partial(path.unlink, missing_ok=True)
                    yield Leftover(folder.name, str(path.relative_to(data)), stat.st_size, "unfinished", gone)


def _of_table(name: str, place: Place, before_s: float) -> Iterator[Leftover]:
    found = sorted(place.files())  # before the log is read: what it names later is not here
    table = DeltaTable(place.uri)
    live = set(_paths(table.file_uris()))
    replaced, readable = set(_removed(table, 0)), set(_removed(table, 0)) - set(_removed(table, REPLACED_H))
    for file in found:
        if file.path in live or file.path in readable:
            continue
        if file.path in replaced or file.modified_s < before_s:
            why = "replaced" if file.path in replaced else "in no commit"
            yield Leftover(name, f"{name}/{file.path}", file.size, why, partial(place.delete, file.path))


def delete_replaced(table: LakeTable) -> None:
    """Delete all that a commit ever took out of a table, whoever may be reading it."""
    for path in _removed(DeltaTable(table.place.uri), 0):
        table.place.delete(path)


def _removed(table: DeltaTable, hours: int) -> list[str]:
    """The files that a commit removed so long ago; this deletes none."""
    return _paths(table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False))


def _paths(listed: list[str]) -> list[str]:
    """Names of files below the table's folder, however they are spelled."""
    return ["/".join(path.split("/")[-2:]) for path in listed]
