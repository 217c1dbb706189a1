"""Rows by columns are the rows of the reference, whatever a span holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from rig.sent_spans import RECEIVED, requests

from otel_llm_collector import journal
from otel_llm_collector.columns import reader
from otel_llm_collector.converter import ways
from otel_llm_collector.rows import Rows, joined
from otel_llm_semconv.pricing.contracts import Contracts, read

CONTRACTS = """
[[contract]]
name = "ward"
provider = "openai"
endpoint = "*.clinic.example"
property = { ward = "3", bed = "true" }
multiplier = "0.5"

[[contract]]
name = "autumn"
provider = "openai"
model = "gpt-4o*"
since = 2025-10-09
until = 2025-10-10
prices = { input_mtok = "1" }
"""


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Contracts:
    path = tmp_path_factory.mktemp("contracts") / "contracts.toml"
    path.write_text(CONTRACTS)
    return read(path)


def plain(table: str, row: dict[str, Any]) -> dict[str, Any]:
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


def rows_of(payloads: list[bytes], contracts: Contracts, rows_min: int) -> dict[str, list[Any]]:
    """The rows of some requests, read by columns where these are so many spans."""
    frames = [(7, journal.Frame(journal.TRACES, RECEIVED, payload, 0, "t")) for payload in payloads]

    def set_aside(segment: int, reason: str) -> None:
        raise AssertionError(reason)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "ROWS_MIN", rows_min)
        way, *_ = ways("c0", contracts, lambda rows: rows, set_aside)
        parts = list(way.read(frames))
    return told(joined(parts)) if parts else {"spans": [], "messages": []}


def told(rows: Rows) -> dict[str, list[Any]]:
    (messages,), (owner,) = rows.others, rows.owners
    rows.first.validate(full=True)
    messages.validate(full=True)
    keys = [f"{key:016x}" for key in rows.keys.tolist()]
    assert rows.first["row_id"].to_pylist() == keys
    assert messages["row_id"].to_pylist() == [keys[row] for row in owner.tolist()]
    return {
        name: sorted((plain(name, row) for row in table.to_pylist()), key=lambda row: json.dumps(row, default=str))
        for name, table in {"spans": rows.first, "messages": messages}.items()
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests(), min_size=1, max_size=3))
def test_rows_are_those_of_the_reference(contracts: Contracts, payloads: list[bytes]) -> None:
    by_columns = rows_of(payloads, contracts, rows_min=0)
    assert by_columns == rows_of(payloads, contracts, rows_min=1_000_000)
