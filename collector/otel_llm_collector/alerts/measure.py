"""What a rule's values are at some moments: one SQL a rule, over the windows that end a little before each."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import OtelLlmError, UsageError

from ..query.dimensions import Dimension, dimensions
from ..query.opening import fill, literal, question
from ..query.statements import check_reading, condition, readable_errors
from .metrics import METRICS, value_sql
from .rules import BUDGET, BURN_RATE, CHANGE, LAST_WEEK, THRESHOLD, Rule, Rules

if TYPE_CHECKING:
    import duckdb

Labels = tuple[tuple[str, str | None], ...]
#: Groups of one rule that are looked at.
GROUPS_MAX: Final = 20_000
#: Moments that one statement looks at: a replay asks for many.
MOMENTS_MAX: Final = 240
#: A call that took longer than that is dated by its start.
_DURATION_NS_MAX: Final = 24 * 3600 * 10**9
_ENDED: Final = (
    "start_time + to_microseconds(CASE WHEN duration_ns BETWEEN 0 AND "
    f"{_DURATION_NS_MAX} THEN duration_ns // 1000 ELSE 0 END)"
)
_WEEK: Final = dt.timedelta(days=7)
_DAY: Final = dt.timedelta(days=1)
_MONTH_S: Final = 365.25 * 24 * 3600 / 12
_SCORED: Final = (
    "(SELECT * REPLACE (score_time AS start_time, 0 AS duration_ns) FROM scored_calls WHERE score_name = {})"
)


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` to before `until`, and what its value is for: `now`, `before`, `month`."""

    part: str
    since: dt.datetime
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """What a group of calls came to in a window, and the limit it was held against. None is not known."""

    kind: str
    labels: Labels
    window: Window
    value: Decimal | None
    limit: Decimal
    baseline: Decimal | None
    calls: int
    is_breach: bool


_Found = tuple[Decimal | None, int]


def measure(
    connection: duckdb.DuckDBPyConnection, rules: Rules, rule: Rule, moments: Sequence[dt.datetime]
) -> Iterator[tuple[dt.datetime, list[Reading]]]:
    """The readings at each moment, in order. UsageError where the rule's SQL is none, naming the rule's place."""
    try:
        began = _first_call(connection) if rule.is_change else None
        for start in range(0, len(moments), MOMENTS_MAX):
            some = moments[start : start + MOMENTS_MAX]
            windows = [windows_of(rules, rule, moment) for moment in some]
            found = _ask(connection, rule, list(itertools.chain.from_iterable(windows)))
            for number, (moment, own) in enumerate(zip(some, windows, strict=True)):
                first = number * len(own)
                yield moment, _readings(rule, own, found[first : first + len(own)], began)
    except OtelLlmError as error:
        said = str(error).replace("in --where: ", "where: ")
        raise type(error)(f"{rule.place}: alert {rule.name!r}: {said}") from error


def _first_call(connection: duckdb.DuckDBPyConnection) -> dt.datetime | None:
    rows = connection.execute(question("first_call")).fetchall()
    return rows[0][0] if rows else None


def windows_of(rules: Rules, rule: Rule, moment: dt.datetime) -> list[Window]:
    """The windows that a rule looks at, all of them ended `delay` before the moment."""
    until = moment - rules.delay
    now = Window("now", until - rule.window, until)
    if rule.is_change:
        if rule.compared_to == LAST_WEEK:
            return [now, Window("before", _week_before(now.since, rules.zone), _week_before(now.until, rules.zone))]
        return [now, Window("before", now.since - rule.window, now.since)]
    if rule.budget is not None:
        month = Window("month", _month_of(until, rules.zone), until)
        return [month, now] if rule.burn_rate is not None else [month]
    return [now]


def _week_before(moment: dt.datetime, zone: Any) -> dt.datetime:
    """The same time on the clock, seven days ago: a day of 23 hours lies in between twice a year."""
    local = moment.astimezone(zone).replace(tzinfo=None) - _WEEK
    before: dt.datetime = zone.localize(local)
    return before.astimezone(dt.UTC)


def _month_of(moment: dt.datetime, zone: Any) -> dt.datetime:
    """When the calendar month of a moment began."""
    local = moment.astimezone(zone)
    began: dt.datetime = zone.localize(dt.datetime(local.year, local.month, 1))  # noqa: DTZ001 - it gets its zone here
    return began.astimezone(dt.UTC)


def _ask(connection: duckdb.DuckDBPyConnection, rule: Rule, windows: Sequence[Window]) -> list[dict[Labels, _Found]]:
    """Of each window what its groups came to."""
    if rule.sql is not None:
        return [_ask_own(connection, rule.sql, window) for window in windows]
    by = dimensions(rule.by) if rule.by else []
    query = fill(_query(connection, rule, by), dates=_dates(windows))
    parameters = {
        "numbers": list(range(len(windows))),
        "since": [window.since for window in windows],
        "until": [window.until for window in windows],
    }
    found: list[dict[Labels, _Found]] = [{} for _ in windows]
    with readable_errors():
        rows = connection.execute(query, parameters).fetchmany(GROUPS_MAX * len(windows) + 1)
    if len(rows) > GROUPS_MAX * len(windows):
        raise _too_many()
    for number, *labels, value, calls in rows:
        named = tuple((dimension.name, label) for dimension, label in zip(by, labels, strict=True))
        found[number][named] = _number(value), calls
    return found


