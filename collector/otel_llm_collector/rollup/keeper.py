"""Keeps `rollups` beside `spans`: makes the files that are missing, takes those away that no longer fit.

A date is added up once it is over and its files are as few as they get: until then its calls are read themselves.
What comes late for it, or is written again, makes its file unsound, which nobody reads from then on; it is made anew.
"""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from ..lake.files import Draft
from ..lake.layout import LAYOUTS
from ..lake.leftovers import delete_replaced
from ..lake.log import DataFile, LakeTable
from ..lake.merge import Stopped
from ..lake.patience import Patience
from ..lake.plan import is_over, plan
from ..lake.replaced import Replacing
from ..query.opening import over
from .cells import cells, traces
from .cubes import TABLE
from .due import due, end_of, month_of
from .origin import Origin, apart, mark, origins, sound

_PAUSE_AFTER_FAULT_S: Final = 600.0
_LOOK_S: Final = 30.0
_MEMORY: Final = "256MB"
#: What is read of the files of a table.
_VIEWS: Final = {TABLE: (TABLE,), "spans": ("spans", "llm_calls")}


class Keeper:
    """Adds the calls of one data directory up, a step at a time.

    `keys` are the properties by which calls are told apart, too; None keeps to those that were.
    """

    def __init__(
        self,
        data: Path,
        replacing: Replacing,
        stem: str,
        *,
        keys: tuple[str, ...] | None = None,
        clock: Callable[[], float] = time.time,
        is_stopped: Callable[[], bool] = bool,
    ) -> None:
        self._data, self._stem, self._keys = data, stem, keys
        self._replacing, self._table, self._spans = replacing, replacing.table, LakeTable(data, "spans")
        self._clock, self._is_stopped = clock, is_stopped
        self._looked_at = ((-1, -1), 0.0)  # versions of both tables in which nothing was left to do, and when
        # calls are read themselves then, which takes longer
        self._patience = Patience("rollup", "adding calls up", _PAUSE_AFTER_FAULT_S)
        self._given_up: set[Origin] = set()

    def step(self) -> bool:
        """Take unsound files away, or make one. False where there was nothing to do.

        Raises Stopped, and leaves nothing behind, once `is_stopped` says so.
        """
        return self._patience.attempt(self._step)

    def _step(self) -> bool:
        self._spans.refresh()
        self._table.refresh()
        versions = (self._spans.version, self._table.version)
        if self._looked_at[0] == versions and time.monotonic() - self._looked_at[1] < _LOOK_S:
            return False
        known = origins(self._table.least("made_of"))
        if self._take_away(known) or self._make(known):
            return True
        self._looked_at = (versions, time.monotonic())
        return False

    def _take_away(self, known: Mapping[str, Origin]) -> bool:
        keys = self._wanted_keys(known.values())
        fit = {path: origin for path, origin in sound(known, _live(self._spans)).items() if origin.keys == keys}
        levels = ({path: origin for path, origin in fit.items() if origin.is_month is level} for level in (True, False))
        return _take_away(self._replacing, {path for level in levels for path in apart(level)})

    def _make(self, known: Mapping[str, Origin]) -> bool:
        settled = dict(self._settled())
        marks = {day: frozenset(mark(file.path) for file in files) for day, files in settled.items()}
        wanted = due(marks, known.values(), self._wanted_keys(known.values()), self._past(settled))
        origin = next((one for one in wanted if one not in self._given_up), None)
        if origin is None:
            return False
        old = {path for path, other in known.items() if _replaces(origin, other)}
        replaced = [file for file in self._table.live_files() if file.path in old]
        return self._replacing.replace(replaced, [self._write(origin, known)], data_change=True)

    def _settled(self) -> Iterator[tuple[dt.date, list[DataFile]]]:
        """The dates that are over, with their files, of which none is to be merged."""
        by_day = defaultdict[dt.date, list[DataFile]](list)
        for file in self._spans.live_files():
            by_day[file.day].append(file)
        now_s = self._clock()
        for day, files in by_day.items():
            if is_over(files, now_s) and not plan("spans", files, now_s):
                yield day, files

    def _past(self, settled: Collection[dt.date]) -> set[dt.date]:
        """The months that are over, with every date of them."""
        open_months = {month_of(file.day) for file in self._spans.live_files() if file.day not in settled}
        return {month for month in map(month_of, settled) if end_of(month) < self._clock()} - open_months

    def _write(self, origin: Origin, known: Mapping[str, Origin]) -> DataFile:
        draft = Draft(self._table, origin.first, self._stem, rows=LAYOUTS[TABLE].row_group)
        try:
            self._fill(draft, origin, known)
            return draft.publish()
        except BaseException as error:
            draft.discard()
            if not isinstance(error, Stopped):
                self._given_up.add(origin)  # others are made without it
            raise

    def _fill(self, draft: Draft, origin: Origin, known: Mapping[str, Origin]) -> None:
        if origin.is_month:
            name = TABLE
            paths = [path for path, part in known.items() if not part.is_month and part.files <= origin.files]
        else:
            name = self._spans.name
            paths = [file.path for file in self._spans.live_files(origin.first) if mark(file.path) in origin.files]
        with over(self._data, name, paths, _VIEWS[name]) as connection:
            connection.execute(f"SET threads = 1; SET memory_limit = '{_MEMORY}'")
            for rows in itertools.chain(cells(connection, origin), traces(connection, origin)):
                draft.write(rows, LAYOUTS[TABLE].row_group)
                if self._is_stopped():
                    raise Stopped

    def _wanted_keys(self, known: Collection[Origin]) -> tuple[str, ...]:
        if self._keys is not None:
            return self._keys
        return max(known, key=lambda origin: origin.end).keys if known else ()


def take_unsound_away(data: Path) -> None:
    """Have no file of roll-ups left that was made of what is not there any more: of what was erased, above all."""
    if not LakeTable.exists(data, TABLE):
        return
    replacing = Replacing(LakeTable(data, TABLE))
    kept = sound(origins(replacing.table.least("made_of")), _live(LakeTable(data, "spans")))
    _take_away(replacing, kept)
    replacing.delete(at_once=True)
    delete_replaced(replacing.table)


def _take_away(replacing: Replacing, kept: Collection[str]) -> bool:
    """Take all other files out of the table. False where there are none."""
    gone = [file for file in replacing.table.live_files() if file.path not in kept]
    return bool(gone) and replacing.replace(gone, [], data_change=True)


def _live(spans: LakeTable) -> set[str]:
    return {mark(file.path) for file in spans.live_files()}


def _replaces(new: Origin, old: Origin) -> bool:
    """Whether a file is of the same date, or of the same month."""
    if new.is_month != old.is_month:
        return False
    return month_of(new.first) == month_of(old.first) if new.is_month else new.first == old.first
