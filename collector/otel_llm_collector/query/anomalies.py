"""Days on which something was not as it is on such days: cost, calls, tokens a call, errors, latency."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .answers import Selection, Table, selection
from .dimensions import TIMES, Dimension
from .keys import known_dimensions, note_on_key
from .opening import fill, question
from .statements import readable_errors
from .timespan import between, midnight, today

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Days that a day is compared with, and how many of them there must be.
BASE_DAYS: Final = 28
BASE_DAYS_MIN: Final = 7
_SAME_WEEKDAYS_MIN: Final = 3
#: Median absolute deviations that are one standard deviation of normal errors.
_NORMAL: Final = 1.4826
#: No series is steadier than that: deviations of a few percent are nobody's concern.
_SPREAD_MIN: Final = 0.05
_SCORE_MIN: Final = 4.0
_CHANGE_MIN: Final = 0.25
Day = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Metric:
    """A figure of a day; None where the day has none. A count of calls or money says little before the day is over."""

    name: str
    of: Callable[[Day], float | None]
    needs_whole_day: bool = False
    is_rate: bool = False
    least: float = 0.0  # a difference that matters, in its own unit


def _ratio(over: str, under: str) -> Callable[[Day], float | None]:
    return lambda day: float(day[over]) / day[under] if day[under] else None


_METRICS: Final = (
    _Metric("cost_usd", lambda day: day["cost_usd"] if day["priced"] else None, needs_whole_day=True),
    _Metric("calls", lambda day: float(day["calls"]), needs_whole_day=True),
    _Metric("usd_per_call", _ratio("cost_usd", "priced")),
    _Metric("input_per_call", _ratio("input_tokens", "told")),
    _Metric("output_per_call", _ratio("output_tokens", "told")),
    _Metric("error_rate", _ratio("errors", "calls"), is_rate=True, least=0.02),
    _Metric("p95_ms", lambda day: day["p95_ms"]),
)
COLUMNS: Final = (
    "day", "dimension", "value", "metric", "actual", "expected", "change", "score", "calls",
)  # fmt: skip


def anomalies(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "model,prompt,user,agent",
    *,
    since: str = "7d",
    until: str | None = None,
    where: str | None = None,
    calls_min: int = 20,
    now: dt.datetime | None = None,
) -> Table:
    """Figures of days since then that are far from those of such days before, the farthest first.

    Each dimension of `by` is looked at by itself, of each the 50 values that cost most. A day is compared with the
    same weekdays of the four weeks before it, with all of their days where there are few of these. A figure is told
    where it is a quarter and four deviations (of the days before, by their median) away from what was expected, on a
    day with `calls_min` calls. Columns: day, dimension, value, metric (cost_usd, calls, usd_per_call, input_per_call,
    output_per_call, error_rate, p95_ms), actual, expected, change (of the expected), score (deviations), calls.
    """
    now = now or dt.datetime.now(dt.UTC)
    first, end = between(connection, since, until, now=now)
    begin = midnight(connection, first, BASE_DAYS).isoformat()  # half a day is like no other
    chosen = selection(connection, since=begin, until=end.isoformat(), where=where, now=now)
    span = today(connection, first), today(connection, min(end, now))
    found: list[dict[str, Any]] = []
    notes: list[str] = []
    is_empty = True
    for dimension in known_dimensions(connection, by):
        series = _series(connection, dimension, chosen)
        notes += [] if series else note_on_key(connection, dimension)
        for value, days in series.items():
            is_empty = is_empty and days[-1]["day"] < span[0]
            told = {"dimension": dimension.name, "value": value}
            found += [told | row for row in _odd_days(days, span, calls_min)]
    found.sort(key=lambda row: (-abs(row["score"]), row["day"], row["dimension"], row["value"], row["metric"]))
    answer = Table(_typed(found), notes=tuple(notes), minor=("calls", "dimension", "score", "expected"))
    return answer if is_empty and not notes else replace(answer, nothing="no day was unlike others")


def _series(connection: duckdb.DuckDBPyConnection, dimension: Dimension, chosen: Selection) -> Mapping[str, list[Day]]:
    """Each value of the dimension, and its days in their order."""
    query = fill(
        question("anomalies"),
        by=dimension.expression,
        day=TIMES["day"],
        where=chosen.where,
        filter=" AND ".join(chosen.conditions),
    )
    with readable_errors(None if chosen.where == "true" else chosen.where):
        rows = connection.sql(query, params=chosen.parameters).to_arrow_table().to_pylist()
    series: dict[str, list[Day]] = {}
    for row in rows:
        series.setdefault(str(row["value"]), []).append(row)
    return series


def _odd_days(days: Sequence[Day], span: tuple[dt.date, dt.date], calls_min: int) -> Iterator[dict[str, Any]]:
    first, last = span
    for place, day in enumerate(days):
        if day["day"] < first or day["calls"] < calls_min:
            continue
        before = [one for one in days[:place] if (day["day"] - one["day"]).days <= BASE_DAYS]
        for metric in _METRICS:
            if metric.needs_whole_day and day["day"] == last:
                continue
            if (odd := _compared(metric, day, before)) is not None:
                yield odd


def _compared(metric: _Metric, day: Day, before: Sequence[Day]) -> dict[str, Any] | None:
    """The row of a figure that is far from what was expected, else None."""
    actual = metric.of(day)
    base = {one["day"]: value for one in before if (value := metric.of(one)) is not None}
    if actual is None or len(base) < BASE_DAYS_MIN:
        return None
    alike = [value for date, value in base.items() if date.weekday() == day["day"].weekday()]
    expected = statistics.median(alike if len(alike) >= _SAME_WEEKDAYS_MIN else base.values())
    usual = _usual_deviation(base)
    spread = max(usual, _SPREAD_MIN, _chance(metric, expected, day, before)) * expected or metric.least
    difference = actual - expected
    if not spread or abs(difference) < max(_SCORE_MIN * spread, _CHANGE_MIN * expected, metric.least):
        return None
    return {
        "day": day["day"],
        "metric": metric.name,
        "actual": round(actual, 6),
        "expected": round(expected, 6),
        "change": round(difference / expected, 6) if expected else None,
        "score": round(difference / spread, 1),
        "calls": day["calls"],
    }


def _chance(metric: _Metric, expected: float, day: Day, before: Sequence[Day]) -> float:
    """What chance alone does to a figure of so many calls, as a part of it: to a number of them, to a rate of so many
    events. A mean is steadier than a number."""
    calls = min(day["calls"], statistics.median(one["calls"] for one in before))
    if metric.is_rate:
        return 1 / math.sqrt(max(calls * expected, 1))
    return (1.0 if metric.needs_whole_day else 0.5) / math.sqrt(calls)


def _usual_deviation(base: Mapping[dt.date, float]) -> float:
    """How far days are from the median of their weekday, as a part of it: the median of that, as a deviation."""
    weekdays: dict[int, list[float]] = {}
    for date, value in base.items():
        weekdays.setdefault(date.weekday(), []).append(value)
    whole = statistics.median(base.values())
    middles = {
        weekday: statistics.median(values) if len(values) >= _SAME_WEEKDAYS_MIN else whole
        for weekday, values in weekdays.items()
    }
    parts = [abs(value / middle - 1) for date, value in base.items() if (middle := middles[date.weekday()]) > 0]
    return _NORMAL * statistics.median(parts) if parts else 0.0


def _typed(rows: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {"day": pa.date32(), "calls": pa.int64()}
    kinds |= dict.fromkeys(("dimension", "value", "metric"), pa.string())
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS]))