def _dates(windows: Sequence[Window]) -> str:
    """The dates whose files hold the calls of some windows: they are dated by their start, at most a day earlier."""
    dates: set[dt.date] = set()
    for window in windows:
        first, last = (window.since - _DAY).date(), window.until.date()
        dates.update(first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    return ", ".join(f"DATE '{date}'" for date in sorted(dates))


def _query(connection: duckdb.DuckDBPyConnection, rule: Rule, by: Sequence[Dimension]) -> str:
    metric = METRICS[rule.metric or ""]
    columns = [f"_by{number}" for number in range(len(by))]
    scored = f"{_SCORED.format(literal(rule.score))} AS llm_calls" if rule.score else ""
    return fill(
        question("alert"),
        ended=_ENDED,
        by="".join(f", CAST({one.expression} AS VARCHAR) AS {column}" for one, column in zip(by, columns, strict=True)),
        names="".join(f", {column}" for column in columns),
        source=scored or "llm_calls",
        where=condition(connection, rule.where) if rule.where else "true",
        value=value_sql(metric, rule.aggregation or ""),
        volume=metric.volume,
        is_whole="false" if by else "true",
    )


def _ask_own(connection: duckdb.DuckDBPyConnection, sql: str, window: Window) -> dict[Labels, _Found]:
    """A rule's own SELECT: `value`, perhaps `calls`; all other columns are labels."""
    with readable_errors():
        check_reading(connection, sql)
        bounds = {"since": window.since, "until": window.until}
        answer = connection.execute(sql, {name: value for name, value in bounds.items() if f"${name}" in sql})
        names = [column[0] for column in answer.description or ()]
        rows = answer.fetchmany(GROUPS_MAX + 1)
    if "value" not in names:
        raise UsageError(f"sql: it has no column `value`; it has {', '.join(names)}")
    if len(rows) > GROUPS_MAX:
        raise _too_many()
    found = {}
    for row in (dict(zip(names, row, strict=True)) for row in rows):
        labels = tuple((n, None if v is None else str(v)) for n, v in row.items() if n not in ("value", "calls"))
        found[labels] = _number(row["value"]), int(row.get("calls") or 0)
    return found


def _too_many() -> OtelLlmError:
    return OtelLlmError(f"more than {GROUPS_MAX:,} groups: choose fewer of them by `where`, or group by less")


def _number(value: Any) -> Decimal | None:
    """A value as it is compared; what is no finite number is not known."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    try:
        return Decimal(str(value))
    except ArithmeticError as error:
        raise UsageError(f"sql: its `value` is {value!r}, which is no number") from error


def _readings(
    rule: Rule, windows: Sequence[Window], found: Sequence[Mapping[Labels, _Found]], began: dt.datetime | None
) -> list[Reading]:
    parts = {window.part: (window, values) for window, values in zip(windows, found, strict=True)}
    if "before" in parts:
        then, before = parts["before"]
        # before the first call of all nothing is known: half a window is no baseline
        return list(_changes(rule, *parts["now"], before)) if began and began <= then.since else []
    if "month" in parts:
        window, values = parts["month"]
        spent = _limited(rule, BUDGET, window, values, rule.budget)
        burning = _burn_rates(rule, *parts["now"]) if "now" in parts else ()
        return [*spent, *burning]
    limit = rule.above if rule.above is not None else rule.below
    return list(_limited(rule, THRESHOLD, *parts["now"], limit))


def _limited(
    rule: Rule, kind: str, window: Window, values: Mapping[Labels, _Found], limit: Decimal | None
) -> Iterator[Reading]:
    assert limit is not None
    for labels, (value, calls) in values.items():
        is_breach = value is not None and calls >= rule.volume_min and _is_beyond(rule, value, limit)
        yield Reading(kind, labels, window, value, limit, None, calls, is_breach)


def _is_beyond(rule: Rule, value: Decimal, limit: Decimal) -> bool:
    if rule.budget is not None:
        return value >= limit
    return value > limit if rule.above is not None else value < limit


def _changes(
    rule: Rule, window: Window, values: Mapping[Labels, _Found], before: Mapping[Labels, _Found]
) -> Iterator[Reading]:
    """Each group beside what it was. One that was not there, or hardly, has nothing to be compared with."""
    share = rule.rises if rule.rises is not None else -(rule.falls or Decimal(0))
    for labels, (value, calls) in values.items():
        baseline, calls_before = before.get(labels, (None, 0))
        if calls_before < rule.volume_min:
            baseline = None
        limit = (baseline or Decimal(0)) * (1 + share)
        is_known = value is not None and baseline is not None and baseline > 0
        is_enough = calls >= rule.volume_min
        is_beyond = value is not None and (value >= limit if share > 0 else value <= limit)
        yield Reading(CHANGE, labels, window, value, limit, baseline, calls, is_known and is_enough and is_beyond)


def _burn_rates(rule: Rule, window: Window, values: Mapping[Labels, _Found]) -> Iterator[Reading]:
    """How many times what the budget allows for a time is spent in the window: at 2 it lasts for half a month."""
    assert rule.budget is not None
    assert rule.burn_rate is not None
    # the length of a month as months are on average: what a day allows does not jump at a month's end
    allowed = rule.budget * Decimal(rule.window.total_seconds()) / Decimal(_MONTH_S)
    for labels, (value, calls) in values.items():
        rate = None if value is None else value / allowed
        is_breach = rate is not None and calls >= rule.volume_min and rate >= rule.burn_rate
        yield Reading(BURN_RATE, labels, window, rate, rule.burn_rate, None, calls, is_breach)
