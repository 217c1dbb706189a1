"""Somebody leaves what alerts remember: open breaches, messages on their way, silences. A pseudonym takes their place.

The state is that of the process that looks at the rules. While there is one it is asked, by a file in which it answers;
else it is done here, and none begins meanwhile. Ids of breaches are made of labels, so they change, too.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from otel_llm.errors import OtelLlmError

from .. import journal
from ..process import LockedError, lock
from .judge import Breach, event_id, whose
from .measure import Labels
from .silences import rename_in_silences
from .state import State, forget_unreadable
from .told import forget_told

#: A look at the rules may take so long.
_WAIT_S_MAX: Final = 120.0
_POLL_S: Final = 0.05
LOCK: Final = "alerts.lock"
_RENAMED: Final = "renamed"


@dataclass(frozen=True, slots=True)
class Renaming:
    """A value of labels that is to go, and what takes its place."""

    id: str
    pseudonym: str

    def labels(self, labels: Labels) -> Labels:
        """Labels without the value."""
        return tuple((name, self.pseudonym if value == self.id else value) for name, value in labels)

    def is_in(self, labels: Mapping[str, Any]) -> bool:
        return self.id in labels.values()

    def message(self, message: dict[str, Any]) -> bool:
        """Change a message as JSON has it; whether it was one of theirs."""
        if not self.is_in(message["labels"]):
            return False
        old: Labels = tuple(message["labels"].items())
        new = self.labels(old)
        message["labels"] = dict(new)
        message["text"] = message["text"].replace(whose(old), whose(new))
        key, fired_at = (message["alert"], message["kind"], new), dt.datetime.fromisoformat(message["fired_at"])
        message["id"], message["breach_id"] = event_id(key, fired_at, message["event"]), event_id(key, fired_at)
        return True

    def breach(self, breach: Breach) -> bool:
        """The same of an open breach, which goes on under the new name."""
        if not self.is_in(dict(breach.labels)):
            return False
        breach.labels = self.labels(breach.labels)
        self.message(breach.message)
        return True


def rename_in_alerts(data: Path, renaming: Renaming, held: contextlib.ExitStack) -> int:
    """Bring a renaming into all that alerts remember but the table; how many breaches, messages and silences it met.

    Where nobody looks at rules, nobody does while `held` is. Raises OtelLlmError where it has to be done again.
    """
    done = rename_in_silences(data, renaming.id, renaming.pseudonym)
    forget_unreadable(data)
    try:
        held.enter_context(lock(journal.journal_dir(data) / LOCK, "forget", wait_s=0))
    except LockedError:
        return done + _ask(data, renaming)
    forget_told(data)
    return done + _rename(State.load(data), renaming)


@contextlib.contextmanager
def renaming_asked(data: Path, state: State) -> Iterator[None]:
    """Do what another process has asked for, and say so once the block is over."""
    asked = _read(data)
    if asked is None or _RENAMED in asked:
        yield
        return
    count = _rename(state, Renaming(**asked))
    yield
    journal.replace_file(_path(data), json.dumps({_RENAMED: count}))


def _rename(state: State, renaming: Renaming) -> int:
    """Change what is remembered, and its breaches' keys."""
    with state.changing():
        breaches = [renaming.breach(one) for one in state.breaches.values()]
        state.breaches = {one.key: one for one in state.breaches.values()}
        letters = [renaming.message(one.message) for letters in state.waiting.values() for one in letters]
        rows = [renaming.message(row) for row in state.rows]
    return sum((*breaches, *letters, *rows))


def _ask(data: Path, renaming: Renaming) -> int:
    journal.replace_file(_path(data), json.dumps(asdict(renaming)))
    deadline = time.monotonic() + _WAIT_S_MAX
    try:
        while time.monotonic() < deadline:
            if _RENAMED in (answer := _read(data) or {}):
                return int(answer[_RENAMED])
            time.sleep(_POLL_S)
    finally:
        _path(data).unlink(missing_ok=True)
    raise OtelLlmError("the process that looks at alerts does not answer: run this again")


def _read(data: Path) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads(_path(data).read_text())
        return found
    return None


def _path(data: Path) -> Path:
    return journal.journal_dir(data) / "alerts.renaming.json"
