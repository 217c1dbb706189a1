"""What the collector takes: spans a second that are durable and in Parquet, CPU, memory, lag; small requests; a peer.

    python benchmarks/collector.py                  # a minute a row
    python benchmarks/collector.py --seconds 10     # a first look

The sender runs on the same machine. It holds back while more than a second's worth of what was acknowledged is not in
the tables yet: the rate is what is sustained, not what a journal can swallow. Compare cpu, and ratios within a run.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop
from collector_load import Bodies, Senders, ask_grpc, ask_http
from deltalake import DeltaTable

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tests"))

from rig import otlp  # noqa: E402
from rig.processes import CollectorProcess, wait_for  # noqa: E402

CONNECTIONS = 4
SPANS_A_REQUEST = 512
SMALL_CONNECTIONS = 64
DRAIN_S_MAX = 120.0
POLL_S = 0.2


class Arrivals:
    """Rows that the Delta log lists, looked at now and then: [(when, rows)]."""

    def __init__(self, data: Path) -> None:
        self._path = data / "spans"
        self._stop = threading.Event()
        self._table: DeltaTable | None = None
        self.seen: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    @property
    def rows(self) -> int:
        return self.seen[-1][1]

    def rate(self) -> float:
        """Rows a second over the last looks."""
        (then, before), (now, rows) = self.seen[max(0, len(self.seen) - 15)], self.seen[-1]
        return (rows - before) / (now - then) if now > then else 0.0

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(POLL_S):
            if self._table is None and (self._path / "_delta_log").is_dir():
                self._table = DeltaTable(str(self._path))
            if self._table is not None:
                self._table.update_incremental()
                actions = self._table.get_add_actions(flatten=True)
                self.seen.append((time.monotonic(), sum(n.as_py() or 0 for n in actions["num_records"])))


@dataclass
class Used:
    """CPU seconds and peak memory of a process by now."""

    cpu_s: float
    peak_mb: float

    @classmethod
    def of(cls, process: psutil.Process) -> Used:
        times = process.cpu_times()
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        return cls(times.user + times.system, int(peak[1]) / 1024 if peak else 0.0)


class Together:
    """The largest sum of the memory of some processes, a page that they share counted once (PSS), looked at now and
    then. Their own peaks count what they share, the libraries, in each, and need not come at the same time.
    """

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._stop = threading.Event()
        self.peak_mb = 0.0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(POLL_S):
            texts = [Path(f"/proc/{one.pid}/smaps_rollup").read_text() for one in self._processes]
            sizes = [int(found[1]) for text in texts if (found := re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE))]
            self.peak_mb = max(self.peak_mb, sum(sizes) / 1024)


def child(running: CollectorProcess, module: str) -> psutil.Process:
    """A process of the collector; one that was forked a moment ago still shows its parent's name."""
    name = f"otel_llm_collector.{module}"
    return wait_for(lambda: next((one for one in running.tree() if name in one.cmdline()), None))


def bulk(folder: Path, seconds: float, *, content: bool, packed: bool) -> tuple[str, float]:
    """One row of the first table, and the CPU a million spans."""
    bodies = Bodies(content=content, spans=SPANS_A_REQUEST, packed=packed)
    running = CollectorProcess(folder / f"data-{content}-{packed}")
    parts = [child(running, name) for name in ("receiver.app", "converter", "upkeep")]
    arrivals, two, together = Arrivals(running.data), Together(parts[:2]), Together(parts)
    began = time.monotonic()

    def may_send() -> bool:
        return senders.spans - arrivals.rows < max(30_000, arrivals.rate())

    senders = Senders(running.http, bodies, CONNECTIONS, may_send)
    before = [Used.of(part).cpu_s for part in parts]
    senders.run(seconds)
    deadline = time.monotonic() + DRAIN_S_MAX
    while arrivals.rows < senders.spans and time.monotonic() < deadline:
        time.sleep(0.05)
    took = time.monotonic() - began
    after = [Used.of(part) for part in parts]
    arrivals.close()
    for memory in (two, together):
        memory.close()
    running.stop()
    stored = otlp.rows(running.data, "SELECT count(*) n, count(DISTINCT row_id) d FROM t")[0]
    assert stored["n"] == stored["d"] == senders.spans, f"{senders.spans} acknowledged, {stored} stored"
    million = senders.spans / 1e6
    cpu = [(used.cpu_s - old) / million for used, old in zip(after, before, strict=True)]
    size = sum(path.stat().st_size for path in running.data.glob("*/date=*/*.parquet")) / senders.spans
    name = f"{'content' if content else 'plain'}{', gzip' if packed else ''}"
    row = (
        f"{name:<14} {senders.spans:>9,} {senders.spans / took:>9,.0f}"
        f" {cpu[0]:>8.1f} {cpu[1]:>9.1f} {sum(cpu[:2]):>6.1f} {cpu[2]:>6.1f}"
        f" {lag_p95(senders.acknowledged, arrivals.seen):>7.2f}"
        f" {after[0].peak_mb:>8.0f} {after[1].peak_mb:>8.0f} {after[2].peak_mb:>8.0f} {two.peak_mb:>8.0f}"
        f" {together.peak_mb:>8.0f}"
        f" {bodies.bytes_a_span:>9.0f} {size:>6.0f}"
    )
    return row, sum(cpu[:2])


def lag_p95(acknowledged: list[tuple[float, int]], seen: list[tuple[float, int]]) -> float:
    """Seconds from an acknowledgement until so many rows were there, in the order that both came; to a look exactly."""
    rows = [count for _, count in seen]
    lags, total = [], 0
    for when, count in sorted(acknowledged):
        total += count
        place = min(bisect.bisect_left(rows, total), len(seen) - 1)
        lags.append(max(0.0, seen[place][0] - when))
    return sorted(lags)[int(len(lags) * 0.95)] if lags else 0.0


