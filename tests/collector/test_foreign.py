"""Spans of other emitters become the rows that our own would be, and nothing that they sent is lost."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rig import otlp

from otel_llm_collector.decode import read_spans, text_of
from otel_llm_collector.normalise import Normalised, normalise
from otel_llm_semconv import tables
from otel_llm_semconv.dialects import Span, read

FIXTURES = sorted((Path(__file__).parents[1] / "semconv" / "dialects").glob("*.json"))
RECEIVED = 1_793_577_600_000_000_000  # 2026-11-02
ATTRIBUTE_OF = {column.name: column.attribute for column in tables.TABLES["spans"] if column.attribute}
CONTENT_OF = {column.name: column.attribute for column in tables.TABLES["messages"] if column.attribute}


def normalised(fixture: dict[str, Any]) -> Normalised:
    said = fixture["span"]
    span = otlp.span(said["attributes"], name=said["name"])
    request = otlp.request(span)
    scope = request.resource_spans[0].scope_spans[0].scope
    scope.name, scope.version = said["scope"], said["scope_version"]
    (record,) = read_spans(request.SerializeToString())
    return normalise(record, RECEIVED)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_row_says_what_the_dialect_says(path: Path) -> None:
    fixture = json.loads(path.read_text())
    row = normalised(fixture).row
    for column, value in fixture["expected"]["columns"].items():
        if column not in ("emitted_cost_usd", "service_tier", "time_to_first_chunk_ns"):
            assert row[column] == value
    cost = fixture["expected"]["columns"].get("emitted_cost_usd")
    assert row.get("emitted_cost_usd") == (None if cost is None else Decimal(str(cost)))
    counted = row.get("operation") in ("chat", "generate_content") and "reason" not in fixture["expected"]
    assert row["is_llm_call"] is counted
    is_plain = "operation" not in row  # nothing that could be taken for a call
    assert (row["not_counted_reason"] is None) is (counted or is_plain)
    properties = dict(row["properties"])
    assert fixture["expected"].get("properties", {}).items() <= properties.items()


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_all_that_was_sent_is_kept(path: Path) -> None:
    fixture = json.loads(path.read_text())
    found = normalised(fixture)
    kept = dict(found.row["attributes"]) | dict((found.message or {}).get("attributes", ()))
    derived = set(found.row["derived"] or ())
    for column, attribute in ATTRIBUTE_OF.items():
        if found.row.get(column) is not None and column not in derived:
            kept.setdefault(attribute, found.row[column])
    for column, attribute in CONTENT_OF.items():
        if found.message and found.message.get(column) is not None and column not in derived:
            kept[attribute] = found.message[column]
    sent = fixture["span"]["attributes"]
    assert kept.keys() == sent.keys() | ({"gen_ai.usage.cache_write.input_tokens"} & kept.keys())
    for name, value in sent.items():
        assert kept[name] in (value, text_of(otlp.any_value(value))[0])


def test_content_is_in_the_table_of_content_alone() -> None:
    fixture = json.loads((FIXTURES[0].parent / "openinference.json").read_text())
    found = normalised(fixture)
    assert found.message is not None
    assert dict(found.message["attributes"])["input.value"] == "hi"
    assert not {"input.value", "llm.input_messages.0.message.role"} & dict(found.row["attributes"]).keys()


def test_the_dialect_of_the_row_is_the_readings() -> None:
    for path in FIXTURES:
        fixture = json.loads(path.read_text())
        reading = read(Span(**fixture["span"]))
        assert reading is not None
        assert normalised(fixture).row["dialect"] == reading.dialect
