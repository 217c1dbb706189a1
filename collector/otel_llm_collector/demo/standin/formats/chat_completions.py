"""OpenAI chat completions: `POST /v1/chat/completions`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, Tool, pick
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, new_id, snapshot, sse, sse_events
from .providers import OPENAI, openai_error

DRAWN_FROM: Final = ("model", "messages", "system", "tools", "max_tokens", "max_completion_tokens", "thinking")
_REASONING_MODELS: Final = ("o1", "o3", "o4", "gpt-5")


def answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer in both shapes."""
    body = compose(request, draw, told)
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    steps = list(chunks(body, with_usage))
    done = Event(sse("[DONE]"), steps[-1][1])
    error = sse(openai_error(500, OVERLOADED, ""))
    return Answer(body["id"], body["model"], body, body["usage"], (*sse_events(steps), done), error)


def compose(request: Json, draw: Draw, told: Json | None) -> Json:
    """The body of an answer."""
    usage, full = _usage(request, draw)
    message, reason = draw_message(request, draw)
    reason = reason if full else "length"
    indexes = range(request.get("n") or 1)
    return {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": snapshot(str(request.get("model"))),
        "choices": [{"index": i, "message": message, "logprobs": None, "finish_reason": reason} for i in indexes],
        "usage": usage if told is None else told,
        "service_tier": "default",
        "system_fingerprint": f"fp_{draw.below('fingerprint', 1 << 40):010x}",
    }


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Usage, and whether the answer fitted into the caller's limit."""
    prompt, cached = draw.prompt_tokens()
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    completion, reasoning, full = draw.output_tokens(thinks(request), limit)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return usage, full


def thinks(request: Json) -> bool:
    """Whether the model reasons before it answers."""
    return str(request.get("model", "")).startswith(_REASONING_MODELS)


def draw_message(request: Json, draw: Draw) -> tuple[Json, str]:
    """The message, and why it ends."""
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if tool := pick_tool(request):
        arguments = json.dumps(draw.value(tool.schema, tool.name))
        call = {"name": tool.name, "arguments": arguments}
        return message | {
            "tool_calls": [{"id": f"call_{draw.below('call id', 1 << 96):024x}", "type": "function", "function": call}]
        }, "tool_calls"
    return message | {"content": _content(request, draw)}, "stop"


def pick_tool(request: Json) -> Tool | None:
    """The function that the answer calls."""
    functions = [tool["function"] for tool in request.get("tools") or () if tool.get("function")]
    tools = [Tool(each["name"], each.get("parameters") or {}) for each in functions]
    if not tools:
        return None
    choice: Any = request.get("tool_choice") or AUTO
    messages: list[Json] = request.get("messages") or [{}]
    answered = messages[-1].get("role") == "tool"
    if isinstance(choice, dict):
        return pick(tools, "function", answered, choice.get("function", {}).get("name", ""))
    return pick(tools, choice, answered)


def _content(request: Json, draw: Draw) -> str:
    wanted: Json = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(draw.value(wanted["json_schema"].get("schema", {})))
    return "{}" if wanted.get("type") == "json_object" else draw.prose()


def chunks(body: Json, with_usage: bool) -> Iterator[Step]:
    """The body as the chunks of a stream; the last of them tells the usage, if it was asked for."""
    usage = body["usage"]
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    rest: Json = {"usage": None} if with_usage else {}
    for choice in body["choices"]:
        for delta, reason in [*((delta, None) for delta in _deltas(choice["message"])), ({}, choice["finish_reason"])]:
            part = {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": reason}
            yield head | {"choices": [part]} | rest, None
    if with_usage:
        yield head | {"choices": [], "usage": usage}, usage


def _deltas(message: Json) -> list[Json]:
    first: Json = {"role": "assistant", "content": None, "refusal": None}
    if calls := message.get("tool_calls"):
        call = calls[0]
        opening = call | {"index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
        rest = pieces(call["function"]["arguments"])
        arguments = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in rest]
        return [first | {"tool_calls": [opening]}, *arguments]
    return [first | {"content": ""}, *({"content": piece} for piece in pieces(message["content"]))]


WIRE: Final = Wire(OPENAI, answer, DRAWN_FROM, tokens.OPENAI_CHAT)
