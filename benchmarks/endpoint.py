"""What ingestion keeps of its rate while others ask: heavy SQL over HTTP, or fifty rules of alerts.

    python benchmarks/endpoint.py                  # five rounds, some minutes
    python benchmarks/endpoint.py --seconds 5 --rounds 2   # a first look

One collector is sent spans as `collector.py` does, alone and loaded in turn, so that what is compared was measured
within half a minute on the same lake. A rate is what is sustained: spans that were sent in so many seconds, over the
time until all of them were in the tables. Sender and whoever asks run on the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import urllib3
from collector_load import Bodies, Senders

from collector import CONNECTIONS, DRAIN_S_MAX, SPANS_A_REQUEST, Arrivals, CollectorProcess, Used, child

BAR = 0.9
ASKERS = 3
RULES = 50
#: Full scans, and what is cut after `SQL_SECONDS_MAX`.
STATEMENTS = (
    "SELECT model, user_id, count(*), sum(cost_usd), quantile_cont(duration_ms, 0.95) FROM llm_calls GROUP BY ALL",
    "SELECT count(*) FROM spans AS a, spans AS b WHERE hash(a.span_id, b.span_id) = 1",
    "SELECT count(DISTINCT trace_id), count(DISTINCT attributes::VARCHAR) FROM spans",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
)
SQL_SECONDS_MAX = 5
SLOW = "SELECT repeat('x', 60_000_000) AS x"
SLOW_BYTES, SLOW_S = 65_536, 0.25


class Asking:
    """Some that ask one heavy query after the other, and one that reads its answer slowly."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/v1/sql"
        self._place = address.partition(":")[::2]
        self._stop = threading.Event()
        self._pool = urllib3.PoolManager(retries=False, maxsize=ASKERS)
        self.statuses: Counter[int] = Counter()
        self._threads = [threading.Thread(target=self._ask, args=[number]) for number in range(ASKERS)]
        self._threads.append(threading.Thread(target=self._read_slowly))

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        while not self._stop.is_set():
            statement = STATEMENTS[number % len(STATEMENTS)]
            answer = self._pool.request("POST", self._url, body=statement, headers={"content-type": "text/plain"})
            self.statuses[answer.status] += 1
            number += 1

    def _read_slowly(self) -> None:
        host, port = self._place
        head = f"POST /v1/sql HTTP/1.1\r\nhost: h\r\ncontent-length: {len(SLOW)}\r\n\r\n{SLOW}".encode()
        while not self._stop.is_set():
            with socket.create_connection((host, int(port))) as client:
                client.sendall(head)
                client.settimeout(SLOW_S)
                while not self._stop.wait(SLOW_S):
                    try:
                        if not client.recv(SLOW_BYTES):
                            break
                    except TimeoutError:
                        continue
                    except ConnectionResetError:
                        break


def rules() -> str:
    """So many rules of all kinds, each looked at every six seconds."""
    metrics = ("cost", "tokens", "latency", "error_rate", "tokens_per_call")
    groups = ("model", "user", "provider", "prompt", "property.department")
    limits = ("above = 1e9", "below = 0", 'rises = "900%"', 'rises = "900%"\ncompared_to = "last week"', "budget = 1e9")
    found = []
    for number in range(RULES):
        metric, by = metrics[number % 5], groups[number // 5 % 5]
        limit = limits[number % 5 if metric in ("cost", "tokens") else number % 4]
        found.append(f'[[alert]]\nname = "rule {number}"\nmetric = "{metric}"\nby = ["{by}"]\nwindow = "1m"\n{limit}\n')
    return "\n".join(found)


class Bench:
    """One collector, and how much it takes alone and loaded."""

    def __init__(self, folder: Path, seconds: float, options: list[str]) -> None:
        self._config, self._rules = folder / "collector.toml", folder / "alerts.toml"
        self._rules.write_text(rules())
        self._config.write_text("")
        more = ["--config", str(self._config), "--sql-seconds-max", str(SQL_SECONDS_MAX), *options]
        self.running = CollectorProcess(folder / "data", *more)
        self._arrivals = Arrivals(self.running.data)
        self._bodies = Bodies(content=False, spans=SPANS_A_REQUEST)
        self._seconds = seconds

    def rate(self) -> float:
        """Spans a second, sustained."""
        before, began = self._arrivals.rows, time.monotonic()

        def arrived() -> int:
            return self._arrivals.rows - before

        def may_send() -> bool:
            return senders.spans - arrived() < max(30_000, self._arrivals.rate())

        senders = Senders(self.running.http, self._bodies, CONNECTIONS, may_send)
        senders.run(self._seconds)
        while arrived() < senders.spans:
            if time.monotonic() - began > DRAIN_S_MAX:
                raise SystemExit("what was sent does not arrive")
            time.sleep(0.02)
        return senders.spans / (time.monotonic() - began)

    @contextmanager
    def alerts(self) -> Iterator[None]:
        """The rules are looked at in the block."""
        self._configure(f"alerts = {json.dumps(str(self._rules))}\n")
        child(self.running, "alerts.app")
        try:
            yield
        finally:
            self._configure("")

    def asking(self) -> Asking:
        return Asking(self.running.http)

    def _configure(self, text: str) -> None:
        self._config.write_text(text)
        os.kill(self.running.process.pid, signal.SIGHUP)
        time.sleep(1)

    def close(self) -> None:
        self._arrivals.close()
        self.running.stop()


def measure(bench: Bench, name: str, load: Callable[[], AbstractContextManager[object]], rounds: int) -> None:
    """One row: alone and loaded in turn, the order changing."""
    ratios, rates = [], []
    for number in range(rounds):
        found = {}
        for is_loaded in (True, False) if number % 2 else (False, True):
            with load() if is_loaded else nullcontext():
                found[is_loaded] = bench.rate()
        ratios.append(found[True] / found[False])
        rates.append((found[False], found[True]))
    alone, loaded = (statistics.median(one) for one in zip(*rates, strict=True))
    quartiles = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
    ratio = statistics.median(ratios)
    print(
        f"{name:<12} {alone:>9,.0f} {loaded:>9,.0f} {ratio:>6.2f} {'ok' if ratio >= BAR else 'over':>5}   {quartiles}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long one measurement sends")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements a row")
    parser.add_argument("--only", choices=["sql", "alerts", "nothing"], help="one of the rows")
    parser.add_argument("options", nargs="*", help="of the collector, after --: -- --sql-niceness 0")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="otel-llm-bench-") as name:
        bench = Bench(Path(name), chosen.seconds, chosen.options)
        try:
            bench.rate()  # imports, first files
            print(f"{'beside':<12} {'alone/s':>9} {'loaded/s':>9} {'ratio':>6} {'bar':>5}   all ratios")
            asked: list[Asking] = []

            def asking() -> Asking:
                asked.append(bench.asking())
                return asked[-1]

            loads = {"nothing": nullcontext, "sql": asking, "alerts": bench.alerts}
            for row, load in loads.items():
                if chosen.only in (None, row):
                    measure(bench, row, load, chosen.rounds)
            statuses = sum((one.statuses for one in asked), Counter[int]())
            print(f"queries by their status: {dict(sorted(statuses.items()))} (504: cut after {SQL_SECONDS_MAX} s)")
            if "sql" in (chosen.only or "sql"):
                print(f"CPU of the process that answers: {Used.of(child(bench.running, 'endpoint.app')).cpu_s:.0f} s")
        finally:
            bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
