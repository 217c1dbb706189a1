"""How long questions take over millions of spans: `make bench-query`.

    python benchmarks/query_lake.py [--rows 1000000 --rows 10000000] [--folder build/lakes]

Each lake (`lake_maker.py`, made where it is not there yet) is asked in a process of its own, after `import duckdb`:
opened, then asked each question ten times, a trace by another id each time, and three times what roll-ups do not
answer. A figure is the median, `first` the first one, which reads from disk what the others find in memory. The lakes
grow by ten: time should grow by no more, memory hardly at all.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import duckdb

MADE_S_MAX: Final = 3600
TIMES: Final = 10
#: How often a question is asked that takes long.
TIMES_OTHERS: Final = 3
P95_BY_DAY: Final = """
SELECT response_model, date, quantile_cont(duration_ns, 0.95) / 1e6 AS p95_ms FROM llm_calls GROUP BY ALL ORDER BY ALL
"""
ELSE_MS: Final = 1500.0
_TWO_WEEKS: Final = {"since": "2026-10-16", "until": "2026-10-31"}
_A_WEEK: Final = {"since": "2026-10-24", "until": "2026-10-31"}
#: What roll-ups do not answer -> the question and its arguments.
OTHERS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "anomalies by model": ("anomalies", {"by": "model", **_A_WEEK}),
    "anomalies by four dimensions": ("anomalies", _A_WEEK),
    "cache": ("cache", {}),
    "change by model": ("change", _TWO_WEEKS),
    "change by user": ("change", {"by": "user", **_TWO_WEEKS}),
    "errors": ("errors", {}),
    "forecast": ("forecast", {"until": "2026-10-25T12:00"}),
    "forecast with another model": (
        "forecast",
        {"until": "2026-10-25T12:00", "replace": ["gpt-4.1=google/gemini-2.5-flash"]},
    ),
    "prompts by service, model": ("prompts", {"by": "service,model"}),
    "sessions": ("sessions", {}),
    "top": ("top", {}),
    "unpriced": ("unpriced", {}),
    "users": ("users", {}),
}
#: Roll-ups answer for most of it.
SPLIT: Final = ("latency, split, of the spans", "latency, split")
#: Question -> ms that it may take of ten million spans.
BARS: Final = {
    "open the lake": None,
    "a trace by its id": 30.0,
    "its content": 100.0,
    "cost by model": ELSE_MS,
    "p95 latency by model and day": ELSE_MS,
    "cost by user": None,
    "cost by a property": None,
    "latency by model, percentiles": None,
    "latency, split, of the spans": None,
    **dict.fromkeys(OTHERS, ELSE_MS),
    "rolled up: cost by model": 50.0,
    "rolled up: cost by day and model": 50.0,
    "rolled up: cost by a property": 50.0,
    "rolled up: cost by user": 50.0,
    "rolled up: latency by model": 50.0,
    "rolled up: latency by service": 50.0,
    "latency, split": ELSE_MS,
}


def ask(data: Path) -> dict[str, Any]:
    """All questions to one lake: ms, and the memory at the end."""
    import duckdb  # noqa: F401 - not what is measured

    from otel_llm_collector import query

    ids = _ids(data)
    connection = query.connect(data)

    def content(trace_id: str) -> object:
        return connection.execute("SELECT * FROM messages WHERE trace_id = ?", [trace_id]).fetchall()

    questions: dict[str, Callable[[int], object]] = {
        "open the lake": lambda _: query.connect(data).close(),
        "a trace by its id": lambda turn: query.trace(connection, ids[turn]),
        "its content": lambda turn: content(ids[turn]),
        "cost by model": lambda _: query.cost(connection, exact=True),
        "p95 latency by model and day": lambda _: connection.execute(P95_BY_DAY).fetchall(),
        "cost by user": lambda _: query.cost(connection, "user", exact=True),
        "cost by a property": lambda _: query.cost(connection, "property.department", exact=True),
        "latency by model, percentiles": lambda _: query.latency(connection, exact=True),
        "latency, split, of the spans": lambda _: query.latency_split(connection, exact=True),
        **{name: functools.partial(_other, connection, name) for name in OTHERS},
        "rolled up: cost by model": lambda _: query.cost(connection),
        "rolled up: cost by day and model": lambda _: query.cost(connection, "day,model"),
        "rolled up: cost by a property": lambda _: query.cost(connection, "property.department"),
        "rolled up: cost by user": lambda _: query.cost(connection, "user"),
        "rolled up: latency by model": lambda _: query.latency(connection),
        "rolled up: latency by service": lambda _: query.latency(connection, "service"),
        "latency, split": lambda _: query.latency_split(connection),
    }
    turns = {name: range(TIMES_OTHERS if name in (*OTHERS, *SPLIT) else TIMES) for name in questions}
    times = {name: [timed_ms(question, turn) for turn in turns[name]] for name, question in questions.items()}
    return {"ms": times, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _other(connection: duckdb.DuckDBPyConnection, name: str, _: int) -> object:
    from otel_llm_collector.query.named import answer

    asked, arguments = OTHERS[name]
    return answer(connection, asked, arguments)


def _ids(data: Path) -> list[str]:
    """Ids of traces, some of each part of the lake, found without what is measured."""
    import pyarrow.parquet as pq

    paths = sorted((data / "spans").glob("date=*/*.parquet"))
    chosen = [paths[len(paths) * turn // TIMES] for turn in range(TIMES)]
    return [pq.ParquetFile(path).read_row_group(0, ["trace_id"])["trace_id"][turn * 8].as_py()
            for turn, path in enumerate(chosen)]  # fmt: skip


def timed_ms(question: Callable[[int], object], turn: int = 0) -> float:
    """How long a question takes, asked for the so manieth time."""
    began_ns = time.perf_counter_ns()
    question(turn)
    return (time.perf_counter_ns() - began_ns) / 1e6


def _asked_apart(data: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--ask", str(data)], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _made(folder: Path, rows: int) -> Path:
    data = folder / f"{rows}"
    if not (data / "made").exists():
        maker = str(Path(__file__).with_name("lake_maker.py"))
        command = [sys.executable, maker, str(data), "--rows", str(rows)]
        subprocess.run(command, check=True, timeout=MADE_S_MAX)
        (data / "made").touch()
    add_up(data)
    return data


def add_up(data: Path) -> None:
    """Have the calls added up, as the collector does once dates are over; says how long that took."""
    from otel_llm_collector.lake.log import LakeTable
    from otel_llm_collector.lake.replaced import Replacing
    from otel_llm_collector.rollup.keeper import Keeper

    began_s = time.process_time()
    table = LakeTable(data, "rollups")
    keeper = Keeper(data, Replacing(table), "merged-benchmark", keys=("department",), clock=lambda: math.inf)
    if sum(iter(keeper.step, False)):
        size = sum(file.size for file in table.live_files())
        print(f"{data.name} spans added up in {time.process_time() - began_s:.1f} s of CPU, {size / 1e6:.1f} MB")


def print_table(rows: list[int], found: list[dict[str, Any]]) -> None:
    """A line a question; the last column holds the largest lake against the smallest."""
    head = "".join(f"{f'{count / 1e6:g} M spans':>22}" for count in rows)
    print(f"{'ms':<38}{head}{'grows by':>10}{'bar':>8}")
    print(f"{'':<38}" + f"{'first':>12}{'median':>10}" * len(rows))
    missed = 0
    for name, bar in BARS.items():
        medians = [statistics.median(one["ms"][name]) for one in found]
        firsts = (one["ms"][name][0] for one in found)
        cells = "".join(f"{first:>12.1f}{median:>10.1f}" for first, median in zip(firsts, medians, strict=True))
        missed += bar is not None and medians[-1] > bar
        sign = "" if bar is None else f"{bar:>8.0f} {'ok' if medians[-1] <= bar else 'over'}"
        print(f"{name:<38}{cells}{medians[-1] / medians[0]:>10.1f}{sign}")
    print(f"{'peak memory, MB':<38}" + "".join(f"{one['peak_mb']:>22.0f}" for one in found))
    print(f"\n{missed} of {sum(bar is not None for bar in BARS.values())} bars missed")


def main() -> None:
    parser = argparse.ArgumentParser(description="How long questions take over millions of spans")
    parser.add_argument("--rows", type=int, action="append", help="spans of a lake; may be repeated")
    parser.add_argument("--folder", type=Path, default=Path("build/lakes"), help="where the lakes are kept")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ask is not None:
        json.dump(ask(chosen.ask), sys.stdout)
        return
    rows = sorted(chosen.rows or [1_000_000, 10_000_000])
    lakes = [_made(chosen.folder, count) for count in rows]
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    print_table(rows, [_asked_apart(data) for data in lakes])


if __name__ == "__main__":
    main()
