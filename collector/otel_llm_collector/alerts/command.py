"""`otel-llm alerts list | check | test | silence`: what rules there are, what they would have done, whom they reach."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import pyarrow as pa
import typer

from otel_llm.errors import UsageError

from ..asking import DataOption, FormatOption, OutputOption, TzOption, write_answer
from ..asking import opened as opened_in
from ..commandline import run_parts, say
from ..config import ALERTS_ENV, data_dir
from ..query import Table
from ..query.keys import notes_on_absent
from ..query.opening import literal
from ..query.timespan import between, instant
from ..render import Format
from . import values
from .channels import DeliveryError
from .message import FIRING, Message
from .metrics import METRICS, amount
from .rules import BURN_RATE, Rule, Rules, read_rules
from .silences import Silence, is_silenced, keep_silence, read_silences
from .state import State
from .watch import moment_before, moments_between, replay

if TYPE_CHECKING:
    import duckdb

_MEANING: Final = "Rules that tell somebody. A collector with --alerts FILE looks at them; these commands need none."
#: Moments of one rule in a replay.
_MOMENTS_MAX: Final = 100_000
_TIME: Final = pa.timestamp("us", tz="UTC")
_EVENTS: Final[dict[str, pa.DataType]] = {
    "time": _TIME,
    "event": pa.string(),
    "alert": pa.string(),
    "kind": pa.string(),
    "labels": pa.map_(pa.string(), pa.string()),
    "value": pa.float64(),
    "threshold": pa.float64(),
    "baseline": pa.float64(),
    "calls": pa.int64(),
    "text": pa.string(),
}
_EVENTS_SHOWN: Final = _EVENTS | dict.fromkeys(("labels", "value", "threshold", "baseline"), pa.string())
#: What a table can do without, the least first: the text says it, too.
_EVENTS_MINOR: Final = ("kind", "baseline", "calls", "threshold", "value", "labels", "alert")
_STATES_MINOR: Final = ("looked_at", "since", "channels", "by", "window")
_STATES: Final[dict[str, pa.DataType]] = {
    **dict.fromkeys(("alert", "fires", "window", "by", "channels", "state"), pa.string()),
    "since": _TIME,
    "looked_at": _TIME,
}
_SENT: Final[dict[str, pa.DataType]] = dict.fromkeys(("channel", "place", "result"), pa.string())

RulesOption = Annotated[
    Path | None, typer.Option("--alerts", metavar="FILE", help=f"The rules, TOML. Default: ${ALERTS_ENV}.")
]
NamesArgument = Annotated[list[str] | None, typer.Argument(metavar="[ALERT]...", help="Only these rules.")]


def command(argv: list[str]) -> int:
    """`otel-llm alerts PART`."""
    return run_parts("alerts", {"list": _list, "check": _check, "test": _test, "silence": _silence}, _MEANING, argv)


def _list(
    *, alerts: RulesOption = None, data: DataOption = None, format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Every rule, and how it is: ok, firing or silenced, as the collector has left it; and what waits for channels."""
    rules, place = _rules(alerts), data_dir(data)
    state, now = State.load(place), dt.datetime.now(dt.UTC)
    silences = read_silences(place)
    rows = [_state_row(rules, rule, state, silences, now) for rule in rules.rules]
    write_answer(
        Table(pa.Table.from_pylist(rows, pa.schema(_STATES)), notes=_waiting(state), minor=_STATES_MINOR),
        None,
        format,
        output,
        data,
    )


def _state_row(rules: Rules, rule: Rule, state: State, silences: Sequence[Silence], now: dt.datetime) -> dict[str, Any]:
    open_ones = [breach for breach in state.breaches.values() if breach.alert == rule.name]
    is_quiet = is_silenced(rule, {}, now, rules.zone, silences)
    firing = f"firing ({len(open_ones)})" if rule.by else "firing"
    return {
        "alert": rule.name,
        "fires": rule.condition(),
        "window": _length(rule.window),
        "by": ", ".join(rule.by) or None,
        "channels": ", ".join(rule.channels),
        "state": f"{firing if open_ones else 'ok'}{', silenced' if is_quiet else ''}",
        "since": min((breach.fired_at for breach in open_ones), default=None),
        "looked_at": state.looked_at.get(rule.name),
    }


def _waiting(state: State) -> tuple[str, ...]:
    return tuple(
        f"{len(letters)} messages wait for channel {name}; the first was tried {letters[0].tries} times"
        f"{f': {letters[0].error}' if letters[0].error else ''}"
        for name, letters in sorted(state.waiting.items())
        if letters
    )


