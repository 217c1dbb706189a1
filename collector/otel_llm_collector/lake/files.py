"""The Parquet files of the lake: written whole, sorted, durable, and only then named."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..journal import sync_folder
from .log import DataFile, LakeTable
from .schema import REPEATED, arrow_schema, memory_schema

_Ordering = list[tuple[str, Literal["ascending", "descending"]]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the files of a table are written: rows a row group, order, columns with a Bloom filter.

    Of the columns in `statistics` the smallest and largest value stand in the log, so that a reader can skip files.
    New files are not compressed where `new_is_plain` says so; `level` is zstd's in those that stay (random ids take
    least at the lowest).
    """

    row_group: int
    sorted_by: tuple[str, ...]
    bloom: tuple[str, ...]
    statistics: tuple[str, ...]
    new_is_plain: bool = False
    level: int = 1

    @property
    def ordering(self) -> _Ordering:
        return [(column, "ascending") for column in self.sorted_by]


_LAYOUTS: Final[dict[str, _Layout]] = {
    "spans": _Layout(122_880, ("trace_id", "start_time_ns"), ("trace_id", "session_id"), ("trace_id", "start_time_ns")),
    "messages": _Layout(5_000, ("trace_id",), ("trace_id",), ("trace_id",), new_is_plain=True, level=3),
    "repriced_costs": _Layout(122_880, ("trace_id", "row_id"), ("trace_id",), ("trace_id",)),
    "logs": _Layout(30_000, ("time", "trace_id"), ("trace_id", "session_id"), ("time_ns",)),
    "scores": _Layout(122_880, ("name", "time"), ("trace_id", "response_id"), ("name",)),
    "metrics": _Layout(122_880, ("name", "time"), (), ("name", "time_ns")),
}
_BLOOM_FPP: Final = 0.01
_NEW: Final = re.compile(r"-\d{12}-[0-9a-f]{12}\.parquet$")


def as_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table's files hold them; what a row does not name is NULL."""
    return pa.Table.from_pylist(rows, memory_schema(name))


def write_rows(table: LakeTable, rows: pa.Table, stem: str) -> list[DataFile]:
    """One new file a date with these rows, named after `stem`, on disk but not yet in the log."""
    days: list[Any] = pc.unique(rows["date"]).to_pylist()
    by_day = {day: rows if len(days) == 1 else rows.filter(pc.field("date") == day) for day in sorted(days)}
    return [write_file(table, some, day, stem, is_new=True) for day, some in by_day.items()]


def write_file(table: LakeTable, rows: pa.Table, day: date, stem: str, *, is_new: bool = False) -> DataFile:
    """One sorted Parquet file: written under a temporary name outside every glob, fsynced, renamed.

    A new one may be larger than it could be, where compressing it would take most of the time: it is merged soon.
    """
    rows = _sorted(rows, _LAYOUTS[table.name])
    name = f"{stem}-{uuid.uuid4().hex[:12]}.parquet"
    path = f"date={day.isoformat()}/{name}"
    final = table.folder / path
    final.parent.mkdir(exist_ok=True)
    temporary = final.with_name(name + ".tmp")
    _write_parquet(table.name, rows, temporary, is_new=is_new)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.rename(final)
    sync_folder(final.parent)
    sync_folder(table.folder)
    return DataFile(path, day, final.stat().st_size, rows.num_rows, _stats(table.name, rows))


def is_plain_file(name: str, file: DataFile) -> bool:
    """Whether a file is a new one that was not compressed: those are named after a segment."""
    return _LAYOUTS[name].new_is_plain and _NEW.search(file.path) is not None


def _sorted(rows: pa.Table, layout: _Layout) -> pa.Table:
    """In the order of the layout, in which rows that were made by columns are already."""
    return rows if _is_sorted(rows, layout.sorted_by) else rows.sort_by(layout.ordering)


def _is_sorted(rows: pa.Table, columns: Sequence[str]) -> bool:
    """Whether no row comes before one that is less than it."""
    is_tied: Any = True
    for name in columns:
        column: Any = rows[name].combine_chunks()
        if column.null_count:
            return False
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        if not pc.all(pc.or_(pc.less_equal(before, after), pc.invert(is_tied)), min_count=0).as_py():
            return False
        is_tied = pc.and_(is_tied, pc.equal(before, after))
    return True


