"""Sorted files into few, some thousand rows of each at a time: memory does not grow with the files.

The rows that are in memory of all files are cut at the smallest of their last keys: up to there nothing is missing.
Columns that are NULL in all of the files, two of three, are neither read nor carried along.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .files import Draft, is_plain_file, to_schema
from .layout import LAYOUTS, NEW_PAGE_BYTES
from .log import DataFile, LakeTable
from .schema import REPEATED, memory_schema

#: As large as a file is made.
FILE_BYTES_MAX: Final = 1024 * 1024 * 1024
#: So many files are merged at once, whatever they are.
FILES_MIN: Final = 3
#: Of all files together, in memory: rows, and bytes of them as they are in the files before compression.
_ROWS_AT_ONCE: Final = 12_288
_BYTES_AT_ONCE: Final = 8 * 1024 * 1024
#: What the pages that are open at once may take, of all columns of all files.
_OPEN_BYTES_MAX: Final = 24 * 1024 * 1024
#: A row group that is so large in memory is written before it has all its rows. Those that stay may be larger, since
#: files are smaller then, and quicker to read.
_GROUP_BYTES_MAX: Final = 32 * 1024 * 1024
_LAST_GROUP_BYTES_MAX: Final = 64 * 1024 * 1024
_READ_BYTES: Final = 64 * 1024

_Key = tuple[tuple[bool, Any], ...]


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody wants the process to end."""


def merge(
    table: LakeTable,
    old: Sequence[DataFile],
    stem: str,
    is_stopped: Callable[[], bool] = bool,
    *,
    is_last: bool = False,
) -> tuple[Sequence[DataFile], list[DataFile]]:
    """The first of some files of one date, as many as memory allows, and new files of FILE_BYTES_MAX with their rows.

    The new ones follow each other in the order of the table. They are on disk, but not yet in the log. What fails
    leaves nothing behind; Stopped is raised once `is_stopped` says so. The last merge of a date makes what stays.
    """
    with contextlib.ExitStack() as held:
        sources = _open(table, old, held)
        old = old[: len(sources)]
        group_bytes = _LAST_GROUP_BYTES_MAX if is_last else _GROUP_BYTES_MAX
        output = _Output(table, old[0].day, stem, rows=sum(file.rows for file in old), group_bytes=group_bytes)
        try:
            for rows in _in_order(table.name, sources, _filled(table.name, sources)):
                output.write(rows)
                if is_stopped():
                    raise Stopped
            return old, output.finish()
        except BaseException:
            output.discard()
            raise


def _open(table: LakeTable, files: Sequence[DataFile], held: contextlib.ExitStack) -> list[pq.ParquetFile]:
    """The first files, as many as may be open at once; three at least."""
    sources: list[pq.ParquetFile] = []
    room = _OPEN_BYTES_MAX
    for file in files:
        source = held.enter_context(pq.ParquetFile(table.place.source(file.path), **_reading(table.name)))
        is_plain = is_plain_file(table.name, file)
        room -= _open_bytes(source, NEW_PAGE_BYTES if is_plain else LAYOUTS[table.name].page_bytes)
        if room < 0 and len(sources) >= FILES_MIN:
            break
        sources.append(source)
    return sources


def _open_bytes(source: pq.ParquetFile, page_bytes: int) -> int:
    """About what a file takes while it is read: of each column a page and its dictionary, or all where it has less."""
    groups = map(source.metadata.row_group, range(source.metadata.num_row_groups))
    return max((sum(min(c.total_uncompressed_size, 2 * page_bytes) for c in _chunks(g)) for g in groups), default=0)


