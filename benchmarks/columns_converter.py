"""What the converter takes of a span, from the journal to the lake, step by step: natively, in NumPy, and row by row.

    python benchmarks/columns_converter.py [--spans 120000] [--reference 6000]

CPU time of one process, that of Arrow's threads included; a microsecond a span is a CPU second a million.
"""

from __future__ import annotations

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from span_load import Load

from otel_llm_collector import journal
from otel_llm_collector.columns import calls, fields, reader, request, speech
from otel_llm_collector.converter import Converter
from otel_llm_collector.counting.recent import RecentCalls
from otel_llm_collector.lake import files
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.native import native
from otel_llm_collector.process import leave_pandas_out
from otel_llm_collector.supervisor import CONVERTER_ENV
from otel_llm_semconv import pricing

SEGMENT_BYTES = 8 * 1024 * 1024
NATIVELY, IN_NUMPY, BY_ROWS = "natively", "in NumPy", "row by row"
#: Step -> the functions that are it. Time inside another step is that step's.
STEPS: dict[str, list[tuple[Any, str]]] = {
    "decode": [(request.Requests, "add"), (request.Requests, "taken"), (reader, "read")],
    "normalise": [(speech, "judge"), (reader, "spans_table"), (reader, "messages_table")],
    "price": [(calls, "price")],
    "settle": [(RecentCalls, "settle")],
    "write": [(files, "write_rows")],
    "commit": [(LakeTable, "append")],
}


class Stopwatch:
    """CPU time by step."""

    def __init__(self) -> None:
        self.took: dict[str, float] = defaultdict(float)
        self._open: list[tuple[str, float]] = []

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            self._turn(step)
            try:
                return function(*arguments, **named)
            finally:
                self._turn(None)

        return call

    def _turn(self, step: str | None) -> None:
        """Begin a step, or end the present one; what is around it waits."""
        now = time.process_time()
        if self._open:
            outer, since = self._open.pop()
            self.took[outer] += now - since
            if step is not None:
                self._open.append((outer, now))
        if step is not None:
            self._open.append((step, now))
        elif self._open:
            self._open[-1] = (self._open[-1][0], now)


def store(data: Path, load: Load, count: int) -> None:
    """A journal of closed segments."""
    writer = journal.Writer(data)
    for body in load.requests(count):
        writer.append([(journal.frame_header(journal.TRACES, time.time_ns(), body), body)])
        if writer.size > SEGMENT_BYTES:
            writer.rotate()
    writer.rotate()


def convert(data: Path) -> float:
    began = time.process_time()
    converter = Converter(data)
    while converter.convert_some():
        pass
    return time.process_time() - began


def choose(way: str) -> None:
    """Read in one of the ways from here on."""
    if way != NATIVELY:
        fields.native = request.native = None  # type: ignore[misc,attr-defined]
    if way == BY_ROWS:
        reader.ROWS_MIN = sys.maxsize  # type: ignore[misc]


def measure(kind: str, scope: str, count: int, way: str) -> dict[str, float]:
    """Microseconds a span by step; run in a process of its own."""
    leave_pandas_out()
    choose(way)
    pricing.warm()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        load = Load(content=kind == "content", scope=scope)
        store(data, load, 2048)
        convert(data)  # imports, caches
        store(data, load, count)
        watch = Stopwatch()
        for step, functions in STEPS.items():
            for owner, name in functions:
                setattr(owner, name, watch.timed(step, getattr(owner, name)))
        total = convert(data)
        size = sum(file.size for name in ("spans", "messages") for file in LakeTable(data, name).live_files())
    found = {step: took / count * 1e6 for step, took in watch.took.items()}
    found["all"] = total / count * 1e6
    found["B"] = size / count
    found["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def measured(kind: str, scope: str, count: int, way: str) -> dict[str, float]:
    arguments = ["--kind", kind, "--scope", scope, "--spans", str(count), "--way", way]
    command = [sys.executable, __file__, *arguments]
    environment = {**os.environ, **CONVERTER_ENV}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return {name: float(value) for name, value in (line.split() for line in output.stdout.splitlines())}


def show(kind: str, scope: str, spans: int, reference: int) -> None:
    """The rows of one kind of spans; what steps the reference takes are others."""
    print(f"{kind}, {scope.rpartition('.')[2]}")
    slow = measured(kind, scope, reference, BY_ROWS)
    for way in [NATIVELY, IN_NUMPY] if native else [IN_NUMPY]:
        found = measured(kind, scope, spans, way)
        row = "".join(f"{found.get(step, 0):10.2f}" for step in [*STEPS, "all"])
        print(f"  {way:<18}{row}{found['all'] / slow['all']:8.3f}{found['B']:6.0f}{found['MB']:6.0f}", flush=True)
    print(f"  {BY_ROWS:<18}{'':{10 * len(STEPS)}}{slow['all']:10.2f}{1:8.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=120_000)
    parser.add_argument("--reference", type=int, default=6_000, help="spans that the reference converts")
    parser.add_argument("--scope", help="of the spans; ours and the official instrumentors' without it")
    parser.add_argument("--kind", choices=("content", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=(NATIVELY, IN_NUMPY, BY_ROWS), default=NATIVELY, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.kind:
        for name, value in measure(chosen.kind, chosen.scope, chosen.spans, chosen.way).items():
            print(name, value)
        return
    scopes = [chosen.scope] if chosen.scope else ["opentelemetry.instrumentation.genai.openai", "otel_llm"]
    print(f"{'us a span':<20}" + "".join(f"{step:>10}" for step in [*STEPS, "all"]) + f"{'ratio':>8}{'B':>6}{'MB':>6}")
    for kind in ("content", "plain"):
        for scope in scopes:
            show(kind, scope, chosen.spans, chosen.reference)
    if not native:
        print("SKIPPED: natively, since otel-llm-native is not installed (pip install ./native, with Rust)")


if __name__ == "__main__":
    main()
