"""The rules of one data directory, looked at when it is time: what begins or ends is kept, recorded and posted."""

from __future__ import annotations

import datetime as dt
import logging
import math
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_llm.errors import NoDataError, OtelLlmError

from .. import journal
from ..query import connect, views_for
from .history import History, row
from .judge import Breach, judge, over
from .measure import measure
from .message import Message
from .rules import Rule, Rules
from .silences import Silence, is_silenced, read_silences
from .state import State

if TYPE_CHECKING:
    import duckdb

_LOG = logging.getLogger(__name__)
_MEMORY: Final = "512MB"
#: A statement that takes longer is ended: a rule's own SQL may never end.
LOOK_S_MAX: Final = 60.0
_INTERRUPT_AGAIN_S: Final = 0.05


class Watch:
    """Looks at rules. `step` is told what time it is; `failures` are of each rule, since the process began."""

    def __init__(self, data: Path, rules: Rules, now: dt.datetime) -> None:
        self._data, self.rules = data, rules
        self.state = State.load(data)
        self.failures: Counter[str] = Counter()
        self._history = History(data)
        if not self.state.rows:  # where the state was lost, the table knows how far it got
            self.state.batch = max(self.state.batch, self._history.batch)
        self._begin(now)

    def step(self, now: dt.datetime) -> None:
        """Look at the rules that are due, as of the last moment until which everything received is in the tables."""
        ready = min(now, received_until(self._data) or now)
        due = [(rule, moment) for rule in self.rules.rules if (moment := self._due(rule, ready))]
        if due:
            try:
                with opened(self._data, self.rules) as connection:
                    for rule, moment in due:
                        self._look(connection, rule, moment, now)
            except NoDataError:
                pass  # nothing came yet
        self._record()

    def _due(self, rule: Rule, ready: dt.datetime) -> dt.datetime | None:
        moment = moment_before(rule, ready)
        known = self.state.looked_at.get(rule.name)
        return moment if known is None or moment > known else None

    def _look(self, connection: duckdb.DuckDBPyConnection, rule: Rule, moment: dt.datetime, now: dt.datetime) -> None:
        try:
            with limited(connection):
                ((_, readings),) = measure(connection, self.rules, rule, [moment])
        except Exception as error:  # whatever is wrong with one rule, the others are looked at
            if self.failures[rule.name] == 0:
                _LOG.error("%s", error if isinstance(error, OtelLlmError) else f"{rule.place}: {error!r}")
            self.failures[rule.name] += 1
            with self.state.changing():
                self.state.looked_at[rule.name] = moment
            return
        self.failures.pop(rule.name, None)
        silences = read_silences(self._data)
        with self.state.changing():
            told = {breach.id for breach in self.state.breaches.values() if breach.told}
            events = list(judge(rule, moment, readings, self.state.breaches))
            self.state.looked_at[rule.name] = moment
            for event in events:
                is_quiet = is_silenced(rule, event.labels, moment, self.rules.zone, silences)
                self.state.rows.append(row(event, is_silenced=is_quiet))
                if event.is_over and event.breach_id in told:
                    self.state.post(rule.channels, event, now)
            self._tell(rule, moment, now, silences, events)

    def _tell(
        self, rule: Rule, moment: dt.datetime, now: dt.datetime, silences: Sequence[Silence], events: Sequence[Message]
    ) -> None:
        """Post what fires and nobody knows of: now, or when it was silenced and no longer is."""
        begun = {event.breach_id: event for event in events if not event.is_over}
        for breach in self.state.breaches.values():
            if breach.alert != rule.name or breach.told or breach.quiet_since:
                continue
            if not is_silenced(rule, dict(breach.labels), moment, self.rules.zone, silences):
                breach.told = True
                self.state.post(rule.channels, begun.get(breach.id) or Message.from_dict(breach.message), now)

    def _begin(self, now: dt.datetime) -> None:
        """What was left of rules and channels that there are no longer ends here."""
        known = {rule.name for rule in self.rules.rules}
        if self.state.path.exists():
            with self.state.changing():
                self.state.forget_channels(self.rules.channels)
                self.state.looked_at = {name: when for name, when in self.state.looked_at.items() if name in known}
                for breach in [one for one in self.state.breaches.values() if one.alert not in known]:
                    del self.state.breaches[breach.key]
                    self.state.rows.append(row(over(breach, now), is_silenced=True))
        self._record()

    def _record(self) -> None:
        """Bring rows into the table that are not in it yet."""
        if not self.state.rows:
            return
        self._history.record(self.state.rows, self.state.batch + 1)
        with self.state.changing():
            self.state.rows, self.state.batch = [], self.state.batch + 1


def moment_before(rule: Rule, ready: dt.datetime) -> dt.datetime:
    """The last moment at which a rule is looked at: they are the same whoever asks, and whenever it began."""
    every = rule.every.total_seconds()
    return dt.datetime.fromtimestamp(math.floor(ready.timestamp() / every) * every, dt.UTC)


def moments_between(rule: Rule, since: dt.datetime, until: dt.datetime, every: dt.timedelta) -> Iterator[dt.datetime]:
    """The moments after `since` up to `until` at which a rule is looked at."""
    step = max(every, rule.every)
    moment = moment_before(rule, since)
    while (moment := moment + step) <= until:
        yield moment


def received_until(data: Path) -> dt.datetime | None:
    """Since when something waits to be converted: all that came before is in the tables. None where nothing waits."""
    folder = journal.journal_dir(data)
    times = []
    for segment in (*journal.closed_segments(folder), *journal.open_segments(folder)):
        try:
            times.append(segment.path.stat().st_mtime)
        except FileNotFoundError:  # converted meanwhile
            continue
    return dt.datetime.fromtimestamp(min(times), dt.UTC) if times else None


@contextmanager
def opened(data: Path, rules: Rules) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake as it is now, for questions that must not be in anybody's way."""
    views = views_for(*(text for rule in rules.rules for text in (rule.sql, rule.where)))
    with connect(data, views=views) as connection:
        connection.execute(f"SET threads = 1; SET memory_limit = '{_MEMORY}'")
        yield connection


@contextmanager
def limited(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """End what takes too long."""
    is_done = threading.Event()
    thread = threading.Thread(target=_interrupt, args=(connection, is_done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()


def _interrupt(connection: duckdb.DuckDBPyConnection, is_done: threading.Event) -> None:
    """Again and again, once the time is over: between two statements nobody hears it."""
    if not is_done.wait(LOOK_S_MAX):
        connection.interrupt()
        while not is_done.wait(_INTERRUPT_AGAIN_S):
            connection.interrupt()


def replay(
    connection: duckdb.DuckDBPyConnection, rules: Rules, moments: Mapping[str, Sequence[dt.datetime]]
) -> list[Message]:
    """What would have fired and resolved at the moments of each rule, in the order of time, beginning with nothing."""
    events: list[Message] = []
    for rule in rules.rules:
        breaches: dict[tuple[str, str, tuple[tuple[str, str | None], ...]], Breach] = {}
        for moment, readings in measure(connection, rules, rule, moments.get(rule.name, ())):
            events.extend(judge(rule, moment, readings, breaches))
    return sorted(events, key=lambda event: event.time)