def _chunks(group: pq.RowGroupMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    return map(group.column, range(group.num_columns))


def _reading(name: str) -> dict[str, Any]:
    """Page by page, long repeated values as dictionaries."""
    repeated = [column for column in REPEATED if column in memory_schema(name).names]
    return {"read_dictionary": repeated, "pre_buffer": False, "buffer_size": _READ_BYTES}


def _filled(name: str, sources: Sequence[pq.ParquetFile]) -> list[str]:
    """The columns in which some row of the files has a value, as far as these tell; those of the order with them."""
    filled = {column for source in sources for column in _filled_in(source)}.union(LAYOUTS[name].sorted_by)
    return [column for column in memory_schema(name).names if column in filled]


def _filled_in(source: pq.ParquetFile) -> Iterator[str]:
    for group in map(source.metadata.row_group, range(source.metadata.num_row_groups)):
        for chunk in _chunks(group):
            column, _, part = chunk.path_in_schema.partition(".")
            statistics = chunk.statistics
            # an empty map or list counts as NULL there
            if part or statistics is None or statistics.null_count != chunk.num_values:
                yield column


def _in_order(name: str, sources: Sequence[pq.ParquetFile], columns: Sequence[str]) -> Iterator[pa.Table]:
    """All rows, in the order of the table, portion by portion."""
    ordering = LAYOUTS[name].ordering
    rows_at_once = _rows_at_once(sources)
    runs = [_Run(name, source, columns, rows_at_once) for source in sources]
    while runs := [run for run in runs if run.rows.num_rows]:
        bounds = [run.key(run.rows.num_rows - 1) for run in runs if not run.is_over]
        yield _sorted([run.take(min(bounds, default=None)) for run in runs], ordering)


def _sorted(parts: Sequence[pa.Table], ordering: Any) -> pa.Table:
    return pa.concat_tables(parts).unify_dictionaries().sort_by(ordering)


def _rows_at_once(sources: Sequence[pq.ParquetFile]) -> int:
    """How many rows of each file are read at once."""
    groups = [source.metadata.row_group(n) for source in sources for n in range(source.metadata.num_row_groups)]
    largest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1.0)
    return max(1, min(_ROWS_AT_ONCE, int(_BYTES_AT_ONCE / largest)) // len(sources))


class _Run:
    """One file while it is read. `rows` are in memory, at least as many as are read at once until it `is_over`."""

    def __init__(self, name: str, source: pq.ParquetFile, columns: Sequence[str], rows_at_once: int) -> None:
        schema = memory_schema(name)
        have = set(source.schema_arrow.names)
        self._schema = pa.schema([schema.field(column) for column in columns])
        self._keys = LAYOUTS[name].sorted_by
        self._wanted = rows_at_once
        self._batches = source.iter_batches(rows_at_once, columns=[c for c in columns if c in have], use_threads=False)
        self.rows = self._schema.empty_table()
        self.is_over = False
        self._fill()

    def key(self, place: int) -> _Key:
        """What a row is sorted by; NULL comes last."""
        values = (self.rows[column][place].as_py() for column in self._keys)
        return tuple((value is None, value) for value in values)

    def take(self, bound: _Key | None) -> pa.Table:
        """The rows up to a key, all for None. Others come in their place."""
        count = self.rows.num_rows
        if bound is not None:
            count = bisect.bisect_right(range(count), bound, key=self.key)
        taken, self.rows = self.rows.slice(0, count), self.rows.slice(count)
        self._fill()
        return taken

    def _fill(self) -> None:
        while not self.is_over and self.rows.num_rows < self._wanted:
            batch = next(self._batches, None)
            if batch is None:
                self.is_over = True
            else:
                self.rows = pa.concat_tables([self.rows, to_schema(pa.Table.from_batches([batch]), self._schema)])


class _Output:
    """Gathers rows into row groups, and row groups into files."""

    def __init__(self, table: LakeTable, day: date, stem: str, *, rows: int, group_bytes: int) -> None:
        self._table, self._day, self._stem, self._rows = table, day, stem, rows
        self._group_bytes = group_bytes
        self._row_group = LAYOUTS[table.name].row_group
        self._draft: Draft | None = None
        self._gathered: list[pa.Table] = []
        self._done: list[DataFile] = []

    def write(self, rows: pa.Table) -> None:
        while rows.num_rows:
            room = self._row_group - sum(part.num_rows for part in self._gathered)
            self._gathered.append(compact_dictionaries(rows.slice(0, room)))
            rows = rows.slice(room)
            if rows.num_rows or sum(part.nbytes for part in self._gathered) >= self._group_bytes:
                self._flush()

    def finish(self) -> list[DataFile]:
        self._flush()
        if self._draft:
            self._done.append(self._draft.publish())
        return self._done

    def discard(self) -> None:
        """Leave nothing behind of what was written."""
        if self._draft:
            self._draft.discard()
        for file in self._done:
            self._table.place.delete(file.path)

    def _flush(self) -> None:
        if not self._gathered:
            return
        rows = pa.concat_tables(self._gathered)
        self._gathered = []
        if self._draft is None:
            self._draft = Draft(self._table, self._day, self._stem, rows=self._rows)
        self._draft.write(_whole(self._table.name, rows), self._row_group)
        if self._draft.size >= FILE_BYTES_MAX:
            self._done.append(self._draft.publish())
            self._draft = None


def _whole(name: str, rows: pa.Table) -> pa.Table:
    """The rows with every column of their table; those that are NULL throughout share their memory."""
    schema = memory_schema(name)
    nulls = {kind: _nulls(rows.num_rows, kind) for kind in set(schema.types)}
    have = set(rows.column_names)
    arrays = [rows[field.name] if field.name in have else nulls[field.type] for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema).unify_dictionaries()


def _nulls(rows: int, kind: Any) -> Any:
    return pa.nulls(rows, kind)


def compact_dictionaries(rows: pa.Table) -> pa.Table:
    """The rows, their dictionaries without values that none of them has: each row group is written with all of them."""
    for place, column in enumerate(rows.schema):
        if pa.types.is_dictionary(column.type):
            encoded: Any = rows[column.name].combine_chunks()
            used = pc.unique(encoded.indices).drop_null()
            indices = pc.index_in(encoded.indices, value_set=used)
            kept = pa.DictionaryArray.from_arrays(indices, encoded.dictionary.take(used))
            rows = rows.set_column(place, column, kept)
    return rows
