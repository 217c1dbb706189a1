"""The table `alerts`: each firing and each resolving, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .. import journal
from ..lake import files
from ..lake.log import LakeTable
from ..query import views_sql
from .message import Message

TABLE: Final = "alerts"


def row(message: Message, *, is_silenced: bool) -> dict[str, Any]:
    """The row of a firing or resolving, as JSON has it."""
    return {**message.as_dict(), "is_silenced": is_silenced}


class History:
    """Writes rows into the table of one data directory. Not thread-safe."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._stem = f"alerts-{journal.read_collector_id(data)}"
        if LakeTable.exists(data, TABLE):
            files.remove_unlisted(LakeTable(data, TABLE), self._stem)  # of a process that was killed

    @property
    def batch(self) -> int:
        """The number of the last batch that the table has."""
        return LakeTable(self._data, TABLE).segment_of(self._stem) if LakeTable.exists(self._data, TABLE) else 0

    def record(self, rows: Sequence[Mapping[str, Any]], batch: int) -> None:
        """Add rows as the batch of this number; nothing where the table has it already."""
        table = LakeTable(self._data, TABLE)
        if table.segment_of(self._stem) >= batch:
            return
        is_first = not table.has_files
        found = files.as_table(TABLE, [self._row(one) for one in rows])
        table.append(files.write_rows(table, found, f"{self._stem}-{batch:012d}"), self._stem, batch)
        if is_first:
            journal.replace_file(self._data / "views.sql", views_sql(self._data))

    def _row(self, one: Mapping[str, Any]) -> dict[str, Any]:
        message = Message.from_dict({name: one[name] for name in Message.__slots__})
        own = {name: getattr(message, name) for name in Message.__slots__}
        return own | {
            "row_id": message.id,
            "date": message.time.astimezone(dt.UTC).date(),
            "labels": list(message.labels.items()),
            "is_silenced": one["is_silenced"],
            "collector_id": self._stem.removeprefix("alerts-"),
        }
