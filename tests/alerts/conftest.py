"""Lakes whose calls are known to the last one, and a watch over them that is told what time it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from otel_llm_collector import journal
from otel_llm_collector.alerts.message import Message
from otel_llm_collector.alerts.rules import Rules, read_rules
from otel_llm_collector.alerts.watch import Watch, moments_between, replay
from otel_llm_collector.lake import files
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.schema import memory_schema
from otel_llm_collector.query import connect, views_for

#: A user spends ten dollars in ten minutes.
SPEND = """
[[alert]]
name = "spend"
metric = "cost"
by = "user"
window = "10m"
above = 10
"""
#: A Monday.
MONDAY = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


def at(text: str, day: int = 0) -> dt.datetime:
    """A time of a day, counted from that Monday: `at("10:30")`, `at("10:30:15", 7)`."""
    return dt.datetime.combine(MONDAY.date(), dt.time.fromisoformat(text), dt.UTC) + dt.timedelta(days=day)


def minutes(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=count)


def call(when: dt.datetime, **columns: Any) -> dict[str, Any]:
    """A counted call that ended then, at once unless `ms` says how long it took."""
    duration_ns = int(columns.pop("ms", 0) * 10**6)
    start = when - dt.timedelta(microseconds=duration_ns / 1000)
    return {
        "start_time": start,
        "date": start.date(),
        "start_time_ns": int(start.timestamp()) * 10**9,
        "duration_ns": duration_ns,
        "status": "UNSET",
        "is_llm_call": True,
        **{name: Decimal(value) if name == "cost_usd" else value for name, value in columns.items()},
    }


def evenly(since: dt.datetime, until: dt.datetime, every_s: float, **columns: Any) -> list[dict[str, Any]]:
    """Calls that are all the same, so many seconds apart."""
    count = int((until - since).total_seconds() / every_s)
    return [call(since + dt.timedelta(seconds=every_s * number), **columns) for number in range(count)]


@dataclass
class Lake:
    """A data directory, and the rules over it."""

    data: Path
    path: Path
    watch: Watch | None = None
    commits: int = field(default=0)

    def add(self, rows: Iterable[Mapping[str, Any]], table: str = "spans") -> None:
        """Put rows into a table, as the converter does."""
        listed = [dict(row) for row in rows]
        for number, row in enumerate(listed):
            row.setdefault("row_id", f"{self.commits:08x}{number:08x}")
            row.setdefault("trace_id", f"{self.commits:016x}{number:016x}")
            row.setdefault("span_id", f"{number:016x}")
        schema = memory_schema(table)
        names = dict.fromkeys(name for row in listed for name in row)
        columns = pa.table({n: pa.array([row.get(n) for row in listed], schema.field(n).type) for n in names})
        self.commits += 1
        lake = LakeTable(self.data, table)
        written = files.write_rows(lake, files.to_schema(columns, schema), "made")
        lake.append(written, "made", self.commits)

    def rules(self, text: str) -> Rules:
        self.path.write_text(text)
        return read_rules(self.path)

    def watching(self, text: str, now: dt.datetime) -> Watch:
        """A watch that begins now, over what an earlier one left."""
        self.watch = Watch(self.data, self.rules(text), now)
        return self.watch

    def replayed(
        self, text: str, since: dt.datetime, until: dt.datetime, every: dt.timedelta = dt.timedelta(0)
    ) -> list[Message]:
        """What the rules would have done."""
        rules = self.rules(text)
        moments = {rule.name: list(moments_between(rule, since, until, every)) for rule in rules.rules}
        with connect(self.data, views=views_for(text)) as connection:
            return replay(connection, rules, moments)

    def rows(self, query: str = "FROM alerts ORDER BY time, event") -> list[dict[str, Any]]:
        """What is recorded."""
        with connect(self.data, views=views_for(query)) as connection:
            return connection.sql(query).to_arrow_table().to_pylist(maps_as_pydicts="strict")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    data = tmp_path / "data"
    journal.Writer(data)  # gives the directory its collector
    return Lake(data, tmp_path / "alerts.toml")


Told = Callable[..., list[tuple[str, str]]]


def brief(events: Iterable[Message]) -> list[tuple[str, str]]:
    """What happened, and when on the clock."""
    return [(event.event, f"{event.time:%H:%M}") for event in events]
