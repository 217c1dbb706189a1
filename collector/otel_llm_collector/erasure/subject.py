"""Whom something belongs to: the user or session that is forgotten, and what of the lake is theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ..lake.log import LakeTable

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute


#: Table -> the map by whose values its rows are known to be somebody's.
NAMED_IN: Final = {"alerts": "labels", "metrics": "attributes"}


@dataclass(frozen=True, slots=True)
class Subject:
    """A user or a session: the column that names it, and its id."""

    column: str
    id: str

    def __str__(self) -> str:
        return f"{self.column.removesuffix('_id')} {self.id}"

    def is_in(self, values: Any) -> Any:
        """Where the values of a column are this id."""
        return pc.fill_null(pc.equal(values, self.id), False)


class Found(NamedTuple):
    """What of the lake is the subject's: rows that name it, and those of their traces that name nobody.

    `spans` are trace and span ids, 24 bytes; `segments` are those of each collector that brought something.
    """

    subject: Subject
    traces: Any
    row_ids: Any
    spans: frozenset[bytes]
    segments: frozenset[tuple[str, int]]

    @classmethod
    def by(cls, subject: Subject, tables: Sequence[LakeTable]) -> Found:
        """Look through tables, of which the first is `spans`."""
        named = [_read(table, pc.field(subject.column) == subject.id) for table in tables]
        traces = pa.concat_tables(named)["trace_id"].combine_chunks().drop_null().unique()
        in_traces = [_read(table, pc.field("trace_id").isin(traces)) for table in tables]
        unnamed = [rows.filter(pc.is_null(rows[column])) for rows in in_traces for column in (subject.column,)]
        spans = pa.concat_tables([named[0], unnamed[0]])
        everything = pa.concat_tables([*named, *unnamed])
        segments = zip(everything["collector_id"].to_pylist(), everything["segment"].to_pylist(), strict=True)
        ids = zip(spans["trace_id"].to_pylist(), spans["span_id"].to_pylist(), strict=True)
        return cls(
            subject,
            traces,
            spans["row_id"].combine_chunks(),
            frozenset(bytes.fromhex(trace + span) for trace, span in ids if trace and span),
            frozenset((str(collector), int(segment or 0)) for collector, segment in segments),
        )

    def belonging(self, name: str) -> tuple[Sequence[str], Callable[[pa.Table], Any]]:
        """The columns by which rows of a table are known to be the subject's, and what tells it of rows."""
        column = self.subject.column
        if named := NAMED_IN.get(name):
            return (named,), lambda rows: _has_value(rows[named], self.subject.id)

        def belongs(rows: pa.Table) -> Any:
            is_unnamed = pc.and_(pc.is_null(rows[column]), pc.is_in(rows["trace_id"], value_set=self.traces))
            return pc.or_(self.subject.is_in(rows[column]), is_unnamed)

        return (column, "trace_id"), belongs


def _read(table: LakeTable, wanted: Any) -> pa.Table:
    """The rows for which an expression holds, in the columns by which they are known."""
    columns = ["row_id", "trace_id", "span_id", "user_id", "session_id", "collector_id", "segment"]
    table.refresh()
    sources = [table.place.source(file.path) for file in table.live_files()]
    parts = [pq.read_table(source, columns=columns, filters=wanted, partitioning=None) for source in sources]
    kinds = {"segment": pa.int64()}
    empty = pa.schema([(column, kinds.get(column, pa.string())) for column in columns]).empty_table()
    return pa.concat_tables([empty, *parts])


def _has_value(maps: Any, text: str) -> Any:
    """Which maps have a value that is this text."""
    found = []
    for chunk in maps.chunks:
        is_it = pc.fill_null(pc.equal(chunk.items, text), False)
        owners = pc.list_parent_indices(chunk.cast(pa.list_(chunk.type.field(0).with_name("item").type)))
        found.append(pc.is_in(pa.array(range(len(chunk)), owners.type), value_set=owners.filter(is_it)))
    return pa.chunked_array(found, pa.bool_())
