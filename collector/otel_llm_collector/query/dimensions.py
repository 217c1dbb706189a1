"""What can be grouped by: names that people type, and the SQL that each stands for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from otel_llm.errors import UsageError
from otel_llm_semconv import tables

from .opening import literal

#: Short names for columns of `llm_calls`; every groupable column of `spans` is a dimension under its own name too.
ALIASES: Final = {
    "agent": "agent_name",
    "model": "model",
    "prompt": "prompt_name",
    "service": "service_name",
    "session": "session_id",
    "tool": "tool_name",
    "trace": "trace_id",
    "user": "user_id",
    "workflow": "workflow_name",
}
#: Times, in the time zone of the connection.
TIMES: Final = {
    # days of UTC stand in a column: to ask a calendar of each call takes as long as all else
    "day": "if(current_setting('TimeZone') = 'UTC', date, CAST(start_time AS DATE))",
    # date_trunc takes the two hours of a night that clocks call by one name for one
    "hour": (
        "make_timestamptz(epoch_us(start_time)"
        " - (epoch_us(start_time) + timezone_minute(start_time) * 60_000_000) % 3_600_000_000)"
    ),
    "month": "CAST(date_trunc('month', start_time) AS DATE)",
}
#: Prefix of a key that the user chose -> the map that holds it.
MAPS: Final = {"property.": "properties", "attribute.": "attributes"}
#: Columns that cannot be grouped by -> what can in their place.
_INSTEAD: Final = {
    "start_time": "day, hour or month",
    "end_time": "day, hour or month",
    "properties": "property.KEY, one of them",
    "attributes": "attribute.KEY, one of them",
}
_GROUPABLE: Final = frozenset({tables.TEXT, tables.INT, tables.BOOL, tables.DATE, tables.TEXTS})
COLUMNS: Final = tuple(column.name for column in tables.TABLES["spans"] if column.type in _GROUPABLE)


class NoDimensionError(UsageError):
    """A name that is no dimension; the nearest of them and, where `keys` of properties are given, of these."""

    def __init__(self, name: str, keys: Sequence[str] = ()) -> None:
        self.name = name
        meant = {**{key: f"property.{key}" for key in keys}, **{one: one for one in names()}}
        near = difflib.get_close_matches(name.lower(), meant, n=1, cutoff=0.5)
        hint = f' Did you mean "{meant[near[0]]}"?' if near else ""
        super().__init__(f"cannot group by {name!r}.{hint} There are: {_offer()}")


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing to group by: the name of its column in the answer, and its SQL over `llm_calls`."""

    name: str
    expression: str

    @property
    def is_time(self) -> bool:
        """Whether answers read best in the order of time."""
        return self.name in TIMES or self.name == "date"


def names() -> list[str]:
    """Every dimension that has a fixed name, sorted."""
    return sorted({*ALIASES, *TIMES, *COLUMNS})


def dimensions(by: str | Iterable[str]) -> list[Dimension]:
    """The dimensions of `--by`: names, separated by commas where they are one text. Raises UsageError."""
    wanted = [name.strip() for name in (by.split(",") if isinstance(by, str) else by)]
    found = [_dimension(name) for name in wanted if name]
    if not found:
        raise UsageError(f"--by needs at least one of: {_offer()}")
    if len({dimension.name for dimension in found}) < len(found):
        raise UsageError(f"--by names a dimension twice: {','.join(wanted)}")
    return found


def _dimension(name: str) -> Dimension:
    for prefix, column in MAPS.items():
        if key := name.removeprefix(prefix) if name.startswith(prefix) else "":
            return Dimension(name, f"{column}[{literal(key)}]")
    lowered = name.lower()
    if lowered in TIMES:
        return Dimension(lowered, TIMES[lowered])
    if lowered in ALIASES or lowered in COLUMNS:
        return Dimension(lowered, ALIASES.get(lowered, lowered))
    if lowered in _INSTEAD:
        raise UsageError(f"cannot group by {name!r}: use {_INSTEAD[lowered]}")
    raise NoDimensionError(name)


def _offer() -> str:
    short: Sequence[str] = sorted([*ALIASES, *TIMES, "environment", "operation", "provider", "status"])
    return f"{', '.join(short)}, property.KEY, attribute.KEY, or a column of spans"