def _check(
    names: NamesArgument = None, *,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="What would fire then. Default: now.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Or all since; 7d: back from --until.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Up to then. Default: now.")] = None,
    every: Annotated[
        str | None, typer.Option(metavar="LENGTH", help="Look this often, not as often as the collector: 10m, 1h.")
    ] = None,
    alerts: RulesOption = None, data: DataOption = None, tz: TzOption = "UTC", format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Replay history: what the rules would have fired and resolved. Tells nobody, and records nothing."""
    rules = _rules(alerts)
    chosen = Rules(
        tuple(rules.named(name) for name in names or ()) or rules.rules, rules.channels, rules.tz, rules.delay
    )
    step = _given_length("--every", every) if every else dt.timedelta(0)
    with opened_in(data, tz) as connection:
        moments = _moments(connection, chosen.rules, (at, since, until), step)
        events = replay(connection, chosen, moments)
        notes = [
            f"alert {rule.name!r}: {note}"
            for rule in chosen.rules
            if rule.by
            for note in notes_on_absent(connection, rule.by)
        ]
    rows = [{**event.as_dict(), "time": event.time, "labels": list(event.labels.items())} for event in events]
    found = pa.Table.from_pylist(rows, pa.schema(_EVENTS))
    if format is Format.TABLE:
        found = pa.Table.from_pylist([_for_people(chosen, event) for event in events], pa.schema(_EVENTS_SHOWN))
    write_answer(Table(found, notes=tuple(notes), minor=_EVENTS_MINOR), 0, format, output, data)
    say(f"{sum(not event.is_over for event in events):,} would have fired, of {len(chosen.rules):,} rules")


def _for_people(rules: Rules, event: Message) -> dict[str, Any]:
    """A row of the table: values with their units, labels in words."""
    metric = rules.named(event.alert).metric
    unit = METRICS[metric].unit if metric and event.kind != BURN_RATE else ""
    values_told = {name: getattr(event, name) for name in ("value", "threshold", "baseline")}
    return {
        **event.as_dict(),
        "time": event.time,
        "labels": ", ".join(f"{name}={'-' if value is None else value}" for name, value in event.labels.items()),
        **{name: None if value is None else amount(unit, value) for name, value in values_told.items()},
    }


def _moments(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], times: tuple[str | None, ...], step: dt.timedelta
) -> dict[str, list[dt.datetime]]:
    """When each rule is looked at."""
    at, since, until = times
    if since is None:
        if until is not None:
            raise UsageError("--until goes with --since; --at names one moment")
        moment = instant(connection, at or "now")
        return {rule.name: [moment_before(rule, moment)] for rule in rules}
    if at is not None:
        raise UsageError("give --at for one moment, or --since for all that came after")
    first, last = between(connection, since, until)
    for rule in rules:
        if (last - first) / max(step, rule.every) > _MOMENTS_MAX:
            raise UsageError(f"{rule.name!r} would be looked at more than {_MOMENTS_MAX:,} times: give --every 1h")
    return {rule.name: list(moments_between(rule, first, last, step)) for rule in rules}


def _test(
    channels: Annotated[list[str] | None, typer.Argument(metavar="[CHANNEL]...", help="Only these channels.")] = None,
    *, alerts: RulesOption = None, format: FormatOption = Format.TABLE, output: OutputOption = None,
) -> None:  # fmt: skip
    """Send a message to each channel, and say what became of it. Fails where one was not taken."""
    rules = _rules(alerts)
    for name in channels or ():
        if name not in rules.channels:
            raise UsageError(f"no channel {name!r}: there are {', '.join(sorted(rules.channels))}")
    message, rows = _trial(dt.datetime.now(dt.UTC)), []
    for name in channels or rules.channels:
        try:
            rules.channels[name].deliver(message)
            result = "told"
        except DeliveryError as error:
            result = str(error)
        rows.append({"channel": name, "place": rules.channels[name].place, "result": result})
    write_answer(Table(pa.Table.from_pylist(rows, pa.schema(_SENT))), 0, format, output, None)
    if any(row["result"] != "told" for row in rows):
        raise typer.Exit(1)


def _trial(now: dt.datetime) -> Message:
    return Message(
        id=f"{int(now.timestamp() * 1000):016x}",
        breach_id="0" * 16,
        event=FIRING,
        alert="test",
        kind="test",
        labels={},
        time=now,
        fired_at=now,
        window_start=None,
        window_end=None,
        value=None,
        threshold=None,
        baseline=None,
        calls=0,
        text="This is a test of otel-llm: nothing is wrong",
    )


def _silence(
    name: Annotated[str, typer.Argument(metavar="ALERT", help="The rule.")], *,
    length: Annotated[str | None, typer.Option("--for", metavar="LENGTH", help="From now on: 30m, 2h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Or until then.")] = None,
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    group: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only the groups that have it. Repeatable.")
    ] = None,
    alerts: RulesOption = None, data: DataOption = None, tz: TzOption = "UTC",
) -> None:  # fmt: skip
    """Tell nobody of a rule for some time. It goes on firing in the table; what still fires at the end is told then."""
    rule, now = _rules(alerts).named(name), dt.datetime.now(dt.UTC)
    if sum((bool(length), bool(until), off)) != 1:
        raise UsageError("give one of --for, --until and --off")
    end = now if off else now + _given_length("--for", length) if length else _instant(str(until), tz)
    labels = dict(_label(rule, one) for one in group or ())
    keep_silence(data_dir(data), Silence(rule.name, labels, end), now)
    say(f"{name}: told again" if off else f"{name}: silent until {end:%Y-%m-%d %H:%M:%S} UTC")


def _label(rule: Rule, text: str) -> tuple[str, str]:
    name, is_one, value = text.partition("=")
    if not is_one or (rule.by and name not in rule.by):
        raise UsageError(f"--group {text}: give NAME=VALUE, with a name that {rule.name!r} groups by")
    return name, value


def _instant(text: str, tz: str) -> dt.datetime:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = {literal(tz)}")
        return instant(connection, text)


def _rules(option: Path | None) -> Rules:
    """The rules of the option's file, else of the variable's."""
    path = option or os.environ.get(ALERTS_ENV)
    if not path:
        raise UsageError(f"no rules: name their file by --alerts FILE or {ALERTS_ENV}")
    return read_rules(Path(path))


def _given_length(flag: str, text: str) -> dt.timedelta:
    try:
        return values.length("1s", "365d")(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error


def _length(length: dt.timedelta) -> str:
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
