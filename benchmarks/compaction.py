"""What merging files takes: CPU a span, bytes a span on disk before and after, memory, how often a row is written.

    python benchmarks/compaction.py [--spans 600000]

A journal of `span_load.py` is converted, then merged in a process of its own with the upkeep's settings: at first as
while the date goes on, then as once it is over.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import columns_converter as converting
import pyarrow as pa
from psutil import Process
from span_load import Load

from collector import Used
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.process import leave_pandas_out
from otel_llm_collector.supervisor import CONVERTER_ENV, UPKEEP_ENV
from otel_llm_collector.upkeep import Upkeep
from otel_llm_semconv import pricing

TABLES = ("spans", "messages")
#: The files to merge arrive in so many portions, each merged before the next.
PORTIONS = 6


def fill(data: Path, kind: str, spans: int) -> None:
    pricing.warm()
    converting.store(data, Load(content=kind == "content"), spans)
    converting.convert(data)


def merge(data: Path, *, is_over: bool) -> dict[str, float]:
    """Merge what there is; CPU seconds, megabytes, and bytes that were written."""
    leave_pandas_out()
    pa.set_cpu_count(1)
    began = time.process_time()
    upkeep = Upkeep(data, clock=(lambda: math.inf) if is_over else time.time)
    written, before = 0, _live(data)
    while upkeep.step():
        after = _live(data)
        written += sum(size for path, size in after.items() if path not in before)
        before = after
    upkeep.close()
    used = Used.of(Process())
    return {"cpu": time.process_time() - began, "mb": used.peak_mb, "written": written}


def _live(data: Path) -> dict[str, int]:
    """The files of all tables and their sizes."""
    return {f"{name}/{file.path}": file.size for name in TABLES for file in LakeTable(data, name).live_files()}


def in_process(environment: dict[str, str], *arguments: str) -> dict[str, float]:
    command = [sys.executable, __file__, *arguments]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **environment})
    return dict(json.loads(ran.stdout)) if ran.stdout else {}


def rows(folder: Path, kind: str, spans: int) -> Iterator[str]:
    data, merged = folder / kind, list[dict[str, float]]()
    data.mkdir()
    for _ in range(PORTIONS):
        in_process(CONVERTER_ENV, "--fill", kind, "--data", str(data), "--spans", str(spans // PORTIONS))
        if not merged:
            before = sum(_live(data).values()) / (spans // PORTIONS)
        merged.append(in_process(UPKEEP_ENV, "--merge", "open", "--data", str(data)))
    sums = {name: sum(one[name] for one in merged) for name in merged[0]}
    yield _row(f"{kind}, date goes on", before, sums | {"mb": max(one["mb"] for one in merged)}, data, spans)
    closed = in_process(UPKEEP_ENV, "--merge", "over", "--data", str(data))
    yield _row(f"{kind}, date is over", before, closed, data, spans)


def _row(name: str, first: float, used: dict[str, float], data: Path, spans: int) -> str:
    live = _live(data)
    size = sum(live.values()) / spans
    return (
        f"{name:<24}{used['cpu'] / spans * 1e6:>8.1f}{used['mb']:>8.0f}{first:>9.0f}{size:>9.1f}{len(live):>7}"
        f"{used['written'] / sum(live.values()):>9.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=600_000)
    parser.add_argument("--fill", choices=("content", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--merge", choices=("open", "over"), help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.fill:
        fill(chosen.data, chosen.fill, chosen.spans)
    elif chosen.merge:
        print(json.dumps(merge(chosen.data, is_over=chosen.merge == "over")))
    else:
        print(f"{'':<24}{'cpu-s':>8}{'MB':>8}{'B before':>9}{'B after':>9}{'files':>7}{'written':>9}")
        with tempfile.TemporaryDirectory(prefix="otel-llm-bench-") as folder:
            for kind in ("content", "plain"):
                for row in rows(Path(folder), kind, chosen.spans):
                    print(row, flush=True)
        print("cpu-s a million spans; bytes a span; written: bytes that merging wrote, of those that stay")


if __name__ == "__main__":
    main()
