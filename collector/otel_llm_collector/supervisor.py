"""`otel-llm collector`: the one page that wires the processes. Starts, restarts and stops them.

    supervisor ──stdin──> receiver    accepts, validates, journals
               ──stdin──> forward     journal to other receivers, where there are any
               ──stdin──> converter   journal to lake
               ──stdin──> upkeep      merges files, deletes what is old
               ──stdin──> alerts      looks at rules and tells somebody, where there are any
               ──stdin──> query       answers SQL over HTTP, from the first query on

Receiver and query also hold an end each of a channel, over which queries are handed on.
Each child holds the other end of a pipe. Its first line is the configuration; when the supervisor is gone, however it
went, the children stop too.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from otel_llm.errors import OtelLlmError, UsageError
from otel_llm.failures import swallow

from .alerts.told import forget_told
from .commandline import run
from .config import contracts, data_dir
from .config_file import Configured, misspelled
from .endpoint.wire import MORE_S
from .forward.queue import Queue
from .journal import archive_dir, journal_dir
from .lake.address import keep_address
from .logs import QUIET_ENV, speak
from .options import CONFIG_ENV, KEPT_DAYS, OPTIONS, Config, Option, is_loopback
from .process import is_readable
from .tally import Tally, Teller

_LOG = logging.getLogger(__name__)

#: A child that fails is started again, later each time it fails early.
_RESTART_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_STEADY_S: Final = 30.0
_STOP_S: Final = 9.0
_STOP_S_MIN: Final = 0.5
_READY_S: Final = 20.0
_WATCH_S: Final = 0.1
_RESTART_S_MAX: Final = 5.0
#: What the processes behind the receiver read when they start.
_AT_START: Final = ("contracts", "deployments", "log_level", "log_format")
#: For the converter: the system allocator gives memory back, and large blocks come from their own mappings, since it
#: would leave holes of their size.
CONVERTER_ENV: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(4 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 1024 * 1024),
    "OMP_NUM_THREADS": "1",
}


#: Arrow's packages for other machines may come without it, and would say so at each start.
_HAS_JEMALLOC: Final = sys.platform == "linux" and platform.machine() == "x86_64"
#: For merging: pieces of all sizes come and go. The system's allocator keeps 60 MB of holes between them, and to give
#: each back at once costs a third of it all; jemalloc does neither.
UPKEEP_ENV: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc" if _HAS_JEMALLOC else "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
    "OMP_NUM_THREADS": "1",
}
#: Where a server that names them listens everywhere, a client reaches its own machine.
_ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing is bound to them here
#: What people know a process by, where its module is named otherwise.
_NAMES: Final = {"endpoint.app": "query"}
#: For queries: what one has taken is given back.
_QUERY_ENV: Final = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
#: For the receiver: bodies of a megabyte come and go, and giving their pages back each time costs a third of it all.
_RECEIVER_ENV: Final = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024),
}


class Child:
    """One process of the collector, restarted when it dies. `config` is asked at every start.

    One that `speaks` has the collector's stdout for its own.
    `channel` is a socket that it inherits; its argument says which.
    """

    def __init__(
        self,
        module: str,
        config: Callable[[], Config],
        environment: Mapping[str, str] | None = None,
        channel: socket.socket | None = None,
        *,
        speaks: bool = False,
    ) -> None:
        self.name = _NAMES.get(module, module.removesuffix(".app"))
        self._module = module
        self._stdout = None if speaks else subprocess.PIPE
        self._config = config
        self._channel = channel  # stays open here, so that what lies in it outlives the process
        self._environment = {**QUIET_ENV, **os.environ, **(environment or {})}
        self.started = 0.0  # by the monotonic clock
        self._failures = 0
        self._due: float | None = None  # when it is started again, once it has died
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        self.started = time.monotonic()
        files = [self._channel.fileno()] if self._channel else []
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", f"otel_llm_collector.{self._module}", *map(str, files)],
            pass_fds=files,
            stdin=subprocess.PIPE,
            stdout=self._stdout,
            env=self._environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the children in order
        )
        _tell(process, self._config())
        return process

    def tell(self) -> None:
        """Give it the configuration of now, without starting it again."""
        _tell(self.process, self._config())

    def restart(self) -> None:
        """Stop it and start it with the configuration of now."""
        self.stop(_RESTART_S_MAX)
        self.revive()

    def first_line(self, wait_s: float) -> str:
        """What the child says first; OtelLlmError where it ends or stays silent."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline() if is_readable(self.process.stdout, wait_s) else ""
        if not line:
            self.stop(1.0)
            raise OtelLlmError(f"the collector's {self.name} did not start; its reason stands above")
        return line.strip()

    def keep_alive(self) -> None:
        """Start the child again if it died, after a pause that grows while it keeps failing. Never waits."""
        if self.process.poll() is None:
            return
        if self._due is None:
            self._due = time.monotonic() + self._pause()
        elif time.monotonic() >= self._due:
            self.revive()

    def revive(self) -> None:
        """Start it now if it died; later where the machine has no room for a process."""
        if self.process.poll() is None:
            return
        try:
            process = self._start()
        except OSError as error:
            self._due = time.monotonic() + _RESTART_S_MAX
            _LOG.error("%s cannot be started: %s; trying again in %s s", self.name, error, _RESTART_S_MAX)
            return
        self._close_pipes()
        self.process, self._due = process, None

    def _pause(self) -> float:
        if time.monotonic() - self.started > _STEADY_S:
            self._failures = 0
        pause = _RESTART_S[min(self._failures, len(_RESTART_S) - 1)]
        self._failures += 1
        _LOG.warning("%s ended with %s; starting it again in %s s", self.name, self.process.returncode, pause)
        return pause

    def stop(self, wait_s: float) -> None:
        """Ask it to finish; end it if it does not in time (the journal keeps what it had not converted)."""
        _close(self.process.stdin)  # a signal would kill a child that starts just now and cannot take it yet
        try:
            self.process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._close_pipes()

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self.process.kill()
        self.process.wait()

    def _close_pipes(self) -> None:
        _close(self.process.stdin)
        _close(self.process.stdout)


