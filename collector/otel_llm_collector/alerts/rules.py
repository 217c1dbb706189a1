"""The rule file: `[[alert]]` tables, `[channels.NAME]` tables, a few keys for all. TOML, checked when it is read."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytz  # type: ignore[import-untyped]

from otel_llm.errors import UsageError

from ..options import UnknownKeyError
from . import values
from .channels import KINDS, STDOUT, Channel, make_channel
from .metrics import METRICS, SHARE, value_sql

PREVIOUS: Final = "previous window"
LAST_WEEK: Final = "last week"
#: What kinds of breaches there are, as the table's column `kind` has them.
THRESHOLD, CHANGE, BUDGET, BURN_RATE = "threshold", "change", "budget", "burn_rate"
_MINUTE: Final = dt.timedelta(minutes=1)
_SECOND: Final = dt.timedelta(seconds=1)
_EVALUATIONS_A_WINDOW: Final = 10
_EVALUATIONS_A_WINDOW_MAX: Final = 1440


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as KEYS has its keys. `place` is the file and line of it; None is a key that is not there."""

    name: str
    place: str
    metric: str | None = None
    sql: str | None = None
    score: str | None = None
    aggregation: str | None = None
    where: str | None = None
    by: tuple[str, ...] = ()
    window: dt.timedelta = dt.timedelta(hours=1)
    above: Decimal | None = None
    below: Decimal | None = None
    rises: Decimal | None = None
    falls: Decimal | None = None
    compared_to: str = PREVIOUS
    budget: Decimal | None = None
    burn_rate: Decimal | None = None
    min_calls: int | None = None
    resolve_after: dt.timedelta = dt.timedelta(minutes=5)
    silence: tuple[values.Times, ...] = ()
    channels: tuple[str, ...] = (STDOUT,)

    @property
    def is_change(self) -> bool:
        """Whether it compares with another window."""
        return self.rises is not None or self.falls is not None

    @property
    def every(self) -> dt.timedelta:
        """How often it is looked at: each minute, a short window ten times, a long one 1,440 times in its length."""
        often = min(_MINUTE, self.window / _EVALUATIONS_A_WINDOW)
        return max(often, self.window / _EVALUATIONS_A_WINDOW_MAX, _SECOND)

    @property
    def volume_min(self) -> int:
        """The least number of calls that a value is taken from."""
        if self.min_calls is not None:
            return self.min_calls
        return 0 if self.metric == "calls" or self.sql else 1

    def condition(self) -> str:
        """When it fires, in words."""
        limits = [
            self.above is not None and f"above {self.above}",
            self.below is not None and f"below {self.below}",
            self.rises is not None and f"rises {_percent(self.rises)} against {self.compared_to}",
            self.falls is not None and f"falls {_percent(self.falls)} against {self.compared_to}",
            self.budget is not None and f"budget {self.budget} a month",
            self.burn_rate is not None and f"burn rate {self.burn_rate}",
        ]
        return f"{self.what()} {', '.join(limit for limit in limits if limit)}"

    def what(self) -> str:
        """What it measures, in words."""
        if self.metric is None:
            return "sql"
        how = self.aggregation or METRICS[self.metric].aggregation
        return f"{how} {self.metric}{f' {self.score}' if self.score else ''}".strip()


