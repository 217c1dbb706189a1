"""Mistral's conversations: what was asked and said, and what at the same path is none."""

from __future__ import annotations

import json

from app.test_readers_a import HELLO, LOOK_UP, MORNING, asked, content_of, load, said

from otel_llm.providers import find_reader
from otel_llm.recognition import Recogniser
from otel_llm.wire import Answer
from otel_llm_semconv import attributes as a


def test_openais_conversations_are_no_calls() -> None:
    path, known = "/v1/conversations", Recogniser()
    for body in ({"items": [], "metadata": {"topic": "wrist"}}, {}):
        written = json.dumps(body).encode()
        assert known.recognise("mistral_conversations", path, "api.openai.com", {}, written) is None
    target = known.recognise("mistral_conversations", path + "/c", "api.mistral.ai", {}, b'{"inputs": "hello"}')
    assert target is not None
    assert target.provider == "mistral_ai"


def test_conversations_of_mistral() -> None:
    options = {
        a.REQUEST_TEMPERATURE: 0.5,
        a.REQUEST_MAX_TOKENS: 200,
        a.REQUEST_SEED: 7,
        a.REQUEST_STOP_SEQUENCES: ("END",),
        a.OUTPUT_TYPE: "json",
        a.PROPERTY_PREFIX + "department": "triage",
    }
    assert asked("mistral_conversations/chat") == ("chat", "mistral-medium-latest", options)
    assert asked("mistral_conversations/chat_agent") == ("chat", None, {a.CONVERSATION_ID: "conv_1"})
    reader, answer = find_reader("mistral_conversations"), Answer()
    reader.fold_event(load("mistral_conversations/chat_stream")["events"][0], answer, False)
    assert reader.response_attributes(answer) == {a.CONVERSATION_ID: "conv_1"}
    assert said("mistral_conversations/chat_stream") == ([MORNING, LOOK_UP], "tool_call")
    searched = {"name": "web_search", "arguments": '{"query":"wrist"}'}
    parts, _ = said("mistral_conversations/chat")
    assert parts == [
        {"type": "server_tool_call", "name": "web_search", "server_tool_call": searched},
        MORNING,
        {"type": "generic", "generic_type": "tool_reference"},
        LOOK_UP,
    ]
    content = content_of("mistral_conversations/chat_agent")
    result = {"type": "tool_call_response", "id": "call_1", "response": "none"}
    assert content.input_messages == [HELLO, {"role": "tool", "parts": [result]}]
    assert content_of("mistral_conversations/chat").system_instructions == [{"type": "text", "content": "Be brief."}]