class Answering:
    """The process that answers queries: there from the first of them on, and again where it has ended.

    One that takes nothing out of the channel for as long as somebody waits for an answer is ended for another, which
    then takes what lies there. A process takes at once what lies there, unless it is stopped or stuck.
    """

    def __init__(self, config: Callable[[], Config], channel: socket.socket) -> None:
        self.child: Child | None = None
        self.tally = Tally()
        self._config = config
        self._channel = channel
        self._teller = Teller(Path(config().data), "supervisor", self.tally)
        self._teller.write()
        self._empty_at = 0.0

    def look(self, now: float) -> None:
        """See to it that somebody answers; `now` is by the monotonic clock. Never waits."""
        if not is_readable(self._channel):
            self._empty_at = now
        elif self.child is None:
            with contextlib.suppress(OSError):  # no room for a process: who asks is told so, and may ask again
                self.child = Child("endpoint.app", self._config, _QUERY_ENV, self._channel)
        elif now - max(self._empty_at, self.child.started) > self._config().sql_seconds_max + MORE_S:
            self._end(self.child)
        else:
            self.child.keep_alive()

    def _end(self, child: Child) -> None:
        if child.process.poll() is None:
            _LOG.error("%s takes no queries any more, and is ended by SIGKILL for another", child.name)
            child.kill()
            self.tally.silent["query"] += 1
            self._teller.write()
        child.keep_alive()


