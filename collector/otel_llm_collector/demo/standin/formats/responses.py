"""OpenAI responses: `POST /v1/responses`, `GET /v1/responses/ID` for one that was stored."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, Tool, pick
from ..wire import OVERLOADED, Answer, Json, Step, Wire, new_id, snapshot, sse, sse_events
from .chat_completions import thinks
from .providers import OPENAI

DRAWN_FROM: Final = ("model", "input", "instructions", "tools", "max_output_tokens")
#: What an answer repeats of its request, with what it says where the request says nothing.
_REPEATED: Final[Json] = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer in both shapes."""
    body = compose(request, draw, told)
    numbered = list(steps(body))
    error = {"type": "error", "code": "server_error", "message": OVERLOADED, "param": None}
    failed = sse(error | {"sequence_number": len(numbered) // 2}, "error")
    return Answer(
        body["id"], body["model"], body, body["usage"], sse_events(numbered, "type"), failed, kept=body["store"]
    )


def compose(request: Json, draw: Draw, told: Json | None) -> Json:
    """The body of an answer."""
    usage, full = _usage(request, draw)
    created = int(time.time())
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": created,
        "status": "completed" if full else "incomplete",
        "completed_at": created if full else None,
        "error": None,
        "incomplete_details": None if full else {"reason": "max_output_tokens"},
        "model": snapshot(str(request.get("model"))),
        "output": _output(request, draw, full),
        "service_tier": "default",
        "usage": usage if told is None else told,
        **{key: value if request.get(key) is None else request[key] for key, value in _REPEATED.items()},
    }


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    prompt, cached = draw.prompt_tokens()
    output, reasoning, full = draw.output_tokens(thinks(request), request.get("max_output_tokens"))
    written = draw.below("cache write", prompt - cached + 1) if thinks(request) else 0  # the newer models tell
    usage = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }
    return usage, full


def _output(request: Json, draw: Draw, full: bool) -> list[Json]:
    thought: Json = {"id": new_id("rs_"), "type": "reasoning", "summary": []}
    return [*([thought] if thinks(request) else ()), _item(request, draw, "completed" if full else "incomplete")]


def _item(request: Json, draw: Draw, status: str) -> Json:
    if tool := _pick_tool(request):
        return {
            "id": new_id("fc_"),
            "type": "function_call",
            "status": status,
            "arguments": json.dumps(draw.value(tool.schema, tool.name)),
            "call_id": f"call_{draw.below('call id', 1 << 96):024x}",
            "name": tool.name,
        }
    text = {"type": "output_text", "annotations": [], "logprobs": [], "text": _text(request, draw)}
    return {"id": new_id("msg_"), "type": "message", "status": status, "content": [text], "role": "assistant"}


def _text(request: Json, draw: Draw) -> str:
    wanted: Json = (request.get("text") or {}).get("format") or {}
    return json.dumps(draw.value(wanted["schema"])) if wanted.get("type") == "json_schema" else draw.prose()


def _pick_tool(request: Json) -> Tool | None:
    tools = [Tool(each["name"], each.get("parameters") or {}) for each in request.get("tools") or () if "name" in each]
    asked = request.get("input")
    answered = isinstance(asked, list) and bool(asked) and asked[-1].get("type") == "function_call_output"
    choice: Any = request.get("tool_choice") or AUTO
    if isinstance(choice, dict):
        return pick(tools, "function", answered, choice.get("name", ""))
    return pick(tools, choice, answered)


def steps(body: Json) -> Iterator[Step]:
    """The body as the events of a stream, numbered; the last one tells the usage."""
    begun = body | {"status": "in_progress", "completed_at": None, "incomplete_details": None}
    begun |= {"output": [], "service_tier": "auto", "usage": None}
    events = [{"type": f"response.{each}", "response": begun} for each in ("created", "in_progress")]
    for index, item in enumerate(body["output"]):
        events += [event | {"output_index": index} for event in _item_events(item)]
    number = -1
    for number, event in enumerate(events):
        yield event | {"sequence_number": number}, None
    yield {"type": f"response.{body['status']}", "sequence_number": number + 1, "response": body}, body["usage"]


def _item_events(item: Json) -> Iterator[Json]:
    if item["type"] == "reasoning":
        yield {"type": "response.output_item.added", "item": item}
    elif item["type"] == "function_call":
        yield {"type": "response.output_item.added", "item": item | {"status": "in_progress", "arguments": ""}}
        yield from _argument_events(item)
    else:
        yield {"type": "response.output_item.added", "item": item | {"status": "in_progress", "content": []}}
        yield from _text_events(item)
    yield {"type": "response.output_item.done", "item": item}


def _argument_events(item: Json) -> Iterator[Json]:
    name, place = "response.function_call_arguments", {"item_id": item["id"]}
    for piece in pieces(item["arguments"]):
        yield {"type": f"{name}.delta", **place, "delta": piece}
    yield {"type": f"{name}.done", **place, "name": item["name"], "arguments": item["arguments"]}


def _text_events(item: Json) -> Iterator[Json]:
    [part] = item["content"]
    place = {"item_id": item["id"], "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": part | {"text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


WIRE: Final = Wire(OPENAI, answer, DRAWN_FROM, tokens.OPENAI_RESPONSES)
