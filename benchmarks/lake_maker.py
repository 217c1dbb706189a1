"""A lake of millions of spans, made at once: what `query_lake.py` asks, and who wants to try SQL on much of it.

    python benchmarks/lake_maker.py DIR [--rows 10000000] [--days 30]

Traces of eight spans: an agent, five calls of a model, a tool, a request that has to do with no model. Files are those
that the collector leaves behind once a date is closed and compacted: one a date and table, written by its own writer.
The same in every run, but for the names of the files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from otel_llm_collector.columns import pricing
from otel_llm_collector.lake import files
from otel_llm_collector.lake.log import DataFile, LakeTable
from otel_llm_collector.lake.schema import memory_schema
from otel_llm_semconv.tables import TABLES

FIRST_DAY: Final = date(2026, 10, 1)
COLLECTOR_ID: Final = "0123456789abcdef"
SPANS_A_TRACE: Final = 8
CALLS: Final = slice(1, 6)  # of the spans of a trace
MODELS: Final = (
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 0.4),
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14", 0.2),
    ("anthropic", "claude-sonnet-4-6", "claude-sonnet-4-6", 0.25),
    ("google", "gemini-2.5-flash", "gemini-2.5-flash", 0.1),
    ("acme", "house-model", "house-model", 0.05),  # nobody knows its price
)
USERS: Final = 100_000
SERVICES: Final = 20
DAY_NS: Final = 86_400 * 10**9
_WORDS: Final = "the of to and in that for with as on be by this from or at which it can when where each patient " * 4
Ints = npt.NDArray[np.int64]


def make(data: Path, rows: int, days: int) -> None:
    """Fill a data directory that is not there yet."""
    spans, messages = LakeTable(data, "spans"), LakeTable(data, "messages")
    a_day = rows // days // SPANS_A_TRACE
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        made = _Day(day, np.random.default_rng(number), a_day)
        for table, columns in ((spans, made.spans()), (messages, made.messages())):
            _append(table, columns, day, number + 1)


def _append(table: LakeTable, columns: Mapping[str, Any], day: date, segment: int) -> None:
    schema = memory_schema(table.name)
    count = len(columns["row_id"])
    arrays = [_column(columns.get(field.name), field.type, count) for field in schema]
    found: list[DataFile] = [
        files.write_file(table, pa.Table.from_arrays(arrays, schema=schema), day, f"{COLLECTOR_ID}-{segment:012d}")
    ]
    table.append(found, COLLECTOR_ID, segment)


def _column(values: Any, type: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, type)
    if isinstance(values, str | bytes | date | bool):
        return pa.repeat(pa.scalar(values, type.value_type if pa.types.is_dictionary(type) else type), rows).cast(type)
    return values.cast(type) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values).cast(type)


class _Day:
    """The rows of one date, trace by trace."""

    def __init__(self, day: date, random: np.random.Generator, traces: int) -> None:
        self._day, self._random, self._traces = day, random, traces
        self._rows = traces * SPANS_A_TRACE
        self._place = np.tile(np.arange(SPANS_A_TRACE), traces)  # of a span in its trace
        self._is_call = (self._place >= CALLS.start) & (self._place < CALLS.stop)
        midnight = int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) * 10**9
        began = midnight + random.integers(0, DAY_NS - 60 * 10**9, traces)
        self._start = np.repeat(began, SPANS_A_TRACE) + self._place * 1_000_000_000
        self._trace, self._span = _hex(random, traces, 16), _hex(random, self._rows, 8)
        self._row_id = _hex(random, self._rows, 8)
        self._model = random.choice(len(MODELS), self._rows, p=[share for *_, share in MODELS])

    def spans(self) -> dict[str, Any]:
        """The columns of `spans` that hold something."""
        random, rows = self._random, self._rows
        roots = self._span.take(pa.array(np.repeat(np.arange(self._traces) * SPANS_A_TRACE, SPANS_A_TRACE)))
        user = np.repeat(random.zipf(1.3, self._traces) % USERS, SPANS_A_TRACE)
        input_tokens = random.lognormal(7, 1, rows).astype(np.int64)
        output_tokens = random.lognormal(5, 1, rows).astype(np.int64)
        counts = {
            "input_tokens": self._of_calls(input_tokens),
            "output_tokens": self._of_calls(output_tokens),
            "cache_read_tokens": self._of_calls((input_tokens * random.random(rows) * 0.5).astype(np.int64)),
        }
        named = {
            "provider": self._named([provider for provider, *_ in MODELS]),
            "request_model": self._named([asked for _, asked, *_ in MODELS]),
            "response_model": self._named([answered for _, _, answered, _ in MODELS]),
        }
        duration = (random.lognormal(13.5, 0.8, rows) * 1000).astype(np.int64)
        service = np.repeat(random.integers(0, SERVICES, self._traces), SPANS_A_TRACE)
        return {
            "row_id": self._row_id,
            "trace_id": self._trace.take(pa.array(np.repeat(np.arange(self._traces), SPANS_A_TRACE))),
            "span_id": self._span,
            "parent_span_id": pa.array(roots.to_pylist(), mask=self._place == 0),
            "date": self._day,
            "start_time": pa.array(self._start // 1000, pa.timestamp("us", "UTC")),
            "start_time_ns": self._start,
            "duration_ns": duration,
            "time_to_first_chunk_ns": self._of_calls(duration // 5),
            "name": self._spoken("invoke_agent planner", "chat", "execute_tool look_up", "GET"),
            "kind": self._spoken("INTERNAL", "CLIENT", "INTERNAL", "CLIENT"),
            "status": pa.array(np.where(random.random(rows) < 0.01, "ERROR", "UNSET")),
            "service_name": pa.array([f"service-{number}" for number in range(SERVICES)]).take(pa.array(service)),
            "environment": "production",
            "operation": self._spoken("invoke_agent", "chat", "execute_tool", None),
            "session_id": _numbered("session", user),
            "user_id": _numbered("user", user),
            "agent_name": "planner",
            "dialect": self._spoken("otel-llm", "otel-llm", "otel-llm", None),
            "usage_status": self._spoken(None, "reported", None, None),
            "is_llm_call": self._is_call,
            "properties": _map("department", pa.array(["cardiology", "pediatrics"]).take(pa.array(service % 2))),
            "attributes": _map("server.address", self._spoken("localhost", "api.test", "localhost", "web.test")),
            "attribute_types": "s",
            "resource": _resource(),
            "scope": _scope(),
            "side": b"",
            "collector_id": COLLECTOR_ID,
            "segment": pa.array(np.full(rows, 1)),
            **named,
            **counts,
            **self._prices(named, counts),
        }

    def messages(self) -> dict[str, Any]:
        """The columns of `messages`: what was asked and answered in each call."""
        calls = pa.array(np.flatnonzero(self._is_call))
        told = _texts(self._random, 5_000)
        trace = self._trace.take(pa.array(np.flatnonzero(self._is_call) // SPANS_A_TRACE))
        return {
            "row_id": self._row_id.take(calls),
            "date": self._day,
            "trace_id": trace,
            "span_id": self._span.take(calls),
            "input_messages": told.take(pa.array(self._random.integers(0, len(told), len(calls)))),
            "output_messages": told.take(pa.array(self._random.integers(0, len(told), len(calls)))),
        }

    def _prices(self, words: Mapping[str, pa.Array], counts: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """What the calls cost, by the collector's own prices."""
        calls = pa.array(np.flatnonzero(self._is_call))
        found = pricing.price(
            pricing.Calls(
                at_s=self._start[self._is_call] // 10**9,
                words={name: column.take(calls) for name, column in words.items()},
                counts={name: column.take(calls) for name, column in counts.items()},
            )
        )
        place = pa.array(np.cumsum(self._is_call) - 1, mask=~self._is_call)
        return {name: found[name].take(place) for name in found.column_names}

    def _of_calls(self, values: Ints) -> pa.Array:
        return pa.array(values, mask=~self._is_call)

    def _named(self, names: list[str]) -> pa.Array:
        return pa.array(names).take(pa.array(self._model, mask=~self._is_call))

    def _spoken(self, agent: str | None, call: str | None, tool: str | None, other: str | None) -> pa.Array:
        """A text by the place in the trace."""
        kinds = [agent, *[call] * (CALLS.stop - CALLS.start), tool, other]
        return pa.array(kinds, pa.string()).take(pa.array(self._place))


