"""What is installed, and whether it goes together."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Set
from typing import Final

from ..finding import Finding, note, ok, problem
from ..known import GRPC_SDKS, HTTP_LIBRARIES, OUTCOME, RIVALS, SDKS, Rival
from ..scene import Scene, normal

_OURS: Final = "otel_llm"
_CHOICES: Final = (
    ("opentelemetry_distro", "OTEL_PYTHON_DISTRO"),
    ("opentelemetry_configurator", "OTEL_PYTHON_CONFIGURATOR"),
)


def versions(scene: Scene) -> Iterator[Finding]:
    """The parts of OpenTelemetry that go together are of one version."""
    parts = ("otel-llm", "opentelemetry-api", "opentelemetry-sdk", "opentelemetry-instrumentation")
    found = {part: scene.installed[part] for part in parts if part in scene.installed}
    yield ok(
        ", ".join(f"{part} {version}" for part, version in found.items()) + f", Python {platform.python_version()}"
    )
    api, sdk = found.get("opentelemetry-api"), found.get("opentelemetry-sdk")
    if api != sdk:
        yield problem(
            f"opentelemetry-api {api} and opentelemetry-sdk {sdk} are of different releases",
            "pip install -U opentelemetry-api opentelemetry-sdk otel-llm",
        )


def distro(scene: Scene) -> Iterator[Finding]:
    """Ours is what `opentelemetry-instrument` chooses."""
    for group, variable in _CHOICES:
        kind = group.removeprefix("opentelemetry_")
        names = [name for name, _ in scene.entry_points.get(group, ())]
        chosen = scene.get(variable)
        winner = chosen or (names[0] if names else "")
        if chosen and chosen not in names:
            yield problem(f"{variable}={chosen}, but no {kind} of that name is installed", f"{variable}={_OURS}")
        elif winner != _OURS:
            yield problem(
                f"opentelemetry-instrument takes the {kind} {winner or 'of nobody'}, not ours: our defaults and the "
                "bound on the end of the process do not apply",
                f"{variable}={_OURS}, or start with `otel-llm run`, which sets it",
            )
        elif len(names) > 1 and not chosen:
            yield note(
                f"{len(names)} packages bring a {kind} ({', '.join(names)}); ours is the first by chance",
                f"{variable}={_OURS}, or start with `otel-llm run`, which sets it",
            )


def rivals(scene: Scene) -> Iterator[Finding]:
    """Who else makes spans of the same calls."""
    for rival in RIVALS:
        found = sorted(name for name in scene.installed if rival.matches(name))
        if found:
            shown = ", ".join(f"{name} {scene.installed[name]}" for name in found)
            yield note(f"{rival.name} ({shown}) {OUTCOME}", _switch(scene, found, rival))
    if "anthropic" in scene.installed and scene.get("ANTHROPIC_OPEN_TELEMETRY").lower() in ("1", "true"):
        yield note(
            "the Anthropic SDK traces its calls itself: we write usage and cost on its spans instead of adding ours",
            "unset ANTHROPIC_OPEN_TELEMETRY",
        )


def _switch(scene: Scene, found: list[str], rival: Rival) -> str:
    """How to switch it off: by the names of its instrumentors, where it has any."""
    points = scene.entry_points.get("opentelemetry_instrumentor", ())
    names = sorted({name for name, distribution in points if distribution in found})
    if not names:
        return rival.fix
    return f"one is enough: OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={','.join(names)} switches it off"


def unseen(scene: Scene) -> Iterator[Finding]:
    """SDKs whose calls no hook can see."""
    hooked = {normal(row.module.partition(".")[0]) for row in scene.observed.hooks}
    if not hooked:
        return  # the hooks' own checks say why
    for name in sorted(SDKS & scene.installed.keys()):
        ways = _ways(scene, name)
        if name in GRPC_SDKS or (ways and not ways & hooked and name not in hooked):
            way = "gRPC" if name in GRPC_SDKS else ", ".join(sorted(ways))
            yield note(
                f"{name} {scene.installed[name]} speaks {way}, which is not instrumented: its calls are not seen",
                "use the vendor's HTTP interface, for example with the openai SDK and its base_url",
            )


def _ways(scene: Scene, name: str) -> Set[str]:
    """The HTTP libraries that a distribution requires, or that what it requires does."""
    near = scene.needs.get(name, frozenset())
    far = frozenset().union(*(scene.needs.get(one, frozenset()) for one in near))
    return (near & HTTP_LIBRARIES) or (far & HTTP_LIBRARIES)
