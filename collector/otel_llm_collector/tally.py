"""What the converter has done since it began, in a file that others read: metrics, the doctor, tests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic
from typing import Final

from otel_llm.failures import swallow

from . import journal

_NAME: Final = "converter.state.json"
_TELL_S: Final = 1.0


@dataclass(slots=True)
class Tally:
    """Counts since the process began, by table.

    `rows` were written; `repeated` were there already; `unreadable` could not become a row, whose segment is kept in
    quarantine. `seconds` and `runs` are of each kind of work: convert, compact, recount.
    """

    rows: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)

    def timed(self, work: str, step: Callable[[], bool]) -> bool:
        """Do a step of some work; count it and how long it took, where there was something to do."""
        began = monotonic()
        if did := step():
            self.seconds[work] = self.seconds.get(work, 0.0) + monotonic() - began
            self.runs[work] += 1
        return did


class Teller:
    """Writes a tally where `read_tally` finds it, a second apart. Not durable: counts begin anew with the process."""

    def __init__(self, data: Path, tally: Tally) -> None:
        self._path = _path(data)
        self._tally = tally
        self._told_at = 0.0

    def tell(self) -> None:
        """Write, if it is time. What fails here is told, and stops no work."""
        if monotonic() - self._told_at < _TELL_S:
            return
        self._told_at = monotonic()
        try:
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(
                json.dumps({field.name: getattr(self._tally, field.name) for field in fields(self._tally)})
            )
            temporary.rename(self._path)
        except Exception as error:
            swallow("telling what the converter has done", error)


def read_tally(data: Path) -> Tally:
    """The tally of the converter on this directory; an empty one before its first second."""
    try:
        stored = json.loads(_path(data).read_text())
    except FileNotFoundError:
        return Tally()
    counters = {name: Counter(stored[name]) for name in ("rows", "repeated", "runs")}
    return Tally(**counters, unreadable=stored["unreadable"], seconds=stored["seconds"])


def _path(data: Path) -> Path:
    return journal.journal_dir(data) / _NAME
