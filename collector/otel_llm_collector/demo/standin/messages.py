"""Anthropic messages: `POST /v1/messages`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .drawing import Draw, pieces
from .wire import Answer, Event, Json, Wire, new_id, snapshot, sse

_ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    usage, full = _usage(request, draw)
    usage = usage if told is None else told
    content, reason = _content(request, draw)
    head: Json = {
        "model": snapshot(str(request.get("model"))),
        "id": new_id("msg_"),
        "type": "message",
        "role": "assistant",
    }
    tail: Json = {"stop_reason": reason if full else "max_tokens", "stop_sequence": None}
    body = head | {"content": content} | tail | {"usage": usage}
    return Answer(head["id"], head["model"], body, tuple(_events(head, content, tail, usage)))


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Usage, and whether the answer fitted into the caller's limit. `input_tokens` excludes the cache, as it does."""
    ttls = set(_ttls(request))
    read = 512 * draw.below("cache read", 12) if ttls else 0
    write_5m = 64 * draw.below("cache write 5m", 40) if "5m" in ttls else 0
    write_1h = 64 * draw.below("cache write 1h", 40) if "1h" in ttls else 0
    thinking = 64 * (1 + draw.below("thinking", 10)) if _thinks(request) else 0
    wanted = thinking + 30 + draw.below("output", 450)
    limit = request.get("max_tokens") or wanted
    usage: Json = {
        "input_tokens": 20 + draw.length // 4 + draw.below("input", 3000),
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_read_input_tokens": read,
        "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h},
        "output_tokens": min(wanted, limit),
        "service_tier": "standard",
    }
    if thinking:
        usage["output_tokens_details"] = {"thinking_tokens": min(thinking, limit)}
    return usage, wanted <= limit


def _ttls(part: Any) -> Iterator[str]:
    """The time to live of each cache mark in a request; without one it is five minutes."""
    if isinstance(part, dict):
        if isinstance(mark := part.get("cache_control"), dict):
            yield mark.get("ttl", "5m")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _ttls(each)


def _thinks(request: Json) -> bool:
    return (request.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _content(request: Json, draw: Draw) -> tuple[list[Json], str]:
    blocks: list[Json] = []
    if _thinks(request):
        blocks.append({"type": "thinking", "thinking": draw.prose(), "signature": "c3RhbmQtaW4="})
    if tool := _tool(request):
        arguments = draw.value(tool.get("input_schema") or {}, tool["name"])
        use = {
            "type": "tool_use",
            "id": f"toolu_{draw.below('call id', 1 << 96):024x}",
            "name": tool["name"],
            "input": arguments,
        }
        return [*blocks, use], "tool_use"
    return [*blocks, {"type": "text", "text": draw.prose()}], "end_turn"


def _tool(request: Json) -> Json | None:
    """The tool that the answer uses: the one asked for, else the first, else none once a result has come."""
    tools: list[Json] = request.get("tools") or []
    choice: Json = request.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none":
        return None
    if choice["type"] == "tool":
        return next((tool for tool in tools if tool["name"] == choice.get("name")), None)
    last = (request.get("messages") or [{}])[-1].get("content")
    answered = isinstance(last, list) and any(block.get("type") == "tool_result" for block in last)
    return None if choice["type"] == "auto" and answered else tools[0]


def _events(head: Json, content: list[Json], tail: Json, usage: Json) -> Iterator[Event]:
    """The stream: `message_start` tells the input and one output token, `message_delta` the counts at the end."""
    start = {key: value for key, value in usage.items() if key != "output_tokens_details"}
    if "output_tokens" in usage:
        start["output_tokens"] = 1
    opening = head | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": start}
    yield _event("message_start", start, message=opening)
    for index, block in enumerate(content):
        yield from _block(index, block, start)
        if index == 0:
            yield _event("ping", start)
    final = {key: value for key, value in usage.items() if key not in ("cache_creation", "service_tier")}
    told = start | final
    yield _event("message_delta", told, delta=tail, usage=final)
    yield _event("message_stop", told)


def _block(index: int, block: Json, told: Json) -> Iterator[Event]:
    empty: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield _event("content_block_start", told, index=index, content_block=block | empty[block["type"]])
    for delta in _deltas(block):
        yield _event("content_block_delta", told, index=index, delta=delta)
    yield _event("content_block_stop", told, index=index)


def _deltas(block: Json) -> Iterator[Json]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in pieces(block["text"]))
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        yield {"type": "input_json_delta", "partial_json": ""}
        text = json.dumps(block["input"])
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in pieces(text))


def _event(name: str, told: Json, **fields: Any) -> Event:
    return Event(sse({"type": name} | fields, name), told)


def _error(status: int, message: str, request_id: str) -> Json:
    error = {"type": _ERRORS.get(status, "api_error"), "message": message}
    return {"type": "error", "error": error, "request_id": request_id}


def _error_event(message: str) -> bytes:
    return sse({"type": "error", "error": {"type": "overloaded_error", "message": message}}, "error")


def _headers() -> dict[str, str]:
    return {
        "anthropic-organization-id": "stand-in",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
    }


WIRE: Final = Wire("anthropic", "/messages", "request-id", _answer, _error, _error_event, _headers)
