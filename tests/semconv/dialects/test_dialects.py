"""Whoever tells of a call, the row is the same; and nothing that is sent makes a reading fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm_semconv import dialects, tables
from otel_llm_semconv.dialects import BY_ID, DIALECTS, Dialect, Event, Span, find, read
from otel_llm_semconv.dialects.dialect import Source
from otel_llm_semconv.dialects.reading import read_as

FIXTURES = sorted(Path(__file__).parent.glob("*.json"))
#: The one call that all fixtures tell of, as far as they can.
CALL = {
    "input_tokens": 1000,
    "output_tokens": 200,
    "cache_read_tokens": 400,
    "reasoning_tokens": 50,
    "time_to_first_chunk_ns": 250_000_000,
}
#: Columns of a reading that are none of the table: what the price depends on.
MORE = {"emitted_cost_usd", "place", "service_tier"}


def span_of(fixture: dict[str, Any]) -> Span:
    return Span(**fixture["span"])


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_fixture_is_read_as_expected(path: Path) -> None:
    fixture = json.loads(path.read_text())
    reading = read(span_of(fixture))
    assert reading is not None
    expected = fixture["expected"]
    assert reading.columns == expected["columns"]
    assert reading.properties == expected.get("properties", {})
    assert sorted(reading.content) == expected.get("content", [])
    assert reading.reason == expected.get("reason")
    if told := expected.get("messages"):
        assert reading.messages == told
    assert path.stem.startswith(reading.dialect)
    for column, told in CALL.items():
        assert reading.columns.get(column, told) == told


#: Dialects that say nothing of how they count, with a scope or a mark of theirs.
UNTOLD = {
    "genai": ("somebody.elses", {}),
    "agentgateway": ("agentgateway", {}),
    "helicone_headers": ("proxy", {"http.request.header.helicone-user-id": "u1"}),
    "laminar": ("lmnr", {"lmnr.span.type": "LLM"}),
    "livekit": ("livekit-agents", {}),
    "semantic_kernel": ("semantic_kernel.functions", {}),
    "spring_ai": ("org.springframework.ai", {}),
    "voltagent": ("@voltagent/core", {"voltagent.conversation_id": "c1"}),
}


@pytest.mark.parametrize("name", UNTOLD)
@pytest.mark.parametrize(
    ("provider", "model", "input_tokens", "whole"),
    [
        ("anthropic", "claude-haiku-4-5", 100, 700),  # the provider's own count, which leaves the cache out
        ("anthropic", "claude-haiku-4-5", 600, 600),  # the cache fits: it is part of it, as the conventions have it
        ("aws.bedrock", "anthropic.claude-3-haiku-20240307-v1:0", 599, 1199),
        ("gcp.vertex_ai", "claude-sonnet-4-5@20250929", 100, 700),
        ("", "some-model", 100, 700),  # nobody says whose it is
        ("openai", "gpt-4o-mini", 100, 100),  # the provider's count includes it: this is inconsistent, and stays so
        ("gcp.vertex_ai", "gemini-2.5-flash", 100, 100),
    ],
)
def test_who_does_not_say_how_the_cache_is_counted(
    name: str, provider: str, model: str, input_tokens: int, whole: int
) -> None:
    scope, marks = UNTOLD[name]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.cache_read.input_tokens": 400,
        "gen_ai.usage.cache_write.input_tokens": 200,
    }
    reading = read(Span(scope=scope, attributes=attributes | marks))
    assert reading is not None
    assert (reading.dialect, reading.columns["input_tokens"]) == (name, whole)


@pytest.mark.parametrize(
    ("attributes", "cost"),
    [
        ({"openinference.span.kind": "LLM", "llm.cost.prompt": 0.1, "llm.cost.completion": 0.2}, "0.3"),
        ({"openinference.span.kind": "LLM", "llm.cost.prompt": "1e-7"}, "1E-7"),
        ({"openinference.span.kind": "LLM", "llm.cost.prompt": 0.1, "llm.cost.total": 0.5}, 0.5),
        ({"mlflow.spanType": "LLM", "mlflow.llm.cost": '{"input_cost": 0.1, "output_cost": 0.2}'}, "0.3"),
        ({"langfuse.observation.cost_details": '{"input": 0.1, "output": 0.2, "cache": "0.05"}'}, "0.35"),
        ({"langfuse.observation.cost_details": '{"input": 0.1, "total": 0.4}'}, 0.4),
        ({"langfuse.observation.cost_details": '{"input": "much", "output": true, "x": null}'}, None),
    ],
)
def test_a_cost_that_is_told_in_parts_is_their_sum(attributes: dict[str, Any], cost: Any) -> None:
    reading = read(Span(attributes=attributes))
    assert reading is not None
    assert reading.columns.get("emitted_cost_usd") == cost


@pytest.mark.parametrize(
    "attributes",
    [
        {"openinference.span.kind": "LLM", "tag.tags": ["ward", "night"]},
        {"langfuse.observation.type": "span", "langfuse.trace.tags": ["ward", "night"]},
        {"langsmith.span.kind": "llm", "langsmith.span.tags": "ward,night"},
    ],
)
def test_tags_are_a_property(attributes: dict[str, Any]) -> None:
    reading = read(Span(attributes=attributes))
    assert reading is not None
    assert reading.properties == {"tags": "ward,night"}


@pytest.mark.parametrize(
    ("kind", "column"), [("workflow", "workflow_name"), ("agent", "agent_name"), ("tool", "tool_name"), ("task", None)]
)
def test_what_openllmetry_runs_has_its_name(kind: str, column: str | None) -> None:
    reading = read(
        Span(scope="traceloop.tracer", attributes={"traceloop.span.kind": kind, "traceloop.entity.name": "n"})
    )
    assert reading is not None
    assert {name: value for name, value in reading.columns.items() if value == "n"} == ({column: "n"} if column else {})


def test_spans_of_codex_are_calls_of_openai() -> None:
    told = {"gen_ai.usage.input_tokens": 10, "codex.usage.reasoning_output_tokens": 2, "gen_ai.request.model": "gpt-5"}
    reading = read(Span("stream_request", "codex_otel", attributes=told))
    assert reading is not None
    assert (reading.columns["provider"], reading.columns["reasoning_tokens"]) == ("openai", 2)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o-mini-2024-07-18", "openai"),
        ("o3", "openai"),
        ("ft:gpt-4o-2024-08-06:clinic::a1", "openai"),
        ("text-embedding-3-small", "openai"),
        ("claude-sonnet-4-5-20250929", "anthropic"),
        ("claude-sonnet-4-5@20250929", "gcp.vertex_ai"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("amazon.nova-pro-v1:0", "aws.bedrock"),
        ("models/gemini-2.5-flash", "gcp.gen_ai"),
        ("grok-4", "x_ai"),
        ("mistral-large-latest", "mistral_ai"),
        ("command-r-plus-08-2024", "cohere"),
        ("deepseek-chat", "deepseek"),
        ("sonar-pro", "perplexity"),
        # sold by many, or by nobody we know
        ("gpt-oss-120b", None),
        ("openai/gpt-4o", None),
        ("llama-3.3-70b-versatile", None),
        ("mistral-7b-instruct", None),
        ("deepseek-r1", None),
        ("o3o", None),
        ("my-deployment", None),
    ],
)
@pytest.mark.parametrize("name", ["langfuse", "langsmith", "mlflow", "openinference"])
def test_who_does_not_name_the_provider_names_a_model_of_its(name: str, model: str, provider: str | None) -> None:
    told = {
        "langfuse": {"langfuse.observation.type": "generation", "langfuse.observation.model.name": model},
        "langsmith": {"langsmith.span.kind": "llm", "gen_ai.request.model": model},
        "mlflow": {"mlflow.spanType": '"CHAT_MODEL"', "mlflow.llm.model": json.dumps(model)},
        "openinference": {"openinference.span.kind": "LLM", "llm.model_name": model},
    }[name]
    reading = read(Span(attributes=told))
    assert reading is not None
    assert (reading.dialect, reading.columns.get("provider")) == (name, provider)


def test_every_dialect_has_a_file_a_row_and_a_fixture() -> None:
    folder = Path(dialects.__file__).parent
    ids = {dialect.id for dialect in DIALECTS}
    assert {path.stem for path in folder.glob("*.py")} - {
        "__init__",
        "costs",
        "dialect",
        "events",
        "makers",
        "message_parts",
        "messages",
        "names",
        "reading",
        "said",
        "values",
    } == ids
    assert len(BY_ID) == len(DIALECTS)
    readings = [read(span_of(json.loads(path.read_text()))) for path in FIXTURES]
    assert {reading.dialect for reading in readings if reading} == ids


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.id)
def test_a_table_fills_columns_that_exist(dialect: Dialect) -> None:
    known = {column.name for column in tables.TABLES["spans"]} | MORE
    assert set(dialect.columns) <= known
    assert dialect.source
    assert dialect.scopes or dialect.scope_prefixes or dialect.marks or dialect.mark_prefixes


def attributes_of(source: Source) -> str:
    return source if isinstance(source, str) else source.attribute


ANY = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "{}",
            "[",
            '{"a": 1}',
            "chat",
            "{'a': 1}",
            "1e400",
            "2026-01-01",
            "-1",
            '[{"role": "x", "content": [7]}]',
            '{"role": {}}',
            '[{"parts": 3}, 5, {"parts": [null, {"type": 7}, {"type": "text", "content": [{"text": 1}]}]}]',
            '[{"role": "assistant", "parts": [{"type": "tool_call_response"}]}, {"message": {"content": [[]]}}]',
            '{"choices": [{"message": 1}, 2], "output": [{"type": "function_call", "name": {}}], "usage": []}',
            '{"candidates": [{"message": {"content": [{"toolRequest": {"input": "{"}}]}}], "messages": {"0": "x"}}',
            '{"0": {"role": "user", "content": "x"}}',
            '{"system": 4, "messages": [{"tool_calls": {"0": {"function": {"arguments": "["}}}}], "tools": [1]}',
        ]
    )
    | st.binary(max_size=4)
    | st.lists(st.integers() | st.text(max_size=3), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
COLUMN_NAMES = sorted({attributes_of(source) for d in DIALECTS for sources in d.columns.values() for source in sources})
NAMES = [
    *COLUMN_NAMES,
    "ai.prompt.tools",
    "ai.response.toolCalls",
    "ai.prompt",
    "ai.prompt.messages",
    "gen_ai.completion.0.content",
    "gen_ai.prompt.0.tool_calls.0.name",
    "gen_ai.prompt.1",
    "gen_ai.prompt.1.role",
    "gen_ai.prompt.1.role.x",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.usage.input_token_details",
    "genkit:input",
    "langfuse.observation.output",
    "llm.input_messages.0.message",
    "llm.input_messages.0.message.contents.0.message_content.type",
    "llm.input_messages.0.message.role",
    "llm.request.functions.0.parameters",
    "llm.tools.0.tool.json_schema",
    "metadata.requester_metadata",
    "metadata.usage_object",
    "mlflow.spanInputs",
    "mlflow.spanOutputs",
    "output.value",
]
EVENTS = st.builds(
    Event,
    st.sampled_from(["exception", "gen_ai.user.message", "gen_ai.choice", "gen_ai.", "mlflow.chunk.item.0"]),
    st.integers(0, 2**63),
    st.dictionaries(st.sampled_from(["content", "exception.type", "finish_reason", "message"]), ANY, max_size=3),
)


@given(
    st.sampled_from(DIALECTS),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), ANY, max_size=12),
    st.lists(EVENTS, max_size=3),
)
def test_whatever_an_attribute_holds_is_read_or_left(
    dialect: Dialect, attributes: dict[str, Any], events: list[Event]
) -> None:
    before = repr(attributes)
    reading = read_as(dialect, Span(name="x", scope="x", attributes=attributes, events=events))
    assert repr(attributes) == before
    assert reading.content <= attributes.keys()
    for column in tables.TABLES["spans"]:
        value = reading.columns.get(column.name)
        if value is not None and column.type in (tables.LONG, tables.INT):
            assert type(value) is int
    read(Span(name="x", attributes=attributes))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_count_with_the_cache_and_one_without_are_one_row(fresh: int, read_: int, written: int, made: int) -> None:
    cache = {"gen_ai.usage.cache_read.input_tokens": read_, "gen_ai.usage.cache_creation.input_tokens": written}
    said = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.usage.output_tokens": made}
    inclusive = Span(
        scope="opentelemetry.instrumentation.genai.anthropic",
        attributes={**said, **cache, "gen_ai.usage.input_tokens": fresh + read_ + written},
    )
    exclusive = Span(scope="openlit.otel", attributes={**said, **cache, "gen_ai.usage.input_tokens": fresh})
    first, second = read(inclusive), read(exclusive)
    assert first is not None
    assert second is not None
    assert first.columns == second.columns


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        ("opentelemetry.instrumentation.httpx", ["http.request.method", "url.full"]),
        ("", []),
        ("my.app", ["user.id", "session.id", "model"]),
        ("logfire", ["logfire.msg", "logfire.span_type"]),
    ],
)
def test_a_span_that_has_to_do_with_no_model_is_in_no_dialect(scope: str, attributes: list[str]) -> None:
    assert find(scope, attributes) is None


def test_what_a_compaction_took_is_counted_with_the_rest() -> None:
    """Anthropic's SDK tells of it beside its counts."""
    counts = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 200}
    took = {"anthropic.usage.compaction.input_tokens": 300, "anthropic.usage.compaction.output_tokens": 40}
    for sent, expected in (({}, (1000, 200)), (took, (1300, 240))):
        reading = read(Span(scope="com.anthropic.sdk.python", attributes=counts | sent))
        assert reading is not None
        assert (reading.columns["input_tokens"], reading.columns["output_tokens"]) == expected
