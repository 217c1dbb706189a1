"""THE table of checks. To add one: a function that yields findings about a `Scene`, and its row here, in order.

`tests/app/test_doctor_checks.py` wants for every row a scene that it objects to and one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from ..finding import Finding
from ..scene import Scene
from . import bill, destination, hooks, installed, seen, settings

Find = Callable[[Scene], Iterator[Finding]]

#: In the order of the page.
TOPICS: Final = ("installed", "hooks", "spans", "bill", "settings", "seen")


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what it is about, its name, and the function that looks."""

    topic: str
    name: str
    find: Find


@dataclass(frozen=True, slots=True)
class Result:
    """A finding and where it comes from."""

    topic: str
    check: str
    finding: Finding


#: By topic, then by name.
CHECKS: Final = (
    Check("installed", "distro", installed.distro),
    Check("installed", "rivals", installed.rivals),
    Check("installed", "unseen", installed.unseen),
    Check("installed", "versions", installed.versions),
    Check("hooks", "attached", hooks.attached),
    Check("hooks", "disabled", hooks.disabled),
    Check("hooks", "importable", hooks.importable),
    Check("hooks", "set-up", hooks.set_up),
    Check("spans", "answer", destination.answer),
    Check("spans", "config-file", destination.config_file),
    Check("spans", "destination", destination.destination),
    Check("spans", "endpoint", destination.endpoint),
    Check("spans", "exporter", destination.exporter),
    Check("spans", "headers", destination.headers),
    Check("spans", "proxy", destination.proxy),
    Check("spans", "queue", destination.queue),
    Check("bill", "limits", bill.limits),
    Check("bill", "prices", bill.prices),
    Check("bill", "sampling", bill.sampling),
    Check("bill", "sdk-disabled", bill.sdk_disabled),
    Check("settings", "content", settings.content),
    Check("settings", "data", settings.data),
    Check("settings", "raise-errors", settings.raise_errors),
    Check("settings", "readable", settings.readable),
    Check("settings", "service-name", settings.service_name),
    Check("settings", "spelling", settings.spelling),
    Check("seen", "calls", seen.calls),
    Check("seen", "ends", seen.ends),
    Check("seen", "exported", seen.exported),
    Check("seen", "faults", seen.faults),
    Check("seen", "money", seen.money),
    Check("seen", "processes", seen.processes),
    Check("seen", "unrecognised", seen.unrecognised),
)


def examine(scene: Scene) -> list[Result]:
    """All findings about a scene, in the order of the table."""
    return [Result(check.topic, check.name, finding) for check in CHECKS for finding in check.find(scene)]
