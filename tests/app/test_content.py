"""Content: only on request, bounded, always valid JSON."""

from __future__ import annotations

import json
import logging
from typing import Any

import anthropic
import httpx2
import pytest
from app.rawserver import RawServer
from app.recording import Recorded
from app.test_endings import MESSAGE, event, stream
from hypothesis import given
from hypothesis import strategies as st

from otel_llm.content import bounded_json, is_captured
from otel_llm_semconv import attributes as a


@pytest.mark.parametrize(
    ("mode", "captured"),
    [("SPAN_ONLY", True), ("span_and_event", True), ("NO_CONTENT", False), ("EVENT_ONLY", False), ("", False)],
)
def test_the_modes_of_the_conventions(mode: str, captured: bool) -> None:
    assert is_captured(mode) is captured


def test_true_means_spans_and_warns_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_llm.content._warned", set())
    with caplog.at_level(logging.WARNING):
        assert is_captured("true")
        assert is_captured("true")
        assert not is_captured("everything")
    assert len(caplog.records) == 2


def test_long_strings_are_cut_first() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": "x" * 5000}]}]
    written = bounded_json(messages, 1000)
    assert len(written.encode()) <= 1000
    (message,) = json.loads(written)
    assert message["role"] == "user"
    assert message["parts"][0]["content"].endswith("… [cut]")


def test_then_the_oldest_messages_go() -> None:
    messages = [{"role": "user", "parts": [{"type": "text", "content": f"{n:04}"}]} for n in range(1000)]
    kept = json.loads(bounded_json(messages, 1000))
    assert kept[-1]["parts"][0]["content"] == "0999"
    assert 1 < len(kept) < 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JSON), st.integers(2, 500))
def test_whatever_it_is_it_fits_and_parses(value: list[Any], bytes_max: int) -> None:
    written = bounded_json(value, bytes_max)
    assert len(written.encode("utf-8", "surrogatepass")) <= bytes_max
    assert isinstance(json.loads(written), list)


def test_a_streamed_answer_is_put_together(capturing: Recorded) -> None:
    with (
        RawServer(stream(*MESSAGE)) as server,
        anthropic.Anthropic(api_key="k", base_url=server.url) as client,
        client.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=9,
            system="be brief",
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "look"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "1"}]},
            ],
        ) as events,
    ):
        events.get_final_message()
    found = capturing.attributes()
    assert json.loads(found[a.SYSTEM_INSTRUCTIONS]) == [{"type": "text", "content": "be brief"}]
    roles = [(message["role"], message["parts"][0]["type"]) for message in json.loads(found[a.INPUT_MESSAGES])]
    assert roles == [("user", "text"), ("assistant", "tool_call"), ("tool", "tool_call_response")]
    assert json.loads(found[a.OUTPUT_MESSAGES]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
    ]


def test_pieces_of_tool_calls_are_put_together_with_and_without_an_index(capturing: Recorded) -> None:
    def piece(index: Any, id: str | None, name: str | None, arguments: str) -> bytes:
        call = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
        body = {"id": "c", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    pieces = [
        piece(None, "t1", "f", '{"x"'),
        piece(0, None, None, ": 1"),
        piece(None, None, None, "}"),
        piece([], "t2", "g", "{}"),
        piece("1", None, None, ""),
    ]
    with RawServer(stream(*pieces, b"data: [DONE]\n\n")) as server, httpx2.Client() as client:
        client.post(server.url + "/v1/chat/completions", json={"model": "gpt-4o", "messages": [], "stream": True})
    (message,) = json.loads(capturing.attributes()[a.OUTPUT_MESSAGES])
    assert [(part["id"], part["name"], part["arguments"]) for part in message["parts"]] == [
        ("t1", "f", {"x": 1}),
        ("t2", "g", {}),
    ]


def test_blocks_without_a_proper_index_are_one(capturing: Recorded) -> None:
    pieces = [
        event("content_block_delta", index=index, delta={"type": "text_delta", "text": "x"}) for index in (None, 0, [])
    ]
    with RawServer(stream(MESSAGE[0], *pieces, *MESSAGE[-2:])) as server, httpx2.Client() as client:
        client.post(server.url + "/v1/messages", json={"model": "m", "messages": [], "max_tokens": 9, "stream": True})
    found = capturing.attributes()
    assert json.loads(found[a.OUTPUT_MESSAGES])[0]["parts"] == [{"type": "text", "content": "xxx"}]
    assert (found[a.USAGE_OUTPUT_TOKENS], found[a.USAGE_STATUS]) == (200, "reported")
