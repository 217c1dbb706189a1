"""Anthropic messages: `POST /v1/messages`; on Vertex `models/M:rawPredict` and `:streamRawPredict`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, Tool, pick
from ..wire import OVERLOADED, Answer, Json, Step, Wire, new_id, snapshot, sse, sse_events
from .providers import ANTHROPIC, VERTEX

DRAWN_FROM: Final = ("model", "messages", "system", "tools", "max_tokens", "max_completion_tokens", "thinking")
ERROR: Final[Json] = {"type": "error", "error": {"type": "overloaded_error", "message": OVERLOADED}}


def answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer in both shapes."""
    body = compose(request, draw, told)
    return Answer(
        body["id"], body["model"], body, body["usage"], sse_events(steps(body), name="type"), sse(ERROR, "error")
    )


def _answer_on_vertex(request: Json, draw: Draw, told: Json | None) -> Answer:
    return answer(request | {"model": request["model"].replace("@", "-")}, draw, told)


def compose(request: Json, draw: Draw, told: Json | None, id_prefix: str = "msg_") -> Json:
    """The body of an answer."""
    usage, full = _usage(request, draw)
    content, reason = _content(request, draw)
    return {
        "model": snapshot(str(request.get("model"))),
        "id": new_id(id_prefix),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": reason if full else "max_tokens",
        "stop_sequence": None,
        "usage": usage if told is None else told,
    }


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
    if tool := _pick_tool(request):
        use = {
            "type": "tool_use",
            "id": f"toolu_{draw.below('call id', 1 << 96):024x}",
            "name": tool.name,
            "input": draw.value(tool.schema, tool.name),
        }
        return [*blocks, use], "tool_use"
    return [*blocks, {"type": "text", "text": _text(request, draw)}], "end_turn"


def _text(request: Json, draw: Draw) -> str:
    wanted: Json = (request.get("output_config") or {}).get("format") or request.get("output_format") or {}
    return json.dumps(draw.value(wanted["schema"])) if wanted.get("type") == "json_schema" else draw.prose()


def _pick_tool(request: Json) -> Tool | None:
    tools = [Tool(tool["name"], tool.get("input_schema") or {}) for tool in request.get("tools") or ()]
    if not tools:
        return None
    choice: Json = request.get("tool_choice") or {"type": AUTO}
    last = (request.get("messages") or [{}])[-1].get("content")
    answered = isinstance(last, list) and any(block.get("type") == "tool_result" for block in last)
    return pick(tools, choice["type"], answered, choice.get("name") if choice["type"] == "tool" else None)


def steps(body: Json) -> Iterator[Step]:
    """The body as a stream: `message_start` tells the input and one output token, `message_delta` the final counts."""
    usage = body["usage"]
    start = {key: value for key, value in usage.items() if key != "output_tokens_details"}
    if "output_tokens" in usage:
        start["output_tokens"] = 1
    opening = body | {"content": [], "stop_reason": None, "usage": start}
    yield {"type": "message_start", "message": opening}, start
    for index, block in enumerate(body["content"]):
        yield from ((step, start) for step in _block(index, block))
        if index == 0:
            yield {"type": "ping"}, start
    final = {key: value for key, value in usage.items() if key not in ("cache_creation", "service_tier")}
    told = start | final
    delta = {"stop_reason": body["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": final}, told
    yield {"type": "message_stop"}, told


def _block(index: int, block: Json) -> Iterator[Json]:
    empty: dict[str, Json] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield {"type": "content_block_start", "index": index, "content_block": block | empty[block["type"]]}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


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


WIRE: Final = Wire(ANTHROPIC, answer, DRAWN_FROM, tokens.ANTHROPIC)
VERTEX_WIRE: Final = Wire(VERTEX, _answer_on_vertex, DRAWN_FROM, tokens.ANTHROPIC)
