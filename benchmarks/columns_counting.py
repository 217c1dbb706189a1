"""What it takes to find the rows that tell of one call, by who sends them.

    python benchmarks/columns_counting.py [--rows 15000] [--batches 9]

CPU time of one process. Each batch is settled beside all calls that are remembered; ratios are to rows of one emitter.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from otel_llm_collector.counting.recent import CALLS_MAX, RecentCalls
from otel_llm_collector.lake.files import as_table
from otel_llm_semconv import attributes as a

#: Random hex digits of each.
IDS = {"row_id": 8, "trace_id": 16, "span_id": 8, "parent_span_id": 8, "response_id": 12}


def rows(count: int, scope: str, service: str, operation: str | None = a.OPERATION_CHAT) -> pa.Table:
    """Priced calls, each in a trace of its own; with another operation, other spans."""
    span = {
        "kind": "CLIENT", "status": "UNSET", "service_name": service, "operation": operation, "input_tokens": 1000,
        "output_tokens": 200, "usage_status": "reported", "cost_status": "exact", "is_llm_call": operation is not None,
        "request_model": "gpt-4o-mini", "start_time_ns": time.time_ns(), "duration_ns": 10**9, "dialect": scope,
        "scope": scope_of(scope), "properties": [], "attributes": [],
    }  # fmt: skip
    return with_ids(as_table("spans", [span] * count))


def scope_of(name: str) -> bytes:
    scope = ScopeSpans()
    scope.scope.name = name
    return scope.SerializeToString()


def with_ids(table: pa.Table, taken: pa.Table | None = None) -> pa.Table:
    """The same rows under other ids; their responses' are those of `taken`."""
    for name, length in IDS.items():
        values = pa.array([os.urandom(length).hex() for _ in range(table.num_rows)])
        if taken is not None and name == "response_id":
            values = taken[name].combine_chunks()
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def of_one_trace(table: pa.Table, began: Iterator[int]) -> pa.Table:
    """The same rows, all of one trace, a hundred calls at once, each told of by two rows that have no id."""
    half = table.num_rows // 2
    starts = [next(began) * 10**7 for _ in range(half)]
    columns = {
        "trace_id": pa.array(["0" * 31 + "1"] * table.num_rows),
        "response_id": pa.nulls(table.num_rows, pa.string()),
        "start_time_ns": pa.array([*starts, *(start + 10**6 for start in starts)]),
        "duration_ns": pa.array([10**9] * half + [10**9 - 2 * 10**6] * (table.num_rows - half)),
    }
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
    return table


def scenes(count: int) -> Iterator[tuple[str, Callable[[], pa.Table]]]:
    """Who sends, and what makes a batch of it."""
    ours, proxied = rows(count, a.SCOPE_APP, "app"), rows(count // 2, "agentgateway", "proxy")
    plain = rows(count, "http", "app", operation=None)
    half = ours.slice(0, count // 2)

    def twins() -> pa.Table:
        told = with_ids(half)
        return pa.concat_tables([told, with_ids(proxied, told)]).unify_dictionaries()

    yield "one emitter", lambda: with_ids(ours)
    yield "no calls", lambda: with_ids(plain)
    yield (
        "two emitters, other calls each",
        lambda: pa.concat_tables([with_ids(half), with_ids(proxied)]).unify_dictionaries(),
    )
    yield "two emitters, the same calls", twins
    peers, began = rows(count // 2, "opentelemetry.instrumentation.openai", "app"), itertools.count(10**9)

    def long_trace() -> pa.Table:
        told = pa.concat_tables([with_ids(peers), with_ids(half)]).unify_dictionaries()
        return of_one_trace(told, began)

    yield "the same in one endless trace", long_trace


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=15_000)
    parser.add_argument("--batches", type=int, default=9)
    chosen = parser.parse_args()
    print(f"{'':34}{'us a row':>10}{'ratio':>8}")
    base = 0.0
    for name, batch in scenes(chosen.rows):
        recent = RecentCalls(lambda batch=batch: iter([batch()]))  # type: ignore[misc]
        while recent.look_back().num_rows < CALLS_MAX and name != "no calls":
            recent.settle(batch())
        took = [measure(recent, batch()) / chosen.rows * 1e6 for _ in range(chosen.batches)]
        base = base or statistics.median(took)
        print(f"{name:34}{statistics.median(took):10.2f}{statistics.median(took) / base:8.1f}")


def measure(recent: RecentCalls, batch: pa.Table) -> float:
    """CPU seconds that settling a batch takes."""
    began = time.process_time()
    recent.settle(batch)
    return time.process_time() - began


if __name__ == "__main__":
    main()
