"""The files of the lake, written again where the mappings of today read their archived requests otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm.errors import OtelLlmError

from ..counting.settle import Pricer
from ..lake import files
from ..lake.log import DataFile
from ..lake.replaced import Replacing
from ..rows import Rows
from .compare import aligned, differing, has_other_prices, keep_decisions, keep_figures
from .requests import ArchivedRequests

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: A collector that is at work may merge files while they are looked at: these are looked at once more.
_PASSES_MAX: Final = 20
_KNOWN_BY: Final = ("row_id", "segment", "collector_id", "start_time")


@dataclass(slots=True)
class Rebuilt:
    """What was done: the rows that were changed, by table, and their dates.

    Rows stay as they are whose requests are `not_archived` any more, and `unpriced` ones: those were priced by
    `price_versions`, which are not in use.
    """

    changed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    not_archived: int = 0
    unpriced: int = 0
    price_versions: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)


class Rebuilding:
    """Goes through the files of `spans`, then of `messages`, for the rows that began in a time."""

    def __init__(
        self,
        tables: tuple[Replacing, Replacing],
        archive: ArchivedRequests,
        price: Pricer,
        *,
        since: datetime,
        until: datetime,
    ) -> None:
        self._spans, self._messages = tables
        self._archive = archive
        self._price = price
        self._since, self._until = since, until
        self._with_content: dict[date, set[str]] = defaultdict(set)
        self.done = Rebuilt()

    def run(self, stem: str) -> Rebuilt:
        """Write what has changed, in files named after `stem`. Raises OtelLlmError where others leave no room."""
        self._go_through(self._spans, self._new_spans, stem)
        self._go_through(self._messages, self._new_messages, stem)
        for day, ids in self._with_content.items():
            self._add_messages(day, ids, stem)
        return self.done

    def _go_through(self, replacing: Replacing, renew: Callable[[DataFile], pa.Table | None], stem: str) -> None:
        table, seen = replacing.table, set[str]()
        for _ in range(_PASSES_MAX):
            table.refresh()
            waiting = [file for file in table.live_files() if file.path not in seen and self._covers(file.day)]
            if not waiting:
                return
            for file in waiting:
                try:
                    new = renew(file)
                except FileNotFoundError:  # merged with others meanwhile
                    continue
                if new is None:
                    seen.add(file.path)
                elif (path := replacing.rewrite(file, new, stem)) is not None:
                    seen.add(path)
        raise OtelLlmError(f"{table.name}: the collector merged files faster than they were read; run it again later")

    def _covers(self, day: date) -> bool:
        return self._since.date() <= day <= self._until.date()

    def _new_spans(self, file: DataFile) -> pa.Table | None:
        """The rows of a file as they are today; None where nothing has changed."""
        if not self._holds_any(file):
            return None
        rows = files.read_files(self._spans.table, [file])
        meant = rows.filter(self._is_meant(rows))
        changed = [new for new in self._portions(meant, file.day) if new.num_rows]
        if not changed:
            return None
        new = pa.concat_tables(changed).unify_dictionaries()
        self.done.changed["spans"] += new.num_rows
        self.done.days.add(file.day)
        return _replaced(rows, new)

    def _holds_any(self, file: DataFile) -> bool:
        """Whether there is anything to do in a file; what is archived no more is noted."""
        known = files.read_columns(self._spans.table, file, _KNOWN_BY)
        began, archived = self._began(known), self._is_meant(known)
        self.done.not_archived += pc.sum(pc.and_not(began, archived)).as_py() or 0
        return bool(pc.any(archived).as_py())

    def _portions(self, meant: pa.Table, day: date) -> Iterator[pa.Table]:
        """The rows that have changed, so many at a time."""
        for rows in self._archive.rows(meant):
            is_of_day = pc.equal(rows.first["date"], pa.scalar(day)).to_numpy(zero_copy_only=False)
            told = rows.select(is_of_day)
            self._with_content[day].update(_with_content(told).to_pylist())
            yield self._changed(aligned(meant, told.first), told.first)

    def _changed(self, old: pa.Table, new: pa.Table) -> pa.Table:
        new = keep_figures(old, keep_decisions(old, new))
        stays = has_other_prices(old, new, self._price)
        self.done.unpriced += pc.sum(stays).as_py() or 0
        self.done.price_versions.update(map(str, pc.unique(old.filter(stays)["price_version"]).to_pylist()))
        return new.filter(pc.and_not(differing(old, new), stays))

    def _began(self, rows: pa.Table) -> Any:
        """Where a row began in the time."""
        since, until = (pa.scalar(moment, rows["start_time"].type) for moment in (self._since, self._until))
        return pc.and_(pc.greater_equal(rows["start_time"], since), pc.less(rows["start_time"], until))

    def _is_meant(self, rows: pa.Table) -> Any:
        """Where a row began in the time, and its request is archived here."""
        is_mine = pc.fill_null(pc.equal(rows["collector_id"], self._archive.collector_id), False)
        is_archived = pc.is_in(rows["segment"], value_set=self._archive.segments)
        return pc.and_(self._began(rows), pc.and_(is_mine, is_archived))

    # --- content ----------------------------------------------------------------------------------------------

    def _new_messages(self, file: DataFile) -> pa.Table | None:
        rows = files.read_files(self._messages.table, [file])
        self._with_content[file.day].difference_update(rows["row_id"].to_pylist())
        kept, changed = rows, []
        for found in self._rows(file.day, rows["row_id"].combine_chunks()):
            (told,) = found.others
            is_told = pc.is_in(found.first["row_id"], value_set=_with_content(found))
            gone = found.first["row_id"].filter(pc.invert(is_told)).combine_chunks()
            kept = kept.filter(pc.invert(pc.is_in(kept["row_id"], value_set=gone)))
            changed.append(told.filter(differing(aligned(rows, told), told)))
        new = sum(one.num_rows for one in changed) + rows.num_rows - kept.num_rows
        self.done.changed["messages"] += new
        return _replaced(kept, pa.concat_tables(changed)) if new else None

    def _add_messages(self, day: date, ids: set[str], stem: str) -> None:
        """Content that was found in no file."""
        told = [found.others[0] for found in self._rows(day, pa.array(sorted(ids), pa.string()))] if ids else []
        if not told:
            return
        new = pa.concat_tables(told)
        if not any(self._messages.add(new, day, stem) for _ in range(_PASSES_MAX)):
            raise OtelLlmError(f"messages: {_PASSES_MAX} commits were refused; run it again later")
        self.done.changed["messages"] += new.num_rows

    def _rows(self, day: date, ids: Any) -> Iterator[Rows]:
        """What the archive gives for some rows of a date, of `spans` as they are in the lake."""
        for file in self._spans.table.live_files(day):
            known = files.read_columns(self._spans.table, file, _KNOWN_BY)
            is_asked_for = pc.is_in(known["row_id"], value_set=ids)
            yield from self._archive.rows(known.filter(pc.and_(is_asked_for, self._is_meant(known))))


def _with_content(rows: Rows) -> Any:
    """The ids of those of the rows that have content."""
    return pc.take(rows.first["row_id"].combine_chunks(), pa.array(rows.owners[0]))


def _replaced(rows: pa.Table, new: pa.Table) -> pa.Table:
    """The rows with new ones in the place of those with the same ids."""
    kept = rows.filter(pc.invert(pc.is_in(rows["row_id"], value_set=new["row_id"].combine_chunks())))
    return pa.concat_tables([kept, new]).unify_dictionaries()
