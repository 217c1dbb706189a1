"""What the checks look at: the environment, what is installed, and what a process saw of itself.

An `Observed` is written as JSON by the process that saw it (`observe.py`, `watch.py`) and read by the command.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, distribution, distributions, entry_points
from pathlib import Path
from typing import Any, Final, Self

from otel_llm_semconv import pricing

from ..installed import distribution_of
from ..patching import Hook

ENTRY_POINT_GROUPS: Final = (
    "opentelemetry_configurator",
    "opentelemetry_distro",
    "opentelemetry_instrumentor",
    "opentelemetry_traces_exporter",
)
#: `date(2026, 11, 9)` or `2026-11-09`, of our time.
_DAY: Final = re.compile(r"\b(20[2-9]\d)(?:-|, )(0?[1-9]|1[0-2])(?:-|, )(0?[1-9]|1\d|2[0-8])\b")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(slots=True)
class SeenHook:
    """A row of the ledger with the distribution and version that its module is from, "" where that is not known."""

    target: str
    state: str
    error: str = ""
    distribution: str = ""
    version: str = ""

    @property
    def module(self) -> str:
        """The module that the target is in."""
        return self.target.partition(":")[0]


def seen_hooks(rows: Iterable[Hook]) -> list[SeenHook]:
    """Rows of the ledger, with the distribution and version of each."""
    found = []
    for row in rows:
        name, version = distribution_of(row.module) or ("", "")
        found.append(SeenHook(row.target, row.state, row.error, name, version))
    return found


@dataclass(slots=True)
class Destination:
    """One exporter of spans. `headers` are names only; `answer` is what an empty request was answered with."""

    exporter: str
    endpoint: str = ""
    headers: list[str] = field(default_factory=list)
    answer: str = ""


@dataclass(slots=True)
class Run:
    """What the processes of a command did, summed up.

    `armed` Pythons started, `processes` have told of their end, `silent` ones were busy and have not. Calls are counted
    by provider, operation and model, spans that were `exported` or `refused` by where to; `ended` counts all that were
    made and sampled.
    """

    armed: int = 0
    processes: int = 0
    silent: int = 0
    exit_code: int = 0
    ended: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    calls_without_usage: Counter[str] = field(default_factory=Counter)
    calls_without_price: Counter[str] = field(default_factory=Counter)
    unrecognised: Counter[str] = field(default_factory=Counter)
    exported: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and dictionaries."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def add(self, other: Run) -> None:
        """Add what another process did."""
        self.processes += other.processes
        self.ended += other.ended
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))


_COUNTERS: Final = tuple(name for name, kind in Run.__annotations__.items() if "Counter" in str(kind))


@dataclass(slots=True)
class Observed:
    """What a process saw of itself.

    `error` is what stopped the set-up, `loaded` says whether otel-llm was switched on by the environment alone,
    `broken` names modules that cannot be imported and why, `importing` the one that was being imported when the process
    stopped. `sampled_share` is the part of new traces that is kept, None where there is no SDK provider.
    """

    error: str = ""
    loaded: bool = True
    hooks: list[SeenHook] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    importing: str = ""
    provider: str = ""
    destinations: list[Destination] = field(default_factory=list)
    sampler: str = ""
    sampled_share: float | None = None
    attributes_max: int | None = None
    chars_max: int | None = None
    run: Run | None = None

    def as_json(self) -> dict[str, Any]:
        """As `read` takes it."""
        return {**asdict(replace(self, run=None)), "run": self.run and self.run.as_json()}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Self:
        """What `as_json` wrote."""
        run = written.get("run")
        return cls(
            **{
                **written,
                "hooks": [SeenHook(**row) for row in written.get("hooks", ())],
                "destinations": [Destination(**row) for row in written.get("destinations", ())],
                "run": run and Run(**{**run, **{name: Counter(run[name]) for name in _COUNTERS}}),
            }
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a check may look at. Names of distributions are in their normal form: `google-genai`.

    `entry_points` has, for each group of ENTRY_POINT_GROUPS, the (name, distribution) pairs in the order in which
    OpenTelemetry meets them; `needs` the distributions that each installed one requires without extras; `prices` the
    price data's version and the newest day that is named in it.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    installed: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    entry_points: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    prices: tuple[str, date] | None = None
    observed: Observed = field(default_factory=Observed)

    def get(self, *names: str) -> str:
        """The first of these environment variables that says something, else ""."""
        return next((value for name in names if (value := self.environment.get(name, "").strip())), "")


def take_in(environment: Mapping[str, str], observed: Observed) -> Scene:
    """The scene of this Python's environment."""
    installed: dict[str, str] = {}
    needs: dict[str, frozenset[str]] = {}
    for one in distributions():
        name = normal(one.name or "")
        if name and name not in installed:
            installed[name] = one.version
            needs[name] = _required(one.requires or ())
    points = {
        group: tuple((point.name, normal(point.dist.name) if point.dist else "") for point in entry_points(group=group))
        for group in ENTRY_POINT_GROUPS
    }
    return Scene(environment, installed, needs, points, _prices(), observed)


def _prices() -> tuple[str, date] | None:
    """The data says nowhere how old it is: days on which prices began or were looked up stand all over it."""
    try:
        path = distribution("genai-prices").locate_file("genai_prices/data.py")
        written = Path(str(path)).read_text(encoding="utf-8")
    except (OSError, PackageNotFoundError):
        return None
    today = datetime.now(UTC).date()
    days = (date(*map(int, found)) for found in _DAY.findall(written))
    past = [day for day in days if day <= today]
    return (pricing.version(), max(past)) if past else None


def normal(name: str) -> str:
    """A distribution's name as it is compared: `Google_GenAI` is `google-genai`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _required(lines: Iterable[str]) -> frozenset[str]:
    found = (_NAME.match(line) for line in lines if "extra ==" not in line)
    return frozenset(normal(match.group()) for match in found if match)
