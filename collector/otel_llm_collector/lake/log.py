"""A table of the lake: its Delta log through `deltalake`, used as the log only.

We write the Parquet files and commit add and remove actions. Appends are exactly-once by (collector, segment);
replacing files is one compare-and-swap. The library's own optimize, z_order, merge and delete are never used:
in 1.6.6 two racing compactions both succeed and duplicate rows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from otel_llm.errors import OtelLlmError

from .address import in_a_line
from .place import place_of
from .schema import arrow_schema

_CONFIGURATION: Final = {
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 1 days",
    "delta.enableExpiredLogCleanup": "true",
}
_ACTION_FIELDS: Final = ["path", "partition.date", "size_bytes", "num_records", "modification_time"]
_APPEND_TRIES: Final = 50
_REPLACE_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table: its path below the table's folder, its date, size in bytes, rows and statistics.

    `added_s` is when the youngest of its rows were committed, in seconds since 1970; 0 for now.
    """

    path: str
    day: date
    size: int
    rows: int
    stats: str = ""
    added_s: float = 0.0


class CommitStarvedError(OtelLlmError):
    """Other writers won every race for the log; trying again later is safe."""


class LakeTable:
    """One table of a data directory. One handle a process and table; not thread-safe."""

    def __init__(self, data: Path, name: str) -> None:
        self.name = name
        self.place = place_of(data, name)
        self._schema = Schema.from_arrow(arrow_schema(name))
        self.place.make()
        self._delta = self._open()
        self._add_new_columns()
        self._has_files = bool(self._delta.file_uris())

    def _open(self) -> DeltaTable:
        uri = self.place.uri
        try:
            DeltaTable.create(
                uri, schema=self._schema, mode="ignore", partition_by=["date"], configuration=_CONFIGURATION
            )
            return DeltaTable(uri)
        except (DeltaError, OSError) as error:
            raise OtelLlmError(f"cannot open the table in {uri}: {in_a_line(error)}") from error

    @staticmethod
    def exists(data: Path, name: str) -> bool:
        """Whether the directory has the table."""
        return DeltaTable.is_deltatable(place_of(data, name).uri)

    @property
    def has_files(self) -> bool:
        """Whether the table held a file when it was opened, or was given one since."""
        return self._has_files

    def segment_of(self, collector_id: str) -> int:
        """The highest segment of a collector that the table holds, as of the last refresh; 0 for none."""
        return self._delta.transaction_version(collector_id) or 0

    def _add_new_columns(self) -> None:
        """A table that an older version made gets the columns that came since; its old files show NULL there."""
        known = {field.name for field in self._delta.schema().fields}
        if new := [field for field in self._schema.fields if field.name not in known]:
            with contextlib.suppress(CommitFailedError):  # another process was quicker
                self._delta.alter.add_columns(new)
            self.refresh()

    @property
    def version(self) -> int:
        """The table's version as of the last refresh."""
        return self._delta.version()

    def refresh(self) -> None:
        self._delta.update_incremental()

    def live_files(self, day: date | None = None) -> list[DataFile]:
        """The files of the table as of the last refresh, of one date or all."""
        actions = pa.table(self._delta.get_add_actions(flatten=True)).select(_ACTION_FIELDS)
        files = [DataFile(path, day, size, rows or 0, "", ms / 1000) for path, day, size, rows, ms in _rows(actions)]
        return [file for file in files if day is None or file.day == day]

    def least(self, column: str) -> dict[str, Any]:
        """What the log says is the least value of a column in each file, by path, as of the last refresh."""
        return least(self._delta, column)

    def append(self, files: Sequence[DataFile], collector_id: str, segment: int) -> bool:
        """Add files that are on disk, once: False where the log has this segment already (then nothing is done)."""
        once = CommitProperties(app_transactions=[Transaction(collector_id, segment)], max_commit_retries=0)
        for attempt in range(_APPEND_TRIES):
            self.refresh()
            if self.segment_of(collector_id) >= segment:
                return False
            try:
                self._commit([_add(file, data_change=True) for file in files], once)
            except CommitFailedError:
                time.sleep(min(0.01 * 2**attempt, 0.5))
            else:
                self._has_files = self._has_files or bool(files)
                return True
        raise CommitStarvedError(f"{self.name}: {_APPEND_TRIES} commits were refused; is another writer stuck?")

    def replace(self, old: Sequence[DataFile], new: Sequence[DataFile], *, data_change: bool = False) -> bool:
        """Put `new` files in the place of `old` ones in one step, or do nothing and return False.

        A compare-and-swap: every old file must still be live, and nobody may commit in between; where somebody only
        added files, it is tried again. `data_change` is False for a compaction (same rows), True for an erasure.
        """
        adds = [_add(file, data_change=data_change) for file in new]
        for _ in range(_REPLACE_TRIES):
            live = self._live_paths()
            if new and live.issuperset(file.path for file in new):
                return True  # by the commit before, which was said to have failed
            if not live.issuperset(file.path for file in old):
                return False
            removes = [_remove(file, data_change=data_change) for file in old]
            with contextlib.suppress(CommitFailedError):
                self._commit([*adds, *removes], CommitProperties(max_commit_retries=0))
                self._has_files = self._has_files or bool(new)
                return True
        return bool(new) and self._live_paths().issuperset(file.path for file in new)

    def _live_paths(self) -> set[str]:
        """Those of all files, as of now."""
        self.refresh()
        return {file.path for file in self.live_files()}

    def _commit(self, actions: list[AddAction | RemoveAction], properties: CommitProperties) -> None:
        self._delta.create_write_transaction(
            actions, "append", self._schema, partition_by=["date"], commit_properties=properties
        )
        self.refresh()


def least(delta: DeltaTable, column: str) -> dict[str, Any]:
    """The same of a table that is only read. Delta keeps it of the first 32 columns."""
    actions = pa.table(delta.get_add_actions(flatten=True))
    if f"min.{column}" not in actions.column_names:  # nothing says it of any file
        return {}
    return {str(path): value for path, value in _rows(actions.select(["path", f"min.{column}"]))}


def _add(file: DataFile, *, data_change: bool) -> AddAction:
    added_ms = int((file.added_s or time.time()) * 1000)
    return AddAction(file.path, file.size, {"date": file.day.isoformat()}, added_ms, data_change, file.stats)


def _remove(file: DataFile, *, data_change: bool) -> RemoveAction:
    now_ms = time.time_ns() // 1_000_000
    return RemoveAction(file.path, data_change, now_ms, file.size, {"date": file.day.isoformat()})


def _rows(actions: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in actions.columns), strict=True)
