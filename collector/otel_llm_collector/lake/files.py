"""The Parquet files of the lake: written whole, sorted, durable, and only then named."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .layout import LAYOUTS, Layout, Statistics, open_writer
from .log import DataFile, LakeTable
from .schema import REPEATED, memory_schema, without_views

_NEW: Final = re.compile(r"-\d{12}-[0-9a-f]{12}\.parquet$")


def as_table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as a table's files hold them; what a row does not name is NULL."""
    return pa.Table.from_pylist(rows, memory_schema(name))


def write_rows(table: LakeTable, rows: pa.Table, stem: str) -> list[DataFile]:
    """One new file a date with these rows, named after `stem`, on disk but not yet in the log."""
    days: list[Any] = pc.unique(rows["date"]).to_pylist()
    if len(days) > 1:
        rows = without_views(rows)
    written: list[DataFile] = []
    try:
        for day in sorted(days):
            some = rows if len(days) == 1 else rows.filter(pc.field("date") == day)
            written.append(write_file(table, some, day, stem, is_new=True))
    except BaseException:
        for file in written:
            table.place.delete(file.path)
        raise
    return written


def write_file(table: LakeTable, rows: pa.Table, day: date, stem: str, *, is_new: bool = False) -> DataFile:
    """One sorted Parquet file, under its name and on disk.

    A new one may be larger than it could be, where compressing it would take most of the time: it is merged soon.
    """
    layout = LAYOUTS[table.name]
    rows = _sorted(rows, layout)
    draft = Draft(table, day, stem, rows=rows.num_rows, new=rows if is_new else None)
    try:
        draft.write(rows, layout.row_group)
        return draft.publish()
    except BaseException:
        draft.discard()
        raise


class Draft:
    """A file of a table that is being written, under a temporary name outside every glob."""

    def __init__(self, table: LakeTable, day: date, stem: str, *, rows: int, new: pa.Table | None = None) -> None:
        name = f"{stem}-{uuid.uuid4().hex[:12]}.parquet"
        self._place, self._day = table.place, day
        self._path = f"date={day.isoformat()}/{name}"
        self._temporary = self._place.draft(self._path)
        self._statistics = Statistics(table.name)
        self._sink = self._place.sink(self._temporary, is_cached=LAYOUTS[table.name].is_cached)
        self._writer = open_writer(table.name, self._sink, rows=rows, new=new)

    @property
    def size(self) -> int:
        """Bytes that are written so far."""
        return self._temporary.stat().st_size

    @property
    def rows(self) -> int:
        """Rows that are written so far."""
        return self._statistics.rows

    def write(self, rows: pa.Table, row_group: int) -> None:
        """Add rows in row groups of this length; they come in the order of the table."""
        if not rows.num_rows:
            return
        self._writer.write_table(rows, row_group)
        self._statistics.add(rows)

    def publish(self) -> DataFile:
        """Give it its name, once all of it is on disk."""
        self._close()
        size, statistics = self.size, self._statistics
        self._place.publish(self._temporary, self._path)
        return DataFile(self._path, self._day, size, statistics.rows, statistics.as_json())

    def discard(self) -> None:
        """Leave nothing of it behind."""
        with contextlib.suppress(pa.ArrowException, OSError):  # what it had on its mind no longer matters
            self._close()
        self._temporary.unlink(missing_ok=True)

    def _close(self) -> None:
        with self._sink:
            self._writer.close()


def is_plain_file(name: str, file: DataFile) -> bool:
    """Whether a file is a new one that was not compressed: those are named after a segment."""
    return LAYOUTS[name].new_is_plain and _NEW.search(file.path) is not None


def _sorted(rows: pa.Table, layout: Layout) -> pa.Table:
    """In the order of the layout, in which rows that were made by columns are already."""
    if rows.num_rows < 2 or _is_sorted(rows, layout.sorted_by):
        return rows
    return without_views(rows).sort_by(layout.ordering)


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


def read_files(table: LakeTable, files: Iterable[DataFile]) -> pa.Table:
    """The rows of some files, in the table's present schema; a column that an older file lacks is NULL."""
    schema = memory_schema(table.name)
    repeated = [name for name in schema.names if name in REPEATED]
    parts = [pq.ParquetFile(table.place.source(file.path), read_dictionary=repeated).read() for file in files]
    return pa.concat_tables([to_schema(part, schema) for part in parts]).unify_dictionaries()


