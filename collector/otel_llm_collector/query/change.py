"""What a time cost beside the time of the same length before it, and what drove the change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Hashable, Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError

from .answers import Selection, Table, selection
from .dimensions import dimensions
from .drivers import Cell, drivers
from .opening import fill, question
from .questions import parts
from .statements import readable_errors
from .timespan import instant

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


_MINOR: Final = ("calls_before", "change", "cost_before_usd", "cost_usd", "calls")


@dataclass(slots=True)
class _Group:
    """The cells of one combination of dimensions, by model, in both times."""

    before: dict[Hashable, Cell] = field(default_factory=dict)
    now: dict[Hashable, Cell] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        cells, model = self.now if row["is_now"] else self.before, (row["cell_provider"], row["cell_model"])
        old = cells.get(model, Cell())
        calls = row["calls"] - row["unpriced_calls"]
        cells[model] = Cell(old.calls + calls, old.tokens + int(row["tokens"]), old.cost_usd + row["cost_usd"])

    def row(self) -> dict[str, Any]:
        before, now = self._cost(self.before), self._cost(self.now)
        return {
            "calls": sum(cell.calls for cell in self.now.values()),
            "calls_before": sum(cell.calls for cell in self.before.values()),
            "cost_usd": now,
            "cost_before_usd": before,
            "change_usd": now - before,
            "change": round(float(now / before) - 1, 6) if before else None,
            **asdict(drivers(self.before, self.now)),
        }

    @staticmethod
    def _cost(cells: dict[Hashable, Cell]) -> Decimal:
        return sum((cell.cost_usd for cell in cells.values()), Decimal(0))


def change(
    connection: duckdb.DuckDBPyConnection,
    by: str | Iterable[str] = "model",
    *,
    since: str | None,
    until: str | None = None,
    where: str | None = None,
    now: dt.datetime | None = None,
) -> Table:
    """The cost of a time beside the equally long time before it, the largest change first.

    Columns: the dimensions, calls and calls_before (those with a price), cost_usd, cost_before_usd, change_usd, change
    (of the cost before, NULL where there was none), and volume_usd, mix_usd, tokens_usd, price_usd, which add up to
    change_usd. Raises UsageError without `since`, and as `cost` does.
    """
    chosen, middle = _twice(connection, since, until, where, now)
    wanted = dimensions(by)
    query = fill(question("change"), **parts(wanted, chosen))
    with readable_errors(None if chosen.where == "true" else chosen.where):
        found = connection.sql(query, params={**chosen.parameters, "middle": middle}).to_arrow_table()
    return _compared(found, [dimension.name for dimension in wanted])


def _twice(
    connection: duckdb.DuckDBPyConnection,
    since: str | None,
    until: str | None,
    where: str | None,
    now: dt.datetime | None,
) -> tuple[Selection, dt.datetime]:
    """A selection of the time and the one before it, and the moment between them."""
    if since is None:
        raise UsageError("--compare needs --since: the time before has the same length, as in `--since 7d`")
    now = now or dt.datetime.now(dt.UTC)
    middle = instant(connection, since, now=now)
    end = instant(connection, until, now=now) if until else now
    if end <= middle:
        raise UsageError(f"--until {until} is not after --since {since}")
    begin = (middle - (end - middle)).isoformat()
    return selection(connection, since=begin, until=end.isoformat(), where=where), middle


def _compared(found: pa.Table, by: list[str]) -> Table:
    groups: dict[tuple[Any, ...], _Group] = {}
    whole = _Group()
    rows = found.to_pylist()
    for row in rows:
        key = tuple(tuple(value) if isinstance(value := row[name], list) else value for name in by)
        groups.setdefault(key, _Group()).add(row)
        whole.add(row)
    answer = [dict(zip(by, key, strict=True)) | group.row() for key, group in groups.items()]
    answer.sort(key=lambda row: (-abs(row["change_usd"]), -row["cost_usd"], str([row[name] for name in by])))
    return Table(_typed(answer, found.select(by).schema), whole.row(), _notes(rows), _MINOR)


def _typed(rows: list[dict[str, Any]], by: pa.Schema) -> pa.Table:
    import pyarrow as pa

    money, figures = pa.decimal128(38, 12), {"calls": pa.int64(), "calls_before": pa.int64(), "change": pa.float64()}
    schema = pa.schema([*by, *((name, figures.get(name, money)) for name in _Group().row())])
    return pa.Table.from_pylist(rows, schema=schema)


def _notes(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    now, before = (sum(row["unpriced_calls"] for row in rows if row["is_now"] is which) for which in (True, False))
    if not now and not before:
        return ()
    return (f"without a price, and in no figure: {now:,} calls, and {before:,} before",)
