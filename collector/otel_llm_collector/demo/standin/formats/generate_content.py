"""Gemini on AI Studio and Vertex: `models/M:generateContent` and `:streamGenerateContent`, with alt=sse or without."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, NONE, Tool, pick
from ..wire import JSON, OVERLOADED, SSE, Answer, Event, Json, Provider, Step, Wire, compact, new_id
from .providers import GEMINI, VERTEX, google_error

_DRAWN_FROM: Final = ("model", "contents", "systemInstruction", "tools", "generationConfig", "cachedContent")
_THINKING_MODELS: Final = ("gemini-2.5", "gemini-3")


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    return _encode(request, _compose(request, draw, told, {"serviceTier": "standard"}))


def _answer_on_vertex(request: Json, draw: Draw, told: Json | None) -> Answer:
    body = _compose(request, draw, told, {"trafficType": "ON_DEMAND"})
    return _encode(request, body | {"createTime": datetime.now(UTC).isoformat().replace("+00:00", "Z")})


def _encode(request: Json, body: Json) -> Answer:
    """Both shapes; without alt=sse a stream is one JSON list, sent element by element."""
    steps, error = list(_steps(body)), google_error(503, OVERLOADED, "")
    usage = body["usageMetadata"]
    if request.get("alt") == "sse":
        events = tuple(Event(_sse(payload), told) for payload, told in steps)
        return Answer(body["responseId"], body["modelVersion"], body, usage, events, _sse(error), stream_type=SSE)
    events = tuple(
        Event(f"{',' if i else '['}{compact(payload)}\r\n".encode(), u) for i, (payload, u) in enumerate(steps)
    )
    end = Event(b"]", usage)
    failed = f",{compact(error)}\r\n]".encode()
    return Answer(body["responseId"], body["modelVersion"], body, usage, (*events, end), failed, stream_type=JSON)


def _sse(payload: Json) -> bytes:
    return f"data: {compact(payload)}\r\n\r\n".encode()  # Google ends its lines like this


def _compose(request: Json, draw: Draw, told: Json | None, more_usage: Json) -> Json:
    usage, full = _usage(request, draw)
    content = {"parts": _parts(request, draw), "role": "model"}
    reason = "STOP" if full else "MAX_TOKENS"
    count = _config(request).get("candidateCount") or 1
    return {
        "candidates": [{"content": content, "finishReason": reason, "index": i} for i in range(count)],
        "usageMetadata": usage | more_usage if told is None else told,
        "modelVersion": request.get("model"),
        "responseId": new_id(""),
    }


def _config(request: Json) -> Json:
    return request.get("generationConfig") or {}


def _thinking(request: Json) -> Json:
    """How to think; Google takes names with capitals and with underscores, and its SDK sends these here."""
    config: Json = _config(request).get("thinkingConfig") or {}
    return {
        "budget": config.get("thinkingBudget", config.get("thinking_budget")),
        "shown": config.get("includeThoughts", config.get("include_thoughts")),
    }


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Usage as Gemini has it: candidates without thoughts, the prompt with what was cached, no zeros."""
    prompt, cached = draw.prompt_tokens()
    output, thoughts, full = draw.output_tokens(_thinks(request), _config(request).get("maxOutputTokens"))
    usage: Json = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": output - thoughts,
        "totalTokenCount": prompt + output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    }
    if cached:
        usage["cachedContentTokenCount"] = cached
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": cached}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return {name: value for name, value in usage.items() if value}, full


def _thinks(request: Json) -> bool:
    return str(request.get("model")).startswith(_THINKING_MODELS) and _thinking(request)["budget"] != 0


def _parts(request: Json, draw: Draw) -> list[Json]:
    shown = _thinking(request)["shown"] and _thinks(request)
    thought = [{"text": "The patient's history matters most.", "thought": True}] if shown else []
    if tool := _pick_tool(request):
        call = {
            "name": tool.name,
            "args": draw.value(tool.schema, tool.name),
            "id": f"{draw.below('call id', 1 << 32):08x}",
        }
        return [*thought, {"functionCall": call, "thoughtSignature": "c3RhbmQtaW4="}]
    schema = _config(request).get("responseJsonSchema") or _config(request).get("responseSchema")
    return [*thought, {"text": json.dumps(draw.value(lower_types(schema))) if schema else draw.prose()}]


def _pick_tool(request: Json) -> Tool | None:
    declared = [each for tool in request.get("tools") or () for each in tool.get("functionDeclarations") or ()]
    tools = [Tool(each["name"], _arguments(each)) for each in declared]
    config: Json = (request.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = str(config.get("mode", AUTO)).lower()
    contents = request.get("contents")
    last = contents[-1] if isinstance(contents, list) and contents else {}
    answered = any("functionResponse" in part for part in last.get("parts") or ())
    allowed = config.get("allowedFunctionNames") or [None]
    return pick(tools, mode if mode in (AUTO, NONE) else "any", answered, allowed[0])


def _arguments(function: Json) -> Json:
    """The schema of a function's arguments; names may stand in capitals or with underscores, as in any proto JSON."""
    given = (function.get(key) for key in ("parametersJsonSchema", "parameters_json_schema", "parameters"))
    return dict(lower_types(next(filter(None, given), {"type": "object"})))


def lower_types(schema: Any) -> Any:
    """A schema with the types in small letters, as JSON schema has them; Gemini's own has them in capitals."""
    if isinstance(schema, Mapping):
        return {
            key: value.lower() if key == "type" and isinstance(value, str) else lower_types(value)
            for key, value in schema.items()
        }
    return [lower_types(each) for each in schema] if isinstance(schema, list) else schema or {}


def _steps(body: Json) -> Iterator[Step]:
    """Each chunk looks like an answer; the usage grows, and is right in the last one."""
    usage = body["usageMetadata"]
    early = {key: usage[key] for key in ("promptTokenCount", "promptTokensDetails", "trafficType") if key in usage}
    if "promptTokenCount" in early:
        early["totalTokenCount"] = early["promptTokenCount"]
    [*deltas, last] = [part for whole in body["candidates"][0]["content"]["parts"] for part in _deltas(whole)]
    head = {key: value for key, value in body.items() if key != "candidates"}
    for part in deltas:
        candidate = {"content": {"parts": [part], "role": "model"}, "index": 0}
        yield {"candidates": [candidate]} | head | {"usageMetadata": early}, early
    reason = body["candidates"][0]["finishReason"]
    final = {"content": {"parts": [last], "role": "model"}, "finishReason": reason, "index": 0}
    yield {"candidates": [final]} | head, usage


def _deltas(part: Json) -> list[Json]:
    return [part | {"text": piece} for piece in pieces(part["text"], 8)] if "text" in part else [part]


def _wire(provider: Provider, on_vertex: bool) -> Wire:
    return Wire(provider, _answer_on_vertex if on_vertex else _answer, _DRAWN_FROM, tokens.GEMINI)


WIRE: Final = _wire(GEMINI, False)
VERTEX_WIRE: Final = _wire(VERTEX, True)
