"""What converter, upkeep and supervisor have done since they began, in files for metrics, the doctor and tests."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic
from typing import Final

from otel_llm.failures import swallow

from . import journal

_PROCESSES: Final = ("converter", "upkeep", "supervisor")
_TELL_S: Final = 1.0


@dataclass(slots=True)
class Tally:
    """Counts since the process began, by table.

    `rows` were written; `repeated` were there already; `unreadable` could not become a row, whose segment is kept in
    quarantine. `seconds` and `runs` are of each kind of work: convert, compact, recount. `silent` processes, by their
    names, were ended since they did not answer any more.
    """

    rows: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    silent: Counter[str] = field(default_factory=Counter)

    def timed(self, work: str, step: Callable[[], bool]) -> bool:
        """Do a step of some work; count it and how long it took, where there was something to do."""
        began = monotonic()
        if did := step():
            self.seconds[work] = self.seconds.get(work, 0.0) + monotonic() - began
            self.runs[work] += 1
        return did


class Teller:
    """Writes a tally where `read_tally` finds it, a second apart. Not durable: counts begin anew with the process."""

    def __init__(self, data: Path, process: str, tally: Tally) -> None:
        self._path = _path(data, process)
        self._tally = tally
        self._told_at = 0.0

    def tell(self) -> None:
        """Write, if it is time."""
        if monotonic() - self._told_at >= _TELL_S:
            self._told_at = monotonic()
            self.write()

    def write(self) -> None:
        """Write now. What fails here is told, and stops no work."""
        try:
            temporary = self._path.with_suffix(".tmp")
            temporary.write_text(
                json.dumps({field.name: getattr(self._tally, field.name) for field in fields(self._tally)})
            )
            temporary.rename(self._path)
        except Exception as error:
            swallow("telling what was done", error)


def read_tally(data: Path) -> Tally:
    """The tallies of the processes on this directory, as one; an empty one before their first second."""
    found = Tally()
    for process in _PROCESSES:
        with contextlib.suppress(FileNotFoundError):
            stored = json.loads(_path(data, process).read_text())
            for name in ("rows", "repeated", "runs", "silent"):
                getattr(found, name).update(stored.get(name, {}))  # an older version's file has fewer of them
            found.unreadable += stored["unreadable"]
            found.seconds |= stored["seconds"]
    return found


def _path(data: Path, process: str) -> Path:
    return journal.journal_dir(data) / f"{process}.state.json"
