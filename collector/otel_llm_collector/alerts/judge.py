"""When a breach begins and ends. No clock, no I/O: readings in, events out, and what is remembered of open breaches."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Final

from .measure import Labels, Reading
from .message import FIRING, RESOLVED, Message
from .metrics import METRICS, SHARE
from .rules import BUDGET, BURN_RATE, CHANGE, LAST_WEEK, PREVIOUS, Rule

_WHEN: Final = {PREVIOUS: "in the window before", LAST_WEEK: "at the same time last week"}
#: Rule, kind of breach, group.
Key = tuple[str, str, Labels]


@dataclass(slots=True)
class Breach:
    """A breach that is not over. `quiet_since` is since when all is well; `told` says whether channels know of it,
    `message` is what they were told, or will be once it is no longer silenced."""

    alert: str
    kind: str
    labels: Labels
    fired_at: dt.datetime
    quiet_since: dt.datetime | None
    told: bool
    value: float | None
    threshold: float
    baseline: float | None
    calls: int
    message: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.alert, self.kind, self.labels

    @property
    def id(self) -> str:
        return event_id(self.key, self.fired_at)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        quiet = self.quiet_since.isoformat() if self.quiet_since else None
        return {**asdict(self), "fired_at": self.fired_at.isoformat(), "quiet_since": quiet}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Breach:
        """What `as_dict` has made, once it was JSON."""
        quiet = given["quiet_since"]
        return cls(
            **{
                **given,
                "labels": tuple((name, value) for name, value in given["labels"]),
                "fired_at": dt.datetime.fromisoformat(given["fired_at"]),
                "quiet_since": dt.datetime.fromisoformat(quiet) if quiet else None,
            }
        )


def judge(
    rule: Rule, moment: dt.datetime, readings: Sequence[Reading], breaches: dict[Key, Breach]
) -> Iterator[Message]:
    """What begins and what is over at this moment. `breaches` are the open ones, which are brought up to date.

    One that is well for less than `resolve_after` goes on: it is told once, however often it comes and goes meanwhile.
    """
    by_key: dict[Key, Reading] = {(rule.name, reading.kind, reading.labels): reading for reading in readings}
    for key, reading in by_key.items():
        if not reading.is_breach:
            continue
        known = breaches.get(key)
        breach = _breach(rule, moment, reading)
        if known is None:
            begun = message(rule, breach, reading, moment, FIRING)
            breach.message = begun.as_dict()
            breaches[key] = breach
            yield begun
        else:
            breach.fired_at, breach.told, breach.message = known.fired_at, known.told, known.message
            breaches[key] = breach
    for key, breach in list(breaches.items()):
        found = by_key.get(key)
        if breach.alert != rule.name or (found is not None and found.is_breach):
            continue
        breach.quiet_since = breach.quiet_since or moment
        if moment - breach.quiet_since >= rule.resolve_after:
            del breaches[key]
            yield message(rule, breach, found, moment, RESOLVED)


def _breach(rule: Rule, moment: dt.datetime, reading: Reading) -> Breach:
    return Breach(
        rule.name,
        reading.kind,
        reading.labels,
        fired_at=moment,
        quiet_since=None,
        told=False,
        value=_double(reading.value),
        threshold=float(reading.limit),
        baseline=_double(reading.baseline),
        calls=reading.calls,
        message={},
    )


def over(breach: Breach, now: dt.datetime) -> Message:
    """The end of a breach whose rule is gone."""
    begun = Message.from_dict(breach.message)
    text = f"{breach.alert} is over: there is no such rule any more"
    return replace(begun, id=event_id(breach.key, breach.fired_at, RESOLVED), event=RESOLVED, time=now, text=text)


def message(rule: Rule, breach: Breach, reading: Reading | None, moment: dt.datetime, event: str) -> Message:
    """What is recorded and told. A resolved group may have no calls any more, and so no reading."""
    value = _double(reading.value) if reading else None
    return Message(
        id=event_id(breach.key, breach.fired_at, event),
        breach_id=breach.id,
        event=event,
        alert=rule.name,
        kind=breach.kind,
        labels=dict(breach.labels),
        time=moment,
        fired_at=breach.fired_at,
        window_start=reading.window.since if reading else None,
        window_end=reading.window.until if reading else None,
        value=value,
        threshold=float(reading.limit) if reading else breach.threshold,
        baseline=_double(reading.baseline) if reading else None,
        calls=reading.calls if reading else 0,
        text=_text(rule, breach, reading, event),
    )


def _text(rule: Rule, breach: Breach, reading: Reading | None, event: str) -> str:
    """One line for people."""
    head = f"{rule.name}{whose(breach.labels)}"
    if reading is None:
        return f"{head} is over: no calls any more"
    value = f"{rule.what()} {_amount(rule, reading.value)}"
    if breach.kind == BURN_RATE:
        value = f"{rule.what()} is {_round(reading.value)} times what a budget of {_amount(rule, rule.budget)} allows"
    if event == RESOLVED:
        return f"{head} is over: {_why_over(rule, breach, reading, value)}"
    if breach.kind == CHANGE:
        return (
            f"{head}: {value}, {_change(reading)} against {_amount(rule, reading.baseline)} {_WHEN[rule.compared_to]}"
        )
    if breach.kind == BUDGET:
        return f"{head}: {value} this month, of a budget of {_amount(rule, reading.limit)}"
    if breach.kind == BURN_RATE:
        return f"{head}: {value}"
    return f"{head}: {value}, {'above' if rule.above is not None else 'below'} {_amount(rule, reading.limit)}"


def _why_over(rule: Rule, breach: Breach, reading: Reading, value: str) -> str:
    if reading.calls < rule.volume_min:
        return f"only {reading.calls} calls are left, of min_calls = {rule.volume_min}"
    if breach.kind == CHANGE and reading.baseline is None:
        return f"{value}, and too few calls {_WHEN[rule.compared_to]} to compare it with"
    return value


def whose(labels: Labels) -> str:
    """What stands in a text behind the name of an alert."""
    listed = ", ".join(f"{name} {value if value is not None else '-'}" for name, value in labels)
    return f" ({listed})" if listed else ""


def _amount(rule: Rule, value: Decimal | None) -> str:
    unit = METRICS[rule.metric].unit if rule.metric else ""
    if unit == SHARE and value is not None:
        return f"{_round(value * 100)} %"
    return f"{_round(value)} {unit}".strip()


def _round(value: Decimal | None) -> str:
    """Six digits that matter, without an exponent."""
    return "-" if value is None else f"{Decimal(f'{value:.6g}').normalize():f}"


def _change(reading: Reading) -> str:
    assert reading.value is not None
    assert reading.baseline is not None
    return f"{float(reading.value / reading.baseline - 1):+.1%}"


def _double(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def event_id(key: Key, fired_at: dt.datetime, *event: str) -> str:
    """16 hex digits for a breach, or for one event of it: the same for whoever looks at the same calls."""
    parts = (*key, *event)
    return hashlib.sha256(repr((parts, fired_at.isoformat())).encode()).hexdigest()[:16]
