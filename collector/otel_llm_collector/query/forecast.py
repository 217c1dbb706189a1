"""What will the month have cost at its end, and what would it with another model?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .answers import Table, selection
from .outlook import DAYS_MAX, DAYS_MIN, Outlook, outlook
from .questions import cost
from .replacement import Replacement, cost_with
from .timespan import instant, today

if TYPE_CHECKING:
    import duckdb

_PLACES: Final = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class _Days:
    """What each day with a call cost, 0 where none of its calls has a price, and the day that is not over."""

    costs: Mapping[dt.date, Decimal]
    today: dt.date

    @property
    def spent(self) -> Decimal:
        """The cost of this month until now, exactly."""
        first = self.today.replace(day=1)
        return sum((cost for day, cost in self.costs.items() if first <= day <= self.today), Decimal(0))

    @property
    def days_left(self) -> int:
        """Days of this month that are not over, today included."""
        return (_next_month(self.today) - self.today).days

    def series(self) -> list[float]:
        """Every day that is over, from the first with a call on."""
        first = max(min(self.costs, default=self.today), self.today - dt.timedelta(days=DAYS_MAX))
        days = (self.today - first).days
        return [float(self.costs.get(first + dt.timedelta(days=day), 0)) for day in range(days)]

    @property
    def notes(self) -> tuple[str, ...]:
        """That nothing is known of the days that it learns from, if so."""
        begin = self.today - dt.timedelta(days=DAYS_MAX)
        if any(begin <= day < self.today for day in self.costs):
            return ()
        return (
            f"there is no call from {begin} to {self.today}, the weeks that a forecast learns from: 0 is no forecast",
        )

    def outlook(self) -> Outlook:
        """What today and the days after it will cost altogether."""
        series = self.series()
        if len(series) < DAYS_MIN:
            raise UsageError(
                f"a forecast needs {DAYS_MIN} whole days with their costs, there are {len(series)}: ask again later, "
                "or with another --where"
            )
        first_weekday = (self.today - dt.timedelta(days=len(series))).weekday()
        return outlook(series, self.days_left, first_weekday=first_weekday)


def forecast(
    connection: duckdb.DuckDBPyConnection,
    *,
    where: str | None = None,
    replace: str | Sequence[str] = (),
    until: str | None = None,
    now: dt.datetime | None = None,
) -> Table:
    """What this month will have cost at its end, in the time zone of the connection.

    Columns: scenario, month, spent_usd (until now, exact), days_left, forecast_usd, low_usd and high_usd (the sum lies
    between them in nine months of ten, as long as nothing else changes than did in the last eight weeks),
    previous_usd (the whole month before). With `replace`, one or more texts `OLD=NEW`, a second row: the same calls,
    from now on with the model NEW in the place of OLD, their tokens unchanged. `until` is another now, of which it is
    told. Raises UsageError with fewer than seven whole days.
    """
    now = now or dt.datetime.now(dt.UTC)
    now = now if until is None else instant(connection, until, now=now)
    daily = cost(connection, "day", selection(connection, until=now.isoformat(), where=where))
    costs = {row["day"]: row["cost_usd"] or Decimal(0) for row in daily.rows()}
    days = _Days(costs, today(connection, now))
    expected = days.outlook()
    rows, source = [_row("as it is", days, expected, 1.0)], daily.source
    if texts := [replace] if isinstance(replace, str) else replace:
        replacements = [Replacement.of(text) for text in texts]
        recent = selection(
            connection, since=(now - dt.timedelta(days=28)).isoformat(), until=now.isoformat(), where=where
        )
        ratio = cost_with(connection, replacements, recent)
        rows.append(_row(", ".join(texts), days, expected, ratio))
        source += "; what is replaced, from the calls of four weeks"
    return Table(_typed(rows), notes=days.notes, source=source, is_rounded=True)


def _row(scenario: str, days: _Days, expected: Outlook, ratio: float) -> dict[str, Any]:
    last = days.today.replace(day=1) - dt.timedelta(days=1)
    before = [cost for day, cost in days.costs.items() if (day.year, day.month) == (last.year, last.month)]
    known_today = days.costs.get(days.today, Decimal(0))
    until_today = days.spent - known_today

    def at_end(rest: float) -> Decimal:
        # Today is forecast as a whole, but has cost no less than it has.
        return until_today + max(Decimal(rest * ratio).quantize(_PLACES), known_today)

    return {
        "scenario": scenario,
        "month": days.today.replace(day=1),
        "spent_usd": days.spent,
        "days_left": days.days_left,
        "forecast_usd": at_end(expected.middle),
        "low_usd": at_end(expected.low),
        "high_usd": at_end(expected.high),
        "previous_usd": sum(before, Decimal(0)) if before else None,
    }


def _next_month(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1)


def _typed(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    kinds: dict[str, Any] = {"scenario": pa.string(), "month": pa.date32(), "days_left": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.decimal128(38, 12))) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)
