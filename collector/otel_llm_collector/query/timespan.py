"""The times that people type after --since and --until."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from otel_llm.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}
_DAYS: Final = {"d": 1, "w": 7}
_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    *,
    now: dt.datetime | None = None,
    back_from: dt.datetime | None = None,
) -> dt.datetime:
    """The moment that a text means, in UTC.

    An ISO date or time (`2026-11-01`, `2026-11-01T10:00`, with or without an offset), a distance back from now, or
    from `back_from` (`90s`, `15m`, `24h`, `7d`, `2w`), `now`, or the beginning of `today` or `yesterday`. Days begin,
    are counted, and times without an offset are read, in the time zone of the connection. Raises UsageError.
    """
    now = now or dt.datetime.now(dt.UTC)
    word = text.strip().lower()
    if word == "now":
        return now
    if ago := _AGO.fullmatch(word):
        return _back(connection, back_from or now, int(ago[1]), ago[2], text)
    if word in _DAYS_BACK:
        return _ask(connection, f"date_trunc('day', $1) - INTERVAL {_DAYS_BACK[word]} DAY", now, text)
    if not re.match(r"\d{4}-\d\d-\d\d", word):
        raise _unreadable(text)
    return _ask(connection, "CAST($1 AS TIMESTAMPTZ)", text.strip(), text)


def today(connection: duckdb.DuckDBPyConnection, now: dt.datetime) -> dt.date:
    """The day of a moment in the time zone of the connection."""
    day: dt.date = connection.execute("SELECT CAST($1 AS DATE)", [now]).fetchall()[0][0]
    return day


def on_the_clock(connection: duckdb.DuckDBPyConnection, moment: dt.datetime) -> dt.datetime:
    """What clocks show at a moment in the time zone of the connection, without an offset."""
    shown: dt.datetime = connection.execute("SELECT CAST($1::TIMESTAMPTZ AS TIMESTAMP)", [moment]).fetchall()[0][0]
    return shown


def midnight(connection: duckdb.DuckDBPyConnection, moment: dt.datetime, days: int) -> dt.datetime:
    """When the day of a moment began, or the one so many `days` before it, in the time zone of the connection."""
    return _ask(connection, f"date_trunc('day', $1) - to_days({days})", moment, "")


def span(
    connection: duckdb.DuckDBPyConnection, since: str | None, until: str | None, *, now: dt.datetime | None = None
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The moments that --since and --until mean, None where one is not given; `7d` of --since counts back from --until.

    Raises UsageError for what cannot be read, and where no time lies between them.
    """
    now = now or dt.datetime.now(dt.UTC)
    end = None if until is None else instant(connection, until, now=now)
    first = None if since is None else instant(connection, since, now=now, back_from=end)
    if first is not None and end is not None and end <= first:
        raise UsageError(f"--until {until} is not after --since {since}")
    return first, end


def between(
    connection: duckdb.DuckDBPyConnection, since: str | None, until: str | None, *, now: dt.datetime | None = None
) -> tuple[dt.datetime, dt.datetime]:
    """As `span`; the beginning of time, and now, where they are not given. Raises UsageError for a --since to come."""
    now = now or dt.datetime.now(dt.UTC)
    first, end = span(connection, since, until, now=now)
    if first is not None and end is None and now <= first:
        raise UsageError(f"--since {since} is not before now: give an earlier time")
    return first or _EPOCH, end or now


def as_long_before(connection: duckdb.DuckDBPyConnection, first: dt.datetime, end: dt.datetime) -> dt.datetime:
    """Where a time begins that ends at `first` and is as long: as many days where both are midnights, else hours."""
    midnights = "date_trunc('day', $first) = $first AND date_trunc('day', $end) = $end"
    days = f"SELECT CASE WHEN {midnights} THEN date_diff('day', $first, $end) END"
    [(found,)] = connection.execute(days, {"first": first, "end": end}).fetchall()
    return first - (end - first) if found is None else _back(connection, first, found, "d", "")


def _back(connection: duckdb.DuckDBPyConnection, moment: dt.datetime, number: int, unit: str, text: str) -> dt.datetime:
    """So much before a moment. Days and weeks are those of the calendar: before a midnight lies a midnight."""
    if unit in _DAYS:
        return _ask(connection, f"$1 - to_days({number * _DAYS[unit]})", moment, text)
    try:
        return moment - dt.timedelta(**{_UNITS[unit]: number})
    except OverflowError:
        raise _unreadable(text) from None


def _ask(connection: duckdb.DuckDBPyConnection, expression: str, value: object, text: str) -> dt.datetime:
    """DuckDB knows the time zones and their days of 23 and 25 hours; Python may run without such data."""
    import duckdb

    try:
        rows = connection.execute(f"SELECT epoch_us({expression})", [value]).fetchall()
    except duckdb.Error:
        raise _unreadable(text) from None
    try:
        return _EPOCH + dt.timedelta(microseconds=rows[0][0])
    except OverflowError:
        raise _unreadable(text) from None


def _unreadable(text: str) -> UsageError:
    return UsageError(f"cannot read the time {text!r}: use 2026-11-01, 2026-11-01T10:00, 24h, 7d, today or yesterday")
