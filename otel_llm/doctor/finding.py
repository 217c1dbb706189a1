"""What a check answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about the set-up, and what to do about it. A problem always has a `fix`, which `ok` never needs."""

    level: Level
    what: str
    fix: str = ""


def ok(what: str) -> Finding:
    """Something is as it should be."""
    return Finding("ok", what)


def note(what: str, fix: str = "") -> Finding:
    """Worth to know, and maybe meant that way."""
    return Finding("note", what, fix)


def problem(what: str, fix: str) -> Finding:
    """Spans, tokens or money are lost or counted twice."""
    return Finding("problem", what, fix)
