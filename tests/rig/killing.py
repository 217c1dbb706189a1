"""Collectors that are killed under load, and what has to stand in the tables all the same.

    cd tests && python -m rig.killing --kills 100       (`make test-kills`)

Senders send as an OTLP exporter does: what got no answer is sent again. A kill is SIGKILL at a random moment, of the
whole tree, of the converter or of the upkeep alone, and a start anew. In the end each acknowledged span has to be there
exactly once.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import urllib3

from otel_llm.errors import NoDataError
from otel_llm_collector.query import connect
from rig import otlp
from rig.processes import CollectorProcess, wait_for

SENDERS: Final = 4
#: Of four kills the third and the fourth are of one process alone.
ALONE: Final = {2: "upkeep", 3: "converter"}
SPANS_A_REQUEST: Final = 40
BETWEEN_S_MAX: Final = 4.0
PROGRESS_S_MAX: Final = 60.0
DRAIN_S_MAX: Final = 180.0


class Sender(threading.Thread):
    """Sends requests one after the other; one without an answer is sent again, as an OTLP exporter does."""

    def __init__(self, url: list[str], stop: threading.Event) -> None:
        super().__init__()
        self.url, self.stop = url, stop
        self.acknowledged: list[str] = []
        self.unanswered = 0

    def run(self) -> None:
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            while not self.stop.is_set():
                spans = [otlp.span(otlp.chat()) for _ in range(SPANS_A_REQUEST)]
                body = otlp.request(*spans).SerializeToString()
                if self._deliver(pool, body):
                    self.acknowledged += [span.span_id.hex() for span in spans]

    def _deliver(self, pool: urllib3.PoolManager, body: bytes) -> bool:
        while not self.stop.is_set():
            try:
                answer = pool.request("POST", self.url[0], body=body, headers=otlp.PROTOBUF)
            except urllib3.exceptions.HTTPError:
                self.unanswered += 1
                time.sleep(0.02)
                continue
            if answer.status == 200:
                return True
            time.sleep(0.02)  # no room, or a start that is not over
        return False


@dataclass
class Outcome:
    """What was acknowledged, and what became of it."""

    acknowledged: int
    unanswered: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def is_exact(self) -> bool:
        """True where each acknowledged span is there once, and no span twice."""
        return not self.lost and not self.doubled


class Load:
    """Senders at a collector, which is killed meanwhile."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data, self._arguments = data, arguments
        self._stop = threading.Event()
        self.collector = CollectorProcess(data, *arguments)
        self._url = [self.collector.traces_url]
        self._senders = [Sender(self._url, self._stop) for _ in range(SENDERS)]
        for sender in self._senders:
            sender.start()

    @property
    def acknowledged(self) -> int:
        """Spans so far."""
        return sum(len(sender.acknowledged) for sender in self._senders)

    def progress(self, spans: int) -> None:
        """Wait until so many more spans are acknowledged."""
        already = self.acknowledged
        wait_for(lambda: self.acknowledged >= already + spans, PROGRESS_S_MAX)

    def kill(self, alone: str | None = None) -> None:
        """The whole tree at once, and a new one takes over; or one child, of which the supervisor starts another."""
        if alone:
            for process in self.collector.tree()[1:]:
                with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself, or was killed a moment ago
                    if f"otel_llm_collector.{alone}" in process.cmdline():
                        process.kill()
            return
        self.collector.kill()
        self.collector = CollectorProcess(self.data, *self._arguments)
        self._url[0] = self.collector.traces_url

    def end(self) -> Outcome:
        """Stop the senders, wait until all is converted, stop the collector in an orderly way, look at the table."""
        self._stop.set()
        for sender in self._senders:
            sender.join()
        with contextlib.suppress(AssertionError):  # what is missing then is told below
            wait_for(lambda: len(self._counts()) >= self.acknowledged, DRAIN_S_MAX)
        assert self.collector.stop() == 0, self.collector.stderr
        counts = self._counts()
        outcome = Outcome(self.acknowledged, sum(sender.unanswered for sender in self._senders))
        acknowledged = (span for sender in self._senders for span in sender.acknowledged)
        outcome.lost = [span for span in acknowledged if span not in counts]
        outcome.doubled = [span for span, count in counts.items() if count > 1]
        return outcome

    def _counts(self) -> dict[str, int]:
        """How often each span stands in the table."""
        try:
            connection = connect(self.data)
        except NoDataError:
            return {}  # killed each time before it was there
        try:
            return dict(connection.execute("SELECT span_id, count(*) FROM spans GROUP BY 1").fetchall())
        finally:
            connection.close()

    def close(self) -> None:
        """Leave nothing running, whatever happened."""
        self._stop.set()
        if self.collector.process.poll() is None:
            self.collector.kill()


@contextmanager
def load(data: Path, *arguments: str) -> Iterator[Load]:
    """A collector under load for the block."""
    running = Load(data, *arguments)
    try:
        yield running
    finally:
        running.close()


def main() -> int:
    """Kill as often as asked, print what became of it; 1 where a span is missing or there twice."""
    parser = argparse.ArgumentParser(prog="rig.killing", description="SIGKILL under load, and what is lost by it")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as folder, load(Path(folder) / "data") as running:
        for number in range(chosen.kills):
            time.sleep(chance.random() * BETWEEN_S_MAX)
            alone = ALONE.get(number % 4)
            running.kill(alone)
            running.progress(SPANS_A_REQUEST * SENDERS)
            print(f"{number + 1:4} {alone or 'all'}: {running.acknowledged:,} acknowledged", flush=True)
        outcome = running.end()
    print(
        f"{chosen.kills} kills: {outcome.acknowledged:,} spans acknowledged, "
        f"{outcome.unanswered:,} requests unanswered, "
        f"{len(outcome.lost)} spans lost, {len(outcome.doubled)} there twice"
    )
    return 0 if outcome.is_exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
