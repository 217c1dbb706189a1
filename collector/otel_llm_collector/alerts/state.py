"""What alerts remember: open breaches, rows that are not in the table yet, messages that nobody has taken yet.

One file, replaced durably at each change: whatever ends the process, nothing fires twice and nothing is forgotten.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .. import journal
from .judge import Breach, Key
from .message import Message

_LOG = logging.getLogger(__name__)
#: Messages that wait for one channel.
WAITING_MAX: Final = 1_000
#: How long one is tried.
TRIED_FOR: Final = dt.timedelta(days=1)
_PAUSE_S: Final = 10.0
_PAUSE_S_MAX: Final = 3600.0


@dataclass(slots=True)
class Letter:
    """A message on its way to a channel. `since` is when it was put here; `due_s` when it is tried next, since 1970."""

    message: dict[str, Any]
    since: str
    tries: int = 0
    due_s: float = 0.0
    error: str | None = None


@dataclass(slots=True)
class State:
    """All of it. `looked_at` is the last moment of each rule; `batch` the number of the last rows that were recorded.

    `counts` are of each channel: sent, failures, dropped. Threads share it: change it inside of `changing`.
    """

    path: Path
    breaches: dict[Key, Breach] = field(default_factory=dict)
    looked_at: dict[str, dt.datetime] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    batch: int = 0
    waiting: dict[str, list[Letter]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def load(cls, data: Path) -> State:
        """The state of a data directory; a new one where there is none, or none that can be read, which is kept."""
        state = cls(state_path(data))
        try:
            state._take(json.loads(state.path.read_text()))
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            aside = _unreadable_path(data)
            state.path.rename(aside)
            _LOG.error("the state of alerts cannot be read (%r): it begins anew, %s keeps the old one", error, aside)
            return cls(state.path)
        return state

    def _take(self, stored: Mapping[str, Any]) -> None:
        breaches = [Breach.from_dict(one) for one in stored["breaches"]]
        self.breaches = {breach.key: breach for breach in breaches}
        self.looked_at = {name: dt.datetime.fromisoformat(when) for name, when in stored["looked_at"].items()}
        self.rows, self.batch = stored["rows"], stored["batch"]
        self.waiting = {name: [Letter(**one) for one in letters] for name, letters in stored["waiting"].items()}
        self.counts = {name: Counter(counts) for name, counts in stored["counts"].items()}

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change it: what the block did is on disk when it ends."""
        with self._lock:
            yield
            stored = {
                "breaches": [breach.as_dict() for breach in self.breaches.values()],
                "looked_at": {name: when.isoformat() for name, when in self.looked_at.items()},
                "rows": self.rows,
                "batch": self.batch,
                "waiting": {name: [asdict(one) for one in letters] for name, letters in self.waiting.items()},
                "counts": self.counts,
            }
            journal.replace_file(self.path, json.dumps(stored))

    def post(self, channels: Sequence[str], message: Message, now: dt.datetime) -> None:
        """Put a message on its way to some channels. Where too many wait, the oldest is given up."""
        for channel in channels:
            letters = self.waiting.setdefault(channel, [])
            letters.append(Letter(message.as_dict(), now.isoformat()))
            while len(letters) > WAITING_MAX:
                self._give_up(channel, letters.pop(0), "too many wait")

    def next(self, channel: str, now: dt.datetime) -> Letter | None:
        """What a channel is to be told now: in order, and nothing while the first is not due."""
        with self._lock:
            letters = self.waiting.get(channel)
            return letters[0] if letters and letters[0].due_s <= now.timestamp() else None

    def delivered(self, channel: str, letter: Letter) -> None:
        """It was taken."""
        with self.changing():
            self._remove(channel, letter)
            self._count(channel, "sent")

    def failed(self, channel: str, letter: Letter, now: dt.datetime, reason: str, after_s: float | None) -> None:
        """It was not: it is tried again, later each time, for a day."""
        with self.changing():
            self._count(channel, "failures")
            pause = max(_PAUSE_S * 2 ** min(letter.tries, 20), after_s or 0.0)
            letter.tries += 1
            letter.error = reason
            letter.due_s = now.timestamp() + min(pause, _PAUSE_S_MAX)
            if now - dt.datetime.fromisoformat(letter.since) >= TRIED_FOR:
                self._remove(channel, letter)
                self._give_up(channel, letter, f"tried {letter.tries} times")
        _LOG.warning("channel %s: %s; it is tried again", channel, reason)

    def forget_channels(self, known: Mapping[str, Any]) -> None:
        """Give up what waits for channels that there are no longer."""
        for channel in [name for name in self.waiting if name not in known]:
            for letter in self.waiting.pop(channel):
                self._give_up(channel, letter, "there is no such channel any more")

    def _remove(self, channel: str, letter: Letter) -> None:
        if letter in self.waiting.get(channel, []):
            self.waiting[channel].remove(letter)

    def _give_up(self, channel: str, letter: Letter, why: str) -> None:
        self._count(channel, "dropped")
        _LOG.error("channel %s will never be told %r: %s", channel, letter.message["text"], why)

    def _count(self, channel: str, what: str) -> None:
        self.counts.setdefault(channel, Counter())[what] += 1


def forget_unreadable(data: Path) -> None:
    """Delete what could not be read, and may name anybody."""
    _unreadable_path(data).unlink(missing_ok=True)


def _unreadable_path(data: Path) -> Path:
    return state_path(data).with_suffix(".unreadable")


def state_path(data: Path) -> Path:
    """Where the state of a data directory is."""
    return journal.journal_dir(data) / "alerts.state.json"
