"""The stand-in speaks the providers' wire formats: the real SDKs understand it, and its log tells what it sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from pydantic import BaseModel

from otel_llm_collector.demo.standin import Standin

MESSAGES: Any = [{"role": "user", "content": "How urgent is a bent wrist?"}]
PARAMETERS: Any = {
    "type": "object",
    "properties": {
        "level": {"type": "integer", "minimum": 3},
        "ward": {"type": "string", "enum": ["north", "south"]},
        "notes": {"type": "array", "items": {"$ref": "#/$defs/note"}},
    },
    "$defs": {"note": {"type": "object", "properties": {"text": {"type": "string"}, "open": {"type": "boolean"}}}},
}
OPENAI_TOOLS: Any = [{"type": "function", "function": {"name": "admit", "parameters": PARAMETERS}}]
ANTHROPIC_TOOLS: Any = [{"name": "admit", "input_schema": PARAMETERS}]


class Verdict(BaseModel):
    level: int
    reason: str
    next_visit: str | None


def log_lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]


# --- OpenAI ---------------------------------------------------------------------------------------------------


def test_openai_answer_and_log_agree(gpt: openai.OpenAI, tmp_path: Path) -> None:
    answer = gpt.chat.completions.with_raw_response.create(
        model="gpt-5-mini", messages=MESSAGES, user="u1", metadata={"department": "cardiology"}, store=True
    )
    completion = answer.parse()
    assert completion.model == "gpt-5-mini-2025-08-07"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.choices[0].message.content
    usage = completion.usage
    assert usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) < usage.completion_tokens
    [line] = log_lines(tmp_path)
    assert (line["id"], line["status"], line["stream"], line["fault"]) == (completion.id, 200, False, None)
    assert line["usage"] == json.loads(answer.content)["usage"]
    assert (line["user"], line["metadata"]) == ("u1", {"department": "cardiology"})
    assert (line["request_model"], line["model"]) == ("gpt-5-mini", completion.model)
    assert line["request_id"] == answer.headers["x-request-id"]


def test_openai_stream_says_what_the_plain_answer_says(gpt: openai.OpenAI) -> None:
    plain = gpt.chat.completions.create(model="o4-mini", messages=MESSAGES)
    options: Any = {"include_usage": True}
    chunks = list(gpt.chat.completions.create(model="o4-mini", messages=MESSAGES, stream=True, stream_options=options))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage == plain.usage
    assert chunks[-1].choices == []
    assert {chunk.id for chunk in chunks} != {plain.id}
    assert len({chunk.id for chunk in chunks}) == 1


def test_openai_stream_without_include_usage_tells_none(gpt: openai.OpenAI, tmp_path: Path) -> None:
    chunks = list(gpt.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert log_lines(tmp_path)[0]["usage"] is None


@pytest.mark.parametrize("stream", [False, True])
def test_openai_tool_call_fits_its_schema(gpt: openai.OpenAI, stream: bool) -> None:
    if stream:
        with gpt.chat.completions.stream(model="gpt-4o", messages=MESSAGES, tools=OPENAI_TOOLS) as events:
            choice: Any = events.get_final_completion().choices[0]
    else:
        choice = gpt.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=OPENAI_TOOLS).choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    check_arguments(json.loads(call.function.arguments))


def test_openai_answers_in_words_once_the_tool_has_run(gpt: openai.OpenAI) -> None:
    after: Any = [*MESSAGES, {"role": "tool", "tool_call_id": "call_1", "content": "admitted"}]
    choice = gpt.chat.completions.create(model="gpt-4o", messages=after, tools=OPENAI_TOOLS).choices[0]
    assert choice.finish_reason == "stop"
    none = gpt.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=OPENAI_TOOLS, tool_choice="none")
    assert none.choices[0].message.tool_calls is None


def test_openai_structured_output_parses(gpt: openai.OpenAI) -> None:
    answer = gpt.chat.completions.parse(model="gpt-4o", messages=MESSAGES, response_format=Verdict)
    assert isinstance(answer.choices[0].message.parsed, Verdict)


def test_a_limit_cuts_the_answer(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    answer = gpt.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_completion_tokens=5, n=2)
    assert answer.usage
    assert (answer.usage.completion_tokens, [c.finish_reason for c in answer.choices]) == (5, ["length"] * 2)
    message = claude.messages.create(model="claude-haiku-4-5", messages=MESSAGES, max_tokens=5)
    assert (message.usage.output_tokens, message.stop_reason) == (5, "max_tokens")


# --- Anthropic ------------------------------------------------------------------------------------------------


def cached(ttl: str) -> Any:
    return [{"type": "text", "text": "Protocol.", "cache_control": {"type": "ephemeral", "ttl": ttl}}]


def test_anthropic_answer_and_log_agree(claude: anthropic.Anthropic, tmp_path: Path) -> None:
    answer = claude.messages.with_raw_response.create(
        model="claude-haiku-4-5",
        max_tokens=999,
        messages=MESSAGES,
        system=cached("5m") + cached("1h"),
        metadata={"user_id": "u2"},
    )
    message = answer.parse()
    assert (message.model, message.stop_reason) == ("claude-haiku-4-5-20251001", "end_turn")
    split = message.usage.cache_creation
    assert split
    total = split.ephemeral_5m_input_tokens + split.ephemeral_1h_input_tokens
    assert message.usage.cache_creation_input_tokens == total
    [line] = log_lines(tmp_path)
    assert line["usage"] == answer.json()["usage"]
    assert (line["id"], line["metadata"], line["user"]) == (message.id, {"user_id": "u2"}, None)
    assert line["request_id"] == answer.headers["request-id"]


def test_anthropic_stream_says_what_the_plain_answer_says(claude: anthropic.Anthropic, tmp_path: Path) -> None:
    request: Any = {"model": "claude-sonnet-4-6", "max_tokens": 4000, "messages": MESSAGES, "system": cached("1h")}
    request["thinking"] = {"type": "adaptive"}
    plain = claude.messages.create(**request)
    with claude.messages.stream(**request) as events:
        streamed = events.get_final_message()
    assert [block.type for block in plain.content] == ["thinking", "text"]
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in plain.content]
    assert streamed.usage.to_dict() == plain.usage.to_dict()
    assert plain.usage.output_tokens_details
    assert plain.usage.output_tokens_details.thinking_tokens < plain.usage.output_tokens
    first, second = log_lines(tmp_path)
    assert first["usage"] == second["usage"]
    assert second["stream"] is True


def test_anthropic_without_cache_marks_touches_no_cache(claude: anthropic.Anthropic) -> None:
    usage = claude.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=MESSAGES).usage
    assert (usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (0, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_anthropic_tool_use_fits_its_schema(claude: anthropic.Anthropic, stream: bool) -> None:
    request: Any = {"model": "claude-haiku-4-5", "max_tokens": 999, "messages": MESSAGES, "tools": ANTHROPIC_TOOLS}
    if stream:
        with claude.messages.stream(**request) as events:
            message: Any = events.get_final_message()
    else:
        message = claude.messages.create(**request)
    assert message.stop_reason == "tool_use"
    [block] = message.content
    check_arguments(block.input)


def check_arguments(arguments: Any) -> None:
    assert arguments.keys() == {"level", "ward", "notes"}
    assert arguments["level"] >= 3
    assert arguments["ward"] in ("north", "south")
    [note] = arguments["notes"]
    assert isinstance(note["text"], str)
    assert isinstance(note["open"], bool)


# --- the same request costs the same ---------------------------------------------------------------------------


def test_usage_is_a_function_of_the_request_and_the_seed() -> None:
    def usage(seed: int, **more: Any) -> Any:
        with Standin(seed=seed) as running:
            body = {"model": "gpt-4o", "messages": MESSAGES} | more
            httpx.post(f"{running.openai_url}/chat/completions", json=body)
            return running.calls[0].usage

    assert usage(1) == usage(1, metadata={"a": "b"}, user="x")
    assert usage(1) != usage(2)
    assert usage(1) != usage(1, model="gpt-4o-mini")


def test_a_test_can_dictate_the_usage(standin: Standin) -> None:
    told = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    headers = {"x-standin-usage": json.dumps(told)}
    answer = httpx.post(f"{standin.openai_url}/chat/completions", json={"model": "m"}, headers=headers)
    assert answer.json()["usage"] == told == standin.calls[0].usage
