"""Adding calls up in SQL: their cells, which are rows of `rollups`, and those cells into fewer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from otel_llm_semconv.tables import TABLES

from ..lake.files import as_table, to_schema
from ..lake.schema import memory_schema
from ..query.buckets import COUNTS, TIMED_SUMS, timed_calls
from ..query.opening import NO_PRICE, fill, literal, part_sums, question, sum_names, sums_of_parts
from ..query.trace_times import trace_times
from .cubes import CUBES, NO_CUBE, TABLE, TRACES, Cube
from .origin import Origin

if TYPE_CHECKING:
    import duckdb

#: What the cells of a cube are called while others are made of them: this and its name.
_MADE: Final = "made_"
#: What `trace_times.sql` says of a trace.
_OF_TRACES: Final = ("timed_calls", "total_ns", "model_ns", "network_ns", "waiting_ns", "services_ns")
_SPANS_AT_ONCE: Final = 200_000
_NOTHING: Final[Mapping[str, pa.Table]] = {}
_BASES: Final = frozenset(cube.of for cube in CUBES)


def cells(
    connection: duckdb.DuckDBPyConnection, origin: Origin, given: Mapping[str, pa.Table] = _NOTHING
) -> Iterator[pa.Table]:
    """The rows of a file, cube by cube: of a date from `llm_calls`, of a month from `rollups`, as they are there.

    Cubes that are `given`, by name, are taken as they are.
    """
    found = 0
    for cube in sorted(CUBES, key=lambda cube: bool(cube.of)):
        rows = given.get(cube.name)
        if rows is None:
            query = _of_cells(cube, origin) if origin.is_month or cube.of else _of_calls(cube, origin)
            rows = connection.sql(_typed(query, cube, _sums(cube), origin)).to_arrow_table()
        rows = to_schema(rows, memory_schema(TABLE))
        if cube.name in _BASES and not origin.is_month:
            connection.register(f"{_MADE}{cube.name}", rows)
        found += rows.num_rows
        yield _with_origin(rows, origin)
    if not found:
        yield as_table(TABLE, [{"date": origin.first, "cube": NO_CUBE, "calls": 0, "made_of": origin.as_text()}])


def traces(connection: duckdb.DuckDBPyConnection, origin: Origin) -> Iterator[pa.Table]:
    """The rows of a file that tell of the traces of a date, from `spans`; none for a month.

    They take memory by the span, and so are made for some traces at once.
    """
    if origin.is_month:
        return
    [(spans,)] = connection.execute("SELECT count(*) FROM spans").fetchall()
    slices = 1 + spans // _SPANS_AT_ONCE
    for place in range(slices):
        some = f"(FROM spans WHERE hash(trace_id) % {slices} = {place})"
        query = fill(question("rollup_traces"), spans=some, trace_times=trace_times(some), date=str(origin.first))
        rows = connection.sql(_typed(query, TRACES, _OF_TRACES, origin)).to_arrow_table()
        yield _with_origin(to_schema(rows, memory_schema(TABLE)), origin)


def _with_origin(rows: pa.Table, origin: Origin) -> pa.Table:
    place = rows.schema.get_field_index("made_of")
    return rows.set_column(place, rows.schema.field(place), _repeated(origin, rows.num_rows))


def _repeated(origin: Origin, rows: int) -> pa.Array[Any]:
    """The text in every row, kept once."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [origin.as_text()])


def _of_calls(cube: Cube, origin: Origin) -> str:
    calls, sums = (timed_calls(), TIMED_SUMS) if cube.is_timed else ("llm_calls", part_sums())
    return _query(cube, cube.day_grain, origin.keys, calls, sums)


def _of_cells(cube: Cube, origin: Origin) -> str:
    """Cells made of finer ones: of those of dates, or of a larger cube of the same date."""
    rows = f"(FROM {TABLE} WHERE cube = {literal(cube.name)})" if origin.is_month else f"{_MADE}{cube.of}"
    grain = cube.grain(is_month=origin.is_month)
    return _query(cube, grain, origin.keys, rows, TIMED_SUMS if cube.is_timed else sums_of_parts())


def _query(cube: Cube, grain: str, keys: tuple[str, ...], calls: str, sums: str) -> str:
    more = "bucket" if cube.is_timed else "cost_usd IS NULL AS is_unpriced"
    unpriced = [f"if({NO_PRICE}, {name}, NULL) AS {name}" for name in cube.unpriced]
    named = [f"properties[{literal(key)}] AS property_{place}" for place, key in enumerate(_keys(cube, keys))]
    dimensions = ", ".join([*cube.dimensions, *unpriced, *named, more])
    return fill(question("rollup"), cube=cube.name, grain=grain, dimensions=dimensions, sums=sums, calls=calls)


def _keys(cube: Cube, keys: tuple[str, ...]) -> tuple[str, ...]:
    return keys if cube.has_properties else ()


def _typed(query: str, cube: Cube, sums: Iterable[str], origin: Origin) -> str:
    """The rows with all columns of the table, in its types; a sum that none of them holds is an error."""
    known = {"cube", "grain", "start_time", *cube.dimensions, *cube.unpriced, *sums}
    values = {
        **{name: name for name in known},
        "date": f"DATE '{origin.first}'",
        "properties": _map(_keys(cube, origin.keys)),
    }
    columns = [f"CAST({values.get(c.name, 'NULL')} AS {c.type}) AS {c.name}" for c in TABLES[TABLE]]
    order = f"start_time, {', '.join(cube.dimensions)}"
    return f"SELECT {', '.join(columns)} FROM ({query}) ORDER BY {order}"  # noqa: S608 (no text of the user's)


def _sums(cube: Cube) -> list[str]:
    if cube.is_timed:
        return ["bucket", *COUNTS]
    return [name for name in sum_names() if name in {column.name for column in TABLES[TABLE]}]


def _map(keys: tuple[str, ...]) -> str:
    entries = [f"{{'key': {literal(key)}, 'value': property_{place}}}" for place, key in enumerate(keys)]
    if not entries:
        return "NULL"
    return f"map_from_entries(list_filter([{', '.join(entries)}], lambda entry: entry.value IS NOT NULL))"
