"""Small lakes, made as the collector makes them: Parquet in date folders, named by a Delta log."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from otel_llm_collector.lake.schema import arrow_schema

MIDNIGHT = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


def span(span_id: int, parent: int | None = None, trace: int = 1, /, *, at: float = 0, ms: float = 100, **columns: Any):
    """A row of `spans`, `at` seconds after midnight of 2026-11-02 UTC; `cost` names its price and makes it a call."""
    start_ns = int(MIDNIGHT.timestamp()) * 10**9 + int(at * 10**9)
    start = MIDNIGHT + dt.timedelta(microseconds=round(at * 10**6))
    row: dict[str, Any] = {
        "row_id": f"{trace:08x}{span_id:08x}",
        "trace_id": f"{trace:032x}",
        "span_id": f"{span_id:016x}",
        "parent_span_id": None if parent is None else f"{parent:016x}",
        "date": start.date(),
        "start_time": start,
        "start_time_ns": start_ns,
        "duration_ns": int(ms * 10**6),
        "name": f"step {span_id}",
        "status": "UNSET",
        "is_llm_call": "cost" in columns,
    }
    if "cost" in columns:
        cost = columns.pop("cost")
        row |= {"cost_usd": None if cost is None else Decimal(cost), "cost_status": "exact", "operation": "chat"}
    return row | columns


@dataclass
class SmallLake:
    """A data directory that grows by files."""

    data: Path
    files: list[str] = field(default_factory=list)

    def create(self) -> SmallLake:
        for table in ("spans", "messages"):
            self.begin(table)
        return self

    def begin(self, table: str) -> None:
        DeltaTable.create(str(self.data / table), arrow_schema(table), partition_by=["date"])

    def add(self, rows: Sequence[dict[str, Any]], table: str = "spans", remove: Sequence[str] = ()) -> list[str]:
        """Commit one file a date; `remove` are the paths it replaces, which stay on the disk."""
        paths = []
        for date in sorted({row["date"] for row in rows}):
            path = f"date={date}/part-{len(self.files)}.parquet"
            target = self.data / table / path
            target.parent.mkdir(parents=True, exist_ok=True)
            chosen = [row for row in rows if row["date"] == date]
            pq.write_table(pa.Table.from_pylist(chosen, schema=arrow_schema(table)), target)
            self.files.append(path)
            paths.append(path)
        self._commit(table, paths, remove)
        return paths

    def _commit(self, table: str, paths: Sequence[str], remove: Sequence[str]) -> None:
        log = DeltaTable(str(self.data / table))
        actions: list[Any] = [
            self._action(AddAction, table, path, stats=json.dumps({"numRecords": 1})) for path in paths
        ]
        actions += [
            RemoveAction(path=path, data_change=False, deletion_timestamp=0, partition_values=_partition(path))
            for path in remove
        ]
        log.create_write_transaction(
            actions, "append", log.schema(), ["date"], commit_properties=CommitProperties(max_commit_retries=0)
        )

    def _action(self, kind: Any, table: str, path: str, **more: Any) -> Any:
        size = (self.data / table / path).stat().st_size
        return kind(
            path=path, size=size, partition_values=_partition(path), modification_time=0, data_change=True, **more
        )


def _partition(path: str) -> dict[str, str | None]:
    return {"date": path.split("/", maxsplit=1)[0].removeprefix("date=")}


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    """An empty lake."""
    return SmallLake(tmp_path / "data").create()


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(lake: SmallLake, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch):
    """Run a reading command on the lake: `run("sql", "FROM spans")`."""
    monkeypatch.setenv("OTEL_LLM_DATA", str(lake.data))
    monkeypatch.setenv("COLUMNS", "80")

    def command(name: str, *argv: str) -> Ran:
        first, *more = name.split(" ")  # `prices check` is a part of a command
        code = entry_points(group="otel_llm.commands")[first].load()([*more, *argv])
        captured = capsysbinary.readouterr()
        return Ran(code, captured.out.decode("utf-8", "replace"), captured.err.decode(), captured.out)

    return command


Run = Callable[..., Ran]


@pytest.fixture
def clinic(lake: SmallLake) -> SmallLake:
    """Two days of a clinic: two models, three users, departments, a failure, a call without a price, a stream."""
    _add_admission(lake)
    _add_second_day(lake)
    return lake


def _add_admission(lake: SmallLake) -> None:
    triage = {"properties": [("department", "triage"), ("it's", "odd")], "agent_name": "nurse", "service_name": "desk"}
    lake.add(
        [
            span(1, None, 1, at=0, ms=3000, name="intake", operation="invoke_agent", agent_name="nurse"),
            span(
                2,
                1,
                1,
                at=0.5,
                ms=1000,
                cost="0.000150000001",
                name="chat gpt-4o-mini",
                provider="openai",
                request_model="gpt-4o-mini",
                response_model="gpt-4o-mini-2024-07-18",
                user_id="ada",
                input_tokens=1000,
                cache_read_tokens=200,
                output_tokens=50,
                time_to_first_chunk_ns=250_000_000,
                stream=True,
                session_id="s1",
                prompt_name="triage",
                prompt_version="2",
                **triage,
            ),
            span(
                3,
                1,
                1,
                at=1.5,
                ms=500,
                cost="1.25",
                name="chat claude",
                provider="anthropic",
                request_model="claude-sonnet-4-5",
                user_id="ada",
                input_tokens=300,
                output_tokens=20,
                session_id="s1",
                **triage,
            ),
        ]
    )


def _add_second_day(lake: SmallLake) -> None:
    lake.add(
        [
            span(
                4,
                None,
                2,
                at=86_400 - 1800,
                ms=40,
                cost=None,
                cost_status="missing_usage",
                status="ERROR",
                error_type="429",
                name="chat gpt-4o-mini",
                provider="openai",
                request_model="gpt-4o-mini-2024-07-18",
                user_id="bob",
            ),
            span(
                5,
                None,
                3,
                at=86_400 + 60,
                ms=60,
                cost="0.5",
                name="chat gpt-4o-mini",
                provider="openai",
                request_model="gpt-4o-mini-2024-07-18",
                input_tokens=7,
                output_tokens=1,
                properties=[("department", "billing")],
            ),
            span(6, None, 3, at=86_400 + 61, name="rollup", operation="chat", cost_usd=Decimal("0.5")),
        ]
    )


@pytest.fixture
def extremes(lake: SmallLake) -> SmallLake:
    """Two calls below an agent with the largest counts, and times and durations at the ends of what fits a column."""
    end = 2**63
    big: dict[str, Any] = {
        "input_tokens": end - 1,
        "output_tokens": end - 1,
        "cache_read_tokens": end - 1,
        "user_id": "ada",
        "session_id": "s",
        "prompt_name": "p",
        "agent_name": "a",
    }
    lake.add(
        [
            span(1, operation="invoke_agent", agent_name="a", session_id="s"),
            span(2, 1, cost="1", **big, start_time_ns=end - 1, duration_ns=end - 1, clock_flag="out_of_range"),
            span(3, 1, cost="2", **big, start_time_ns=-end, duration_ns=-end, time_to_first_chunk_ns=end - 1),
        ]
    )
    return lake
