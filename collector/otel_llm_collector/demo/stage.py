"""What the demo runs: a collector, the stand-in, and two programs that know neither."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from . import progress
from .processes import Child, Family

CALLS_LOG: Final = "demo/calls.jsonl"
_CLI: Final = (sys.executable, "-m", "otel_llm.cli")
_PACKAGE: Final = "otel_llm_collector.demo"
#: Program -> its service name and what the waiting person reads.
_PROGRAMS: Final = {
    "triage": ("triage-assistant", "Triage assistant: an app that knows nothing of us"),
    "agents": ("case-review", "Case review: four agents, 47 steps"),
}
#: A patient whose first attempt is refused, and one for whom Claude has no capacity at all (two attempts).
_FAULTS: Final = ("429:Rank Otto:1", "529:Advise Noor:2")
_STANDIN: Final = ("--latency-ms", "90", "--chunk-ms", "4", "--jitter", "0.7", "--compress")
_READY_S: Final = 20.0
_PROGRAM_S: Final = 60.0
_DRAIN_S: Final = 15.0  # the collector promises 10
_LOOK_EVERY_S: Final = 0.25
#: Variables of the caller's shell that would send the programs' spans or calls somewhere else.
_FOREIGN: Final = ("OTEL_", "OPENAI_", "ANTHROPIC_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the demo: where the data lies, when it began, and how long things took."""

    data: Path
    started_ns: int
    first_row_s: float | None
    total_s: float


def play(data: Path) -> Run:
    """Run everything, and return when all rows are readable and nothing runs any more."""
    started_ns, clock = time.time_ns(), time.monotonic()
    folder = data / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    watch = Watch(data, started_ns, clock)
    with Family() as family:
        with progress.step("Starting a collector and stand-ins for OpenAI and Anthropic on 127.0.0.1"):
            collector = start_collector(family, data)
            standin = _start_standin(family, data)
            endpoint = wait_endpoint(family, collector)
            base_url = family.wait_ready(standin, _READY_S)
        for program, (service, title) in _PROGRAMS.items():
            with progress.step(title):
                child = _start_program(family, program, folder, _env(endpoint, base_url, service))
                family.wait_end(child, _PROGRAM_S, watch.look)
            progress.quote(child.output())
        with progress.step("Waiting for the last rows"):
            family.stop(collector)  # it writes all it has received
            watch.look(at_once=True)
    return Run(data, started_ns, watch.first_row_s, time.monotonic() - clock)


class Watch:
    """Looks for the first priced row of the run, as any reader of the Parquet files would."""

    def __init__(self, data: Path, started_ns: int, clock: float) -> None:
        self.first_row_s: float | None = None
        self._files = str(data / "spans" / "date=*" / "*.parquet")
        self._started_ns = started_ns
        self._clock = clock
        self._next = 0.0

    def look(self, *, at_once: bool = False) -> None:
        """Look, unless the row has been seen or the last look was a moment ago."""
        now = time.monotonic()
        if self.first_row_s is not None or (now < self._next and not at_once):
            return
        self._next = now + _LOOK_EVERY_S
        if self._is_there():
            self.first_row_s = time.monotonic() - self._clock
            progress.say(f"  first priced row readable in SQL after {self.first_row_s:.1f} s")

    def _is_there(self) -> bool:
        query = "SELECT 1 FROM read_parquet(?) WHERE cost_usd IS NOT NULL AND start_time_ns >= ? LIMIT 1"
        try:
            with duckdb.connect() as database:
                return bool(database.execute(query, [self._files, self._started_ns]).fetchall())
        except duckdb.IOException:
            return False  # no file yet


def start_collector(family: Family, data: Path, *options: str) -> Child:
    """A collector on free ports of this machine; what it says goes to `demo/collector.log` in the data directory."""
    ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    argv = (*_CLI, "collector", "--data", str(data), *ports, *options)
    return family.start("collector", argv, _clean_env(), data / "demo" / "collector.log", patience_s=_DRAIN_S)


def _start_standin(family: Family, data: Path) -> Child:
    faults = [option for fault in _FAULTS for option in ("--fault", fault)]
    argv = (sys.executable, "-m", f"{_PACKAGE}.standin", "--log", str(data / CALLS_LOG), *_STANDIN, *faults)
    return family.start("stand-in", argv, _clean_env(), data / "demo" / "standin.log")


def _start_program(family: Family, program: str, folder: Path, env: dict[str, str]) -> Child:
    argv = (*_CLI, "run", "--", sys.executable, "-m", f"{_PACKAGE}.{program}")
    return family.start(program, argv, env, folder / f"{program}.log")


def wait_endpoint(family: Family, collector: Child) -> str:
    """The URL for OTLP/HTTP of a collector, once it accepts: it says `http=127.0.0.1:PORT grpc=... data=...`."""
    fields = dict(_pairs(family.wait_ready(collector, _READY_S).split(" ")))
    return f"http://{fields['http'].removeprefix('http://')}"


def _pairs(words: Iterable[str]) -> Iterable[tuple[str, str]]:
    for word in words:
        key, _, value = word.partition("=")
        yield key, value


def _env(endpoint: str, base_url: str, service: str) -> dict[str, str]:
    """What a user would set: where the providers are, where the collector is, what this program is called."""
    return _clean_env() | {
        "OPENAI_BASE_URL": f"{base_url}/v1",
        "OPENAI_API_KEY": "no-key-needed",
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": "no-key-needed",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=demo",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "500",  # ms; a demo should not wait for the default of 5 s
    }


def _clean_env() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith(_FOREIGN)}
    return ours | {"PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
