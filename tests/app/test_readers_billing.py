"""What the providers bill beside the counts of an answer: compactions, advisers, hosted tools, latency."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from otel_llm.providers import find_reader
from otel_llm.wire import Answer
from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing import price
from otel_llm_semconv.usage import Usage


def usage_of(wire_format: str, body: dict[str, Any]) -> Usage:
    reader, answer = find_reader(wire_format), Answer()
    reader.read_response(body, answer, False)
    return reader.read_usage(answer.usage)


def test_what_anthropic_leaves_out_of_its_counts_stands_beside_them() -> None:
    def iteration(kind: str, given: int, made: int, **more: Any) -> dict[str, Any]:
        return {"type": kind, "input_tokens": given, "output_tokens": made, "cache_read_input_tokens": 1, **more}

    iterations = [
        iteration("message", 10, 2),
        iteration("compaction", 100, 20),
        iteration("compaction", 200, 30),
        iteration("advisor_message", 50, 5, model="claude-opus-4-8"),
    ]
    usage = {"input_tokens": 10, "output_tokens": 2, "iterations": iterations}
    reader, answer = find_reader("anthropic_messages"), Answer()
    reader.read_response({"type": "message", "usage": usage}, answer, False)
    # the compaction is billed like the rest, the adviser by the prices of another model
    billed = Usage(input_tokens=312, output_tokens=52, cache_read_tokens=2, unpriced_units=56)
    assert reader.read_usage(answer.usage) == billed, "some of the adviser's tokens were cached"
    assert reader.response_attributes(answer) == {
        a.USAGE_COMPACTION_INPUT_TOKENS: 302,
        a.USAGE_COMPACTION_OUTPUT_TOKENS: 50,
        a.USAGE_ADVISOR_INPUT_TOKENS: 51,
        a.USAGE_ADVISOR_OUTPUT_TOKENS: 5,
        a.USAGE_ADVISOR_MODEL: "claude-opus-4-8",
    }


def test_an_adviser_is_priced_by_its_own_model() -> None:
    def iteration(given: int, made: int, model: str | None) -> dict[str, Any]:
        counted = {"input_tokens": given, "output_tokens": made}
        return {
            "type": "advisor_message",
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
            **counted,
        } | ({"model": model} if model else {})

    def usage(*iterations: dict[str, Any]) -> Usage:
        counted = {"input_tokens": 10, "output_tokens": 2, "iterations": list(iterations)}
        return usage_of("anthropic_messages", {"type": "message", "usage": counted})

    opus = "claude-opus-4-8"
    twice = usage(iteration(50, 5, opus), iteration(70, 7, opus))
    assert twice == Usage(10, 2, advisor_input_tokens=120, advisor_output_tokens=12)
    assert usage(iteration(50, 5, opus), iteration(70, 7, "claude-x")) == Usage(10, 2, unpriced_units=132)
    assert usage(iteration(50, 5, None)) == Usage(10, 2, unpriced_units=55)


def test_latency_that_is_paid_for_is_a_tier_of_bedrock() -> None:
    usage = {"inputTokens": 5, "outputTokens": 2}
    for latency, tier in (("optimized", {a.SERVICE_TIER: "optimized"}), ("standard", {})):
        whole, streamed, invoked = Answer(), Answer(), Answer()
        said = {"usage": usage, "performanceConfig": {"latency": latency}}
        converse, invoke = find_reader("bedrock_converse"), find_reader("bedrock_invoke")
        converse.read_response({"output": {}, **said}, whole, False)
        converse.fold_event({"metadata": said}, streamed, False)
        invoke.read_headers({"x-amzn-bedrock-performanceconfig-latency": latency}, invoked)
        answers = ((converse, whole), (converse, streamed), (invoke, invoked))
        assert [reader.response_attributes(answer) for reader, answer in answers] == [tier] * 3
    model = "us.anthropic.claude-3-5-haiku-20241022-v1:0"
    priced = price("aws.bedrock", model, Usage(5, 2), datetime(2026, 5, 5, tzinfo=UTC), service_tier="optimized")
    assert priced.status == "assumed_tier"


def test_what_others_bill_beside_the_counts_has_no_price() -> None:
    counted = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    connected = {"usage": counted | {"connector_tokens": 900, "connectors": {"web_search": 1}}}
    assert usage_of("openai_chat", connected) == Usage(5, 2, unpriced_units=900)
    assert usage_of("openai_chat", {"usage": counted | {"num_sources_used": 3}}) == Usage(5, 2, unpriced_units=3)


def test_the_size_of_perplexitys_search_is_told_for_its_fee() -> None:
    reader, answer = find_reader("openai_chat"), Answer()
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "search_context_size": "high", "cost": {"total_cost": 0.012}}
    reader.read_response({"model": "sonar", "usage": usage}, answer, False)
    assert reader.response_attributes(answer) == {a.SERVICE_TIER: "high"}
    assert reader.read_usage(answer.usage) == Usage(5, 2)


@pytest.mark.parametrize(
    ("model", "tool", "unpriced"),
    [
        ("gpt-5-mini", "web_search_preview", None),
        ("gpt-4.1", "web_search", None),
        ("gpt-4.1", "web_search_preview_2025_03_11", 1),
        ("gpt-4o-mini-2024-07-18", "web_search", 1),
    ],
)
def test_searches_that_have_another_price_have_none_here(model: str, tool: str, unpriced: int | None) -> None:
    call = {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "wren"}}
    body = {"model": model, "status": "completed", "output": [call], "tools": [{"type": tool}]}
    found = usage_of("openai_responses", body | {"usage": {"input_tokens": 5, "output_tokens": 2}})
    assert found == Usage(5, 2, web_searches=1, unpriced_units=unpriced)
