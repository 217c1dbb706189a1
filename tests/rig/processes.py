"""Real processes under test: started on free ports, ended with everything below them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

from otel_llm_collector.process import is_readable

T = TypeVar("T")


class CollectorProcess:
    """`otel-llm collector` on free ports. `http` and `grpc` are its addresses, `data` its directory.

    `files` is how many it may open at first; 0 for as many as the tests may.
    """

    def __init__(
        self, data: Path, *arguments: str, http: str = "127.0.0.1:0", grpc: str = "127.0.0.1:0", files: int = 0
    ) -> None:
        command = [sys.executable, "-m", "otel_llm.cli", "collector", "--data", str(data)]
        if files:
            command = ["sh", "-c", 'ulimit -S -n "$0" && exec "$@"', str(files), *command]
        self.data = data
        self.stderr_path = data.with_name(data.name + ".stderr")
        with self.stderr_path.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*command, "--http", http, "--grpc", grpc, *arguments],
                stdout=subprocess.PIPE,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
                text=True,
            )
        said = dict(part.split("=", 1) for part in self._ready_line().split()[1:])
        self.http, self.grpc = said["http"], said["grpc"]

    @property
    def traces_url(self) -> str:
        return f"http://{self.http}/v1/traces"

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text()

    def _ready_line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline() if is_readable(self.process.stdout, 30) else ""
        if not line.startswith("ready "):
            self.kill()
            raise AssertionError(f"the collector said {line!r}; stderr: {self.stderr}")
        return line

    def tree(self) -> list[psutil.Process]:
        """The supervisor and every process below it."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def stop(self) -> int:
        """SIGTERM; returns the exit code. By then everything acknowledged is in the tables."""
        self.process.terminate()
        code = self.process.wait(20)
        self._close()
        return code

    def kill(self) -> None:
        """SIGKILL to the whole tree at once."""
        with contextlib.suppress(psutil.NoSuchProcess):
            victims = self.tree()
            for victim in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.kill()
            wait_for(lambda: all(map(is_over, victims)), 10)
        self.process.wait(10)
        self._close()

    def _close(self) -> None:
        if self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def collector(data: Path, *arguments: str, http: str = "127.0.0.1:0", files: int = 0) -> Iterator[CollectorProcess]:
    """A collector for the block; killed with its children if the block did not stop it."""
    running = CollectorProcess(data, *arguments, http=http, files=files)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def is_over(process: psutil.Process) -> bool:
    """True once it holds nothing any more: an orphan may stay a zombie for seconds, until init looks at it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(probe: Callable[[], T], seconds: float = 20.0) -> T:
    """The first true answer of `probe`, asked until then; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"nothing after {seconds} s"
        time.sleep(0.02)
    return answer
