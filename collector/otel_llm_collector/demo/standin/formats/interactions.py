"""Gemini interactions: `POST /v1beta/interactions`, `GET /v1beta/interactions/ID` for one that was stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, NONE, Tool, pick
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, new_id, sse, sse_events
from .generate_content import lower_types
from .providers import GEMINI

_DRAWN_FROM: Final = ("model", "agent", "input", "system_instruction", "tools", "generation_config")
_SIGNATURE: Final = "c3RhbmQtaW4="


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    body = _compose(request, draw, told)
    events = sse_events(_steps(body), "event_type")
    done = Event(sse("[DONE]", "done"), body["usage"])
    error = {"error": {"code": "unavailable", "message": OVERLOADED}, "event_type": "error"}
    kept = request.get("store") is not False
    return Answer(body["id"], body.get("model"), body, body["usage"], (*events, done), sse(error, "error"), kept=kept)


def _compose(request: Json, draw: Draw, told: Json | None) -> Json:
    usage, full = _usage(request, draw)
    output = _output(request, draw)
    status = "requires_action" if output["type"] == "function_call" else "completed" if full else "incomplete"
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": new_id("v1_"),
        "status": status,
        "usage": usage if told is None else told,
        "created": now,
        "updated": now,
        "service_tier": "standard",
        "steps": [{"signature": _SIGNATURE, "type": "thought"}, output],
        "object": "interaction",
        **{key: request[key] for key in ("model", "agent") if request.get(key)},
    }


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    prompt, cached = draw.prompt_tokens()
    limit = (request.get("generation_config") or {}).get("max_output_tokens")
    output, thoughts, full = draw.output_tokens(True, limit)
    usage = {
        "total_tokens": prompt + output,
        "total_input_tokens": prompt,
        "input_tokens_by_modality": [{"modality": "text", "tokens": prompt}],
        "total_cached_tokens": cached,
        "total_output_tokens": output - thoughts,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": thoughts,
    }
    return usage, full


def _output(request: Json, draw: Draw) -> Json:
    if tool := _pick_tool(request):
        call_id = f"{draw.below('call id', 1 << 32):08x}"
        return {
            "arguments": draw.value(tool.schema, tool.name),
            "id": call_id,
            "name": tool.name,
            "type": "function_call",
        }
    return {"content": [{"text": draw.prose(), "type": "text"}], "type": "model_output"}


def _pick_tool(request: Json) -> Tool | None:
    functions = [tool for tool in request.get("tools") or () if tool.get("type") == "function"]
    tools = [Tool(each["name"], lower_types(each.get("parameters"))) for each in functions]
    choice: Any = (request.get("generation_config") or {}).get("tool_choice") or AUTO
    asked = request.get("input")
    last = asked[-1] if isinstance(asked, list) and asked else asked
    answered = isinstance(last, dict) and last.get("type") == "function_result"
    return pick(tools, choice if choice in (AUTO, NONE) else "any", answered)


def _steps(body: Json) -> Iterator[Step]:
    begun: Json = {key: body[key] for key in ("id", "object", "model", "agent") if key in body}
    begun |= {"status": "in_progress"}
    yield {"interaction": begun, "event_type": "interaction.created"}, None
    yield {"interaction_id": body["id"], "status": "in_progress", "event_type": "interaction.status_update"}, None
    for index, step in enumerate(body["steps"]):
        started = {key: step[key] for key in ("type", "id", "name") if key in step}
        started |= {"arguments": {}} if step["type"] == "function_call" else {}
        yield {"index": index, "step": started, "event_type": "step.start"}, None
        for delta in _deltas(step):
            yield {"index": index, "delta": delta, "event_type": "step.delta"}, None
        yield {"index": index, "event_type": "step.stop"}, None
    ended = {key: value for key, value in body.items() if key != "steps"}
    yield {"interaction": ended, "event_type": "interaction.completed"}, body["usage"]


def _deltas(step: Json) -> Iterator[Json]:
    if step["type"] == "thought":
        yield {"signature": step["signature"], "type": "thought_signature"}
    elif step["type"] == "function_call":
        text = json.dumps(step["arguments"])
        yield from ({"arguments": piece, "type": "arguments_delta"} for piece in pieces(text))
    else:
        yield from ({"text": piece, "type": "text"} for piece in pieces(step["content"][0]["text"], 8))


WIRE: Final = Wire(GEMINI, _answer, _DRAWN_FROM, tokens.GEMINI_INTERACTIONS)
