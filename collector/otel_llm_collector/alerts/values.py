"""How values of a rule file are written: times of day, lengths of time, percentages, numbers."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from ..query.dimensions import dimensions

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH: Final = re.compile(r"(\d{1,5})([smhdw])")
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))?)? ?(?:(\d\d):(\d\d)-(\d\d):(\d\d))?")
_NAME_LENGTH_MAX: Final = 200


def text(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("give text")
    return value.strip()


def name(value: Any) -> str:
    """A text that stands in one line."""
    found = text(value)
    if not found.isprintable() or len(found) > _NAME_LENGTH_MAX:
        raise ValueError(f"give one line of at most {_NAME_LENGTH_MAX} signs")
    return found


def number(value: Any) -> Decimal:
    """A number, as exact as it is written."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise ValueError("give a number")
    return Decimal(value)


def positive(value: Any) -> Decimal:
    """A number above 0."""
    if (found := number(value)) <= 0:
        raise ValueError("give a number above 0")
    return found


def count(value: Any) -> int:
    """A whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("give a whole number, 0 or more")
    return value


def share(value: Any) -> Decimal:
    """A percentage as a share of one."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value) if isinstance(value, str) else None
    if found is None or not Decimal(found[1]):
        raise ValueError('give a percentage above 0, such as "40%"')
    return Decimal(found[1]) / 100


def length(shortest: str, longest: str) -> Callable[[Any], dt.timedelta]:
    """A reader of lengths of time between two."""
    least, most = _length(shortest), _length(longest)

    def parse(value: Any) -> dt.timedelta:
        found = _length(value) if isinstance(value, str) else None
        if found is None or least is None or most is None or not least <= found <= most:
            raise ValueError(f'give a length of time from {shortest} to {longest}, such as "5m", "1h" or "7d"')
        return found

    return parse


def _length(value: str) -> dt.timedelta | None:
    found = _LENGTH.fullmatch(value.strip())
    return dt.timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def by(value: Any) -> tuple[str, ...]:
    """Dimensions, as `--by` takes them. Raises UsageError."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError('give names to group by, such as ["user", "property.department"]')
    return tuple(dimension.name for dimension in dimensions(",".join(given)))


def names(value: Any) -> tuple[str, ...]:
    """One name or a list of them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        raise ValueError("give a list of names")
    return tuple(name(one) for one in given)


def one_of(*words: str) -> Callable[[Any], str]:
    """A reader of one of some words."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return str(value)

    return parse


class Times:
    """Times of the week: `"22:00-06:00"`, `"sat-sun"`, `"mon-fri 18:00-08:00"`. What ends before it begins, ends the
    next day, and counts for the day on which it began."""

    def __init__(self, written: str) -> None:
        found = _SPAN.fullmatch(written.strip().lower())
        first, last, *clock = found.groups() if found and found[0] else (None,) * 6
        days = [day for day in (first, last) if day]
        if found is None or not found[0].strip() or any(day not in _DAYS for day in days):
            raise ValueError(f'{written!r}: give times such as "22:00-06:00", "sat-sun" or "mon-fri 18:00-08:00"')
        self.written = written
        self._days = _days_between(first or "mon", last or first or "sun")
        self._since, self._until = _minutes(clock[:2], "00:00"), _minutes(clock[2:], "24:00")

    def holds(self, local: dt.datetime) -> bool:
        """Whether a moment, in the zone in which the times are meant, lies within."""
        minute, today, yesterday = local.hour * 60 + local.minute, local.weekday(), (local.weekday() - 1) % 7
        if self._since < self._until:
            return today in self._days and self._since <= minute < self._until
        return (today in self._days and minute >= self._since) or (yesterday in self._days and minute < self._until)


def times(value: Any) -> tuple[Times, ...]:
    """A list of times of the week."""
    return tuple(Times(one) for one in names(value))


def _days_between(first: str, last: str) -> frozenset[int]:
    start, length = _DAYS.index(first), (_DAYS.index(last) - _DAYS.index(first)) % 7
    return frozenset((start + day) % 7 for day in range(length + 1))


def _minutes(clock: list[Any], default: str) -> int:
    hour, minute = (int(part) for part in (clock if clock[0] else default.split(":")))
    if hour > 24 or minute > 59 or (hour == 24 and minute):
        raise ValueError(f"{hour:02}:{minute:02} is no time of a day")
    return hour * 60 + minute


def plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """A table."""
    if not isinstance(value, Mapping):
        raise ValueError("give a table")
    return value
