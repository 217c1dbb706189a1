"""The one background thread: it loads the price data, then ends the spans that could not be ended where they were.

Loading prices takes ~0.3 s of CPU, so a call that finishes earlier is queued and ended here, priced, with its own end
time. Streams that nobody closed are ended here too: a garbage collector may run inside any lock.

The thread holds `_busy` while it works, and a fork waits for that lock: a child forked during an import would wait
for ever on the import lock. A child starts without a thread and makes its own on first need.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from .codec import quicken
from .failures import swallow

JOBS_MAX: Final = 10_000
FORK_WAIT_S_MAX: Final = 5.0
WARMING_SWITCH_S: Final = 0.0005

Job = Callable[[], None]


class Finisher:
    """Queue and thread. `prices_ready` is True once pricing costs microseconds."""

    def __init__(self) -> None:
        self.prices_ready = False
        self.price_at: Callable[..., Any] | None = None  # loaded, as importing it costs at every call
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._busy = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._exit_began_at: float | None = None
        self.forks = 0  # between the first process and this one
        os.register_at_fork(
            before=self._before_fork, after_in_parent=self._after_fork_in_parent, after_in_child=self._renew
        )

    def start(self) -> None:
        """Start the thread, and with it the loading of prices. Cheap to call for every request."""
        if self._thread is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="otel-llm", daemon=True)
                self._thread = thread
                thread.start()

    def exit_began(self) -> None:
        """The process ends: what is spent from now on counts against the time that its end may take."""
        self._exit_began_at = time.monotonic()

    @property
    def exit_spent_s(self) -> float:
        """Seconds since the end of the process began; 0 before it."""
        return 0.0 if self._exit_began_at is None else time.monotonic() - self._exit_began_at

    def submit(self, job: Job) -> None:
        """Have a job run soon. Never blocks; safe inside a garbage collector. Runs it here where the queue is full."""
        if self._jobs.qsize() < JOBS_MAX:
            self._jobs.put(job)
        else:
            job()

    def drain(self, timeout_s: float) -> None:
        """Wait until the queue is done, then run what is left here. Called before a flush and at the end."""
        if self._thread is not None and self._thread.is_alive() and threading.current_thread() is not self._thread:
            done = threading.Event()
            self._jobs.put(done.set)
            done.wait(timeout_s)
        self._run_queued()

    def _run(self) -> None:
        with self._busy:
            self._load_prices()
        while True:
            job = self._jobs.get()
            with self._busy:
                _do(job)

    def _load_prices(self) -> None:
        usual_s = sys.getswitchinterval()
        # a thread of the app that wants to run waits this long for us, not the usual 5 ms
        sys.setswitchinterval(min(usual_s, WARMING_SWITCH_S))
        brief_s = sys.getswitchinterval()
        try:
            from otel_llm_semconv import pricing

            pricing.warm()
            self.price_at = pricing.price_at
            quicken()
            self.prices_ready = True
        except Exception as error:
            swallow("prices", error)
        finally:
            if sys.getswitchinterval() == brief_s:
                sys.setswitchinterval(usual_s)

    def _run_queued(self) -> None:
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            _do(job)

    def _before_fork(self) -> None:
        self._fork_locked = self._busy.acquire(timeout=FORK_WAIT_S_MAX)

    def _after_fork_in_parent(self) -> None:
        if self._fork_locked:
            self._busy.release()

    def _renew(self) -> None:
        """In a child: the parent's jobs are the parent's, its thread did not come along."""
        self.forks += 1
        self._jobs = queue.SimpleQueue()
        self._busy = threading.Lock()
        self._starting = threading.Lock()
        self._thread = None


def _do(job: Job) -> None:
    try:
        job()
    except Exception as error:
        swallow("finishing a call", error)


finisher: Final = Finisher()
