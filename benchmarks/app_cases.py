"""The calls that `app_calls.py` and `app_sdks.py` measure: requests and answers shaped as the providers send them.

Bodies are made up and always the same; keys, order, indentation, the `obfuscation` of OpenAI's chunks and the blanks
that pad Anthropic's events are the providers' own. Every event of a stream arrives as a piece of its own.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import app_heads
import httpx2
from app_blocks import Call
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor
from opentelemetry.trace import TracerProvider

DELTAS: Final = 200
BRIEF_EVENTS: Final = 6
EMBEDDING_NUMBERS: Final = 1024  # 30 kB, one number a line as OpenAI writes them
PROMPT_WORDS: Final = 220
ANSWER_WORDS: Final = 180
OPENAI: Final = "https://api.openai.com/v1"
ANTHROPIC: Final = "https://api.anthropic.com/v1"
#: Stands in an answer where each has digits of its own: some instrumentations keep answers by their id.
SERIAL: Final = "4bf92f3577b34da6a3ce929d"
_serials: Final = itertools.count(1)
MODEL: Final = "gpt-4o-mini"
MODEL_DATED: Final = "gpt-4o-mini-2024-07-18"
#: Of every answer; the input with what came from the cache, which Anthropic counts apart.
INPUT_TOKENS: Final = 312
CACHED_TOKENS: Final = 128
OUTPUT_TOKENS: Final = 204
CLAUDE: Final = "claude-sonnet-4-6"

_VOCABULARY: Final = (
    "the a of to and in is that for with as on be by this are from or at which an it can when where each "
    "patient record service request queue journal token model answer question system latency measure design "
    "result cost value budget region cluster memory process history version schedule report ward doctor"
)


class Bars(NamedTuple):
    """What we may add to a call, over what the plain HTTP instrumentor adds: content off and on."""

    off: float
    on: float


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of call."""

    name: str
    url: str
    request: Mapping[str, Any]
    pieces: tuple[bytes, ...]
    bars: Bars
    has_few_headers: bool = False
    end_mark: bytes = b""  # where the SDK stops reading; empty: it reads to the end

    @property
    def streams(self) -> bool:
        return len(self.pieces) > 1

    @property
    def brief(self) -> Case:
        """The same with a few events only, where it streams."""
        few = (*self.pieces[:BRIEF_EVENTS], *self.pieces[-BRIEF_EVENTS:]) if self.streams else self.pieces
        return replace(self, pieces=few)

    @property
    def has_messages(self) -> bool:
        """False where there is nothing to record as content."""
        return self.name != "embeddings"

    @property
    def prompt(self) -> str:
        """The beginning of what the user asks, by which recorded content is found."""
        asked = self.request.get("messages") or self.request["input"]
        return str(asked if isinstance(asked, str) else asked[-1]["content"])[:40]

    @property
    def content(self) -> bytes:
        """The request's body."""
        return _compact(self.request)

    @property
    def request_headers(self) -> dict[str, str]:
        """What a client has to send; a raw httpx2 client adds its own few."""
        own = {"x-api-key": "key", "anthropic-version": "2023-06-01"}
        return {
            "content-type": "application/json",
            **(own if ANTHROPIC in self.url else {"authorization": "Bearer key"}),
        }

    @property
    def response_headers(self) -> dict[str, str]:
        """As the provider sends them, or few where the case is to have few."""
        kind = "text/event-stream; charset=utf-8" if self.streams else "application/json"
        heads = app_heads.ANTHROPIC if ANTHROPIC in self.url else app_heads.OPENAI
        return {"content-type": kind, **(app_heads.FEW if self.has_few_headers else heads)}


class Pieces(httpx2.SyncByteStream):
    """A body that arrives piece by piece."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


def transport(case: Case) -> httpx2.MockTransport:
    """Answers every request in this process with the case's answer, under an id that no other answer has."""
    headers = list(case.response_headers.items())
    answer, serial = b"\0".join(case.pieces), SERIAL.encode()

    def handle(_: httpx2.Request) -> httpx2.Response:
        pieces = answer.replace(serial, b"%024d" % next(_serials)).split(b"\0")
        return httpx2.Response(200, headers=headers, stream=Pieces(pieces))

    return httpx2.MockTransport(handle)


def bare_call(case: Case, headers: Mapping[str, str] | None = None) -> Call:
    """The case's call by a raw client."""
    return _raw_call(httpx2.Client(transport=transport(case)), case, headers)


def plain_call(case: Case, provider: TracerProvider, headers: Mapping[str, str] | None = None) -> Call:
    """The same, with the plain OpenTelemetry instrumentor on the client: the yardstick."""
    client = httpx2.Client(transport=transport(case))
    HTTPX2ClientInstrumentor.instrument_client(client, tracer_provider=provider)
    return _raw_call(client, case, headers)