def row_groups(table: LakeTable, file: DataFile, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a file, in some columns or all, a row group at a time, in the table's present schema."""
    schema = memory_schema(table.name)
    schema = pa.schema([schema.field(name) for name in columns or schema.names])
    repeated = [name for name in schema.names if name in REPEATED]
    with pq.ParquetFile(table.place.source(file.path), read_dictionary=repeated) as source:
        have = [name for name in source.schema_arrow.names if name in schema.names]
        for number in range(source.metadata.num_row_groups):
            yield to_schema(source.read_row_group(number, columns=have), schema).unify_dictionaries()


def write_changed(
    table: LakeTable, file: DataFile, change: Callable[[pa.Table], pa.Table], stem: str
) -> DataFile | None:
    """A file of what `change` makes of the rows of another, a row group at a time; None where no row is left.

    What it changes are not the columns that the table is sorted by.
    """
    layout = LAYOUTS[table.name]
    draft = Draft(table, file.day, stem, rows=file.rows)
    try:
        for rows in row_groups(table, file):
            draft.write(_sorted(change(rows), layout), layout.row_group)
        if draft.rows:
            return draft.publish()
    except BaseException:
        draft.discard()
        raise
    draft.discard()
    return None


def read_columns(table: LakeTable, file: DataFile, columns: Sequence[str]) -> pa.Table:
    """Some columns of a file; one that the file is too old for is NULL."""
    schema = memory_schema(table.name)
    kept = pa.schema([schema.field(name) for name in columns])
    parquet = pq.ParquetFile(table.place.source(file.path), read_dictionary=[n for n in columns if n in REPEATED])
    have = set(parquet.schema_arrow.names)
    return to_schema(parquet.read(columns=[name for name in columns if name in have]), kept)


def to_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows in these columns; one that they lack is NULL."""
    if rows.schema.equals(schema):
        return rows
    have = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type) if field.name in have else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def row_keys(table: LakeTable, day: date) -> npt.NDArray[np.uint64]:
    """The keys of all rows of a date, in no order."""
    table.refresh()  # others may have merged files, and deleted those that they replaced
    groups = (rows for file in table.live_files(day) for rows in row_groups(table, file, ("row_id",)))
    return np.concatenate([np.empty(0, dtype=np.uint64), *(_keys_of(rows["row_id"]) for rows in groups)])


def rows_of_segments(
    table: LakeTable, collector_id: str, segments: set[int]
) -> dict[tuple[date, int], npt.NDArray[np.uint64]]:
    """The keys of the rows that came from some segments of a collector's journal, by date and segment."""
    mine = pc.field("collector_id") == collector_id
    wanted = mine & pc.field("segment").isin(list(segments))
    found = defaultdict[tuple[date, int], list[npt.NDArray[np.uint64]]](list)
    table.refresh()
    for file in table.live_files():
        source, columns = table.place.source(file.path), ["row_id", "segment"]
        rows = pq.read_table(source, columns=columns, filters=wanted, partitioning=None)
        keys, segment_of = _keys_of(rows["row_id"]), rows["segment"].to_numpy()
        for segment in np.unique(segment_of).tolist():
            found[file.day, segment].append(keys[segment_of == segment])
    return {known: np.concatenate(parts) for known, parts in found.items()}


def _keys_of(ids: pa.ChunkedArray[Any]) -> npt.NDArray[np.uint64]:
    digits = b"".join(_text_of(chunk) for chunk in ids.chunks)
    return np.frombuffer(bytes.fromhex(digits.decode()), dtype=">u8").astype(np.uint64)


def _text_of(texts: Any) -> memoryview:
    """All texts of an array, one behind the other."""
    _, offsets, text = texts.buffers()
    first, last = np.frombuffer(offsets, np.int32)[[texts.offset, texts.offset + len(texts)]] if len(texts) else (0, 0)
    return memoryview(text or b"")[first:last]


def remove_unlisted(table: LakeTable, stem: str) -> int:
    """Delete the files of a writer that the log does not list: left by a crash, a plain glob would count them.

    `stem` is what its files begin with; it is not at work now.
    """
    listed = {file.path for file in table.live_files()}
    removed = 0
    for file in table.place.files(f"{stem}-*"):
        if file.path not in listed:
            table.place.delete(file.path)
            removed += 1
    return removed
