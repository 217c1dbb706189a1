"""Rows that the converter makes of trace requests, in a shape in which two ways to make them can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_llm_collector import journal
from otel_llm_collector.columns import fields, reader, request
from otel_llm_collector.converter import ways
from otel_llm_collector.native import native
from otel_llm_collector.rows import Rows, joined
from otel_llm_semconv.pricing.contracts import Contracts
from rig.sent_spans import RECEIVED

BY_COLUMNS, ONE_BY_ONE = "by columns", "one by one"


def rows_of(payloads: list[bytes], contracts: Contracts, how: str) -> dict[str, list[Any]]:
    """The rows of some requests: of the reference, or by columns, in NumPy, and natively the same."""
    found = _rows_of(payloads, contracts, how, None)
    if native and how == BY_COLUMNS:
        assert _rows_of(payloads, contracts, how, native) == found, "read otherwise natively"
    return found


def _rows_of(payloads: list[bytes], contracts: Contracts, how: str, wheel: Any) -> dict[str, list[Any]]:
    frames = [(7, journal.Frame(journal.TRACES, RECEIVED, payload, 0, "t")) for payload in payloads]

    def set_aside(segment: int, reason: str) -> None:
        raise AssertionError(reason)

    with _by_columns(wheel):
        way, *_ = ways("c0", contracts, lambda rows: rows, set_aside)
        by_columns: Any = way.read
        reader = by_columns.__self__
        parts = list((reader if how == BY_COLUMNS else reader._reference).read(frames))
    return _told(joined(parts)) if parts else {"spans": [], "messages": []}


@contextmanager
def _by_columns(wheel: Any) -> Iterator[None]:
    """However few the spans are, by the native wheel or without it."""
    usual, reader.ROWS_MIN = reader.ROWS_MIN, 0  # type: ignore[misc]
    for module in (fields, request):
        module.native = wheel  # type: ignore[attr-defined]
    try:
        yield
    finally:
        reader.ROWS_MIN = usual  # type: ignore[misc]
        for module in (fields, request):
            module.native = native  # type: ignore[attr-defined]


def _told(rows: Rows) -> dict[str, list[Any]]:
    (messages,), (owner,) = rows.others, rows.owners
    rows.first.validate(full=True)
    messages.validate(full=True)
    keys = [f"{key:016x}" for key in rows.keys.tolist()]
    assert rows.first["row_id"].to_pylist() == keys
    assert messages["row_id"].to_pylist() == [keys[row] for row in owner.tolist()]
    return {
        name: sorted((_plain(name, row) for row in table.to_pylist()), key=_in_text)
        for name, table in {"spans": rows.first, "messages": messages}.items()
    }


def _in_text(row: dict[str, Any]) -> str:
    """What rows are sorted by: two of one span may differ in nothing but one mapping."""
    return json.dumps(row, default=str, sort_keys=True)


def _plain(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row whose mappings have no order, and whose protobuf is parsed."""
    found = {name: value for name, value in row.items() if value is not None}
    if found.get("attributes") is not None:
        names = [name for name, _ in found["attributes"]]
        letters = dict(zip(names, found["attribute_types"], strict=True))
        found |= {"attributes": dict(found["attributes"]), "attribute_types": letters}
    if table == "spans":
        found["properties"] = dict(row["properties"])
        for name, type in (("resource", ResourceSpans), ("scope", ScopeSpans), ("side", Span)):
            found[name] = type.FromString(row[name]).SerializeToString(deterministic=True)
    return found
