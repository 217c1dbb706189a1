"""Ollama's own API: `POST /api/chat`, `/api/generate` (lines of JSON, streamed unless told not to), `/api/embed`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import Tool
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, compact
from .chat_completions import pick_tool
from .embeddings import texts
from .providers import OLLAMA

_NDJSON: Final = "application/x-ndjson"
_DRAWN_FROM: Final = ("model", "messages", "prompt", "system", "tools", "options", "think", "format")
_DIMENSIONS: Final = 768


def _chat(request: Json, draw: Draw, told: Json | None) -> Answer:
    tool = pick_tool(request)
    message: Json = {"role": "assistant", "content": "" if tool else _text(request, draw)}
    if request.get("think"):
        message["thinking"] = draw.prose()
    if tool:
        message["tool_calls"] = [_call(tool, draw)]
    return _answer(request, draw, told, {"message": message}, _chat_parts)


def _call(tool: Tool, draw: Draw) -> Json:
    function = {"index": 0, "name": tool.name, "arguments": draw.value(tool.schema, tool.name)}
    return {"id": f"call_{draw.below('call id', 1 << 32):08x}", "function": function}


def _chat_parts(said: Json) -> Iterator[Json]:
    message = said["message"]
    for key in ("thinking", "content"):
        for piece in pieces(message[key]) if message.get(key) else ():
            yield {"message": {"role": "assistant", "content": "", key: piece}}
    if calls := message.get("tool_calls"):
        yield {"message": {"role": "assistant", "content": "", "tool_calls": calls}}


def _generate(request: Json, draw: Draw, told: Json | None) -> Answer:
    said: Json = {"response": _text(request, draw)}
    if request.get("think"):
        said["thinking"] = draw.prose()
    return _answer(request, draw, told, said, _generate_parts)


def _generate_parts(said: Json) -> Iterator[Json]:
    yield from (
        {"response": "", "thinking": piece} for piece in (pieces(said["thinking"]) if "thinking" in said else ())
    )
    yield from ({"response": piece} for piece in pieces(said["response"]))


def _answer(
    request: Json, draw: Draw, told: Json | None, said: Json, parts: Callable[[Json], Iterator[Json]]
) -> Answer:
    """Both shapes: what is said, or its parts and then the end, which alone tells the usage."""
    usage, full = _usage(request, draw)
    usage = usage if told is None else told
    head = {"model": request.get("model"), "created_at": _now()}
    tail = {"done": True, "done_reason": "stop" if full else "length", **_durations(draw), **usage}
    silent = {"message": {"role": "assistant", "content": ""}} if "message" in said else {"response": ""}
    steps: list[Step] = [(head | part | {"done": False}, None) for part in parts(said)]
    steps.append((head | silent | tail, usage))
    events = tuple(Event(f"{compact(payload)}\n".encode(), told_by) for payload, told_by in steps)
    error = f"{compact({'error': OVERLOADED})}\n".encode()
    return Answer(None, request.get("model"), head | said | tail, usage, events, error, stream_type=_NDJSON)


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    limit = (request.get("options") or {}).get("num_predict")
    output, _, full = draw.output_tokens(bool(request.get("think")), limit if limit and limit > 0 else None)
    return {"prompt_eval_count": draw.prompt_tokens()[0], "eval_count": output}, full


def _durations(draw: Draw) -> Json:
    spent_ns = {f"{name}_duration": 1_000_000 * (1 + draw.below(name, 900)) for name in ("load", "prompt_eval", "eval")}
    return {"total_duration": sum(spent_ns.values()), **spent_ns}


def _text(request: Json, draw: Draw) -> str:
    wanted = request.get("format")
    if isinstance(wanted, dict):
        return json.dumps(draw.value(wanted))
    return "{}" if wanted == "json" else draw.prose()


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _embed(request: Json, draw: Draw, told: Json | None) -> Answer:
    usage = {"prompt_eval_count": draw.embedded_tokens()} if told is None else told
    size = request.get("dimensions") or _DIMENSIONS
    vectors = [draw.vector(f"embedding {i}", size) for i in range(len(texts(request.get("input"))))]
    spent: Any = {"total_duration": 14_143_917, "load_duration": 1_019_500}
    body = {"model": request.get("model"), "embeddings": vectors, **spent, **usage}
    return Answer(None, request.get("model"), body, usage)


def _embed_one(request: Json, draw: Draw, _told: Json | None) -> Answer:
    """The older endpoint, `/api/embeddings`, reports no usage."""
    return Answer(None, None, {"embedding": draw.vector("embedding 0", _DIMENSIONS)}, None)


CHAT: Final = Wire(OLLAMA, _chat, _DRAWN_FROM, tokens.OLLAMA, {"stream": True})
GENERATE: Final = Wire(OLLAMA, _generate, _DRAWN_FROM, tokens.OLLAMA, {"stream": True})
EMBED: Final = Wire(OLLAMA, _embed, ("model", "input", "dimensions"), tokens.OLLAMA)
EMBED_ONE: Final = Wire(OLLAMA, _embed_one, ("model", "prompt"), tokens.NONE)
