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


def told(scope: str, **attributes: Any) -> dict[str, Any]:
    """The row of a span of this scope; `__` stands for a dot."""
    span = otlp.span({name.replace("__", "."): value for name, value in attributes.items()})
    (record,) = read_spans(otlp.request(span, scope=scope).SerializeToString())
    return normalise(record, RECEIVED).row


PLAIN: dict[str, Any] = {
    "gen_ai__provider__name": "openai",
    "gen_ai__request__model": "gpt-4o-mini",
    "gen_ai__usage__input_tokens": 500,
    "gen_ai__usage__output_tokens": 300,
}


@pytest.mark.parametrize("operation", [None, "", "responses", "completion", "message"])
def test_a_call_that_does_not_name_its_operation_is_counted(operation: str | None) -> None:
    named = {} if operation is None else {"gen_ai__operation__name": operation}
    row = told("by-hand", **PLAIN, **named)
    assert (row["is_llm_call"], row["not_counted_reason"], row["cost_usd"]) == (True, None, Decimal("0.000255"))


@pytest.mark.parametrize("missing", ["gen_ai__request__model", "gen_ai__usage"])
@pytest.mark.parametrize("operation", [{}, {"gen_ai__operation__name": "invoke_agent"}])
def test_what_tells_of_no_model_or_no_tokens_or_names_another_operation_is_no_call(
    missing: str, operation: dict[str, Any]
) -> None:
    row = told("by-hand", **{name: value for name, value in PLAIN.items() if not name.startswith(missing)}, **operation)
    assert row["is_llm_call"] is False
    if operation:
        assert told("by-hand", **PLAIN, **operation)["not_counted_reason"] == "rollup"


@pytest.mark.parametrize(
    ("said", "usd"),
    [
        ({"gen_ai__openai__response__service_tier": "priority"}, "0.0225"),
        ({"gen_ai__openai__response__service_tier": "flex"}, "0.005625"),
        ({"openai__request__service_tier": "flex"}, "0.005625"),
        ({"gen_ai__openai__request__service_tier": "priority"}, "0.0225"),
        ({"openai__request__service_tier": "priority", "openai__response__service_tier": "default"}, "0.01125"),
        ({"openai__request__service_tier": "auto"}, "0.01125"),
    ],
)
def test_the_tier_is_known_by_both_of_its_names_and_as_it_was_asked_for(said: dict[str, str], usd: str) -> None:
    tokens = {"gen_ai__usage__input_tokens": 1000, "gen_ai__usage__output_tokens": 1000}
    row = told(
        "by-hand", **PLAIN | tokens | {"gen_ai__request__model": "gpt-5"}, gen_ai__operation__name="chat", **said
    )
    assert (row["cost_usd"], row["cost_status"]) == (Decimal(usd), "exact")


CACHED = {"input": 100, "output": 50, "total": 650, "input_cache_read": 200}
BY_LIFE = {"input_cache_creation": 0, "input_ephemeral_5m_input_tokens": 300, "input_ephemeral_1h_input_tokens": 0}
SPOKEN = {"input": 300, "output": 100, "total": 800, "input_audio": 200, "output_audio": 200}


@pytest.mark.parametrize(
    ("model", "provider", "usage", "usd"),
    [
        ("claude-sonnet-4-5", "anthropic", CACHED | BY_LIFE, "0.002235"),
        ("claude-sonnet-4-5", "anthropic", CACHED | {"input_ephemeral_1h_input_tokens": 300}, "0.00291"),
        ("gpt-4o-audio-preview", "openai", SPOKEN, "0.02575"),
    ],
)
def test_buckets_of_langfuse_are_parts_of_what_they_begin_like(
    model: str, provider: str, usage: dict[str, int], usd: str
) -> None:
    row = told(
        "langfuse-sdk",
        langfuse__observation__type="generation",
        langfuse__observation__model__name=model,
        langfuse__observation__metadata__ls_provider=provider,
        langfuse__observation__usage_details=json.dumps(usage),
    )
    assert (row["cost_usd"], row["cost_status"]) == (Decimal(usd), "exact")
    assert row["input_tokens"] + row["output_tokens"] == usage["total"]


@pytest.mark.parametrize(("thought", "total"), [(100, 800), (300, 1000)])
def test_what_googles_package_leaves_out_of_the_output_is_in_the_total(thought: int, total: int) -> None:
    row = told(
        "ai",
        ai__operationId="ai.generateText.doGenerate",
        ai__model__provider="google.generative-ai",
        ai__model__id="gemini-2.5-flash",
        ai__usage__inputTokens=500,
        ai__usage__outputTokens=200,
        ai__usage__reasoningTokens=thought,
        ai__usage__totalTokens=total,
    )
    assert (row["output_tokens"], row["cost_status"]) == (200 + thought, "exact")


@pytest.mark.parametrize("hit", [True, "True", "true"])
def test_what_a_proxy_answers_out_of_its_cache_is_no_call_of_a_provider(hit: bool | str) -> None:
    said = {"litellm__call_type": "acompletion", "litellm__cost__total": 0.0, "litellm__cache_hit": hit}
    row = told("litellm", **PLAIN, gen_ai__operation__name="chat", **said)
    assert (row["is_llm_call"], row["not_counted_reason"], row.get("cost_usd")) == (False, "cached", None)


def test_a_life_in_the_cache_without_a_price_of_its_own_is_said() -> None:
    written = {
        "gen_ai__usage__cache_write__input_tokens": 100,
        "anthropic__usage__cache_creation__ephemeral_1h_input_tokens": 100,
    }
    model = {
        "gen_ai__provider__name": "aws.bedrock",
        "gen_ai__request__model": "anthropic.claude-sonnet-4-20250514-v1:0",
    }
    row = told("by-hand", **PLAIN | model | written, gen_ai__operation__name="chat")
    assert row["cost_status"] == "assumed_ttl"