def _write_parquet(name: str, rows: pa.Table, path: Path, *, is_new: bool) -> None:
    layout = _LAYOUTS[name]
    bloom = {column: {"ndv": max(1, rows.num_rows), "fpp": _BLOOM_FPP} for column in layout.bloom}
    pq.write_table(
        rows,
        path,
        compression="none" if is_new and layout.new_is_plain else "zstd",
        compression_level=layout.level if not is_new else None,
        row_group_size=layout.row_group,
        use_dictionary=_dictionary_columns(name),  # type: ignore[arg-type] # the stubs know only bool
        bloom_filter_options=bloom,
        sorting_columns=pq.SortingColumn.from_ordering(rows.schema, layout.ordering),
        store_decimal_as_integer=True,
        store_schema=False,
    )


def _dictionary_columns(name: str) -> list[str]:
    """All but ids, exact times, sums and content, whose values do not repeat, or stand side by side where they do."""
    plain = {"row_id", "trace_id", "span_id", "parent_span_id", "response_id", "input_messages", "output_messages"}
    plain |= {"start_time", "start_time_ns", "duration_ns", "cost_usd", "time", "time_ns", "observed_time_ns"}
    plain |= {"value", "sum", "body"}
    return [field.name for field in arrow_schema(name) if field.name not in plain]


def _stats(name: str, rows: pa.Table) -> str:
    """The file's statistics as the Delta protocol spells them. A column of nothing but NULL has no bounds."""
    columns = _LAYOUTS[name].statistics
    bounds: dict[str, Any] = {column: pc.min_max(rows[column]).as_py() for column in columns}
    bounds = {column: bound for column, bound in bounds.items() if bound["min"] is not None}
    return json.dumps(
        {
            "numRecords": rows.num_rows,
            "minValues": {column: bound["min"] for column, bound in bounds.items()},
            "maxValues": {column: bound["max"] for column, bound in bounds.items()},
            "nullCount": {column: rows[column].null_count for column in columns},
        }
    )


def read_files(table: LakeTable, files: Iterable[DataFile]) -> pa.Table:
    """The rows of some files, in the table's present schema; a column that an older file lacks is NULL."""
    schema = memory_schema(table.name)
    repeated = [name for name in schema.names if name in REPEATED]
    parts = [pq.ParquetFile(table.folder / file.path, read_dictionary=repeated).read() for file in files]
    return pa.concat_tables([_to_schema(part, schema) for part in parts]).unify_dictionaries()


def read_columns(table: LakeTable, file: DataFile, columns: Sequence[str]) -> pa.Table:
    """Some columns of a file; one that the file is too old for is NULL."""
    schema = memory_schema(table.name)
    kept = pa.schema([schema.field(name) for name in columns])
    parquet = pq.ParquetFile(table.folder / file.path, read_dictionary=[n for n in columns if n in REPEATED])
    have = set(parquet.schema_arrow.names)
    return _to_schema(parquet.read(columns=[name for name in columns if name in have]), kept)


def _to_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    have = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type) if field.name in have else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def row_keys(table: LakeTable, day: date) -> npt.NDArray[np.uint64]:
    """The keys of all rows of a date, in no order."""
    parts = [pq.ParquetFile(table.folder / f.path).read(columns=["row_id"])["row_id"] for f in table.live_files(day)]
    return np.concatenate([_keys_of(part) for part in parts]) if parts else np.empty(0, dtype=np.uint64)


def rows_of_segments(table: LakeTable, collector_id: str, segments: set[int]) -> npt.NDArray[np.uint64]:
    """The keys of the rows that came from some segments of a collector's journal."""
    mine = pc.field("collector_id") == collector_id
    wanted = mine & pc.field("segment").isin(list(segments))
    found = [np.empty(0, dtype=np.uint64)]
    for file in table.live_files():
        rows = pq.read_table(table.folder / file.path, columns=["row_id"], filters=wanted, partitioning=None)
        found.append(_keys_of(rows["row_id"]))
    return np.concatenate(found)


def _keys_of(ids: pa.ChunkedArray[Any]) -> npt.NDArray[np.uint64]:
    digits = "".join(str(row_id) for row_id in ids.to_pylist())
    return np.frombuffer(bytes.fromhex(digits), dtype=">u8").astype(np.uint64)


def remove_unlisted(table: LakeTable, collector_id: str) -> int:
    """Delete this collector's files that the log does not list: left by a crash, a plain glob would count them."""
    listed = {file.path for file in table.live_files()}
    removed = 0
    for path in table.folder.glob(f"date=*/{collector_id}-*"):
        if f"{path.parent.name}/{path.name}" not in listed:
            path.unlink()
            removed += 1
    return removed
