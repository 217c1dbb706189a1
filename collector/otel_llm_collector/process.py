"""How a process of the collector lives: one of its kind per data directory, gone when its supervisor is gone."""

from __future__ import annotations

import contextlib
import fcntl
import io
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from otel_llm.errors import OtelLlmError

from .journal import journal_dir
from .logs import speak
from .options import Config

_LOG = logging.getLogger(__name__)

#: A killed predecessor's lock is free at once; a stopping one is waited for.
LOCK_WAIT_S: Final = 12.0


class LockedError(OtelLlmError):
    """Another process works on the same data directory; `holder` says which."""

    def __init__(self, message: str, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


@contextlib.contextmanager
def lock(path: Path, role: str, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs; LockedError naming the holder if another process keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        _acquire(handle, path, role, wait_s)
        with contextlib.suppress(OSError):  # a full disk takes no name: who holds the lock may be about to make room
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"pid {os.getpid()} ({role})".encode(), 0)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def change_rows(data: Path, command: str) -> Iterator[None]:
    """Change what was stored, while no other command does: what one has read, another may be erasing.

    Raises LockedError at once where one is at it.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock(journal_dir(data) / "change.lock", command, wait_s=0))
        except LockedError as error:
            text = f"the rows in {data} are being changed by {error.holder}: run this again once that has ended"
            raise LockedError(text, error.holder) from None
        yield


def _acquire(handle: int, path: Path, role: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    told = not wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 200, 0).decode(errors="replace") or "another process"
            if not told:
                _LOG.warning("waiting for %s to let go of %s", holder, path.parent.parent)
                told = True
            if time.monotonic() > deadline:
                text = f"{path.parent.parent} already has a {role}: {holder}; stop it or use another --data"
                raise LockedError(text, holder) from None
            time.sleep(0.1)
        else:
            return


def is_readable(source: IO[str] | socket.socket, wait_s: float = 0.0) -> bool:
    """Whether `source` says something, or ends, within so long. Unlike select.select it takes any file number."""
    asked = select.poll()
    asked.register(source, select.POLLIN)
    return bool(asked.poll(wait_s * 1000))


def stand_back(niceness: int) -> None:
    """Let other processes go first. Linux has a niceness for each session, too, which counts between sessions."""
    os.nice(niceness)
    if not niceness:
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


class _WithoutPandas:
    """Arrow loads pandas, where there is one, to ask of what it is given whether it is a frame: 36 MB, 0.9 s of CPU."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out", name=name)


def leave_pandas_out() -> None:
    """Import no pandas in this process, which has no frames."""
    sys.meta_path.insert(0, _WithoutPandas)


class Orders:
    """What the supervisor says on standard input: a line is a configuration, the end is that the supervisor is gone."""

    def __init__(self) -> None:
        # unbuffered: a thread that waits in a buffered reader keeps its lock, which the end of the process wants
        self._lines = io.FileIO(sys.stdin.fileno(), closefd=False)
        self.first = self._lines.readline().decode()

    def follow(self, gone: Callable[[], object], said: Callable[[str], object] = lambda _: None) -> None:
        """From a thread, call `said` with each further line and `gone` once there will be none."""

        def read() -> None:
            with contextlib.suppress(OSError, ValueError):
                for line in self._lines:
                    said(line.decode())
            gone()

        threading.Thread(target=read, name="orders", daemon=True).start()


def begin(role: str) -> tuple[Config, threading.Event]:
    """Begin a process that does one thing until it is told to stop: by SIGTERM, SIGINT or the supervisor's end.

    Its configuration, and what is set then; it logs as the configuration says.
    """
    leave_pandas_out()
    orders = Orders()
    config = Config.load(orders.first)
    speak(role, config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    orders.follow(stop.set)
    return config, stop
