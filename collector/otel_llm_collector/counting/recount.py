"""Rows in the lake of which a later row changed whether they count: their files are written again, and replaced."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm.failures import swallow
from otel_llm_semconv.pricing.contracts import Contracts

from ..lake import files
from ..lake.log import DataFile, LakeTable
from ..lake.replaced import Replacing
from ..reprice import price_of_row
from .calls import READ
from .recent import RecentCalls
from .settle import Decisions, Pricer, apply

_LOG = logging.getLogger(__name__)

pc: Final[Any] = pyarrow.compute
_PAUSE_AFTER_FAULT_S: Final = 60.0


def newest_first(table: LakeTable) -> Iterator[pa.Table]:
    """The rows of a table in the columns that counting reads, file by file."""
    for file in sorted(table.live_files(), key=lambda file: (file.day, file.path), reverse=True):
        yield files.read_columns(table, file, READ)


def pricer(contracts: Contracts) -> Pricer:
    """Prices rows that count after all by what their columns say, at their own date."""

    def price(rows: pa.Table) -> pa.Table:
        return pa.Table.from_pylist([row | price_of_row(row, contracts) for row in rows.to_pylist()], rows.schema)

    return price


class Recount:
    """Writes what is overdue of one lake's `spans`, a file at a time."""

    def __init__(
        self, table: LakeTable, replacing: Replacing, collector_id: str, recent: RecentCalls, price: Pricer
    ) -> None:
        self._table = table
        self._stem = f"{collector_id}-recounted"
        self._replacing = replacing
        self._recent = recent
        self._price = price
        self._paused_until = 0.0

    def step(self) -> bool:
        """Write one file again, if there is one to be. False where there was nothing to do."""
        if time.monotonic() < self._paused_until:
            return False
        try:
            self._recent.look_back()
            return bool(self._recent.overdue) and self._write()
        except Exception as error:  # the rows stand as they are: a call that was told of twice is counted twice
            _LOG.exception("counting rows of %s again failed", self._table.name)
            self._paused_until = time.monotonic() + _PAUSE_AFTER_FAULT_S
            swallow("counting again", error)
            return False

    def _write(self) -> bool:
        overdue, by_day = self._recent.overdue, defaultdict[date, dict[str, str | None]](dict)
        for row_id, change in overdue.items():
            by_day[change.day][row_id] = change.why
        day, decided = next(iter(by_day.items()))
        for file in self._table.live_files(day):
            held = self._held(file, decided)
            if held:
                return self._replace(file, {row_id: decided[row_id] for row_id in held})
        for row_id in decided:  # in no file: the row was never written, or its date is gone
            del overdue[row_id]
        return True

    def _held(self, file: DataFile, decided: Decisions) -> list[str]:
        """The rows of a file that were decided on."""
        rows = files.read_columns(self._table, file, ("row_id",))
        is_held = pc.is_in(rows["row_id"], value_set=pa.array(list(decided)))
        return [row["row_id"] for row in rows.filter(is_held).to_pylist()]

    def _replace(self, file: DataFile, decided: Mapping[str, str | None]) -> bool:
        rows = apply(files.read_files(self._table, [file]), decided, self._price)
        new = files.write_file(self._table, rows, file.day, self._stem)
        if not self._replacing.replace([file], new, data_change=True):
            return False
        for row_id in decided:
            del self._recent.overdue[row_id]
        return True
