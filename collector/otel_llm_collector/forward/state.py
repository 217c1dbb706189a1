"""What the forwarding process has done for each target, in a file that others read: metrics, the doctor, tests."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from .. import journal

_PREFIX: Final = "forward-"
_SUFFIX: Final = ".state.json"


@dataclass(slots=True)
class TargetState:
    """Counts of requests since the process began, but for `items_rejected`, which are spans, records or points.

    `dropped` never reached the target: more waited than its queue takes, or the archive no longer had them.
    `behind_bytes` of journal and archive wait; `lag_s` is the age of the oldest of it.
    """

    url: str
    sent: int = 0
    rejected: int = 0
    items_rejected: int = 0
    dropped: int = 0
    failures: int = 0
    behind_bytes: int = 0
    lag_s: float = 0.0
    last_error: str | None = None


def write_state(data: Path, id: str, state: TargetState) -> None:
    """Put the state where `read_states` finds it. Not durable: counts begin anew with the process."""
    path = journal.journal_dir(data) / f"{_PREFIX}{id}{_SUFFIX}"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(state)))
    temporary.rename(path)


def read_states(data: Path) -> list[TargetState]:
    """The states of all targets that a collector on this directory has forwarded to."""
    found = sorted(journal.journal_dir(data).glob(f"{_PREFIX}*{_SUFFIX}"))
    return [TargetState(**json.loads(path.read_text())) for path in found]


def forget_others(data: Path, ids: set[str]) -> None:
    """Remove the states of targets that are no longer forwarded to."""
    for path in journal.journal_dir(data).glob(f"{_PREFIX}*{_SUFFIX}"):
        if path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) not in ids:
            path.unlink(missing_ok=True)