class Supervisor:
    """The collector of one configuration. `read` gives the configuration of now; SIGHUP asks for it again."""

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        self._read = read
        self._stopping = threading.Event()
        self._stale = threading.Event()
        self.config = config
        self._prices = _content(config.contracts)
        self._make_queues()
        asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver = Child("receiver.app", self._current, _RECEIVER_ENV, asking)
        said = dict(part.split("=", 1) for part in self._receiver.first_line(_READY_S).split()[1:])
        # with port 0 the system chose; a receiver that is started again must listen where the senders know it
        self.config = replace(config, http=said["http"], grpc=said["grpc"])
        self._answering = Answering(self._current, asked)
        try:
            _refuse_loop(self.config)
        except UsageError:
            self._receiver.stop(_STOP_S_MIN)
            raise
        self._forward = Child("forward.app", self._current) if config.targets else None
        self._converter = Child("converter", self._current, CONVERTER_ENV)
        self._upkeep = Child("upkeep", self._current, UPKEEP_ENV)
        self._alerts = self._new_alerts()

    def run(self) -> None:
        """Keep all alive until stop() is called, then let them finish: first no new data, then all of it converted."""
        while not self._stopping.wait(_WATCH_S):
            if self._stale.is_set():
                self._stale.clear()
                self._reload()
            for child in self._children():
                if child is not self._answering.child:
                    child.keep_alive()
            self._answering.look(time.monotonic())
        deadline = time.monotonic() + _STOP_S
        for child in self._children():
            if child not in (self._receiver, self._answering.child):
                child.revive()  # what it left when it died is still to be done
            child.stop(max(_STOP_S_MIN, deadline - time.monotonic()))

    def stop(self, *_: int | FrameType | None) -> None:
        """Ask `run` to end; usable as a signal handler."""
        self._stopping.set()

    def reload(self, *_: int | FrameType | None) -> None:
        """Ask `run` to read the configuration again; usable as a signal handler."""
        self._stale.set()

    def _children(self) -> list[Child]:
        found = (self._receiver, self._answering.child, self._upkeep, self._alerts, self._forward, self._converter)
        return [child for child in found if child]

    def _current(self) -> Config:
        return self.config

    def _reload(self) -> None:
        """Take over what can be. A configuration that is wrong changes nothing."""
        before = self.config
        try:
            after = _taken_over(before, self._read())
            _refuse_loop(after)
        except OtelLlmError as error:
            _LOG.error("the configuration stays as it was: %s", error)
            return
        except Exception as error:  # which is our fault, and no reason to end what runs
            swallow("reading the configuration again", error)
            return
        self.config = after
        speak("collector", after)
        _warn_if_public(after)
        self._make_queues()
        self._receiver.tell()
        if self._answering.child:
            self._answering.child.tell()
        prices, self._prices = self._prices, _content(after.contracts)
        is_priced_anew = prices != self._prices  # the file may have changed under the same name
        if is_priced_anew or _differs(before, after, "targets", *_AT_START):
            self._renew_forward()
        if is_priced_anew or _differs(before, after, *_AT_START):
            self._converter.restart()
        if _differs(before, after, *KEPT_DAYS.values(), "archive_days", "archive_bytes_max", "targets", *_AT_START):
            self._upkeep.restart()
        if before.alerts or after.alerts:  # so may this one
            self._renew_alerts()
        _LOG.warning("the configuration was read again")

    def _renew_forward(self) -> None:
        if self._forward:
            self._forward.stop(_RESTART_S_MAX)
        self._forward = Child("forward.app", self._current) if self.config.targets else None

    def _renew_alerts(self) -> None:
        if self._alerts:
            self._alerts.stop(_RESTART_S_MAX)
        self._alerts = self._new_alerts()

    def _new_alerts(self) -> Child | None:
        if not self.config.alerts:
            forget_told(Path(self.config.data))
            return None
        return Child("alerts.app", self._current, UPKEEP_ENV, speaks=True)

    def _make_queues(self) -> None:
        """What is taken from now on is for all targets, however late their process is there."""
        for target in self.config.targets:
            Queue(Path(self.config.data), target.id, target.queue_bytes_max)


def _refuse_loop(config: Config) -> None:
    """A collector that forwards to itself would store the same spans without end."""
    own = {address.rpartition(":")[2] for address in (config.http, config.grpc)}
    for target in config.targets:
        host, port = urlsplit(target.url).hostname or "", str(urlsplit(target.url).port)
        if port in own and (is_loopback(f"{host}:{port}") or host in _ANY_ADDRESS):
            raise UsageError(f"--forward {target.shown} is this collector itself; name another receiver")


def _taken_over(before: Config, read: Config) -> Config:
    """The new configuration, with the old values of what only a restart can change."""
    fixed = {row.name: getattr(before, row.name) for row in OPTIONS if not row.reloads}
    if bool(before.tls_certificate) != bool(read.tls_certificate):  # a renewed certificate is taken over, TLS is not
        fixed |= {name: getattr(before, name) for name in ("tls_certificate", "tls_key")}
    chosen_ports = {name for name in ("http", "grpc") if getattr(read, name).endswith(":0")}
    for name, value in fixed.items():
        if getattr(read, name) != value and name not in chosen_ports:
            _LOG.warning("%s stays %s until the collector is started again", name, value or "unset")
    return replace(read, **fixed)


def _differs(before: Config, after: Config, *names: str) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in names)


def _content(path: str) -> bytes:
    """What a file holds; nothing where there is none."""
    with contextlib.suppress(OSError):
        return Path(path).read_bytes()
    return b""


