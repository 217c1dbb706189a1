"""What a billion calls add up to, without the calls: what `rollup_lake.py` asks.

    python benchmarks/rollup_maker.py DIR [--calls 1000000000] [--days 365]

For each date the cells of the largest cubes are drawn, as many as there are of what goes together, and of times.
All else is the collector's own code: it makes the smaller cubes of them and writes the file, and its keeper makes the
files of months out of those of dates. The files of `spans` that they say they were made of are there, with no rows.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_llm_collector.lake.files import Draft, write_file
from otel_llm_collector.lake.layout import LAYOUTS
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.replaced import Replacing
from otel_llm_collector.lake.schema import memory_schema
from otel_llm_collector.rollup.cells import cells
from otel_llm_collector.rollup.cubes import GROWTH, TABLE
from otel_llm_collector.rollup.keeper import Keeper
from otel_llm_collector.rollup.origin import Origin, mark

FIRST_DAY: Final = date(2026, 1, 1)
COLLECTOR_ID: Final = "0123456789abcdef"
KEYS: Final = ("team",)
#: What goes together: a service has a few prompts, each of them a model or two.
COMBINATIONS: Final = 500
MODELS, SERVICES, PROMPTS, TEAMS, USERS = 200, 150, 300, 40, 50_000
USERS_A_DAY: Final = 20_000
MODELS_A_USER: Final = 3
HOURS: Final = 24
#: Parts of the calls that fail, and that have no price.
FAILED: Final = 0.01
UNPRICED_MODELS: Final = 10
#: How far the times of a combination lie around their middle, in the natural logarithm; the first chunk is earlier.
SPREAD: Final = 0.6
CHUNK_PART: Final = 0.2
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def make(data: Path, calls: int, days: int) -> None:
    """Fill a data directory that is not there yet."""
    spans, table = LakeTable(data, "spans"), LakeTable(data, TABLE)
    dates = [FIRST_DAY + timedelta(days=number) for number in range(days)]
    no_rows, stem = memory_schema("spans").empty_table(), f"{COLLECTOR_ID}-{1:012d}"
    sources = [write_file(spans, no_rows, day, stem) for day in dates]
    spans.append(sources, COLLECTOR_ID, 1)
    replacing = Replacing(table)
    with duckdb.connect() as connection:
        for number, source in enumerate(sources):
            origin = Origin(
                frozenset({mark(source.path)}), source.day, source.day + timedelta(days=1), is_month=False, keys=KEYS
            )
            drawn = _Day(source.day, np.random.default_rng(number), calls // days)
            draft = Draft(table, source.day, "merged-drawn", rows=LAYOUTS[TABLE].row_group)
            for rows in cells(connection, origin, drawn.cubes()):
                draft.write(rows, LAYOUTS[TABLE].row_group)
            replacing.replace([], [draft.publish()], data_change=True)
    keeper = Keeper(data, replacing, "merged-months", keys=KEYS, clock=lambda: math.inf)
    while keeper.step():
        pass


class _Day:
    """The cells of one date, of so many calls in each cube."""

    def __init__(self, day: date, random: np.random.Generator, calls: int) -> None:
        self._day, self._random, self._calls = day, random, calls
        weights = 1 / np.arange(1, COMBINATIONS + 1) ** 0.7  # some are called far more than others
        self._weights = weights / weights.sum()

    def cubes(self) -> dict[str, pa.Table]:
        """The cubes that are made of calls, by name."""
        return {"latency": self._times(), "calls": self._costs(), "users": self._users()}

    def _times(self) -> pa.Table:
        middles = 20.5 + np.arange(COMBINATIONS) % 97 / 60  # of combinations: from 0.8 to 4 s
        lowest = int((20.5 + math.log(CHUNK_PART) - 4 * SPREAD) / math.log(GROWTH))
        buckets = np.arange(lowest, int((22.2 + 4 * SPREAD) / math.log(GROWTH)))
        at = (buckets + 0.5) * math.log(GROWTH)
        durations, chunks = (
            self._spread(self._weights[:, None] * np.exp(-(((at - middles[:, None] - earlier) / SPREAD) ** 2) / 2))
            for earlier in (0, math.log(CHUNK_PART))
        )
        combination, place = np.nonzero(durations + chunks)
        counts, first = durations[combination, place], chunks[combination, place]
        return self._table(
            "latency",
            "day",
            self._what(combination),
            bucket=buckets[place],
            calls=counts,
            errors=self._random.binomial(counts, FAILED),
            durations=counts,
            first_chunks=first,
            paces=first,
        )

    def _costs(self) -> pa.Table:
        by_hour = 1 + np.sin(np.arange(HOURS) / HOURS * 2 * math.pi)
        outcomes = np.array([1 - FAILED, FAILED])
        counts = self._spread(by_hour[:, None, None] * self._weights[:, None] * outcomes)
        hour, combination, failed = np.nonzero(counts)
        return self._table(
            "calls",
            "hour",
            {
                **self._what(combination),
                "request_model": _named("model", combination % MODELS, MODELS),
                "response_model": _named("model", combination % MODELS, MODELS),
                "status": pa.array(["UNSET", "ERROR"]).take(pa.array(failed)),
                "error_type": pa.array([None, "429"]).take(pa.array(failed)),
            },
            hour=hour,
            **self._sums(counts[hour, combination, failed], combination % MODELS, failed),
        )

    def _users(self) -> pa.Table:
        users = np.sort(self._random.choice(USERS, USERS_A_DAY, replace=False))
        counts = self._spread(self._random.pareto(1.5, (USERS_A_DAY, MODELS_A_USER)) + 0.1)
        place, turn = np.nonzero(counts)
        user = users[place]
        combination = (user * 7 + turn * 31) % COMBINATIONS
        names = {
            "user_id": _named("user", user, USERS),
            **{name: values for name, values in self._what(combination).items() if name in _OF_USERS},
        }
        return self._table(
            "users", "day", names, **self._sums(counts[place, turn], combination % MODELS, np.zeros_like(user))
        )

    def _spread(self, shares: Floats) -> Ints:
        """All calls of the day over some cells."""
        return self._random.multinomial(self._calls, (shares / shares.sum()).ravel()).reshape(shares.shape)

    def _what(self, combination: Ints) -> dict[str, Any]:
        """The dimensions of a combination."""
        return {
            "provider": _named("provider", combination % MODELS % 8, 8),
            "model": _named("model", combination % MODELS, MODELS),
            "operation": "chat",
            "service_name": _named("service", combination % SERVICES, SERVICES),
            "environment": pa.array(["production", "staging"]).take(pa.array(combination % 10 // 9)),
            "agent_name": _named("agent", combination % 60, 60),
            "workflow_name": _named("workflow", combination % 30, 30),
            "prompt_name": _named("prompt", combination % PROMPTS, PROMPTS),
            "prompt_version": _named("v", combination % 7, 7),
            "properties": _map(KEYS[0], _named("team", combination % TEAMS, TEAMS)),
        }

    def _sums(self, calls: Ints, model: Ints, failed: Ints) -> dict[str, Any]:
        """Tokens and money of so many calls; nobody knows the price of the last models."""
        answered = np.where(failed, 0, calls)
        tokens = answered * (800 + model * 3) + self._random.integers(0, 50, len(calls)) * (answered > 0)
        is_unknown, is_unpriced = model >= MODELS - UNPRICED_MODELS, (model >= MODELS - UNPRICED_MODELS) | (failed > 0)
        status = np.where(failed > 0, 1, np.where(is_unknown, 2, 0))
        return {
            "cost_status": pa.array(["exact", "missing_usage", "unknown_model"]).take(pa.array(status)),
            "usage_status": pa.array(["reported", "missing"]).take(pa.array(failed)),
            "calls": calls,
            "errors": np.where(failed, calls, 0),
            "input_tokens": pa.array(tokens, mask=failed > 0),
            "cache_read_tokens": pa.array(tokens // 4, mask=failed > 0),
            "output_tokens": pa.array(tokens // 5, mask=failed > 0),
            "cost_usd": _usd(tokens * (150_000 + model * 10_000), is_unpriced),
            "unpriced_calls": np.where(is_unpriced, calls, 0),
        }

    def _table(self, cube: str, grain: str, names: Mapping[str, Any], hour: Any = 0, **sums: Any) -> pa.Table:
        rows = len(sums["calls"])
        midnight_us = int(datetime.combine(self._day, datetime.min.time(), UTC).timestamp()) * 10**6
        started = pa.array(midnight_us + np.broadcast_to(hour, rows) * 3_600_000_000, pa.timestamp("us", "UTC"))
        columns = {"date": self._day, "cube": cube, "grain": grain, "start_time": started, **names, **sums}
        return pa.table({name: _column(values, rows) for name, values in columns.items()})


_OF_USERS: Final = frozenset({"provider", "model", "environment", "properties"})


def _column(values: Any, rows: int) -> Any:
    return pa.repeat(pa.scalar(values), rows) if isinstance(values, str | date) else pa.array(values)


def _named(name: str, numbers: Ints, count: int) -> Any:
    return pa.array([f"{name}-{number:0{len(str(count - 1))}}" for number in range(count)]).take(pa.array(numbers))


def _map(key: str, values: Any) -> Any:
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32))
    return pa.MapArray.from_arrays(offsets, pa.repeat(key, len(values)), values)


def _usd(pico: Ints, is_null: npt.NDArray[np.bool_]) -> Any:
    """Money of 10^-12 dollars each."""
    words = np.zeros((len(pico), 2), np.int64)
    words[:, 0] = pico
    valid = np.packbits(~is_null, bitorder="little")
    return pa.Array.from_buffers(pa.decimal128(38, 12), len(pico), [pa.py_buffer(valid), pa.py_buffer(words)])


def main() -> None:
    parser = argparse.ArgumentParser(description="What a billion calls add up to")
    parser.add_argument("data", type=Path, help="the data directory to make; what is there is removed")
    parser.add_argument("--calls", type=int, default=1_000_000_000)
    parser.add_argument("--days", type=int, default=365)
    chosen = parser.parse_args()
    if chosen.data.exists() and not (chosen.data / "spans" / "_delta_log").is_dir():
        sys.exit(f"{chosen.data} is no lake: name a directory that may be made anew")
    shutil.rmtree(chosen.data, ignore_errors=True)
    began_s = time.monotonic()
    make(chosen.data, chosen.calls, chosen.days)
    files = LakeTable(chosen.data, TABLE).live_files()
    rows, size = sum(file.rows for file in files), sum(file.size for file in files)
    told = f"{rows:,} cells in {len(files)} files, {size / 1e6:,.0f} MB"
    print(f"{chosen.calls:,} calls in {chosen.data} after {time.monotonic() - began_s:.0f} s: {told}")


if __name__ == "__main__":
    main()
