"""What instrumenting adds to the start of an app: part of `make bench-app`.

The base is an app that imports OpenTelemetry's API, SDK and instrumentation packages, as `opentelemetry-instrument`
does anyway; fresh processes, interleaved, CPU and wall time and memory measured inside. Bar: < 60 ms.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 15
BASE = """
import json, sys, time, resource
import opentelemetry.trace, opentelemetry.sdk.trace, opentelemetry.sdk.trace.export
import opentelemetry.sdk._configuration, opentelemetry.instrumentation.instrumentor
import opentelemetry.instrumentation.distro, opentelemetry.exporter.otlp.proto.http.trace_exporter
start, cpu, size = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{extra}
loaded = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps({{
    "wall": time.perf_counter() - start,
    "cpu": time.process_time() - cpu,
    "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size) / 1024,
    "loaded": sorted(loaded & {{"openai", "anthropic", "httpx", "httpx2", "genai_prices", "grpc", "duckdb"}}),
}}))
"""
VARIANTS = {
    "nothing": "pass",
    "otel_llm.instrument()": "import otel_llm; otel_llm.instrument()",
    "LLMInstrumentor().instrument()": (
        "from otel_llm.instrument import LLMInstrumentor; LLMInstrumentor().instrument()"
    ),
}


def measure(extra: str) -> dict[str, float | list[str]]:
    command = [sys.executable, "-c", BASE.format(extra=extra)]
    found: dict[str, float | list[str]] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def main() -> None:
    found: dict[str, list[dict[str, float | list[str]]]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, extra in VARIANTS.items():
            found[name].append(measure(extra))
    print(f"{'added to the start by':<34}{'wall ms':>9}{'cpu ms':>9}{'MB':>7}  also loaded")
    for name, runs in found.items():
        wall, cpu, mb = (statistics.median(float(run[key]) for run in runs) for key in ("wall", "cpu", "mb"))  # type: ignore[arg-type]
        print(f"{name:<34}{wall * 1e3:>9.1f}{cpu * 1e3:>9.1f}{mb:>7.1f}  {runs[0]['loaded'] or '-'}")


if __name__ == "__main__":
    main()
