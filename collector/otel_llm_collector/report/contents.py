"""What stands in a report: sections, each an answer of the commands, some with a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .. import query
from ..query import Table
from ..query.timespan import as_long_before, between, on_the_clock
from .charts import Chart, bars, lines, stacked

if TYPE_CHECKING:
    import duckdb

_ROWS_MAX: Final = 15


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, an answer (its first rows are shown), and a chart where one says more."""

    key: str
    title: str
    answer: Table
    chart: Chart | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that are shown."""
        return Table(self.answer.data.slice(0, _ROWS_MAX)).rows()

    @property
    def hidden(self) -> int:
        """How many more there are."""
        return max(self.answer.data.num_rows - _ROWS_MAX, 0)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the time, beside that of the time before; `change` is a part of the latter."""

    name: str
    value: Any
    before: Any

    @property
    def change(self) -> float | None:
        """None where there is nothing to compare with."""
        return float(self.value / self.before) - 1 if self.before and self.value is not None else None


@dataclass(frozen=True, slots=True)
class Report:
    """The time it is about, by the clocks of its time zone; the figures on top; the sections in their order."""

    since: dt.datetime
    until: dt.datetime
    tz: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...] = field(default=())

    @property
    def notes(self) -> tuple[str, ...]:
        """What the sums leave out, each said once."""
        return tuple(dict.fromkeys(note for section in self.sections for note in section.answer.notes))


@dataclass(frozen=True, slots=True)
class _Time:
    """A time to report on, and how to ask about it and the one before."""

    connection: duckdb.DuckDBPyConnection
    since: dt.datetime
    until: dt.datetime
    where: str | None

    def ask(self, name: str, by: str | None = None, *, before: bool = False) -> Table:
        earlier = as_long_before(self.connection, self.since, self.until)
        since, until = (earlier, self.since) if before else (self.since, self.until)
        chosen = query.selection(
            self.connection, since=since.isoformat(), until=until.isoformat(), where=self.where, now=self.until
        )
        return query.ask(self.connection, name, by, chosen)

    def changed(self, by: str) -> Table:
        since, until = self.since.isoformat(), self.until.isoformat()
        return query.change(self.connection, by, since=since, until=until, where=self.where, now=self.until)

    def odd(self) -> Table:
        since, until = self.since.isoformat(), self.until.isoformat()
        return query.anomalies(self.connection, since=since, until=until, where=self.where, now=self.until)

    def ahead(self) -> Table:
        return query.forecast(self.connection, where=self.where, now=self.until)


#: Key, title, answer, chart of its rows. A section without rows is left out.
_SECTIONS: Final[tuple[tuple[str, str, Callable[[_Time], Table], Callable[[Table], Chart] | None], ...]] = (
    ("days", "Cost a day", lambda time: time.ask("cost", "day,model"), partial(stacked, time="day", part="model")),
    ("change", "What changed, and why", lambda time: time.changed("model"), None),
    ("models", "By model", lambda time: time.ask("cost", "model"), partial(bars, part="model")),
    ("prompts", "By prompt", lambda time: time.ask("prompts"), None),
    ("users", "By user", lambda time: time.ask("users"), partial(bars, part="user")),
    ("agents", "By agent", lambda time: time.ask("cost", "agent"), None),
    ("latency", "How long calls take", lambda time: time.ask("latency", "model"), None),
    ("hours", "Latency by hour", lambda time: time.ask("latency", "hour"), partial(lines, time="hour")),
    ("errors", "What failed", lambda time: time.ask("errors"), None),
    ("cache", "Caches", lambda time: time.ask("cache"), None),
    ("anomalies", "Days unlike others", _Time.odd, None),
    ("forecast", "The month's end", _Time.ahead, None),
)  # fmt: skip
#: Sections of which the chart is what is shown.
CHART_ALONE: Final = frozenset({"days", "hours"})


def compose(
    connection: duckdb.DuckDBPyConnection,
    *,
    since: str = "7d",
    until: str | None = None,
    where: str | None = None,
    tz: str = "UTC",
    now: dt.datetime | None = None,
) -> Report:
    """The report on a time; `where` leaves out calls as --where does. Raises UsageError for what cannot be read."""
    begin, end = between(connection, since, until, now=now)
    time = _Time(connection, begin, end, where)
    since_shown, until_shown = (on_the_clock(connection, moment) for moment in (begin, end))
    return Report(since_shown, until_shown, tz, tuple(_figures(time)), tuple(_sections(time)))


def _figures(time: _Time) -> Iterator[Figure]:
    now, before = (_totals(time, before=before) for before in (False, True))
    for name in ("cost_usd", "calls", "users", "usd_per_call", "tokens", "error_rate", "p95_ms"):
        yield Figure(name, now[name], before[name])


def _totals(time: _Time, *, before: bool) -> dict[str, Any]:
    cost: Mapping[str, Any] = time.ask("cost", before=before).total or {}
    latency: Mapping[str, Any] = time.ask("latency", before=before).total or {}
    priced = cost["calls"] - cost["unpriced_calls"]
    return {
        "cost_usd": cost["cost_usd"],
        "calls": cost["calls"],
        "users": sum(row["user"] is not None for row in time.ask("users", before=before).rows()),
        "usd_per_call": (cost["cost_usd"] / priced).quantize(Decimal("1e-6")) if priced and cost["cost_usd"] else None,
        "tokens": (cost["input_tokens"] or 0) + (cost["output_tokens"] or 0),
        "error_rate": cost["errors"] / cost["calls"] if cost["calls"] else None,
        "p95_ms": latency["p95_ms"],
    }


def _sections(time: _Time) -> Iterator[Section]:
    for key, title, ask, draw in _SECTIONS:
        try:
            answer = ask(time)
        except UsageError:
            if key != "forecast":
                raise
            continue  # there are too few days yet
        if answer.data.num_rows:
            yield Section(key, title, answer, None if draw is None else draw(answer))
