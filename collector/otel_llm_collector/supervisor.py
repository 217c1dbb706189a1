"""`otel-llm collector`: the one page that wires the processes. Starts, restarts and stops them.

    supervisor ──stdin──> receiver    accepts, validates, journals
               ──stdin──> forward     journal to other receivers, where there are any
               ──stdin──> converter   journal to lake, compaction

Each child holds the other end of a pipe: when the supervisor is gone, however it went, the children stop too.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Annotated, Final
from urllib.parse import urlsplit

import typer

from otel_llm.errors import OtelLlmError, UsageError

from .commandline import run, say
from .config import CONTRACTS_ENV, DATA_DEFAULT, DATA_ENV, contracts, data_dir
from .forward import Destination
from .forward.app import TARGETS_ENV
from .forward.destination import dump
from .forward.queue import Queue

#: A child that fails is started again, later each time it fails early.
_RESTART_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_S: Final = 30.0
_STOP_S: Final = 9.0
_STOP_S_MIN: Final = 0.5
_READY_S: Final = 20.0
_WATCH_S: Final = 0.1
_LOOPBACK: Final = frozenset({"localhost", "::1"})
#: For the converter: the system allocator gives memory back, and large blocks come from their own mappings.
_CONVERTER_ENV: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
}


class Child:
    """One process of the collector, restarted when it dies. `arguments` is asked at every start."""

    def __init__(self, module: str, arguments: Callable[[], list[str]], environment: Mapping[str, str]) -> None:
        self.name = module
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._failures = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        self._started = time.monotonic()
        return subprocess.Popen(  # noqa: S603 - our own modules, arguments checked
            [sys.executable, "-m", f"otel_llm_collector.{self.name}", *self._arguments()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the children in order
        )

    def first_line(self, wait_s: float) -> str:
        """What the child says first; OtelLlmError where it ends or stays silent."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], wait_s)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.stop(1.0)
            raise OtelLlmError(f"the collector's {self.name} did not start; its reason stands above")
        return line.strip()

    def keep_alive(self, stopping: threading.Event) -> None:
        """Start the child again if it died, after a pause that grows while it keeps failing."""
        if self.process.poll() is None:
            return
        self._close_pipes()
        if time.monotonic() - self._started > _STEADY_S:
            self._failures = 0
        pause = _RESTART_S[min(self._failures, len(_RESTART_S) - 1)]
        self._failures += 1
        say(f"otel-llm collector: {self.name} ended with {self.process.returncode}; starting it again in {pause} s")
        if not stopping.wait(pause):
            self.process = self._start()

    def stop(self, wait_s: float) -> None:
        """Ask it to finish; end it if it does not in time (the journal keeps what it had not converted)."""
        _close(self.process.stdin)  # a signal would kill a child that starts just now and cannot take it yet
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        _close(self.process.stdin)
        _close(self.process.stdout)


class Supervisor:
    """The collector of one data directory: `http` and `grpc` are the addresses where it listens."""

    def __init__(self, data: Path, http: str, grpc: str, forward: list[Destination], prices: list[str]) -> None:
        self._data = data
        self._forward = forward
        self._stopping = threading.Event()
        self.http, self.grpc = http, grpc
        for destination in forward:  # what is taken from now on is for them, however late their process is there
            Queue(data, destination.id, destination.queue_bytes_max)
        self._receiver = Child("receiver.app", self._receiver_arguments, {})
        said = dict(part.split("=", 1) for part in self._receiver.first_line(_READY_S).split()[1:])
        # with port 0 the system chose; a receiver that is started again must listen where the senders know it
        self.http, self.grpc = said["http"], said["grpc"]
        self._refuse_loop()
        self._others: list[Child] = []
        if forward:
            environment = {TARGETS_ENV: dump(forward)}
            self._others.append(Child("forward.app", lambda: ["--data", str(data), *prices], environment))
        self._others.append(Child("converter", lambda: ["--data", str(data), *prices], _CONVERTER_ENV))

    def run(self) -> None:
        """Keep all alive until stop() is called, then let them finish: first no new data, then all of it converted."""
        children = (self._receiver, *self._others)
        while not self._stopping.wait(_WATCH_S):
            for child in children:
                child.keep_alive(self._stopping)
        deadline = time.monotonic() + _STOP_S
        for child in children:
            child.stop(max(_STOP_S_MIN, deadline - time.monotonic()))

    def stop(self, *_: int | FrameType | None) -> None:
        """Ask `run` to end; usable as a signal handler."""
        self._stopping.set()

    def _refuse_loop(self) -> None:
        """A collector that forwards to itself would store the same spans without end."""
        own = {address.rpartition(":")[2] for address in (self.http, self.grpc)}
        for url in (destination.url for destination in self._forward):
            host, port = urlsplit(url).hostname or "", str(urlsplit(url).port)
            if port in own and (host in _LOOPBACK or host.startswith("127.")):
                self._receiver.stop(_STOP_S_MIN)
                raise UsageError(f"--forward {url} is this collector itself; name another receiver")

    def _receiver_arguments(self) -> list[str]:
        return ["--data", str(self._data), "--http", self.http, "--grpc", self.grpc]


def _close(pipe: IO[str] | None) -> None:
    if pipe:
        with contextlib.suppress(OSError):
            pipe.close()


def _check_address(address: str, flag: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"{flag} {address!r}: give HOST:PORT, such as 127.0.0.1:4318")
    return address


def _warn_if_public(*addresses: str) -> None:
    for address in addresses:
        host = address.rpartition(":")[0].strip("[]")
        if host not in _LOOPBACK and not host.startswith("127."):
            say(f"otel-llm collector: {address} can be reached from other machines, without authentication")


def _collector(
    *,
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help=f"Data directory; else ${DATA_ENV}, else {DATA_DEFAULT}.")
    ] = None,
    http: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address for OTLP/HTTP; port 0 takes a free one.")
    ] = "127.0.0.1:4318",
    grpc: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Address for OTLP/gRPC; port 0 takes a free one.")
    ] = "127.0.0.1:4317",
    forward: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Hand everything on to this OTLP receiver: http(s)://HOST:PORT or grpc(s)://. Repeatable.",
        ),
    ] = None,
    forward_enriched: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="The same, each span of a model with our cost and the conventions' attributes added. Repeatable.",
        ),
    ] = None,
    contract_file: Annotated[
        Path | None,
        typer.Option(
            "--contracts",
            metavar="FILE",
            help=f"Contract prices, TOML or YAML, read at the start; else ${CONTRACTS_ENV}, else list prices.",
        ),
    ] = None,
) -> None:
    """Receive OTLP and keep it as Parquet tables. Prints one line when it is ready; Ctrl-C stops it."""
    targets = [Destination(url) for url in forward or []]
    targets += [Destination(url, enriched=True) for url in forward_enriched or []]
    folder = data_dir(data).absolute()
    _check_address(http, "--http")
    _check_address(grpc, "--grpc")
    _warn_if_public(http, grpc)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OtelLlmError(f"cannot keep data in {folder}: {error.strerror}; name another place with --data") from None
    contracts(contract_file)  # what is wrong in it is told here
    prices = ["--contracts", str(contract_file.absolute())] if contract_file else []
    supervisor = Supervisor(folder, http, grpc, targets, prices)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    typer.echo(f"ready http={supervisor.http} grpc={supervisor.grpc} data={folder}")
    supervisor.run()


def command(argv: list[str]) -> int:
    """`otel-llm collector`: runs until SIGTERM or Ctrl-C; 0 after an orderly end."""
    return run("collector", _collector, argv)
