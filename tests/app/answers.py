"""What a provider answers in each wire format: 512 tokens in and 200 out, whole, as a stream, or broken off.

A stream is cut in two: what has `begun`, up to where it may break off, and the `rest`, which brings the usage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.rawserver import Connection, Reply
from app.test_endings import EVENTS, chunk, event

from otel_llm_semconv.usage import Usage

WHOLE: Final = Usage(input_tokens=512, output_tokens=200)
NONE: Final = Usage()
TEXT: Final = "one two"
CHAT_MODEL: Final = "gpt-4o"
CLAUDE: Final = "claude-haiku-4-5"
GEMINI: Final = "gemini-2.5-flash"


@dataclass(frozen=True)
class Wire:
    """A format: its plain body, its stream, and how the stream says that something went wrong."""

    plain: Mapping[str, Any]
    begun: tuple[bytes, ...]
    rest: tuple[bytes, ...]
    error: bytes
    error_type: str
    usage: Usage = field(default_factory=lambda: WHOLE)
    begun_usage: Usage = field(default_factory=Usage)
    finish: str = "stop"

    @property
    def events(self) -> tuple[bytes, ...]:
        return self.begun + self.rest


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def data(body: Any) -> bytes:
    return b"data: " + encoded(body) + b"\n\n"


def chat_usage(**details: Any) -> dict[str, Any]:
    return {"prompt_tokens": 512, "completion_tokens": 200, "total_tokens": 712, **details}


def chat_end(**details: Any) -> tuple[bytes, ...]:
    return (chunk(finish="stop"), chunk(usage=chat_usage(**details)), b"data: [DONE]\n\n")


def completion(text: str = TEXT, **usage: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": CHAT_MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": chat_usage(**usage),
    }


CHAT: Final = Wire(
    plain=completion(),
    begun=(chunk("one "), chunk("two")),
    rest=chat_end(),
    error=data({"error": {"message": "broke", "type": "server_error"}}),
    error_type="server_error",
)
#: Of the 512 that went in 384 came from the cache, of the 200 that came out 128 were thoughts.
CHAT_DETAILS: Final[Any] = {
    "prompt_tokens_details": {"cached_tokens": 384},
    "completion_tokens_details": {"reasoning_tokens": 128},
}
DETAILED: Final = Usage(input_tokens=512, output_tokens=200, cache_read_tokens=384, reasoning_tokens=128)


def response(status: str, text: str = TEXT, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "m1", "type": "message", "role": "assistant", "status": status, "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": CHAT_MODEL,
        "status": status,
        "output": [item] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        **more,
    }


def response_usage(**details: Any) -> dict[str, Any]:
    plain = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {"input_tokens": 512, "output_tokens": 200, "total_tokens": 712, **plain, **details}


_PLACE: Final = {"item_id": "m1", "output_index": 0, "content_index": 0}
_PART: Final = {"type": "output_text", "text": "", "annotations": []}
RESPONSE_DETAILS: Final[Any] = {
    "input_tokens_details": {"cached_tokens": 384},
    "output_tokens_details": {"reasoning_tokens": 128},
}
RESPONSES_BEGUN: Final = (
    event("response.created", sequence_number=0, response=response("in_progress", usage=None)),
    event(
        "response.output_item.added",
        sequence_number=1,
        output_index=0,
        item={"id": "m1", "type": "message", "role": "assistant", "status": "in_progress", "content": []},
    ),
    event("response.content_part.added", sequence_number=2, **_PLACE, part=_PART),
    event("response.output_text.delta", sequence_number=3, **_PLACE, delta="one ", logprobs=[]),
    event("response.output_text.delta", sequence_number=4, **_PLACE, delta="two", logprobs=[]),
)
#: Both details are always there, 0 where nothing was cached or thought.
RESPONDED: Final = Usage(input_tokens=512, output_tokens=200, cache_read_tokens=0, reasoning_tokens=0)


def responses_end(**details: Any) -> tuple[bytes, ...]:
    done = response("completed", usage=response_usage(**details))
    return (
        event("response.output_text.done", sequence_number=5, **_PLACE, text=TEXT, logprobs=[]),
        event("response.completed", sequence_number=6, response=done),
    )


RESPONSES: Final = Wire(
    plain=response("completed", usage=response_usage()),
    begun=RESPONSES_BEGUN,
    rest=responses_end(),
    error=event("error", sequence_number=5, code="server_error", message="broke", param=None),
    error_type="server_error",
    usage=RESPONDED,
)
RESPONSE_FAILED: Final = event(
    "response.failed",
    sequence_number=5,
    response=response("failed", error={"code": "rate_limit_exceeded", "message": "broke"}, usage=None),
)
RESPONSE_INCOMPLETE: Final = event(
    "response.incomplete",
    sequence_number=5,
    response=response("incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=response_usage()),
)


def message(text: str = TEXT, **usage: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": "end_turn" if text else None,
        "stop_sequence": None,
        "usage": {"input_tokens": 512, "output_tokens": 200, **usage},
    }


def messages_begun(**usage: Any) -> tuple[bytes, ...]:
    """The output count at the start is a place-holder."""
    texts = [{"type": "text_delta", "text": text} for text in ("one ", "two")]
    return (
        event("message_start", message=message("", **{"output_tokens": 2, **usage})),
        event("ping"),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta=text) for text in texts),
    )


#: Of all that went in: 128 new, 320 read from the cache, 64 written to it.
CLAUDE_CACHE: Final[Any] = {"input_tokens": 128, "cache_read_input_tokens": 320, "cache_creation_input_tokens": 64}
CLAUDE_CACHED: Final = Usage(input_tokens=512, output_tokens=200, cache_read_tokens=320, cache_write_tokens=64)
MESSAGES: Final = Wire(
    plain=message(),
    begun=messages_begun(),
    rest=(
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 200}),
        event("message_stop"),
    ),
    error=event("error", error={"type": "overloaded_error", "message": "broke"}),
    error_type="overloaded_error",
    begun_usage=Usage(input_tokens=512, output_tokens=2),
    finish="end_turn",
)


def generated(text: str, tokens: int, **more: Any) -> dict[str, Any]:
    """Candidates and thoughts stand beside each other: what came out is their sum."""
    finish = {"finishReason": "STOP"} if more else {}
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **finish}
    usage = {"promptTokenCount": 512, "candidatesTokenCount": tokens, **more}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": GEMINI, "responseId": "g1"}


GENERATE: Final = Wire(
    plain=generated(TEXT, 72, thoughtsTokenCount=128),
    begun=(data(generated("one ", 1)), data(generated("two", 2))),
    rest=(data(generated("", 72, thoughtsTokenCount=128)),),
    error=data({"error": {"code": 503, "message": "broke", "status": "UNAVAILABLE"}}),
    error_type="UNAVAILABLE",
    usage=Usage(input_tokens=512, output_tokens=200, reasoning_tokens=128),
    begun_usage=Usage(input_tokens=512, output_tokens=2),
    finish="STOP",
)
EMBEDDINGS: Final = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5]}],
    "usage": {"prompt_tokens": 512, "total_tokens": 512},
}


def says(body: Any, status: int = 200, **headers: str) -> Reply:
    """One document."""
    return lambda connection: connection.json(body, status, **headers)


def streams(*events: bytes) -> Reply:
    """These events, and the end of the body."""

    def reply(connection: Connection) -> None:
        connection.head(content_type=EVENTS)
        connection.send(b"".join(events))

    return reply


def holds(*events: bytes) -> Reply:
    """These events, then silence until the app has gone."""

    def reply(connection: Connection) -> None:
        streams(*events)(connection)
        _await_end(connection)

    return reply


def cuts(*events: bytes) -> Reply:
    """These events, then a cut line."""

    def reply(connection: Connection) -> None:
        streams(*events)(connection)
        connection.cut()

    return reply


def breaks_off(*events: bytes) -> Reply:
    """These events in chunks, the last of which, which is empty, never comes."""

    def reply(connection: Connection) -> None:
        connection.head(content_type=EVENTS, transfer_encoding="chunked")
        body = b"".join(events)
        connection.send(f"{len(body):x}\r\n".encode() + body + b"\r\n")

    return reply


def silence(connection: Connection) -> None:
    """Not a word, not even a status, until the app has gone."""
    _await_end(connection)


def _await_end(connection: Connection) -> None:
    connection.sock.settimeout(20)
    connection.sock.recv(1)
