"""Rows in the lake of which a later row changed whether they count: their files are written again, and replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv.pricing.contracts import Contracts

from ..lake import files
from ..lake.log import DataFile, LakeTable
from ..lake.patience import ForeignFaultError, Patience
from ..lake.replaced import Replacing
from ..reprice import price_of_row
from .calls import READ
from .recent import Change, RecentCalls
from .settle import Pricer, apply

pc: Final[Any] = pyarrow.compute
_PAUSE_AFTER_FAULT_S: Final = 60.0


def newest_first(table: LakeTable) -> Iterator[pa.Table]:
    """The rows of a table in the columns that counting reads, file by file."""
    table.refresh()
    for file in sorted(table.live_files(), key=lambda file: (file.day, file.path), reverse=True):
        yield files.read_columns(table, file, READ)


def pricer(contracts: Contracts) -> Pricer:
    """Prices rows that count after all by what their columns say, at their own date."""

    def price(rows: pa.Table) -> pa.Table:
        return pa.Table.from_pylist([row | price_of_row(row, contracts) for row in rows.to_pylist()], rows.schema)

    return price


class Recount:
    """Writes what is overdue of one lake's `spans`, a file at a time; a large one takes a minute.

    `meanwhile` is called before each of its row groups, and may change what is overdue. What it raises, a step raises:
    only faults of the writing itself are put off.
    """

    def __init__(
        self,
        replacing: Replacing,
        collector_id: str,
        recent: RecentCalls,
        price: Pricer,
        meanwhile: Callable[[], object] = bool,
    ) -> None:
        self._replacing = replacing
        self._stem = f"{collector_id}-recounted"
        self._recent = recent
        self._price = price
        self._meanwhile = meanwhile
        # the rows stand as they are: a call that was told of twice is counted twice
        name = f"counting rows of {replacing.table.name} again"
        self._patience = Patience("counting again", name, _PAUSE_AFTER_FAULT_S)

    def step(self) -> bool:
        """Write one file again, if there is one to be. False where there was nothing to do."""
        return self._patience.attempt(self._step)

    def _step(self) -> bool:
        self._recent.look_back()
        overdue = self._recent.overdue
        return bool(overdue) and write_one(self._replacing, overdue, self._price, self._stem, self._do_meanwhile)

    def _do_meanwhile(self) -> None:
        try:
            self._meanwhile()
        except Exception as error:
            raise ForeignFaultError(error) from error


def write_one(
    replacing: Replacing,
    overdue: dict[str, Change],
    price: Pricer,
    stem: str,
    meanwhile: Callable[[], object] = bool,
) -> bool:
    """Write one file of those that hold overdue rows, and take these out. False where somebody came in between."""
    day = next(iter(overdue.values())).day
    chosen = {row_id: change for row_id, change in overdue.items() if change.day == day}

    def changed(rows: pa.Table) -> pa.Table:
        meanwhile()
        return apply(rows, {row_id: chosen[row_id].why for row_id in held}, price=price)

    replacing.table.refresh()  # files may have been merged, and are deleted then
    for file in replacing.table.live_files(day):
        if held := _held(replacing.table, file, chosen):
            is_written = replacing.change(file, changed, stem) is not None
            break
    else:  # in no file: the rows were never written, or their date is gone
        held, is_written = list(chosen), True
    for row_id in held if is_written else ():
        if overdue.get(row_id) == chosen[row_id]:  # else it was decided otherwise meanwhile
            del overdue[row_id]
    return is_written


def _held(table: LakeTable, file: DataFile, decided: Mapping[str, Change]) -> list[str]:
    """The rows of a file that were decided on."""
    wanted = pa.array(list(decided))
    groups = files.row_groups(table, file, ("row_id",))
    held = (rows["row_id"].filter(pc.is_in(rows["row_id"], value_set=wanted)) for rows in groups)
    return [str(row_id) for ids in held for row_id in ids.to_pylist()]
