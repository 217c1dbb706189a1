"""From spans as arrays to the tables of the lake: `normalise`, column by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing import quote
from otel_llm_semconv.pricing.contracts import Contracts

from ..lake.schema import memory_schema
from ..normalise import CONTENT, FUTURE_NS_MAX, KINDS, STATUSES, string_in
from . import calls
from .arrays import Bools, Column, Ints, array_of, buffer_of, texts
from .fields import FLAGS, NAME, PARENT, SPAN_ID, STATUS, TRACE_ID
from .promoted import Promoted, values
from .request import Resource, Scope
from .spans import Spans
from .speech import TABLES
from .texts import hexes, offsets_of, strings

pc: Final[Any] = pyarrow.compute
_FLAGS: Final = (None, "zero_time", "out_of_range", "end_before_start", "end_out_of_range")
_NO_STATUS, _SOME_STATUS = b"", bytes((STATUS, 0))
#: As `flags` begins on the wire.
_FLAGS_TAG: Final = b"\x85\x01"
_TEXT: Final = "VARCHAR"


def spans_table(spans: Spans, dialect: Ints, contracts: Contracts, collector_id: str) -> pa.Table:
    """Rows of `spans`; `dialect` is as in `speech.judge`, which has found none of the spans odd."""
    promoted = Promoted(spans, dialect)
    columns = _identity(spans) | promoted.columns
    genai = calls.is_genai(spans, dialect)
    is_call, reason = calls.count(spans, columns, genai)
    columns |= calls.price(spans, columns, is_call, contracts)
    columns |= {"is_llm_call": pa.array(is_call), "not_counted_reason": reason}
    columns["cost_status"] = _not_counted(columns["cost_status"], reason)
    calls.declare(columns, *calls.emitted_cost(spans))
    columns["derived"] = promoted.derived()
    columns["dialect"] = _dialect(spans, dialect, genai)
    columns |= _attributes(spans, promoted.leaves)
    columns |= _around(spans, collector_id)
    schema = memory_schema("spans")
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def messages_table(spans: Spans, table: pa.Table) -> tuple[pa.Table, Ints]:
    """Rows of `messages`: the content of those spans that have some. Also the row of `spans` that each belongs to."""
    found = spans.attributes
    slots = {}
    has_content = np.zeros(len(spans), np.bool_)
    for column in CONTENT:
        slots[column.name] = slot = np.full(len(spans), -1, np.int64)
        entries = found.of(column.attribute or "")
        slot[found.row[entries]] = entries
        has_content[found.row[entries]] = True
    chosen = np.flatnonzero(has_content)
    columns: dict[str, Any] = {name: table[name] for name in ("row_id", "date", "trace_id", "span_id")}
    if len(chosen) < len(spans):
        columns = {name: column.take(pa.array(chosen)) for name, column in columns.items()}
    for name, slot in slots.items():
        columns[name] = _content(spans, name, slot[chosen])
    filled = [
        columns[field.name] if field.name in columns else pa.nulls(len(chosen), field.type)
        for field in memory_schema("messages")
    ]
    return pa.table(filled, memory_schema("messages").names), chosen


def _content(spans: Spans, name: str, slot: Ints) -> Column:
    known = slot >= 0
    attribute = next(column.attribute for column in CONTENT if column.name == name)
    if known.all() and attribute is not None:
        return spans.attributes.once_of(attribute)
    return values(spans.attributes, _TEXT, slot, known) if known.any() else pa.nulls(len(slot), pa.string())


def _identity(spans: Spans) -> dict[str, Column]:
    single, start_ns = spans.single, spans.start_ns
    duration_ns = spans.end_ns - start_ns
    end = spans.end_ns.view(np.uint64)
    flag = np.where(end > spans.received_ns.view(np.uint64) + np.uint64(FUTURE_NS_MAX), 4, 0)
    flag[end < start_ns.view(np.uint64)] = 3
    flag[~spans.is_sound] = 2
    flag[start_ns == 0] = 1
    name, parent = single[NAME], single[PARENT]
    return {
        "row_id": hexes(spans.key.byteswap().view(np.uint8).reshape(-1, 8)),
        "trace_id": hexes(spans.octets(TRACE_ID, 16)),
        "span_id": hexes(spans.octets(SPAN_ID, 8)),
        "parent_span_id": hexes(spans.octets(PARENT, 8), parent.known),
        "date": _fixed(pa.date32(), spans.day.astype(np.int32)),
        "start_time": _fixed(pa.timestamp("us", tz="UTC"), spans.began_us),
        "start_time_ns": pa.array(start_ns),
        "duration_ns": pa.array(duration_ns),
        "name": strings(spans.wire, name.start, name.end - name.start),
        "kind": texts(spans.kind, [KINDS[code] for code in sorted(KINDS)]),
        "status": texts(spans.code, [STATUSES[code] for code in sorted(STATUSES)]),
        "status_message": _maybe(spans.message.known, strings, spans.wire, spans.message.start, _sizes(spans)),
        "clock_flag": texts(flag, _FLAGS),
        "side": _side(spans),
    }


def _sizes(spans: Spans) -> Ints:
    return spans.message.end - spans.message.start


def _maybe(known: Bools, make: Callable[..., Column], *arguments: Any) -> Column:
    return make(*arguments, known) if known.any() else pa.nulls(len(known), pa.string())


def _fixed(type: pa.DataType, values: npt.NDArray[Any]) -> Column:
    return pa.Array.from_buffers(type, len(values), [None, buffer_of(np.ascontiguousarray(values))])


def _not_counted(status: Column, reason: Column) -> Column:
    if reason.null_count == len(reason):
        return status
    found: Any = pc.if_else(reason.is_valid(), quote.NOT_COUNTED, status)
    return found


def _side(spans: Spans) -> Column:
    """What of each span has no column, as it was sent; the status only as a sign that there was one."""
    flags = spans.single[FLAGS]
    value = np.where(flags.known, spans.wire.quads[flags.start], 0).astype(np.int64)
    code = value << 2 | flags.known << 1 | spans.single[STATUS].known
    encoded = array_of(code).dictionary_encode()
    told = [_told(one) for one in encoded.dictionary.to_pylist()]
    column: Column = pa.array(told, pa.binary()).take(encoded.indices)
    if not spans.rest:
        return column
    listed = column.to_pylist()
    for row, places in spans.rest.items():
        listed[row] = b"".join(spans.wire.between(*place) for place in places) + listed[row]
    return pa.array(listed, pa.binary())


def _told(code: int) -> bytes:
    status = _SOME_STATUS if code & 1 else _NO_STATUS
    return status + (_FLAGS_TAG + (code >> 2).to_bytes(4, "little") if code & 2 else b"")


def _dialect(spans: Spans, dialect: Ints, genai: Bools) -> Column:
    """The dialect's name; of spans that no dialect reads, but that have to do with a model, the scope's."""
    scopes = (around.scope.name for _, around in spans.requests.runs)
    names: list[str | None] = [None, *(table.id for table in TABLES), *scopes]
    own = np.where(genai, 1 + len(TABLES) + spans.run, 0)
    return texts(np.where(dialect >= 0, dialect + 1, own), names)


def _attributes(spans: Spans, leaves: Bools) -> dict[str, Column]:
    found = spans.attributes
    is_property = found.by_name(np.array([name.startswith(a.PROPERTY_PREFIX) for name in found.names], np.bool_))
    is_text = found.letter == ord("s")
    rest = found.by_row(~(leaves | (is_property & is_text)))
    properties = found.by_row(is_property)
    return {
        "attributes": _map(spans, rest, found.names),
        "attribute_types": _letters(spans, rest),
        "properties": _map(spans, properties, [name.removeprefix(a.PROPERTY_PREFIX) for name in found.names]),
    }


def _map(spans: Spans, chosen: Ints, names: Sequence[str]) -> Column:
    found = spans.attributes
    offsets = offsets_of(np.bincount(found.row[chosen], minlength=len(spans)))
    name = found.by_name(np.arange(len(names)))[chosen]
    return pa.MapArray.from_arrays(array_of(offsets), texts(name, names), found.texts(chosen))


def _letters(spans: Spans, chosen: Ints) -> Column:
    found = spans.attributes
    offsets = offsets_of(np.bincount(found.row[chosen], minlength=len(spans)))
    return pa.Array.from_buffers(pa.string(), len(spans), [None, buffer_of(offsets), buffer_of(found.letter[chosen])])


def _around(spans: Spans, collector_id: str) -> dict[str, Column]:
    around = [around for _, around in spans.requests.runs]
    resources = [one.resource for one in around]
    environments = [string_in(one.attributes, a.ENVIRONMENT, a.ENVIRONMENT_OLD) for one in resources]
    return {
        "service_name": texts(spans.run, [string_in(one.attributes, a.SERVICE_NAME) for one in resources]),
        "environment": texts(spans.run, environments),
        "resource": _blobs(spans, resources),
        "scope": _blobs(spans, [one.scope for one in around]),
        "collector_id": texts(np.zeros(len(spans), np.int8), [collector_id]),
        "tenant": texts(spans.run, [one.tenant or None for one in around]),
        "segment": pa.array(np.array([one.segment for one in around], np.int64)[spans.run]),
    }


def _blobs(spans: Spans, around: Sequence[Resource | Scope]) -> Column:
    places: dict[bytes, int] = {}
    codes = np.array([places.setdefault(one.blob, len(places)) for one in around], np.int32)
    return pa.DictionaryArray.from_arrays(array_of(codes[spans.run]), pa.array(list(places), pa.binary()))
