"""Rows without what somebody said, and without who it was. Counts, times, models and costs stay."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from ..alerts.judge import event_id
from ..lake.schema import memory_schema
from .subject import NAMED_IN, Subject

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: Table -> the columns that are emptied, in the order in which tables are gone through. `messages` lose whole rows.
ERASED: Final[dict[str, tuple[str, ...]]] = {
    "alerts": ("text",),
    "metrics": ("side",),
    "scores": ("explanation",),
    "logs": ("body", "body_type", "attributes", "attribute_types", "side"),
    "spans": ("status_message", "session_name", "attributes", "attribute_types", "side"),
}
#: Columns whose texts may hold an id, which is replaced there; a shorter one only where it is all of a text.
_NAMING: Final = ("name", "session_id", "session_path", "conversation_id", "user_id")
_PART_LENGTH_MIN: Final = 4
#: NULL would not be what these were if nothing had been sent.
_EMPTY: Final[dict[str, Any]] = {"attributes": [], "attribute_types": "", "side": b""}


def without_subject(name: str, rows: pa.Table, subject: Subject, pseudonym: str) -> pa.Table:
    """Rows of a table that belong to a subject, without their content; the id stays in its own column."""
    schema = memory_schema(name)
    if name in NAMED_IN:
        named = NAMED_IN[name]
        rows = _with(rows, named, _renamed(rows[named].to_pylist(), subject.id, pseudonym))
    if name == "alerts":
        rows = _with_ids(rows)
    for column in ERASED[name]:
        rows = _with(rows, column, [_EMPTY.get(column)] * rows.num_rows)
    for column in set(_NAMING) & set(schema.names) - {subject.column} - ({"name"} if name != "spans" else set()):
        rows = rows.set_column(
            schema.get_field_index(column), schema.field(column), _without(rows[column], subject.id, pseudonym)
        )
    if "properties" in schema.names:
        rows = _with(rows, "properties", _renamed(rows["properties"].to_pylist(), subject.id, pseudonym))
    if "resource" in schema.names:
        rows = _with(rows, "resource", [_silent(value, subject.id) for value in rows["resource"].to_pylist()])
    return rows


def _with_ids(alerts: pa.Table) -> pa.Table:
    """Rows of `alerts` with the ids that their labels make."""
    columns = ("alert", "kind", "labels", "fired_at", "event")
    rows = list(zip(*(alerts[column].to_pylist() for column in columns), strict=True))
    keys = [((alert, kind, tuple(labels)), fired_at, event) for alert, kind, labels, fired_at, event in rows]
    alerts = _with(alerts, "row_id", [event_id(key, fired_at, event) for key, fired_at, event in keys])
    return _with(alerts, "breach_id", [event_id(key, fired_at) for key, fired_at, _ in keys])


def replace_id(rows: pa.Table, subject: Subject, pseudonym: str) -> pa.Table:
    """Rows that name a subject, with the pseudonym in the place of the id."""
    return _with(rows, subject.column, [pseudonym] * rows.num_rows)


def _with(rows: pa.Table, column: str, values: list[Any]) -> pa.Table:
    place = rows.schema.get_field_index(column)
    field = rows.schema.field(place)
    return rows.set_column(place, field, pa.array(values, field.type))


def _without(texts: Any, id: str, pseudonym: str) -> Any:
    if len(id) >= _PART_LENGTH_MIN:
        return pc.replace_substring(texts, id, pseudonym)
    return pc.if_else(pc.fill_null(pc.equal(texts, id), False), pseudonym, texts)


def _renamed(maps: list[Any], id: str, pseudonym: str) -> list[Any]:
    """Maps as pairs, with the pseudonym in the place of the id."""
    return [
        None if pairs is None else [(key, pseudonym if value == id else value) for key, value in pairs]
        for pairs in maps
    ]


def _silent(resource: bytes | None, id: str) -> bytes | None:
    """A resource as it was sent; an empty one where it names the subject."""
    return b"" if resource and id.encode() in resource else resource
