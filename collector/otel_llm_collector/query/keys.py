"""Keys of properties and attributes: those that calls have, for people who mistype one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from .dimensions import MAPS, Dimension, NoDimensionError, dimensions

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Calls that are looked at: enough to know the keys of a program, few enough for any lake.
_CALLS_MAX: Final = 20_000
_NAMED: Final = 3


def known_dimensions(connection: duckdb.DuckDBPyConnection, by: str | Iterable[str]) -> list[Dimension]:
    """As `dimensions`; a name that is none, but nearly a property's, is told so. Raises UsageError."""
    try:
        return dimensions(by)
    except NoDimensionError as error:
        raise NoDimensionError(error.name, _keys(connection, "properties")) from None


def notes_on_keys(connection: duckdb.DuckDBPyConnection, by: Sequence[Dimension], answer: pa.Table) -> Iterator[str]:
    """Of each `property.KEY` that no row has a value of: so it is, and which keys are near."""
    for dimension in by:
        if answer.num_rows and answer[dimension.name].null_count == answer.num_rows:
            yield from note_on_key(connection, dimension)


def notes_on_absent(connection: duckdb.DuckDBPyConnection, by: Iterable[str]) -> Iterator[str]:
    """Of each `property.KEY` that no call of all has a value of: so it is, and which keys are near."""
    for dimension in dimensions(by):
        some = f"SELECT true FROM llm_calls WHERE {dimension.expression} IS NOT NULL LIMIT 1"  # noqa: S608
        if dimension.name.startswith(tuple(MAPS)) and not connection.execute(some).fetchall():
            yield from note_on_key(connection, dimension)


def note_on_key(connection: duckdb.DuckDBPyConnection, absent: Dimension) -> Iterator[str]:
    """Of a `property.KEY` that none of the calls has: so it is, and which keys are near. Of others nothing."""
    if (prefix := next((one for one in MAPS if absent.name.startswith(one)), None)) is None:
        return
    keys = _keys(connection, MAPS[prefix])
    near = difflib.get_close_matches(absent.name.removeprefix(prefix), keys, n=_NAMED) or keys[:_NAMED]
    others = f"; others are {', '.join(f'{prefix}{key}' for key in near)}" if near else ""
    yield f"none of these calls has {absent.name}{others}"


def _keys(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Keys of some calls."""
    some = f"SELECT {column} AS pairs FROM llm_calls WHERE cardinality({column}) > 0 LIMIT {_CALLS_MAX}"  # noqa: S608
    query = f"SELECT DISTINCT unnest(map_keys(pairs)) AS key FROM ({some}) ORDER BY key"  # noqa: S608
    return [key for (key,) in connection.execute(query).fetchall()]
