"""SIGKILL of the whole collector under load: what was acknowledged is in the table, exactly once."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import NoReturn

import pytest
import urllib3
from rig import killing, otlp
from rig.processes import CollectorProcess, is_over, wait_for

from otel_llm_collector.config_file import Configured
from otel_llm_collector.supervisor import Child

SPANS_BETWEEN_KILLS = 1_000
KILLS = 5


@pytest.mark.parametrize("victim", [None, "converter", "upkeep"])
def test_acknowledged_spans_survive_sigkill_exactly_once(tmp_path: Path, victim: str | None) -> None:
    """`make test-kills` does it a hundred times."""
    chance = random.Random(str(victim))
    with killing.load(tmp_path / "data") as running:
        for _ in range(KILLS):
            running.progress(SPANS_BETWEEN_KILLS)
            time.sleep(chance.random() * 0.5)
            running.kill(victim)
        running.progress(SPANS_BETWEEN_KILLS)
        outcome = running.end()
    assert outcome.acknowledged >= KILLS * SPANS_BETWEEN_KILLS
    assert outcome.unanswered > 0 or victim, "no request was in flight when the collector was killed"
    assert (outcome.lost, outcome.doubled) == ([], [])
    assert not list((tmp_path / "data" / "journal").glob("*.seg"))


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
    assert len(children) == 3
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


def test_a_child_that_there_is_no_room_for_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Configured({"data": str(tmp_path)}, {}, None).config
    child = Child("converter", lambda: config)  # it ends soon: nothing has received anything here
    first = child.process
    first.wait(30)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", no_room)
        child.restart()
        child.tell()
        child.keep_alive()
    assert child.process is first
    child.revive()
    assert child.process is not first
    child.stop(30)


def no_room(*_: object, **__: object) -> NoReturn:
    raise BlockingIOError(11, "Resource temporarily unavailable")