def _hex(random: np.random.Generator, count: int, size: int) -> pa.Array:
    """Random ids as the tables spell them."""
    digits = np.frombuffer(random.bytes(count * size).hex().encode(), np.uint8)
    offsets = np.arange(count + 1, dtype=np.int32) * (2 * size)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(digits))


def _numbered(name: str, numbers: Ints) -> pa.Array:
    return pa.array([f"{name}-{number}" for number in range(USERS)]).take(pa.array(numbers))


def _map(key: str, values: pa.Array) -> pa.Array:
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32))
    return pa.MapArray.from_arrays(offsets, pa.repeat(key, len(values)), values)


def _texts(random: np.random.Generator, count: int) -> pa.Array:
    """Messages of about a kilobyte, in the schema of the conventions."""
    words = np.array(_WORDS.split())
    told = (" ".join(words[random.integers(0, len(words), 180)]) for _ in range(count))
    return pa.array([f'[{{"role":"user","parts":[{{"type":"text","content":"{text}"}}]}}]' for text in told])


def _resource() -> bytes:
    about = KeyValue(key="service.name")
    about.value.string_value = "service"
    return ResourceSpans(resource=Resource(attributes=[about])).SerializeToString()


def _scope() -> bytes:
    return ScopeSpans(scope=InstrumentationScope(name="otel-llm", version="0.1.0")).SerializeToString()


def main() -> None:
    parser = argparse.ArgumentParser(description="A lake of millions of spans")
    parser.add_argument("data", type=Path, help="the data directory to make; what is there is removed")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=30)
    chosen = parser.parse_args()
    if chosen.data.exists() and not (chosen.data / "spans" / "_delta_log").is_dir():
        sys.exit(f"{chosen.data} is no lake: name a directory that may be made anew")
    shutil.rmtree(chosen.data, ignore_errors=True)
    began_s = time.monotonic()
    make(chosen.data, chosen.rows, chosen.days)
    sizes = {name: sum(f.stat().st_size for f in (chosen.data / name).rglob("*.parquet")) for name in TABLES}
    told = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sizes.items() if size)
    print(f"{chosen.rows:,} spans in {chosen.data} after {time.monotonic() - began_s:.0f} s: {told}")


if __name__ == "__main__":
    main()