def _raw_call(client: httpx2.Client, case: Case, headers: Mapping[str, str] | None) -> Call:
    """As an SDK makes it: a stream is read event by event, to its end mark where it has one, then closed."""
    headers, content, end_mark = headers or case.request_headers, case.content, case.end_mark

    def call() -> None:
        client.send(client.build_request("POST", case.url, headers=headers, content=content))

    def stream() -> None:
        request = client.build_request("POST", case.url, headers=headers, content=content)
        response = client.send(request, stream=True)
        for piece in response.iter_bytes():
            if end_mark and end_mark in piece:
                break
        response.close()

    return stream if case.streams else call


def all_cases(names: Collection[str] | None = None, *, few_headers: bool = False) -> tuple[Case, ...]:
    """The cases, or those of these names, in the order of the tables."""
    chosen = (case for case in _cases() if not names or case.name in names)
    return tuple(replace(case, has_few_headers=few_headers) for case in chosen)


def _cases() -> tuple[Case, ...]:
    chat, responses, messages = f"{OPENAI}/chat/completions", f"{OPENAI}/responses", f"{ANTHROPIC}/messages"
    embeddings = f"{OPENAI}/embeddings"
    return (
        Case("chat", chat, _chat_request(), (_indented(_chat_answer()),), Bars(0.65, 0.8)),
        Case("responses", responses, _responses_request(), (_indented(_response("completed")),), Bars(0.65, 0.8)),
        Case("embeddings", embeddings, _embeddings_request(), (_indented(_embeddings_answer()),), Bars(0.5, 0.6)),
        Case("messages", messages, _messages_request(), (_compact(_message()),), Bars(0.65, 0.8)),
        Case("chat stream", chat, _chat_request(stream=True), _chat_events(), Bars(1.1, 1.6), end_mark=b"[DONE]"),
        Case("responses stream", responses, _responses_request(stream=True), _response_events(), Bars(1.1, 1.4)),
        Case("messages stream", messages, _messages_request(stream=True), _message_events(), Bars(1.1, 1.4)),
    )


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _indented(value: Any) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _words(count: int, seed: int) -> list[str]:
    chosen = random.Random(seed).choices(_VOCABULARY.split(), k=count)
    return [chosen[0], *(" " + word for word in chosen[1:])]


def _text(count: int, seed: int) -> str:
    return "".join(_words(count, seed))


# OpenAI chat completions


