"""The forms of an answer over HTTP, and writing one within bounds."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from otel_llm.errors import OtelLlmError, UsageError

from ..render import Format, unique_names, write

if TYPE_CHECKING:
    import pyarrow as pa


class Form(Enum):
    """How an answer is written; the value is its media type."""

    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"

    @classmethod
    def named(cls, name: str) -> Form:
        """The form that a body names. Raises UsageError."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise UsageError(f"unknown format {name!r}: json, csv or arrow") from None

    @classmethod
    def accepted(cls, accept: str) -> Form:
        """The first form that an Accept header names; JSON where it names none in particular. Raises UsageError."""
        wanted = [one.partition(";")[0].strip().lower() for one in accept.split(",")]
        by_type = {form.value: form for form in cls}
        found = next((by_type[one] for one in wanted if one in by_type), None)
        if found is None and accept.strip() and not {"*/*", "application/*"} & set(wanted):
            raise UsageError(f"cannot answer as {accept}: accept {', '.join(by_type)}")
        return found or cls.JSON


class TooLargeAnswerError(OtelLlmError):
    """More rows or bytes than an answer may have."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large an answer may be."""

    rows_max: int
    bytes_max: int


def encode(form: Form, rows: pa.RecordBatchReader, size: Size, check: Callable[[], None]) -> bytes:
    """The rows as bytes. `check` is called now and then, and may raise. Raises TooLargeAnswerError."""
    out = _Sheet(size.bytes_max)
    batches = _counted(rows, size.rows_max, check)
    if form is Form.ARROW:
        _write_arrow(rows.schema, batches, out)
    else:
        write(Format[form.name], rows.schema, batches, out)
    return out.getvalue()


def _counted(rows: Iterable[pa.RecordBatch], rows_max: int, check: Callable[[], None]) -> Iterator[pa.RecordBatch]:
    count = 0
    for batch in rows:
        check()
        count += batch.num_rows
        if count > rows_max:
            raise TooLargeAnswerError(
                f"the answer has more than {rows_max:,} rows (sql_rows_max): add LIMIT or GROUP BY, or ask where the "
                "data is with `otel-llm sql`"
            )
        yield batch


def _write_arrow(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: io.BytesIO) -> None:
    import pyarrow as pa

    names = unique_names(schema.names)
    fields = [field.with_name(name) for field, name in zip(schema, names, strict=True)]
    renamed = pa.schema(fields).with_metadata(schema.metadata or {})
    with pa.ipc.new_stream(out, renamed) as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=renamed))


class _Sheet(io.BytesIO):
    """Memory that ends somewhere."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__()
        self._bytes_max = bytes_max

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > self._bytes_max:
            raise TooLargeAnswerError(
                f"the answer has more than {self._bytes_max:,} bytes (sql_answer_bytes_max): select fewer columns, add "
                "LIMIT, or ask where the data is with `otel-llm sql`"
            )
        return super().write(data)