@dataclass(frozen=True, slots=True)
class Rules:
    """A rule file. `delay` is how long before now windows end; `tz` the zone of months and times."""

    rules: tuple[Rule, ...] = ()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    tz: str = "UTC"
    delay: dt.timedelta = dt.timedelta(seconds=15)

    @property
    def zone(self) -> Any:
        return pytz.timezone(self.tz)

    def named(self, name: str) -> Rule:
        """The rule of this name. UsageError where there is none."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        known = [rule.name for rule in self.rules]
        raise UsageError(f"no alert {name!r}: there are {', '.join(known) or 'none'}")


class Key(NamedTuple):
    """A key of an `[[alert]]`: what reads it, raising ValueError or UsageError, and what it means."""

    parse: Any
    doc: str


KEYS: Final[dict[str, Key]] = {
    "name": Key(values.name, "What it is called, in messages, the table and metrics"),
    "metric": Key(values.one_of(*METRICS), "What is measured"),
    "sql": Key(values.text, "Or a SELECT of your own, with a column `value`; `$since` and `$until` bound the window"),
    "score": Key(values.name, "Name of the score, for the metric `score`"),
    "aggregation": Key(values.name, "How calls become one value: sum, avg, min, max, p50, p90, p95, p99 or any pNN"),
    "where": Key(values.text, "Only calls for which this SQL condition over `llm_calls` holds"),
    "by": Key(values.by, "What to group by, names as of `--by`: each group is watched by itself"),
    "window": Key(values.length("1m", "31d"), "Length of the window. Default: 1h"),
    "above": Key(values.number, "Fires above this value"),
    "below": Key(values.number, "Fires below this value"),
    "rises": Key(values.share, "Fires when the value is this much higher than it was"),
    "falls": Key(values.share, "Fires when the value is this much lower than it was"),
    "compared_to": Key(values.one_of(PREVIOUS, LAST_WEEK), "What `rises` and `falls` compare with"),
    "budget": Key(values.positive, "Fires when a calendar month has reached this value"),
    "burn_rate": Key(values.positive, "And when the window spends so many times what the budget allows"),
    "min_calls": Key(values.count, "The least calls in a window that say anything. Default: 1; 0 for `calls`, `sql`"),
    "resolve_after": Key(values.length("0s", "7d"), "It is over when all was well for so long. Default: 5m"),
    "silence": Key(values.times, "Times of the week at which nobody is told"),
    "channels": Key(values.names, 'Whom it is told. Default: ["stdout"]'),
}
_TOP: Final = ("alert", "channels", "tz", "delay")
_LIMITS: Final = ("above", "below", "rises", "falls", "budget")


def read_rules(path: Path) -> Rules:
    """The rules of a file. UsageError, with the line, for what cannot be used."""
    try:
        text = path.read_text()
        written = tomllib.loads(text, parse_float=Decimal)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name another file of rules") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from error
    return _Reading(path, text, written).rules()


class _Reading:
    """One file while it is read."""

    def __init__(self, path: Path, text: str, written: Mapping[str, Any]) -> None:
        self._path, self._lines, self._written = path, text.splitlines(), written

    def rules(self) -> Rules:
        for key in self._written:
            if key not in _TOP:
                raise UsageError(f"{self._place(0, key)}: {UnknownKeyError(key, list(_TOP))}")
        more = {}
        if "delay" in self._written:
            more["delay"] = self._parsed(values.length("0s", "1h"), self._written["delay"], 0, "delay")
        channels = self._channels()
        tables = self._tables("alert")
        rules = tuple(self._rule(table, number, channels) for number, table in enumerate(tables))
        for rule in rules:
            if sum(other.name == rule.name for other in rules) > 1:
                raise UsageError(f"{rule.place}: several alerts are called {rule.name!r}")
        return Rules(rules, channels, self._parsed(_zone, self._written.get("tz", "UTC"), 0, "tz"), **more)

    def _tables(self, key: str) -> list[Mapping[str, Any]]:
        tables = self._written.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
            raise UsageError(f"{self._place(0, key)}: write [[{key}]] above each of them")
        return tables

    def _rule(self, table: Mapping[str, Any], number: int, channels: Mapping[str, Channel]) -> Rule:
        start = self._header(r"\[\[\s*alert\s*\]\]", number)
        given = {}
        for key, value in table.items():
            if key not in KEYS:
                raise UsageError(f"{self._place(start, key)}: {UnknownKeyError(key, list(KEYS))}")
            given[key] = self._parsed(KEYS[key].parse, value, start, key)
        place = f"{self._path} line {start + 1}"
        if "name" not in given:
            raise UsageError(f"{place}: an alert needs a name")
        rule = Rule(**given, place=place)
        try:
            _check(rule, channels)
        except _MisusedError as error:
            raise UsageError(f"{self._place(start, error.key)}: alert {rule.name!r}: {error}") from error
        return rule

    def _channels(self) -> dict[str, Channel]:
        tables = self._parsed(values.plain, self._written.get("channels", {}), 0, "channels")
        found: dict[str, Channel] = {STDOUT: make_channel({"type": STDOUT})}
        for name, table in tables.items():
            start = self._header(rf"""\[\s*channels\s*\.\s*["']?{re.escape(name)}["']?\s*\]""", 0)
            try:
                found[name] = make_channel(values.plain(table))
            except (ValueError, UsageError) as error:
                key = getattr(error, "key", str(error).partition(":")[0])
                raise UsageError(f"{self._place(start, key)}: channel {name!r}: {error}") from error
        return found

    def _parsed(self, parse: Any, value: Any, start: int, key: str) -> Any:
        try:
            return parse(value)
        except (ValueError, UsageError) as error:
            raise UsageError(f"{self._place(start, key)}: {key}: {error}") from error

    def _header(self, pattern: str, number: int) -> int:
        """The place of the so-manieth header; the library's parser keeps no lines."""
        found = [place for place, line in enumerate(self._lines) if re.match(rf"\s*{pattern}", line)]
        return found[number] if number < len(found) else 0

    def _place(self, start: int, key: str) -> str:
        """The file, and the line from `start` on that begins with a key."""
        wanted = re.compile(rf"""^\s*(\[\[?\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
        rest = enumerate(self._lines[start:], start + 1)
        return f"{self._path} line {next((number for number, line in rest if wanted.search(line)), start + 1)}"


class _MisusedError(ValueError):
    """A key that does not go with the others."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _check(rule: Rule, channels: Mapping[str, Channel]) -> None:
    """Raise _MisusedError where keys contradict each other."""
    if (rule.metric is None) == (rule.sql is None):
        raise _MisusedError("metric", "give one of metric and sql")
    limits = [name for name in _LIMITS if getattr(rule, name) is not None]
    if len(limits) != 1:
        raise _MisusedError(limits[-1] if limits else "name", f"give one of {', '.join(_LIMITS)}")
    if rule.burn_rate is not None and rule.budget is None:
        raise _MisusedError("burn_rate", "a burn rate is that of a budget: give budget, too")
    if rule.compared_to != PREVIOUS and not rule.is_change:
        raise _MisusedError("compared_to", "compared_to goes with rises and falls, which compare")
    if (rule.metric == "score") != (rule.score is not None):
        raise _MisusedError("score" if rule.score else "metric", 'score goes with metric = "score", which needs it')
    for name in ("where", "by", "aggregation"):
        if rule.sql is not None and getattr(rule, name):
            raise _MisusedError(name, f"{name} goes with metric: say it in your sql, whose other columns are groups")
    if rule.metric is not None:
        _check_metric(rule, rule.metric)
    for name in rule.channels:
        if name not in channels:
            known = ", ".join(sorted(channels))
            raise _MisusedError("channels", f"no channel {name!r}: there are {known}; write [channels.{name}]")


def _check_metric(rule: Rule, metric: str) -> None:
    try:
        sql = value_sql(METRICS[metric], rule.aggregation or "")
    except ValueError as error:
        raise _MisusedError("aggregation", str(error)) from error
    if METRICS[metric].unit == SHARE:
        _check_share(rule, metric)
    if rule.falls is not None and rule.falls > 1 and metric != "score":  # which may be below 0
        raise _MisusedError("falls", 'nothing falls by more than all of it: write "100%" at most, such as "50%"')
    if rule.budget is not None and metric != "calls" and (METRICS[metric].whole or not sql.startswith("sum(")):
        raise _MisusedError("budget", "a budget is of something that adds up: cost, calls or tokens")


def _check_share(rule: Rule, metric: str) -> None:
    """Raise _MisusedError for a limit beyond which no part of all can be."""
    for name, limit, end in (("above", rule.above, 1), ("below", rule.below, 0)):
        if limit is None or (0 <= limit <= 1 and limit != end):
            continue
        percent = limit if 1 < limit <= 100 else Decimal(20)
        never = f", and never {name} {end}" if limit == end else ""
        raise _MisusedError(
            name, f"{metric} is 0 to 1{never}: write {(percent / 100).normalize():f} for {percent.normalize():f} %"
        )


def _zone(value: Any) -> str:
    try:
        return str(pytz.timezone(values.text(value)))
    except pytz.UnknownTimeZoneError as error:
        raise ValueError(f"unknown time zone {value!r}: use an IANA name such as Europe/Berlin") from error


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f}%"


__all__ = ["KEYS", "KINDS", "Rule", "Rules", "read_rules"]
