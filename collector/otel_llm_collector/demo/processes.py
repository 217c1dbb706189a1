"""Child processes that never outlive us: each in a session of its own, all of them stopped on the way out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

from otel_llm.errors import OtelLlmError

_POLL_S: Final = 0.05
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Child:
    """A running program. What it prints goes to `log`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, offset: int, patience_s: float) -> None:
        self.name = name
        self.log = log
        self.process = process
        self._offset = offset
        self._patience_s = patience_s

    def output(self) -> str:
        """What it has printed so far, in this run."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")

    def running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Ask it to end; after its patience, end it together with whatever it started."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self.running():
                self.process.terminate()
                self.process.wait(self._patience_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Family:
    """Children that end with the `with` block, whatever ends it.

    While the block runs, SIGINT, SIGTERM and SIGHUP set a flag which the waits below turn into KeyboardInterrupt:
    an interrupt never falls between the start of a child and our knowing of it, nor into the stopping.
    """

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._interrupted = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup, `&`
            self._before = {number: signal.signal(number, self._interrupt) for number in heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            child.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None:
            self._check()

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, *, patience_s: float = 3.0
    ) -> Child:
        """Start a program. Its output is appended to `log`; `patience_s` is how long it may take to end."""
        self._check()
        with log.open("ab") as file:
            offset = file.tell()
            process = subprocess.Popen(  # noqa: S603  (our own command lines)
                argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
            child = Child(name, process, log, offset, patience_s)
        self._children.append(child)
        return child

    def wait_ready(self, child: Child, timeout_s: float) -> str:
        """The rest of the line `ready ...` that the child prints once it accepts."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in child.output().splitlines(keepends=True):
                if line.startswith("ready ") and line.endswith("\n"):
                    return line.removeprefix("ready ").strip()
            if not child.running():
                raise OtelLlmError(f"the {child.name} ended before it was ready{_last_words(child)}")
            self.wait(_POLL_S)
        raise OtelLlmError(f"the {child.name} was not ready after {timeout_s:.0f} s{_last_words(child)}")

    def wait_end(self, child: Child, timeout_s: float, meanwhile: Callable[[], None]) -> None:
        """Wait until the child has ended well, calling `meanwhile` now and then."""
        deadline = time.monotonic() + timeout_s
        while child.running():
            if time.monotonic() > deadline:
                raise OtelLlmError(f"the {child.name} did not end within {timeout_s:.0f} s{_last_words(child)}")
            meanwhile()
            self.wait(_POLL_S)
        if code := child.process.returncode:
            raise OtelLlmError(f"the {child.name} ended with exit code {code}{_last_words(child)}")

    def wait(self, seconds: float) -> None:
        """Sleep; raises KeyboardInterrupt as soon as somebody wants us to stop."""
        self._interrupted.wait(seconds)
        self._check()

    def stop(self, child: Child) -> None:
        """End one child before the others."""
        child.stop()
        self._children.remove(child)
        self._check()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted.set()

    def _check(self) -> None:
        if self._interrupted.is_set():
            raise KeyboardInterrupt


def _last_words(child: Child) -> str:
    lines = child.output().strip().splitlines()
    return f": {lines[-1]} (see {child.log})" if lines else f" (see {child.log})"
