"""Nothing outlives the demo: not after Ctrl-C, not after SIGTERM, not when a part fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from otel_llm.errors import MissingExtraError, OtelLlmError
from otel_llm_collector.demo import command
from otel_llm_collector.demo.processes import Family


class Running:
    """A demo in a process of its own, and everything it started."""

    def __init__(self, data: Path) -> None:
        self.mark = uuid.uuid4().hex
        env = os.environ | {"DEMO_TEST_MARK": self.mark}
        argv = [sys.executable, "-m", "otel_llm.cli", "demo", "--data", str(data)]
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def alive(self) -> list[psutil.Process]:
        """Every process with our mark in its environment, wherever it hangs in the tree."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def end(self, number: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=30)
        return self.process.returncode, output

    def clean(self) -> None:
        for process in [*self.alive(), psutil.Process(self.process.pid)] if self.process.poll() is None else []:
            process.kill()
        self.process.communicate()

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == self.process.pid:
                return False
            return process.environ().get("DEMO_TEST_MARK") == self.mark
        except psutil.Error:
            return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Running]]:
    started: list[Running] = []

    def begin() -> Running:
        started.append(Running(tmp_path / "data"))
        return started[-1]

    yield begin
    for running in started:
        running.clean()


def wait_until(probe: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("children", [1, 2, 5])
def test_a_signal_at_any_moment_leaves_nothing(
    start: Callable[[], Running], number: signal.Signals, children: int
) -> None:
    """From one child (the collector starts) to the whole family at work."""
    running = start()
    wait_until(lambda: len(running.alive()) >= children)
    began = time.monotonic()
    code, output = running.end(number)
    assert code == 130, output
    assert "nothing is left running" in output
    assert "Traceback" not in output
    assert time.monotonic() - began < 12
    assert running.alive() == []


def test_a_collector_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "demo").mkdir(parents=True)
    (data / "journal").write_text("a file where a folder belongs")
    argv = [sys.executable, "-m", "otel_llm.cli", "demo", "--data", str(data)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the collector ended before it was ready" in done.stderr.splitlines()[-1]
    assert "collector.log" in done.stderr.splitlines()[-1]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "anthropic" else object())
    with pytest.raises(MissingExtraError, match=r"needs anthropic: pip install 'otel-llm\[demo\]'"):
        command.command([])


# --- the family -----------------------------------------------------------------------------------------------


def start_script(family: Family, tmp_path: Path, script: str, patience_s: float = 3.0) -> int:
    argv = [sys.executable, "-u", "-c", script]
    child = family.start("script", argv, os.environ, tmp_path / "script.log", patience_s=patience_s)
    family.wait_ready(child, 10)
    return child.process.pid


def test_a_stubborn_child_and_its_children_are_ended(tmp_path: Path) -> None:
    script = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", child.pid)
child.wait()
"""
    with Family() as family:
        pid = start_script(family, tmp_path, script, patience_s=0.2)
        [grandchild] = psutil.Process(pid).children()
    assert not psutil.pid_exists(pid)
    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_an_interrupt_between_two_waits_is_not_lost(tmp_path: Path) -> None:
    pids = []

    def interrupted() -> None:
        with Family() as family:
            pids.append(start_script(family, tmp_path, "print('ready now'); import time; time.sleep(60)"))
            os.kill(os.getpid(), signal.SIGINT)
            family.start("never", ["false"], {}, tmp_path / "never.log")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not psutil.pid_exists(pids[0])
    assert not (tmp_path / "never.log").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_end_of_a_child_says_what_it_said_last(tmp_path: Path) -> None:
    log = tmp_path / "script.log"
    log.write_text("ready from an earlier run\n")
    with Family() as family:
        child = family.start("script", [sys.executable, "-c", "import sys; sys.exit('no luck')"], os.environ, log)
        with pytest.raises(OtelLlmError, match=r"ended before it was ready: no luck \(see .*script.log\)"):
            family.wait_ready(child, 10)
        with pytest.raises(OtelLlmError, match="exit code 1: no luck"):
            family.wait_end(child, 10, lambda: None)