def _chat_request(*, stream: bool = False) -> dict[str, Any]:
    request: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": _text(PROMPT_WORDS // 4, 1)},
            {"role": "user", "content": _text(PROMPT_WORDS // 4, 2)},
            {"role": "assistant", "content": _text(PROMPT_WORDS // 4, 3)},
            {"role": "user", "content": _text(PROMPT_WORDS // 4, 4)},
        ],
        "model": MODEL,
        "max_tokens": 400,
        "temperature": 0.2,
    }
    return request | ({"stream": True, "stream_options": {"include_usage": True}} if stream else {})


def _chat_usage() -> dict[str, Any]:
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _chat_answer() -> dict[str, Any]:
    message: Any = {"role": "assistant", "content": _text(ANSWER_WORDS, 5), "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-" + SERIAL,
        "object": "chat.completion",
        "created": 1783709648,
        "model": MODEL_DATED,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(),
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
    }


def _chat_events() -> tuple[bytes, ...]:
    events = [_chat_chunk({"role": "assistant", "content": "", "refusal": None}, 0)]
    events += [_chat_chunk({"content": word}, len(word)) for word in _words(DELTAS - 3, 6)]
    events += [_chat_chunk({}, 5, finish="stop"), _chat_chunk(None, 0, usage=_chat_usage())]
    return (*(b"data: " + _compact(event) + b"\n\n" for event in events), b"data: [DONE]\n\n")


def _chat_chunk(delta: Any, chars: int, *, finish: str | None = None, usage: Any = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-" + SERIAL,
        "object": "chat.completion.chunk",
        "created": 1783709648,
        "model": MODEL_DATED,
        "service_tier": "default",
        "system_fingerprint": "fp_07871e2ad8",
        "choices": [] if delta is None else [choice],
        "usage": usage,
        "obfuscation": _obfuscation(chars),
    }


def _obfuscation(chars: int) -> str:
    """What OpenAI fills a chunk up with, to hide how long its text is."""
    return "z8PQwx3vLkT0aY9m"[: max(1, 12 - chars)]


# OpenAI responses


def _responses_request(*, stream: bool = False) -> dict[str, Any]:
    request: dict[str, Any] = {
        "input": [{"role": "user", "content": _text(PROMPT_WORDS * 3 // 4, 7)}],
        "instructions": _text(PROMPT_WORDS // 4, 8),
        "model": MODEL,
        "max_output_tokens": 400,
        "temperature": 0.2,
    }
    return request | ({"stream": True} if stream else {})


def _response(status: str) -> dict[str, Any]:
    done = status == "completed"
    details = {
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    return {
        "id": "resp_" + SERIAL,
        "object": "response",
        "created_at": 1783709648,
        "status": status,
        "background": False,
        "completed_at": 1783709650 if done else None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": None,
        "instructions": _text(PROMPT_WORDS // 4, 8),
        "max_output_tokens": 400,
        "max_tool_calls": None,
        "model": MODEL_DATED,
        "output": [_response_item("completed", _text(DELTAS - 8, 9))] if done else [],
        "parallel_tool_calls": True,
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default" if done else "auto",
        "store": True,
        "temperature": 0.2,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": {
            "input_tokens": INPUT_TOKENS,
            "output_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            **details,
        }
        if done
        else None,
        "user": None,
        "metadata": {},
    }


def _response_item(status: str, text: str | None) -> dict[str, Any]:
    content = [] if text is None else [_response_part(text)]
    return {"id": _MESSAGE, "type": "message", "status": status, "content": content, "role": "assistant"}


def _response_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


_MESSAGE: Final = "msg_" + SERIAL
_PLACE: Final = {"item_id": _MESSAGE, "output_index": 0, "content_index": 0}


def _response_events() -> tuple[bytes, ...]:
    words = _words(DELTAS - 8, 9)
    text = "".join(words)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": _response("in_progress")},
        {"type": "response.in_progress", "response": _response("in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": _response_item("in_progress", None)},
        {"type": "response.content_part.added", **_PLACE, "part": _response_part("")},
    ]
    events += [_response_delta(word) for word in words]
    events += [
        {"type": "response.output_text.done", **_PLACE, "logprobs": [], "text": text},
        {"type": "response.content_part.done", **_PLACE, "part": _response_part(text)},
        {"type": "response.output_item.done", "output_index": 0, "item": _response_item("completed", text)},
        {"type": "response.completed", "response": _response("completed")},
    ]
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return tuple(b"event: %s\ndata: %s\n\n" % (event["type"].encode(), _compact(event)) for event in numbered)


def _response_delta(word: str) -> dict[str, Any]:
    kind = "response.output_text.delta"
    return {"type": kind, **_PLACE, "delta": word, "logprobs": [], "obfuscation": _obfuscation(len(word))}


# OpenAI embeddings


def _embeddings_request() -> dict[str, Any]:
    request = {"input": _text(PROMPT_WORDS, 10), "model": "text-embedding-3-small"}
    return {**request, "encoding_format": "float", "dimensions": EMBEDDING_NUMBERS}


def _embeddings_answer() -> dict[str, Any]:
    numbers = random.Random(11)
    vector = [round(numbers.uniform(-0.06, 0.06), 17) for _ in range(EMBEDDING_NUMBERS)]
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": vector}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": INPUT_TOKENS, "total_tokens": INPUT_TOKENS},
    }


# Anthropic messages


def _messages_request(*, stream: bool = False) -> dict[str, Any]:
    request: dict[str, Any] = {
        "max_tokens": 400,
        "messages": [
            {"role": "user", "content": _text(PROMPT_WORDS // 4, 12)},
            {"role": "assistant", "content": _text(PROMPT_WORDS // 4, 13)},
            {"role": "user", "content": _text(PROMPT_WORDS // 4, 14)},
        ],
        "model": CLAUDE,
        "system": _text(PROMPT_WORDS // 4, 15),
    }
    return request | ({"stream": True} if stream else {})


def _message(*, started: bool = False) -> dict[str, Any]:
    return {
        "model": CLAUDE,
        "id": "msg_" + SERIAL,
        "type": "message",
        "role": "assistant",
        "content": [] if started else [{"type": "text", "text": _text(ANSWER_WORDS, 16)}],
        "stop_reason": None if started else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED_TOKENS,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 1 if started else OUTPUT_TOKENS,
            "service_tier": "standard",
        },
    }


def _message_events() -> tuple[bytes, ...]:
    usage = {
        "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED_TOKENS,
    }
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": _message(started=True)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [_message_delta(word) for word in _words(DELTAS - 6, 17)]
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**usage, "output_tokens": OUTPUT_TOKENS},
        },
        {"type": "message_stop"},
    ]
    return tuple(_padded(event, number) for number, event in enumerate(events))


def _message_delta(word: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}


def _padded(event: dict[str, Any], number: int) -> bytes:
    """Anthropic puts blanks before the last brace, never as many as the time before."""
    data = _compact(event)[:-1] + b" " * (number * 7 % 16) + b"}"
    return b"event: %s\ndata: %s\n\n" % (event["type"].encode(), data)
