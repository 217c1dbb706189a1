"""Arrow schemas of the lake's tables, built from the column rows of `otel_llm_semconv.tables`."""

from __future__ import annotations

import functools
from typing import Final

import pyarrow as pa

from otel_llm_semconv import tables

ARROW_TYPES: Final[dict[str, pa.DataType]] = {
    tables.TEXT: pa.string(),
    tables.LONG: pa.int64(),
    tables.INT: pa.int32(),
    tables.BOOL: pa.bool_(),
    tables.DATE: pa.date32(),
    tables.TIME: pa.timestamp("us", tz="UTC"),
    tables.MONEY: pa.decimal128(18, 12),
    tables.SUM: pa.decimal128(38, 12),
    tables.MAP: pa.map_(pa.string(), pa.string()),
    tables.TEXTS: pa.list_(pa.string()),
    tables.BYTES: pa.binary(),
    tables.DOUBLE: pa.float64(),
    tables.DOUBLES: pa.list_(pa.float64()),
    tables.LONGS: pa.list_(pa.int64()),
}


#: Columns whose long values repeat row after row: in memory as dictionaries, or each row would carry a copy.
REPEATED: Final = frozenset({"resource", "scope", "metric", "made_of"})


@functools.cache
def memory_schema(table: str) -> pa.Schema:
    """The table's schema as rows are held in memory; the same columns, with REPEATED ones as dictionaries."""
    fields = [
        field.with_type(pa.dictionary(pa.int32(), field.type)) if field.name in REPEATED else field
        for field in arrow_schema(table)
    ]
    return pa.schema(fields)


def viewing(schema: pa.Schema, rows: pa.Schema) -> pa.Schema:
    """A schema with views in the place of strings where rows have them."""
    views = {field.name for field in rows if pa.types.is_string_view(field.type)}
    return pa.schema(
        [
            field.with_type(pa.string_view()) if field.name in views and field.type == pa.string() else field
            for field in schema
        ]
    )


def without_views(rows: pa.Table) -> pa.Table:
    """The rows with strings in the place of views, which can be written, but neither taken, filtered nor sorted."""
    if not any(map(pa.types.is_string_view, rows.schema.types)):
        return rows
    fields = [field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field for field in rows.schema]
    return rows.cast(pa.schema(fields))


@functools.cache
def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table, columns in their order there."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in tables.TABLES[table]])
