"""However the events of a stream are written, joined and cut: what it says comes out the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import httpx2
import pytest
from app.recording import Recorded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_llm_semconv import attributes as a

#: What a model may write that looks like something else.
TRAPS: Final = (
    '"', "\\", "\\n", "\n\n", "\r", "\u2028", "😀", "[DONE]", "data: [DONE]", "event: message_stop", '"error"',
    '"usage":{', '"finish_reason":"stop"', '"},"logprobs":null', "message_", '"delta":{"content":"', "x" * 300,
)  # fmt: skip
TEXTS: Final = st.lists(st.sampled_from(TRAPS) | st.text(max_size=4), max_size=20)
IDENTITY: Final = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
REASONS: Final = ("stop", "length", "tool_calls")


def chat(texts: list[str], choices: int) -> Iterator[tuple[str, dict[str, Any]]]:
    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> tuple[str, dict[str, Any]]:
        return "", {**IDENTITY, "choices": [{"index": index, "delta": delta, "finish_reason": reason}], "usage": None}

    for place, text in enumerate(texts):
        yield chunk(place % choices, {"content": text})
    for index in range(choices):
        yield chunk(index, {}, REASONS[index])
    yield "", {**IDENTITY, "choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 40, "total_tokens": 70}}


def messages(texts: list[str], choices: int) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = {"id": "c1", "role": "assistant", "model": "gpt-4o-mini", "usage": {"input_tokens": 30, "output_tokens": 1}}
    yield "message_start", {"message": begun}
    yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
    for text in texts:
        yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}}
    yield "content_block_stop", {"index": 0}
    yield "message_delta", {"delta": {"stop_reason": REASONS[0]}, "usage": {"output_tokens": 40}}
    yield "message_stop", {}


def responses(texts: list[str], choices: int) -> Iterator[tuple[str, dict[str, Any]]]:
    answer = {"id": "c1", "object": "response", "model": "gpt-4o-mini", "output": [], "usage": None}
    yield "response.created", {"response": {**answer, "status": "in_progress"}}
    for text in texts:
        yield "response.output_text.delta", {"output_index": 0, "content_index": 0, "delta": text}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "".join(texts)}]}
    used = {"input_tokens": 30, "output_tokens": 40, "total_tokens": 70}
    yield "response.completed", {"response": {**answer, "status": "completed", "output": [said], "usage": used}}


WIRES: Final = {"chat/completions": chat, "messages": messages, "responses": responses}


def block(kind: str, event: dict[str, Any], **style: Any) -> str:
    written = json.dumps({"type": kind, **event} if kind else event, **style)
    return (f"event: {kind}\n" if kind else "") + f"data: {written}\n\n"


@st.composite
def cuts(draw: st.DrawFn, events: list[tuple[str, dict[str, Any]]]) -> list[bytes]:
    """The events as a body, written in one of the usual ways, some of them in one chunk, some chunks cut in two."""
    spacing = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    ascii_only, padding, done = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    blocks = [": alive\n\n"] if draw(st.booleans()) else []
    for place, (kind, event) in enumerate(events):
        blocks.append(block(kind, event, separators=spacing, ensure_ascii=ascii_only))
        if padding:
            blocks[-1] = blocks[-1].replace("}\n\n", " " * (place % 4) + "}\n\n")
    raws = [one.replace("\n", newline).encode() for one in blocks + (["data: [DONE]\n\n"] if done else [])]
    if draw(st.booleans()):
        return raws
    body = b"".join(raws)
    joined = draw(st.sets(st.integers(0, min(len(raws), 8))))
    ends = {sum(map(len, raws[: place + 1])) for place in range(len(raws)) if place not in joined}
    ends |= draw(st.sets(st.integers(1, len(body)), max_size=5)) | {len(body)}
    return [body[start:end] for start, end in zip([0, *sorted(ends)], sorted(ends), strict=False) if start < end]


@pytest.mark.parametrize("fixture", ["recorded", "capturing"])
@pytest.mark.parametrize("path", WIRES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_what_a_stream_says_does_not_depend_on_how_it_is_cut(
    request: pytest.FixtureRequest, fixture: str, path: str, data: st.DataObject
) -> None:
    recorded: Recorded = request.getfixturevalue(fixture)
    texts = data.draw(TEXTS) * data.draw(st.sampled_from([0, 1, 20]))
    choices = data.draw(st.sampled_from([1, 2])) if path == "chat/completions" else 1
    pieces = data.draw(cuts(list(WIRES[path](texts, choices))))
    recorded.exporter.clear()
    ask(path, pieces, choices)
    found = recorded.attributes()
    assert [found[name] for name in (a.RESPONSE_ID, a.RESPONSE_MODEL)] == ["c1", "gpt-4o-mini"]
    assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS], found[a.USAGE_STATUS]) == (30, 40, "reported")
    assert found[a.RESPONSE_FINISH_REASONS] == REASONS[:choices]
    if fixture == "capturing":
        written = found.get(a.OUTPUT_MESSAGES, "[]")
        said = ["".join(part["content"] for part in message["parts"]) for message in json.loads(written)]
        assert said == ["".join(texts[index::choices]) for index in range(choices)]


def ask(path: str, pieces: list[bytes], choices: int, *, stop_after: int | None = None) -> None:
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, content=iter(pieces)))
    asked: dict[str, Any] = {"model": "m", "stream": True, "max_tokens": 9}
    asked["input" if path == "responses" else "messages"] = [{"role": "user", "content": "hello"}]
    if choices > 1:
        asked["n"] = choices
    with (
        httpx2.Client(transport=transport) as client,
        client.stream("POST", f"http://llm.test/v1/{path}", json=asked) as response,
    ):
        assert list(islice(response.iter_raw(), stop_after)) == pieces[:stop_after]


def test_what_the_first_event_says_is_kept_behind_a_comment(recorded: Recorded) -> None:
    """The app leaves before the events that would say it again."""
    events = [block(*event, separators=(",", ":")).encode() for event in responses(["one"] * 9, 1)]
    ask("responses", [b": alive\n\n", *events], 1, stop_after=3)
    found = recorded.attributes()
    assert (found[a.RESPONSE_ID], found[a.RESPONSE_MODEL], found[a.USAGE_STATUS]) == ("c1", "gpt-4o-mini", "partial")


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("together", [2, 3])
@pytest.mark.parametrize("path", WIRES)
def test_pieces_that_share_a_chunk_are_not_taken_for_one(
    capturing: Recorded, path: str, first: int, together: int
) -> None:
    texts = [f" {number}" for number in range(300)]
    events = [block(*event, separators=(",", ":")).encode() for event in WIRES[path](texts, 1)]
    ask(path, [*events[:first], b"".join(events[first : first + together]), *events[first + together :]], 1)
    (message,) = json.loads(capturing.attributes()[a.OUTPUT_MESSAGES])
    assert [part["content"] for part in message["parts"]] == ["".join(texts)]
