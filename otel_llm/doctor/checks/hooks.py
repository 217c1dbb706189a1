"""Whether otel-llm is on, and what it is attached to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from ..finding import Finding, note, ok, problem
from ..scene import Observed, Scene, SeenHook

_OURS: Final = "otel_llm"
_UPGRADE: Final = "pip install -U otel-llm; if that is the newest, tell its developers"


def set_up(scene: Scene) -> Iterator[Finding]:
    """The environment alone switches otel-llm on."""
    observed = scene.observed
    if observed.error:
        yield problem(
            f"OpenTelemetry did not start: {observed.error}",
            "mend what it names; the findings below may say more. The app runs on without telemetry until then",
        )
    elif not observed.loaded and (observed.run is None or observed.run.armed):
        yield problem(
            "OpenTelemetry started, otel-llm did not",
            "pip install --force-reinstall otel-llm, and look at OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        )


def disabled(scene: Scene) -> Iterator[Finding]:
    """Nobody has switched us off."""
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    words = {word.strip() for word in scene.get(name).split(",")}
    if words & {_OURS, "*"}:
        yield problem(f"{name}={scene.get(name)} switches otel-llm off", f"take {_OURS} (or *) out of {name}")


def importable(scene: Scene) -> Iterator[Finding]:
    """What is installed can be imported."""
    observed = scene.observed
    if observed.importing:
        yield note(
            f"{observed.importing} ended the process that tries this environment out, or took too long to import: what "
            "comes after it was not examined",
            f"python -c 'import {observed.importing}' shows why",
        )
    for module, error in observed.broken.items():
        if not _is_gone(module, error):
            name = module.partition(".")[0]
            yield note(f"{name} is installed and cannot be imported: {error}", f"python -c 'import {module}' shows why")


def attached(scene: Scene) -> Iterator[Finding]:
    """Each package that was imported has its hooks."""
    rows = [row for row in scene.observed.hooks if row.distribution]
    rows.sort(key=lambda row: (row.distribution.lower(), row.target))
    for distribution, group in groupby(rows, key=lambda row: row.distribution):
        yield from _of_package(scene.observed, distribution, list(group))
    if not rows and scene.observed.loaded and scene.observed.run is None:
        yield note("no HTTP library and no SDK is installed that we know", "pip install openai, or what the app uses")


def _of_package(observed: Observed, distribution: str, rows: list[SeenHook]) -> Iterator[Finding]:
    package = f"{distribution} {rows[0].version}"
    states = {row.target: _state(observed, row) for row in rows}
    there = [target for target, state in states.items() if state == "attached" and _counts(target, states)]
    gone = [target for target, state in states.items() if state == "missing"]
    failed = [row for row in rows if row.state == "failed"]
    if there and not gone and not failed:
        yield ok(f"{package}: {len(there)} hook{'s' * (len(there) != 1)} attached")
    if gone and there:
        yield note(f"{package}: {len(there)} hooks attached; not in this version: {', '.join(gone)}", _UPGRADE)
    elif gone:
        yield problem(
            f"{package} was seen and not hooked, since this version has no {', '.join(gone)}",
            f"{_UPGRADE}. An older {distribution} works until then",
        )
    for row in failed:
        yield problem(f"{package}: the hook on {row.target} failed ({row.error})", _UPGRADE)


def _state(observed: Observed, row: SeenHook) -> str:
    """`missing` also for a hook that waits for a module which the package no longer has."""
    if row.state == "waiting" and _is_gone(row.module, observed.broken.get(row.module, "")):
        return "missing"
    return row.state


def _is_gone(module: str, error: str) -> bool:
    return error.startswith("ModuleNotFoundError") and f"'{module}'" in error and "." in module


def _counts(target: str, states: dict[str, str]) -> bool:
    """A module's own row counts where its hook replaces nothing: there the callbacks are the hook."""
    return ":" in target or not any(other.startswith(f"{target}:") for other in states)
