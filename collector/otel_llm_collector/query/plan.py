"""Where an answer comes from: from what calls add up to, where that tells what is asked, else from the calls.

Files of `rollups` are taken whole or not at all, and only those whose sources are all among the files of `spans` that
the connection reads: with the calls of all other files they add up to what the calls themselves do.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..rollup.cubes import GRAINS, PROPERTY, TABLE, TRACES, Cube, all_dimensions, cubes_with
from ..rollup.origin import Origin, apart, mark, origins, sound
from .dimensions import TIMES, Dimension
from .opening import ROLLUPS_LOG, glob_unescape
from .references import UNKNOWN, references

if TYPE_CHECKING:
    import duckdb

    from .answers import Selection

#: The variables that hold which files are read.
_CALLS: Final = "spans_files"
_CELLS: Final = f"{TABLE}_files"
#: The one with those files of spans that a roll-up of traces does not have, while `spans_files` has all.
OPEN_FILES: Final = "open_files"
_NONE_YET: Final = "there is no roll-up of them yet: a collector makes it once a day is over, `otel-llm compact` now"
_NO_TIME: Final = len(GRAINS) - 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The files that answer a question: `rolled` of one cube, and those of calls; `why` no more is rolled, if so.

    The variable `read_as` is set to those of calls.
    """

    calls: Sequence[str]
    rolled: Sequence[str] = ()
    cube: Cube | None = None
    dates: int = 0
    why: str = ""
    read_as: str = _CALLS

    @property
    def source(self) -> str:
        """For people: what is read."""
        what = "calls" if self.read_as == _CALLS else "spans"
        if self.cube is None:
            return f"read from the {what} themselves, {_files(self.calls)}: {self.why}"
        rest = f", and from the {what} of {_files(self.calls)} that it does not have" if self.calls else ""
        return f"read from the roll-up {self.cube.name}, {_count(self.dates, 'date')} in {_files(self.rolled)}{rest}"

    @contextmanager
    def narrowing(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Have the views read the files of this plan, and the others again afterwards."""
        lists = {self.read_as: self.calls, _CELLS: self.rolled}
        chosen = {name: paths for name, paths in lists.items() if paths}  # a view has one file at least
        before = dict(zip(chosen, _variables(connection, *chosen), strict=True)) if chosen else {}
        try:
            for name, paths in chosen.items():
                connection.execute(f"SET VARIABLE {name} = ?", [list(paths)])
            yield
        finally:
            for name, paths in before.items():
                connection.execute(f"SET VARIABLE {name} = ?", [paths])


def planned(
    connection: duckdb.DuckDBPyConnection, by: Sequence[Dimension], chosen: Selection, *, exact: bool, is_timed: bool
) -> Plan:
    """The cheapest sources of an answer; only the calls themselves where it is to be `exact`."""
    if exact:
        [spans] = _variables(connection, _CALLS)
        return Plan(spans or [], why="as was asked for")
    return _plan(connection, by, chosen, is_timed=is_timed)


def planned_traces(connection: duckdb.DuckDBPyConnection, *, exact: bool) -> Plan:
    """The cheapest sources of the times of traces; files of months have none."""
    known, rolled = _rolled(connection)
    spans = list(known.values())
    if exact:
        return Plan(spans, why="as was asked for", read_as=OPEN_FILES)
    taken = apart({path: origin for path, origin in rolled.items() if not origin.is_month})
    found = _with(TRACES, taken, known, spans) if taken else Plan(spans, why=_NONE_YET)
    return replace(found, read_as=OPEN_FILES)


def _rolled(connection: duckdb.DuckDBPyConnection) -> tuple[Mapping[str, str], Mapping[str, Origin]]:
    """The files of `spans`, by mark, and the sound ones of roll-ups, by path."""
    spans, log = _variables(connection, _CALLS, ROLLUPS_LOG)
    known = {mark(glob_unescape(path)): path for path in spans or []}
    return known, sound(origins(json.loads(log)), known) if log else {}


def _plan(connection: duckdb.DuckDBPyConnection, by: Sequence[Dimension], chosen: Selection, *, is_timed: bool) -> Plan:
    known, rolled = _rolled(connection)
    since, until = chosen.parameters.get("since"), chosen.parameters.get("until")
    inside = [path for path in known.values() if _is_inside(_day(path), since, until)]
    if not rolled:
        return Plan(inside, why=_NONE_YET)
    asked = references(connection, [*(one.expression for one in by if one.name not in TIMES), chosen.where])
    keys = {name.removeprefix(PROPERTY) for name in asked if name.startswith(PROPERTY)}
    cubes = cubes_with(asked - {"date"}, is_timed=is_timed)
    if not cubes:
        return Plan(inside, why=_missing(asked - {"date"}, is_timed=is_timed))
    days = [origin.first for origin in rolled.values()], [origin.end for origin in rolled.values()]
    coarsest = _coarsest(connection, by, "date" in asked, min(days[0]), max(days[1]))
    fit = {
        path: origin for path, origin in rolled.items() if keys <= set(origin.keys) and _covers(origin, since, until)
    }
    fine = [(cube, apart({path: one for path, one in fit.items() if _is_fine(cube, one, coarsest)})) for cube in cubes]
    cube, taken = min(fine, key=lambda found: len(found[1]) or math.inf)  # the first of those with the fewest files
    return _with(cube, taken, known, inside) if taken else Plan(inside, why=_unfit(keys, coarsest))


def _with(cube: Cube, taken: Mapping[str, Origin], known: Mapping[str, str], inside: Collection[str]) -> Plan:
    covered = {known[one] for origin in taken.values() for one in origin.files}
    days = {_day(path) for path in covered}
    return Plan([path for path in inside if path not in covered], sorted(taken), cube, len(days))


def _is_fine(cube: Cube, origin: Origin, coarsest: int) -> bool:
    """Whether a file tells times apart as finely as the question does."""
    return GRAINS.index(cube.grain(is_month=origin.is_month)) <= coarsest


def _covers(origin: Origin, since: dt.datetime | None, until: dt.datetime | None) -> bool:
    """Whether all calls of a file lie between the bounds."""
    return (since is None or since <= _midnight(origin.first)) and (until is None or _midnight(origin.end) <= until)


def _is_inside(day: dt.date, since: dt.datetime | None, until: dt.datetime | None) -> bool:
    return (since is None or day >= since.date()) and (until is None or day <= until.date())


def _coarsest(
    connection: duckdb.DuckDBPyConnection, by: Sequence[Dimension], has_date: bool, first: dt.date, end: dt.date
) -> int:
    """The coarsest of the grains that tell times apart as the question does; below 0 where none does."""
    wanted = [GRAINS.index(one.name) for one in by if one.name in TIMES]
    coarsest = min([_NO_TIME, *wanted, *([GRAINS.index("day")] if has_date else [])])
    if not wanted:
        return coarsest
    shift = (
        "SELECT max(abs(extract('timezone' FROM hour))), max(abs(extract('timezone' FROM hour)) % 3600) "
        "FROM (SELECT unnest(generate_series($first, $end, INTERVAL 1 HOUR)) AS hour)"
    )
    bounds = {"first": _midnight(first), "end": _midnight(end)}
    [(hours, odd)] = connection.execute(shift, bounds).fetchall()
    if odd:
        return -1
    return min(coarsest, GRAINS.index("hour")) if hours else coarsest


def _missing(columns: Collection[str], *, is_timed: bool) -> str:
    if UNKNOWN in columns:
        return "no roll-up can tell what the condition asks"
    unknown = {name for name in columns if not name.startswith(PROPERTY)} - all_dimensions(is_timed=is_timed)
    if unknown:
        return f"no roll-up has {', '.join(sorted(unknown))}"
    return f"no roll-up has {', '.join(sorted(columns))} together"


def _unfit(keys: Collection[str], coarsest: int) -> str:
    if coarsest < 0:
        return "hours of this time zone are not those of UTC"
    named = f", with {', '.join(f'property.{key}' for key in sorted(keys))} (rollup_properties)" if keys else ""
    return f"no roll-up lies between the times asked for, and tells them apart as finely{named}"


def _variables(connection: duckdb.DuckDBPyConnection, *names: str) -> tuple[Any, ...]:
    wanted = ", ".join(f"getvariable('{name}')" for name in names)
    return connection.execute(f"SELECT {wanted}").fetchall()[0]


def _day(path: str) -> dt.date:
    return dt.date.fromisoformat(path.split("/")[-2].removeprefix("date="))


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _files(paths: Collection[str]) -> str:
    return _count(len(paths), "file")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
