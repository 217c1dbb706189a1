"""The files of the lake, written again where the mappings of today read their archived requests otherwise.

So many rows at a time as ROWS_MAX says, those of a few segments each: what is in memory does not grow with the files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from otel_llm.errors import OtelLlmError
from otel_llm_semconv.identity import row_id

from ..counting.settle import Pricer
from ..lake import files
from ..lake.log import DataFile, LakeTable
from ..lake.replaced import Replacing
from ..rows import Keys, Rows
from .compare import aligned, differing, has_other_prices, keep_decisions, keep_figures
from .requests import ArchivedRequests

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: A collector that is at work may merge files while they are looked at: these are looked at once more.
_PASSES_MAX: Final = 20
#: Rows that are looked at at once, unless one segment has more.
ROWS_MAX: Final = 100_000
_KNOWN_BY: Final = ("row_id", "segment", "collector_id", "start_time")
_Wanted = Callable[[pa.Table], Any]


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
        self._with_content: dict[date, list[Keys]] = defaultdict(list)
        self.done = Rebuilt()

    def run(self, stem: str) -> Rebuilt:
        """Write what has changed, in files named after `stem`. Raises OtelLlmError where others leave no room."""
        self._go_through(self._spans, partial(self._renew_spans, stem=stem))
        self._go_through(self._messages, partial(self._renew_messages, stem=stem))
        for day, keys in self._with_content.items():
            self._add_messages(day, np.concatenate(keys), stem)
        return self.done

    def _go_through(self, replacing: Replacing, renew: Callable[[DataFile], DataFile | None]) -> None:
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
                if new is not None:
                    seen.add(new.path)
        raise OtelLlmError(f"{table.name}: the collector merged files faster than they were read; run it again later")

    def _covers(self, day: date) -> bool:
        return self._since.date() <= day <= self._until.date()

    def _renew_spans(self, file: DataFile, stem: str) -> DataFile | None:
        """The file that has the rows of another as they are today, itself where they are; None where somebody came in
        between."""
        now = file
        for is_wanted in self._portions(file):
            meant = _rows_where(self._spans.table, now, is_wanted)
            changed = [new for new in self._told(meant, file.day) if new.num_rows]
            if not changed:
                continue
            new = pa.concat_tables(changed).unify_dictionaries()
            written = self._spans.change(now, partial(_replaced, new=new), stem)
            if written is None:
                return None
            now = written
            self.done.changed["spans"] += new.num_rows
            self.done.days.add(file.day)
        return now

    def _portions(self, file: DataFile) -> Iterator[_Wanted]:
        """What tells some of the rows of a file of `spans` that can be made anew; all of them in the end."""
        rows_by_segment = Counter[int]()
        for known in files.row_groups(self._spans.table, file, _KNOWN_BY):
            began, meant = self._began(known), self._is_meant(known)
            self.done.not_archived += pc.sum(pc.and_not(began, meant)).as_py() or 0
            _count_segments(rows_by_segment, known.filter(meant))
        for segments in _grouped(rows_by_segment):
            yield partial(self._is_meant, segments=pa.array(segments, pa.int64()))

    def _told(self, meant: pa.Table, day: date) -> Iterator[pa.Table]:
        """The rows that have changed."""
        for told in self._archive.rows(meant, day):
            self._with_content[day].append(told.keys[told.owners[0]])
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

    def _is_meant(self, rows: pa.Table, segments: Any = None) -> Any:
        """Where a row began in the time, and its request is archived here; in some of the segments only."""
        is_mine = pc.fill_null(pc.equal(rows["collector_id"], self._archive.collector_id), False)
        is_archived = pc.is_in(rows["segment"], value_set=self._archive.segments if segments is None else segments)
        return pc.and_(self._began(rows), pc.and_(is_mine, is_archived))

    # --- content ----------------------------------------------------------------------------------------------

    def _renew_messages(self, file: DataFile, stem: str) -> DataFile | None:
        now = file
        for known in self._known(file.day):
            rows = _rows_where(self._messages.table, now, partial(_is_one_of, ids=known["row_id"]))
            changed, gone = list[pa.Table](), list[Any]([pa.array([], pa.string())])
            for found in self._archive.rows(known.filter(_is_one_of(known, rows["row_id"])), file.day):
                (told,) = found.others
                is_told = pc.is_in(found.first["row_id"], value_set=_with_content(found))
                gone.append(found.first["row_id"].filter(pc.invert(is_told)).combine_chunks())
                changed.append(told.filter(differing(aligned(rows, told), told)))
            count = sum(map(len, gone)) + sum(one.num_rows for one in changed)
            if not count:
                continue
            change = partial(_replaced, new=pa.concat_tables(changed), gone=pa.concat_arrays(gone))
            written = self._messages.change(now, change, stem)
            if written is None:
                return None
            now = written
            self.done.changed["messages"] += count
        return now

    def _add_messages(self, day: date, keys: Keys, stem: str) -> None:
        """Content that is in no file."""
        missing = np.setdiff1d(keys, files.row_keys(self._messages.table, day))
        ids = pa.array([row_id(int(key)) for key in missing], pa.string())
        for known in self._known(day) if len(ids) else ():
            told = [found.others[0] for found in self._archive.rows(known.filter(_is_one_of(known, ids)), day)]
            if not told:
                continue
            new = pa.concat_tables(told)
            if not any(self._messages.add(new, day, stem) for _ in range(_PASSES_MAX)):
                raise OtelLlmError(f"messages: {_PASSES_MAX} commits were refused; run it again later")
            self.done.changed["messages"] += new.num_rows

    def _known(self, day: date) -> Iterator[pa.Table]:
        """Ids and segments of the rows of `spans` of a date that can be made anew, so many at a time."""
        table = self._spans.table
        for file in table.live_files(day):
            rows_by_segment = Counter[int]()
            for known in files.row_groups(table, file, _KNOWN_BY):
                _count_segments(rows_by_segment, known.filter(self._is_meant(known)))
            for segments in _grouped(rows_by_segment):
                is_wanted = partial(self._is_meant, segments=pa.array(segments, pa.int64()))
                yield _rows_where(table, file, is_wanted, _KNOWN_BY)


def _count_segments(counts: Counter[int], rows: pa.Table) -> None:
    for found in pc.value_counts(rows["segment"]).to_pylist():
        counts[found["values"]] += found["counts"]


def _grouped(rows_by_segment: Counter[int]) -> Iterator[list[int]]:
    """Segments that have ROWS_MAX rows together, or one that has more."""
    group, rows = list[int](), 0
    for segment, count in sorted(rows_by_segment.items()):
        if group and rows + count > ROWS_MAX:
            yield group
            group, rows = [], 0
        group.append(segment)
        rows += count
    if group:
        yield group


def _rows_where(
    table: LakeTable, file: DataFile, is_wanted: _Wanted, columns: tuple[str, ...] | None = None
) -> pa.Table:
    """Some rows of a file, read a row group at a time."""
    found = [rows.filter(is_wanted(rows)) for rows in files.row_groups(table, file, columns)]
    return pa.concat_tables(found).unify_dictionaries()


def _is_one_of(rows: pa.Table, ids: Any) -> Any:
    """Where a row has one of these ids."""
    return pc.is_in(rows["row_id"], value_set=ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids)


def _with_content(rows: Rows) -> Any:
    """The ids of those of the rows that have content."""
    return pc.take(rows.first["row_id"].combine_chunks(), pa.array(rows.owners[0]))


def _replaced(rows: pa.Table, new: pa.Table, gone: Any = None) -> pa.Table:
    """The rows with new ones in the place of those with the same ids, and without those that are gone."""
    kept = rows.filter(pc.invert(_is_one_of(rows, new["row_id"])))
    if gone is not None:
        kept = kept.filter(pc.invert(_is_one_of(kept, gone)))
    return pa.concat_tables([kept, new.filter(_is_one_of(new, rows["row_id"]))]).unify_dictionaries()
