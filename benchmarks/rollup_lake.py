"""How long questions take over what a billion calls add up to: `make bench-rollups`.

    python benchmarks/rollup_lake.py [--calls 1000000000] [--days 365] [--folder build/lakes]

The lake (`rollup_maker.py`, made where it is not there yet) is asked in a process of its own, after `import duckdb`:
opened, then asked each question five times. A figure is the median, `first` the first one.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from query_lake import timed_ms

MADE_S_MAX: Final = 3600
TIMES: Final = 5
BAR_MS: Final = 1000.0
#: What is asked: the question, by what, and the rest of its arguments.
QUESTIONS: Final = (
    ("cost", "model", {}),
    ("cost", "day,model", {}),
    ("cost", "property.team", {}),
    ("cost", "user", {}),
    ("cost", "service,prompt,prompt_version", {}),
    ("cost", "model", {"where": "service_name = 'service-007'"}),
    ("cost", "model", {"since": "2026-10-01"}),
    ("latency", "model", {}),
    ("latency", "service", {}),
    ("latency", "property.team", {}),
    ("latency", "month,model", {}),
)


def ask(data: Path) -> dict[str, Any]:
    """All questions to one lake: ms, what was read, rows of the answers, and the memory at the end."""
    import duckdb  # noqa: F401 - not what is measured

    from otel_llm_collector import query

    times = {"open the lake": [timed_ms(lambda _: query.connect(data).close()) for _ in range(TIMES)]}
    connection = query.connect(data)
    sources = {}
    for name, by, chosen in QUESTIONS:
        selected = query.selection(connection, **chosen)

        def asked(_: int = 0, name: str = name, by: str = by, selected: query.Selection = selected) -> query.Table:
            return query.ask(connection, name, by, selected)

        told = " ".join([name, "by", by, *(f"{option} {value}" for option, value in chosen.items())])
        times[told] = [timed_ms(asked) for _ in range(TIMES)]
        answer = asked()
        sources[told] = f"{answer.data.num_rows:,} rows, {answer.source}"
    return {"ms": times, "sources": sources, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def print_table(found: dict[str, Any]) -> None:
    """A line a question, with what was read for it."""
    print(f"{'ms':<52}{'first':>9}{'median':>9}{'bar':>13}")
    missed = 0
    for name, times in found["ms"].items():
        median = statistics.median(times)
        missed += median > BAR_MS
        sign = f"{BAR_MS:>8.0f} {'ok' if median <= BAR_MS else 'over'}"
        print(f"{name:<52}{times[0]:>9.1f}{median:>9.1f}{sign:<15}{found['sources'].get(name, '')}")
    print(f"{'peak memory, MB':<52}{found['peak_mb']:>18.0f}")
    print(f"\n{missed} of {len(found['ms'])} bars missed")


def _made(folder: Path, calls: int, days: int) -> Path:
    data = folder / f"rolled-{calls}"
    if not (data / "made").exists():
        maker = str(Path(__file__).with_name("rollup_maker.py"))
        command = [sys.executable, maker, str(data), "--calls", str(calls), "--days", str(days)]
        subprocess.run(command, check=True, timeout=MADE_S_MAX)
        (data / "made").touch()
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description="How long questions take over what a billion calls add up to")
    parser.add_argument("--calls", type=int, default=1_000_000_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--folder", type=Path, default=Path("build/lakes"), help="where the lake is kept")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ask is not None:
        json.dump(ask(chosen.ask), sys.stdout)
        return
    data = _made(chosen.folder, chosen.calls, chosen.days)
    done = subprocess.run([sys.executable, __file__, "--ask", str(data)], stdout=subprocess.PIPE, check=True)
    print(f"Python {platform.python_version()}, {platform.machine()}, {chosen.calls:,} calls\n")
    print_table(json.loads(done.stdout))


if __name__ == "__main__":
    main()
