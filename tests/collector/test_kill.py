"""SIGKILL of the whole collector under load: what was acknowledged is in the table, exactly once."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest
import urllib3
from rig import otlp
from rig.processes import CollectorProcess, is_over, wait_for

SENDERS = 4
SPANS_A_REQUEST = 40
ACKNOWLEDGED_MIN = 5_000


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
        return False


@pytest.mark.parametrize("round_", range(3))
def test_acknowledged_spans_survive_sigkill_exactly_once(tmp_path: Path, round_: int) -> None:
    chance = random.Random(round_)
    data = tmp_path / "data"
    running = CollectorProcess(data)
    url, stop = [running.traces_url], threading.Event()
    senders = [Sender(url, stop) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(2):
            already = sum(len(sender.acknowledged) for sender in senders)
            wait_for(lambda done=already: sum(len(s.acknowledged) for s in senders) > done + ACKNOWLEDGED_MIN / 2, 40)  # type: ignore[misc]
            time.sleep(chance.random() * 0.5)
            running.kill()
            running = CollectorProcess(data)
            url[0] = running.traces_url
        time.sleep(0.3)
    finally:
        stop.set()
        for sender in senders:
            sender.join()
        if running.process.poll() is None:
            code = running.stop()
    assert code == 0
    for _ in range(5):  # a busy machine does not convert all within the time that the end takes at most
        if list((data / "journal").glob("*.seg")):
            assert CollectorProcess(data).stop() == 0
    acknowledged = [span for sender in senders for span in sender.acknowledged]
    assert len(acknowledged) >= ACKNOWLEDGED_MIN
    assert sum(sender.unanswered for sender in senders) > 0, "no request was in flight when the collector was killed"
    counts = {row["span_id"]: row["n"] for row in otlp.rows(data, "SELECT span_id, count(*) n FROM t GROUP BY 1")}
    assert [span for span in acknowledged if counts.get(span) != 1] == []
    assert max(counts.values()) == 1
    assert not list((data / "journal").glob("*.seg"))


def test_a_span_sent_again_after_a_restart_is_one_row(tmp_path: Path) -> None:
    body = otlp.request(otlp.span(otlp.chat()), otlp.span(otlp.chat())).SerializeToString()
    data = tmp_path / "data"
    for _ in range(2):
        running = CollectorProcess(data)
        for _ in range(3):
            assert otlp.post(running.traces_url, body).status == 200
        assert running.stop() == 0
    assert otlp.rows(data, "SELECT count(*) n, count(DISTINCT row_id) d FROM t") == [{"n": 2, "d": 2}]


#: What runs at the start of every Python process that finds it on its path.
SLOW_CONVERTER = """
import sys, time
if "otel_llm_collector.converter" in sys.orig_argv:
    time.sleep(2)
"""


def test_what_was_acknowledged_is_converted_by_one_that_is_still_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_CONVERTER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    running = CollectorProcess(tmp_path / "data")
    body = otlp.request(otlp.span(otlp.chat())).SerializeToString()
    assert otlp.post(running.traces_url, body).status == 200
    assert running.stop() == 0
    assert otlp.rows(running.data, "SELECT count(*) n FROM t") == [{"n": 1}]


def test_killing_only_the_supervisor_ends_its_children(tmp_path: Path) -> None:
    running = CollectorProcess(tmp_path / "data")
    children = running.tree()[1:]
    assert len(children) == 2
    running.process.kill()
    running.process.wait(10)
    wait_for(lambda: all(map(is_over, children)), 15)
    running._close()


def test_a_killed_child_is_started_again_at_the_same_address(tmp_path: Path) -> None:
    running = CollectorProcess(tmp_path / "data")
    for index in (1, 2):
        running.tree()[index].kill()
    body = otlp.request(otlp.span(otlp.chat(), name="after")).SerializeToString()

    def answered() -> bool:
        try:
            return otlp.post(running.traces_url, body).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    wait_for(answered)
    wait_for(lambda: otlp.rows(running.data, "SELECT 1 FROM t WHERE name = 'after'"))
    assert "starting it again" in running.stderr
    assert running.stop() == 0
