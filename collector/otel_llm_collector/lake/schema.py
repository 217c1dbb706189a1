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
    tables.MAP: pa.map_(pa.string(), pa.string()),
    tables.TEXTS: pa.list_(pa.string()),
    tables.BYTES: pa.binary(),
}


@functools.cache
def arrow_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table, columns in their order there."""
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in tables.TABLES[table]])
