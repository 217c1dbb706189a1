"""Files that nobody needs: replaced ones that a killed process left, unfinished ones, those that no commit names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deltalake import DeltaTable

from otel_llm_semconv.tables import TABLES

from .log import LakeTable

#: Hours that a file which no commit names may be one that is being written; and that one may be read by somebody.
GRACE_H: Final = 24
REPLACED_H: Final = 1


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file to delete, and its size in bytes. `place` is the table or folder that it lies in, `why` it may go."""

    place: str
    path: Path
    size: int
    why: str


def find(data: Path, now_s: float, grace_h: float = GRACE_H) -> Iterator[Leftover]:
    """The leftovers of a data directory. What others are about to write or read is younger than `grace_h`."""
    before_s = now_s - grace_h * 3600
    for name in TABLES:
        if LakeTable.exists(data, name):
            yield from _of_table(data / name, before_s)
    for folder in (data, data / "journal"):
        for path in folder.glob("*.tmp"):
            yield from _leftover(folder.name, path, before_s, "unfinished")


def _of_table(folder: Path, before_s: float) -> Iterator[Leftover]:
    found = sorted(path for path in folder.glob("date=*/*"))  # before the log is read: what it names later is not here
    table = DeltaTable(str(folder.absolute()))
    live = set(_paths(table.file_uris()))
    replaced, readable = set(_removed(table, 0)), set(_removed(table, 0)) - set(_removed(table, REPLACED_H))
    for path in found:
        place = f"{path.parent.name}/{path.name}"
        if place in live or place in readable:
            continue
        if place in replaced:
            yield from _leftover(folder.name, path, float("inf"), "replaced")
        else:
            yield from _leftover(folder.name, path, before_s, "in no commit")


def _removed(table: DeltaTable, hours: int) -> list[str]:
    """The files that a commit removed so long ago; this deletes none."""
    return _paths(table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False))


def _paths(listed: list[str]) -> list[str]:
    """Names of files below the table's folder, however they are spelled."""
    return ["/".join(path.split("/")[-2:]) for path in listed]


def _leftover(place: str, path: Path, before_s: float, why: str) -> Iterator[Leftover]:
    try:
        stat = path.stat()
    except FileNotFoundError:  # its owner has deleted it
        return
    if stat.st_mtime < before_s:
        yield Leftover(place, path, stat.st_size, why)
