"""How the files of each table are laid out: order, encodings, Bloom filters, and what the log says of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from otel_llm_semconv.tables import SUM

from .schema import ARROW_TYPES, arrow_schema, memory_schema, viewing

_Ordering = list[tuple[str, Literal["ascending", "descending"]]]


#: Of new files.
NEW_PAGE_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of a table are written: rows a row group, order, columns with a Bloom filter.

    Of the columns in `statistics` the smallest and largest value stand in the log, so that a reader can skip files.
    New files are compressed by `new_codec`, those that stay by zstd of this `level` (random ids take least at the
    lowest).
    Pages are small, as many files are read at once when they are merged; those of content compress better large.
    Files of content need not be in the system's memory: what is new of them is read by merging alone.
    """

    row_group: int
    sorted_by: tuple[str, ...]
    bloom: tuple[str, ...]
    statistics: tuple[str, ...]
    new_codec: Literal["none", "snappy", "zstd"] = "zstd"
    level: int = 1
    page_bytes: int = NEW_PAGE_BYTES
    is_cached: bool = True

    @property
    def new_is_plain(self) -> bool:
        """Whether new files are not compressed."""
        return self.new_codec == "none"

    @property
    def ordering(self) -> _Ordering:
        return [(column, "ascending") for column in self.sorted_by]


LAYOUTS: Final[dict[str, Layout]] = {
    "spans": Layout(
        122_880,
        ("trace_id", "start_time_ns"),
        ("trace_id", "session_id"),
        ("trace_id", "start_time_ns"),
        new_codec="snappy",
    ),
    "messages": Layout(
        5_000,
        ("trace_id",),
        ("trace_id",),
        ("trace_id",),
        new_codec="none",
        level=3,
        page_bytes=2 * 1024 * 1024,
        is_cached=False,
    ),
    "repriced_costs": Layout(122_880, ("trace_id", "row_id"), ("trace_id",), ("trace_id",)),
    "logs": Layout(30_000, ("time", "trace_id"), ("trace_id", "session_id"), ("time_ns",)),
    "scores": Layout(122_880, ("name", "time"), ("trace_id", "response_id"), ("name",)),
    "metrics": Layout(122_880, ("name", "time"), (), ("name", "time_ns")),
    "rollups": Layout(122_880, ("cube", "start_time"), (), ("made_of",)),
    "alerts": Layout(122_880, ("alert", "time"), (), ("alert",)),
}
_BLOOM_FPP: Final = 0.01
#: Ids are random: nothing repeats, and their digits stand closest without a length between them.
_IDS: Final = frozenset({"row_id", "trace_id", "span_id", "parent_span_id", "response_id"})
#: Neighbours differ by less than they are: of most values half the bytes are saved.
_NUMBERS: Final = frozenset(
    {"start_time", "start_time_ns", "duration_ns", "cost_usd", "time", "time_ns", "observed_time_ns"}
)
#: What new files are found by, beside their order: time, and by replay the segment.
_FOUND_BY: Final = frozenset({"date", "start_time", "time", "segment"})
_LONG_TEXTS: Final = frozenset({"input_messages", "output_messages", "body"})
#: So many values of a table with long texts are put into a page before its size is looked at: 1024, as there are
#: otherwise, are a megabyte and more.
_LONG_AT_ONCE: Final = 64
#: What stands as it is: long texts, sums of doubles.
_PLAIN: Final = _LONG_TEXTS | {"value", "sum"}


def open_writer(name: str, sink: pa.NativeFile, *, rows: int, new: pa.Table | None = None) -> pq.ParquetWriter:
    """A writer of a file of a table, of about so many rows at most. Each `write_table` is a row group or several.

    `new` is all of a new file, which may hold its texts as views.
    """
    layout = LAYOUTS[name]
    distinct = max(1, min(rows, layout.row_group))
    return pq.ParquetWriter(
        sink,
        memory_schema(name) if new is None else viewing(memory_schema(name), new.schema),
        compression="zstd" if new is None else layout.new_codec,
        compression_level=layout.level if new is None else None,
        use_dictionary=[  # type: ignore[arg-type] # the stubs know only bool
            path for path in _leaves(name) if path not in _IDS | _NUMBERS | _PLAIN
        ],
        write_statistics=list(_with_bounds(name) if new is None else _told_of(name, new)),
        column_encoding=_encodings(name),
        bloom_filter_options={column: {"ndv": distinct, "fpp": _BLOOM_FPP} for column in layout.bloom},
        sorting_columns=pq.SortingColumn.from_ordering(memory_schema(name), layout.ordering),
        store_decimal_as_integer=True,
        store_schema=False,
        data_page_size=layout.page_bytes if new is None else NEW_PAGE_BYTES,
        write_batch_size=_LONG_AT_ONCE if _LONG_TEXTS.intersection(_leaves(name)) else None,
    )


def _encodings(name: str) -> dict[str, str]:
    names = {field.name for field in arrow_schema(name) if field.type != ARROW_TYPES[SUM]}  # which are no integers
    encodings = dict.fromkeys(_IDS & names, "DELTA_LENGTH_BYTE_ARRAY")
    return encodings | dict.fromkeys(_NUMBERS & names, "DELTA_BINARY_PACKED")


def _with_bounds(name: str) -> Iterator[str]:
    """What has its least and largest values in each row group: those of long texts are long, and nobody asks."""
    return (path for path in _leaves(name) if path not in _LONG_TEXTS)


def _told_of(name: str, rows: pa.Table) -> Iterator[str]:
    """Of these what a new file is found by, and its empty columns, which nobody has to read to merge it.

    All else has the same bounds in each new file, which holds a second of everything.
    """
    layout = LAYOUTS[name]
    told = {*layout.sorted_by, *layout.statistics, *_FOUND_BY}
    told |= {column for column in rows.column_names if rows[column].null_count == rows.num_rows}
    return (path for path in _with_bounds(name) if path.partition(".")[0] in told)


def _leaves(name: str) -> Iterator[str]:
    """The paths of a table's columns in the file: those of a map are its keys and its values."""
    for column in arrow_schema(name):
        if pa.types.is_map(column.type):
            yield from (f"{column.name}.key_value.{part}" for part in ("key", "value"))
        else:
            yield f"{column.name}.list.element" if pa.types.is_list(column.type) else column.name


@dataclass(slots=True)
class Statistics:
    """What the log says of a file: its rows, and of some columns the bounds and how many are NULL."""

    name: str
    rows: int = 0
    _bounds: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _nulls: Counter[str] = field(default_factory=Counter)

    def add(self, rows: pa.Table) -> None:
        """Take more rows of the file into account."""
        self.rows += rows.num_rows
        for column in LAYOUTS[self.name].statistics:
            found: Any = pc.min_max(_values(rows[column])).as_py()
            self._nulls[column] += rows[column].null_count
            if found["min"] is not None:
                known = (found["min"], found["max"], *self._bounds.get(column, ()))
                self._bounds[column] = min(known), max(known)

    def as_json(self) -> str:
        """As the Delta protocol spells them. A column of nothing but NULL has no bounds."""
        return json.dumps(
            {
                "numRecords": self.rows,
                "minValues": {column: low for column, (low, _) in self._bounds.items()},
                "maxValues": {column: high for column, (_, high) in self._bounds.items()},
                "nullCount": {column: self._nulls[column] for column in LAYOUTS[self.name].statistics},
            }
        )


def _values(column: Any) -> Any:
    """The values of a column, each at least once."""
    if pa.types.is_dictionary(column.type):
        return pa.chunked_array([chunk.dictionary for chunk in column.chunks], column.type.value_type)
    return column
