"""What the alerts' process tells the others, in a file: metrics read it. Imports nothing heavy: the receiver does."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .. import journal

#: Firing alerts that are told one by one.
FIRING_MAX: Final = 1_000


@dataclass(slots=True)
class Told:
    """`firing` are alert, kind, labels as text, value. The rest is by rule, or by channel, as the metrics say."""

    firing: list[list[Any]] = field(default_factory=list)
    groups_firing: dict[str, int] = field(default_factory=dict)
    looked_at_seconds: dict[str, float] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    messages_waiting: dict[str, int] = field(default_factory=dict)
    messages_sent: dict[str, int] = field(default_factory=dict)
    message_failures: dict[str, int] = field(default_factory=dict)
    messages_dropped: dict[str, int] = field(default_factory=dict)


def tell(data: Path, told: Told) -> None:
    """Put it where `read_told` finds it. Not durable."""
    path = _path(data)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(told)))
    temporary.rename(path)


def read_told(data: Path) -> Told:
    """What was told last; nothing where no alerts are watched."""
    with contextlib.suppress(FileNotFoundError):
        return Told(**json.loads(_path(data).read_text()))
    return Told()


def forget_told(data: Path) -> None:
    """No alerts are watched any more."""
    _path(data).unlink(missing_ok=True)


def _path(data: Path) -> Path:
    return journal.journal_dir(data) / "alerts.told.json"