@contextmanager
def nothing(kind: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server that does nothing: its address and process."""
    command = [sys.executable, str(HERE / "collector_null.py"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            process.kill()


def small(folder: Path, seconds: float) -> Iterator[str]:
    """Requests of one span, 64 at once: ours and servers that do nothing, over HTTP and gRPC."""
    bodies = Bodies(content=False, spans=1)
    running = CollectorProcess(folder / "data-small")
    receiver = child(running, "receiver.app")
    rates = {}
    with nothing("http") as (null_http, http), nothing("grpc") as (null_grpc, grpc):
        asked = {
            "http": (ask_http, running.http, receiver),
            "http, no-op": (ask_http, null_http, http),
            "grpc": (ask_grpc, running.grpc, receiver),
            "grpc, no-op": (ask_grpc, null_grpc, grpc),
        }
        for name, (ask, address, process) in asked.items():
            before = Used.of(process).cpu_s
            answers = uvloop.run(ask(address, bodies, SMALL_CONNECTIONS, seconds))
            cpu_us = (Used.of(process).cpu_s - before) / max(1, answers) * 1e6
            rates[name] = answers / seconds
            yield f"{name:<14} {answers / seconds:>9,.0f} {cpu_us:>8.0f}"
    running.stop()
    yield f"gRPC over a handler that does nothing: {rates['grpc'] / rates['grpc, no-op']:.2f} (bar: 0.65)"


def peer(folder: Path, seconds: float, ours: dict[bool, float]) -> Iterator[str]:
    """The OpenTelemetry Collector with its fsynced queue on disk, which only hands on."""
    from interop import builds, peers

    if not builds.has_go() and not (builds.ROOT / f"otelcol-{builds.OTELCOL}" / "otelcol").exists():
        yield "SKIPPED: the OpenTelemetry Collector, there is no Go to build it"
        return
    for content in (True, False):
        bodies = Bodies(content=content, spans=SPANS_A_REQUEST)
        queued = {"sending_queue": {"storage": "file_storage", "queue_size": 100_000}}
        place = folder / f"otelcol-{content}"
        with (
            nothing("http") as (target, _),
            peers.otelcol(place, "otlp_http", endpoint=f"http://{target}", compression="none", **queued) as to,
        ):
            config = str(place / "config.yaml")
            process = next(one for one in psutil.Process().children() if config in one.cmdline())
            senders = Senders(to.http, bodies, CONNECTIONS, lambda: True)
            before = Used.of(process).cpu_s
            senders.run(seconds)
            settle(process)
            used = Used.of(process)
        cpu = (used.cpu_s - before) / (senders.spans / 1e6)
        yield (
            f"{'content' if content else 'plain':<14} {senders.spans:>9,} {senders.spans / seconds:>9,.0f} {cpu:>8.1f}"
            f" {used.peak_mb:>8.0f}   ours over it: {ours[content] / cpu:.2f} (bar: 0.45)"
        )


def settle(process: psutil.Process) -> None:
    """Wait until it has nothing to do any more."""
    deadline = time.monotonic() + DRAIN_S_MAX
    while time.monotonic() < deadline:
        before = Used.of(process).cpu_s
        time.sleep(0.5)
        if Used.of(process).cpu_s - before < 0.02:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long a row sends")
    parser.add_argument("--only", choices=["bulk", "small", "peer"], help="one of the tables")
    chosen = parser.parse_args()
    tables: dict[str, Callable[[], None]] = {}
    with tempfile.TemporaryDirectory(prefix="otel-llm-bench-") as name:
        folder, ours = Path(name), {True: float("nan"), False: float("nan")}

        def bulks() -> None:
            print(f"requests of {SPANS_A_REQUEST} spans, {CONNECTIONS} connections, uncompressed unless it says so")
            print(
                f"{'':<14} {'spans':>9} {'spans/s':>9} {'receiver':>8} {'converter':>9} {'cpu-s':>6} {'upkeep':>6}"
                f" {'lag p95':>7} {'MB recv.':>8} {'MB conv.':>8} {'MB upk.':>8} {'MB two':>8} {'MB all':>8}"
                f" {'B a span':>9} {'stored':>6}"
            )
            for content, packed in ((True, False), (False, False), (True, True), (False, True)):
                row, cpu = bulk(folder, chosen.seconds, content=content, packed=packed)
                print(row, flush=True)
                if not packed:
                    ours[content] = cpu
            print("receiver, converter, both, upkeep: CPU seconds a million spans; lag in seconds to the tables")
            print("MB: peaks of each, of receiver and converter, of all; in the sums a shared page counts in parts")

        def smalls() -> None:
            print(f"\nrequests of 1 span, {SMALL_CONNECTIONS} at once\n{'':<14} {'req/s':>9} {'us CPU':>8}")
            for line in small(folder, chosen.seconds / 4):
                print(line, flush=True)

        def peer_rows() -> None:
            print("\nOpenTelemetry Collector, fsynced queue, handing on to a server that does nothing")
            print(f"{'':<14} {'spans':>9} {'spans/s':>9} {'cpu-s':>8} {'MB':>8}")
            for line in peer(folder, chosen.seconds / 2, ours):
                print(line, flush=True)

        tables = {"bulk": bulks, "small": smalls, "peer": peer_rows}
        for table, show in tables.items():
            if chosen.only in (None, table):
                show()
    return 0


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    sys.exit(main())
