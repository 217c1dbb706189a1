"""Cohere v2: `POST /v2/chat`, `/v2/embed`, `/v2/rerank`."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import uuid4

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import Tool, pick
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, sse, sse_events
from .providers import COHERE

_DIMENSIONS: Final = 1024
_TEMPLATE: Final = 200  # tokens of Cohere's own prompt around the caller's: consumed, not billed


def _chat(request: Json, draw: Draw, told: Json | None) -> Answer:
    usage, full = _usage(request, draw)
    message, reason = _message(request, draw)
    body: Json = {
        "id": str(uuid4()),
        "message": message,
        "finish_reason": reason if full else "MAX_TOKENS",
        "usage": usage if told is None else told,
    }
    steps = list(_steps(body))
    error = {"type": "message-end", "delta": {"error": OVERLOADED, "finish_reason": "ERROR"}}
    events = (*sse_events(steps, "type"), Event(sse("[DONE]"), steps[-1][1]))
    return Answer(body["id"], None, body, body["usage"], events, sse(error, "message-end"))


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """What is billed, and what was consumed, which is more."""
    prompt, cached = draw.prompt_tokens()
    output, _, full = draw.output_tokens(False, request.get("max_tokens"))
    usage = {
        "billed_units": {"input_tokens": prompt, "output_tokens": output},
        "tokens": {"input_tokens": prompt + _TEMPLATE, "output_tokens": output + 2},
        "cached_tokens": cached,
    }
    return usage, full


def _message(request: Json, draw: Draw) -> tuple[Json, str]:
    if tool := _pick_tool(request):
        arguments = json.dumps(draw.value(tool.schema, tool.name))
        call_id = f"{tool.name}_{draw.below('call id', 1 << 48):012x}"
        call = {"id": call_id, "type": "function", "function": {"name": tool.name, "arguments": arguments}}
        return {"role": "assistant", "tool_plan": f"I will use {tool.name}.", "tool_calls": [call]}, "TOOL_CALL"
    return {"role": "assistant", "content": [{"type": "text", "text": _text(request, draw)}]}, "COMPLETE"


def _text(request: Json, draw: Draw) -> str:
    schema = (request.get("response_format") or {}).get("json_schema") or {}
    return json.dumps(draw.value(schema)) if schema else draw.prose()


def _pick_tool(request: Json) -> Tool | None:
    functions = [tool["function"] for tool in request.get("tools") or ()]
    tools = [Tool(each["name"], each.get("parameters") or {}) for each in functions]
    messages: list[Json] = request.get("messages") or [{}]
    return pick(tools, (request.get("tool_choice") or "auto").lower(), messages[-1].get("role") == "tool")


def _steps(body: Json) -> Iterator[Step]:
    empty: Json = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield {"id": body["id"], "type": "message-start", "delta": {"message": empty}}, None
    message = body["message"]
    for each in _call_events(message) if "tool_calls" in message else _text_events(message):
        yield each, None
    end = {"finish_reason": body["finish_reason"], "usage": body["usage"]}
    yield {"type": "message-end", "delta": end}, body["usage"]


def _text_events(message: Json) -> Iterator[Json]:
    [part] = message["content"]
    yield {"type": "content-start", "index": 0, "delta": {"message": {"content": part | {"text": ""}}}}
    for piece in pieces(part["text"]):
        yield {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}}
    yield {"type": "content-end", "index": 0}


def _call_events(message: Json) -> Iterator[Json]:
    [call] = message["tool_calls"]
    for piece in pieces(message["tool_plan"]):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    opening = call | {"function": call["function"] | {"arguments": ""}}
    yield {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": opening}}}
    for piece in pieces(call["function"]["arguments"]):
        delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
        yield {"type": "tool-call-delta", "index": 0, "delta": delta}
    yield {"type": "tool-call-end", "index": 0}


def _embed(request: Json, draw: Draw, told: Json | None) -> Answer:
    texts = request.get("texts") or request.get("inputs") or request.get("images") or []
    size = request.get("output_dimension") or _DIMENSIONS
    vectors = [draw.vector(f"embedding {i}", size) for i in range(len(texts))]
    kinds = request.get("embedding_types") or ["float"]
    usage: Json = {"billed_units": {"input_tokens": draw.embedded_tokens()}} if told is None else told
    body: Json = {
        "id": str(uuid4()),
        "embeddings": {kind: [_as(kind, vector) for vector in vectors] for kind in kinds},
        "texts": request.get("texts") or [],
        "response_type": "embeddings_by_type",
        "meta": {"api_version": {"version": "2"}, **usage},
    }
    return Answer(body["id"], None, body, usage)


def _as(kind: str, vector: Sequence[float]) -> Any:
    if kind == "float":
        return vector
    if kind == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return [round(127 * number) + (128 if kind.startswith("u") else 0) for number in vector]


def _rerank(request: Json, draw: Draw, told: Json | None) -> Answer:
    documents = request.get("documents") or []
    scores = sorted(((draw.below(f"score {i}", 10_000) / 10_000, i) for i in range(len(documents))), reverse=True)
    usage: Json = {"billed_units": {"search_units": 1}} if told is None else told
    body: Json = {
        "id": str(uuid4()),
        "results": [{"index": i, "relevance_score": score} for score, i in scores[: request.get("top_n")]],
        "meta": {"api_version": {"version": "2"}, **usage},
    }
    return Answer(body["id"], None, body, usage)


CHAT: Final = Wire(COHERE, _chat, ("model", "messages", "tools", "documents", "max_tokens"), tokens.COHERE)
EMBED: Final = Wire(COHERE, _embed, ("model", "texts", "inputs", "images", "output_dimension"), tokens.COHERE)
RERANK: Final = Wire(COHERE, _rerank, ("model", "query", "documents"), tokens.COHERE)
