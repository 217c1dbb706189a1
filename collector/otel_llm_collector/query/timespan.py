"""The times that people type after --since and --until."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from otel_llm.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
_DAYS_BACK: Final = {"today": 0, "yesterday": 1}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def instant(connection: duckdb.DuckDBPyConnection, text: str, *, now: dt.datetime | None = None) -> dt.datetime:
    """The moment that a text means, in UTC.

    An ISO date or time (`2026-11-01`, `2026-11-01T10:00`, with or without an offset), a distance back from now
    (`90s`, `15m`, `24h`, `7d`, `2w`), `now`, or the beginning of `today` or `yesterday`. Days begin, and times without
    an offset are read, in the time zone of the connection. Raises UsageError.
    """
    now = now or dt.datetime.now(dt.UTC)
    word = text.strip().lower()
    if word == "now":
        return now
    if ago := _AGO.fullmatch(word):
        try:
            return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            raise _unreadable(text) from None
    if word in _DAYS_BACK:
        return _ask(connection, f"date_trunc('day', $1) - INTERVAL {_DAYS_BACK[word]} DAY", now, text)
    if not re.match(r"\d{4}-\d\d-\d\d", word):
        raise _unreadable(text)
    return _ask(connection, "CAST($1 AS TIMESTAMPTZ)", text.strip(), text)


def today(connection: duckdb.DuckDBPyConnection, now: dt.datetime) -> dt.date:
    """The day of a moment in the time zone of the connection."""
    day: dt.date = connection.execute("SELECT CAST($1 AS DATE)", [now]).fetchall()[0][0]
    return day


def between(
    connection: duckdb.DuckDBPyConnection, since: str | None, until: str | None
) -> tuple[dt.datetime, dt.datetime]:
    """The moments after --since and --until; the beginning of time, and now, where they are not given."""
    first = instant(connection, since) if since else _EPOCH
    return first, instant(connection, until) if until else dt.datetime.now(dt.UTC)


def _ask(connection: duckdb.DuckDBPyConnection, expression: str, value: object, text: str) -> dt.datetime:
    """DuckDB knows the time zones and their days of 23 and 25 hours; Python may run without such data."""
    import duckdb

    try:
        rows = connection.execute(f"SELECT epoch_us({expression})", [value]).fetchall()
    except duckdb.Error:
        raise _unreadable(text) from None
    return _EPOCH + dt.timedelta(microseconds=rows[0][0])


def _unreadable(text: str) -> UsageError:
    return UsageError(f"cannot read the time {text!r}: use 2026-11-01, 2026-11-01T10:00, 24h, 7d, today or yesterday")
