"""Answers as text and bytes: tables for people, JSON, CSV and Parquet for programs.

Money is never a float: tables and CSV show every decimal, JSON carries decimals as strings.
"""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def write(format: Format, schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[bytes]) -> None:
    """Write rows for a program, batch by batch. `Format.TABLE` is not for this: see `console.py`."""
    if format is Format.PARQUET:
        _write_parquet(schema, batches, out)
        return
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        if format is Format.JSON:
            _write_json(schema, batches, text)
        elif format is Format.JSONL:
            _write_lines(schema, batches, text)
        else:
            _write_csv(schema, batches, text)
    finally:
        text.flush()
        text.detach()  # the stream stays the caller's


def column_values(column: pa.Array[Any] | pa.ChunkedArray[Any]) -> list[Any]:
    """A column as Python values: maps as dicts, whole numbers as int however wide DuckDB made them."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    values: list[Any] = column.to_pylist(maps_as_pydicts="lossy")
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        return [None if value is None else int(value) for value in values]  # a HUGEINT, as sums of BIGINT are
    return values


def plain_text(value: Any) -> str:
    """A value as text without loss, as it stands in CSV files and table cells."""
    match value:
        case None:
            text = ""
        case bool():
            text = "true" if value else "false"
        case Decimal():
            text = format(value, "f")
        case bytes():
            text = base64.b64encode(value).decode()
        case dt.datetime() | dt.date() | dt.time():
            text = value.isoformat()
        case dict() | list():
            text = json.dumps(jsonable(value), ensure_ascii=False)
        case _ if hasattr(value, "nanoseconds"):  # an INTERVAL, as ISO 8601 has it
            text = f"P{value.months}M{value.days}DT{Decimal(value.nanoseconds).scaleb(-9).normalize():f}S"
        case _:
            text = str(value)
    return text


def jsonable(value: Any) -> Any:
    """A value as JSON has it: decimals and times as strings, bytes as base64, not-a-number as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {plain_text(key): jsonable(item) for key, item in value.items()}
        case list():
            return [jsonable(item) for item in value]
    return plain_text(value)


def significant(value: float, digits: int = 4) -> str:
    """A number for people: so many digits that matter, whole numbers whole, thousands marked."""
    if not value or not math.isfinite(value):
        return str(value) if value else "0"
    places = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def unique_names(names: Sequence[str]) -> list[str]:
    """The column names, with `_2`, `_3` ... after those that a query gave twice."""
    taken: set[str] = set()
    unique = []
    for name in names:
        candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
        chosen = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(chosen)
        unique.append(chosen)
    return unique


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        yield from zip(*(column_values(column) for column in batch.columns), strict=True)


def _records(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """The rows as JSON objects."""
    names = unique_names(schema.names)
    for row in _rows(batches):
        record = {name: jsonable(value) for name, value in zip(names, row, strict=True)}
        yield json.dumps(record, ensure_ascii=False)


def _write_json(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    separator = "[\n"
    for record in _records(schema, batches):
        out.write(separator + record)
        separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_lines(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    out.writelines(f"{record}\n" for record in _records(schema, batches))


def _write_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(schema.names)
    writer.writerows(tuple(map(plain_text, row)) for row in _rows(batches))


def _write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = unique_names(schema.names)
    fields = [pa.field(name, _stored_type(field.type)) for name, field in zip(names, schema, strict=True)]
    with pq.ParquetWriter(out, pa.schema(fields), compression="zstd") as writer:
        for batch in batches:
            columns = [_as_type(column, field.type) for column, field in zip(batch.columns, fields, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields)))


def _stored_type(type: pa.DataType) -> pa.DataType:
    """The type that Parquet has for one: an INTERVAL, for which it has none, is a text."""
    import pyarrow as pa

    return pa.string() if pa.types.is_interval(type) else type


def _as_type(column: pa.Array[Any], type: pa.DataType) -> pa.Array[Any]:
    import pyarrow as pa

    if column.type == type:
        return column
    return pa.array([None if value is None else plain_text(value) for value in column.to_pylist()], type)