def _close(pipe: IO[str] | None) -> None:
    if pipe:
        with contextlib.suppress(OSError):
            pipe.close()


def _tell(process: subprocess.Popen[str], config: Config) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):  # it is gone already, or closed, which is seen elsewhere
        process.stdin.write(config.dump() + "\n")
        process.stdin.flush()


def _warn_if_public(config: Config) -> None:
    """A door that others can reach, without a lock, is said loudly."""
    if config.tokens or config.tls_client_authority:
        return
    for address in (config.http, config.grpc):
        if not is_loopback(address):
            _LOG.warning(
                "WARNING: %s can be reached from other machines, without authentication: anybody there can write into "
                "%s. Set tokens or tls_client_authority, or listen on 127.0.0.1",
                address,
                config.data,
            )


def _collector(config: str | None = None, *, print_config: bool = False, **flags: Any) -> None:
    path = config or os.environ.get(CONFIG_ENV) or None

    def configured() -> Configured:
        return Configured(flags, os.environ, Path(path) if path else None)

    def read() -> Config:
        found = configured().config
        contracts(found.contracts, found.deployments)  # what is wrong in them is told here
        _check_rules(found.alerts)
        place, prices, rules = data_dir(found.data).absolute(), _absolute(found.contracts), _absolute(found.alerts)
        return replace(found, data=str(place), contracts=prices, alerts=rules)

    if print_config:
        typer.echo(configured().as_toml(), nl=False)
        return
    _run(read(), read)


def _check_rules(path: str) -> None:
    """Raise UsageError for rules of alerts that cannot be used. Their SQL is checked where they are looked at."""
    if path:
        from .alerts.rules import read_rules

        read_rules(Path(path))


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def _run(config: Config, read: Callable[[], Config]) -> None:
    speak("collector", config)
    _warn_if_public(config)
    for name, near in misspelled(os.environ):
        _LOG.warning("%s is read by nothing: did you mean %s?", name, near)
    try:
        Path(config.data).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OtelLlmError(
            f"cannot keep data in {config.data}: {error.strerror}; name another place with --data"
        ) from None
    _check_disk(Path(config.data))
    if config.lake:
        keep_address(Path(config.data), config.lake)
    supervisor = Supervisor(config, read)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    signal.signal(signal.SIGHUP, supervisor.reload)
    typer.echo(f"ready http={supervisor.config.http} grpc={supervisor.config.grpc} data={config.data}")
    supervisor.run()


def _check_disk(data: Path) -> None:
    """Segments move from one folder into the other in one step, which no two disks have."""
    folders = [folder for folder in (data, journal_dir(data), archive_dir(data)) if folder.exists()]
    if len({folder.stat().st_dev for folder in folders}) > 1:
        raise OtelLlmError(f"journal and archive of {data} are on two disks: keep the data directory on one")


def _with_flags(function: Callable[..., None]) -> Callable[..., None]:
    """The function with a parameter for each option that has a flag, as typer wants to see it."""

    def command(**given: Any) -> None:
        function(**given)

    parameters = {
        "config": Annotated[str | None, typer.Option(metavar="FILE", help=f"Options as TOML; else ${CONFIG_ENV}.")],
        "print_config": Annotated[bool, typer.Option("--print-config", help="Print the options in force, and stop.")],
        **{row.name: Annotated[_type(row), _flag(row)] for row in OPTIONS if row.flag},
    }
    defaults: dict[str, Any] = {"print_config": False}
    keyword = inspect.Parameter.KEYWORD_ONLY
    signature = [
        inspect.Parameter(name, keyword, default=defaults.get(name), annotation=annotation)
        for name, annotation in parameters.items()
    ]
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]  # inspect and typer read it
    command.__annotations__ = dict(parameters)
    command.__doc__ = "Receive OTLP and keep it as Parquet tables. Prints one line when it is ready; Ctrl-C stops it."
    return command


def _type(row: Option) -> Any:
    return list[str] | None if row.is_list else str | None


def _flag(row: Option) -> Any:
    default = "" if row.is_list or row.default == "" else f", else {row.default}"
    return typer.Option(row.flag, metavar=row.metavar, help=f"{row.doc}; else ${row.env}{default}.")


def command(argv: list[str]) -> int:
    """`otel-llm collector`: runs until SIGTERM or Ctrl-C; 0 after an orderly end."""
    return run("collector", _with_flags(_collector), argv)
