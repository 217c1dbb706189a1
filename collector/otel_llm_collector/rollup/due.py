"""Which file of roll-ups is to be made next: of dates that nothing of theirs is kept of, then of whole months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from .origin import Origin

Marks = frozenset[str]
_DAY: Final = dt.timedelta(days=1)
#: Dates of a month that goes on which are worth its file being made anew; and how few are worth one.
_NEW_DATES: Final = 7
_DATES_MIN: Final = 2


def due(
    settled: Mapping[dt.date, Marks], known: Collection[Origin], keys: tuple[str, ...], past: Collection[dt.date]
) -> Iterator[Origin]:
    """The files to make, the most useful first; only the first is sure to be wanted once it is made.

    `settled` are the dates whose files of `spans` stay as they are, by mark; of `past` months all dates are among them.
    """
    of_dates, of_months = _union(known, is_month=False), _union(known, is_month=True)
    waiting = [day for day, marks in settled.items() if marks - of_dates]
    for day in sorted(waiting, reverse=True):
        yield Origin(settled[day], day, day + _DAY, is_month=False, keys=keys)
    for month in sorted({month_of(day) for day in settled}, reverse=True):
        mine = {day: marks for day, marks in settled.items() if month_of(day) == month and day not in waiting}
        missing = sum(bool(marks - of_months) for marks in mine.values())
        if len(mine) >= _DATES_MIN and missing >= (1 if month in past else _NEW_DATES):
            yield Origin(Marks().union(*mine.values()), min(mine), max(mine) + _DAY, is_month=True, keys=keys)


def month_of(day: dt.date) -> dt.date:
    """The first date of its month."""
    return day.replace(day=1)


def end_of(month: dt.date) -> float:
    """When a month is over, in seconds since 1970."""
    after = month_of(month + 31 * _DAY)
    return dt.datetime.combine(after, dt.time(), dt.UTC).timestamp()


def _union(known: Collection[Origin], *, is_month: bool) -> Marks:
    return Marks().union(*(origin.files for origin in known if origin.is_month == is_month))
