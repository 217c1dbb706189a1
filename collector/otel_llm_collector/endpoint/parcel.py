"""An answer of ours in one Arrow table, with its total, its notes and its source in the metadata of the schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ..query import Table

if TYPE_CHECKING:
    import pyarrow as pa

_TOTAL: Final = b"otel_llm.total"
_NOTES: Final = b"otel_llm.notes"
_SOURCE: Final = b"otel_llm.source"


def packed(answer: Table) -> pa.Table:
    """The rows of an answer, and the rest of it beside them."""
    import pyarrow as pa

    metadata = {_NOTES: json.dumps(answer.notes).encode(), _SOURCE: answer.source.encode()}
    if answer.total is not None:
        fields = [field for field in answer.data.schema if field.name in answer.total]
        total = pa.Table.from_pylist([answer.total], schema=pa.schema(fields))
        with pa.BufferOutputStream() as out:
            with pa.ipc.new_stream(out, total.schema) as writer:
                writer.write_table(total)
            metadata[_TOTAL] = out.getvalue().to_pybytes()
    return answer.data.replace_schema_metadata(metadata)


def unpacked(table: pa.Table) -> Table:
    """The answer that `packed` was given; of other tables one without total and notes."""
    import pyarrow as pa

    metadata = table.schema.metadata or {}
    total: dict[str, Any] | None = None
    if _TOTAL in metadata:
        total = pa.ipc.open_stream(metadata[_TOTAL]).read_all().to_pylist(maps_as_pydicts="strict")[0]
    notes = tuple(json.loads(metadata.get(_NOTES, b"[]")))
    source = metadata.get(_SOURCE, b"").decode()
    return Table(table.replace_schema_metadata(None), total, notes, source=source)
