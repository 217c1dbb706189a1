"""OpenAI chat completions: `POST /v1/chat/completions`."""

from __future__ import annotations

import json
import time
from typing import Any, Final

from .drawing import Draw, pieces
from .wire import Answer, Event, Json, Wire, new_id, snapshot, sse

_REASONING_MODELS: Final = ("o1", "o3", "o4", "gpt-5")
_CACHE_BLOCK: Final = 128  # OpenAI caches prompts from 1,024 tokens on in steps of 128
_CACHE_MIN: Final = 1024
_ERRORS: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    usage, full = _usage(request, draw)
    usage = usage if told is None else told
    message, reason = _message(request, draw)
    reason = reason if full else "length"
    head: Json = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": snapshot(str(request.get("model"))),
    }
    tail = {"service_tier": "default", "system_fingerprint": f"fp_{draw.below('fingerprint', 1 << 40):010x}"}
    indexes = range(request.get("n") or 1)
    choices = [{"index": i, "message": message, "logprobs": None, "finish_reason": reason} for i in indexes]
    body = head | {"choices": choices, "usage": usage} | tail
    return Answer(head["id"], head["model"], body, _events(request, head | tail, message, reason, usage))


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Usage, and whether the answer fitted into the caller's limit."""
    prompt = 400 + draw.length // 4 + draw.below("prompt", 4000)
    blocks = prompt // _CACHE_BLOCK if prompt >= _CACHE_MIN else 0
    cached = _CACHE_BLOCK * draw.below("cached", blocks + 1)
    thinks = str(request.get("model", "")).startswith(_REASONING_MODELS)
    reasoning = 64 * (1 + draw.below("reasoning", 12)) if thinks else 0
    wanted = reasoning + 30 + draw.below("completion", 400)
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or wanted
    completion = min(wanted, limit)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": min(reasoning, completion),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return usage, wanted <= limit


def _message(request: Json, draw: Draw) -> tuple[Json, str]:
    message: Json = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if tool := _tool(request):
        arguments = json.dumps(draw.value(tool.get("parameters") or {}, tool["name"]))
        call = {"name": tool["name"], "arguments": arguments}
        return message | {
            "tool_calls": [{"id": f"call_{draw.below('call id', 1 << 96):024x}", "type": "function", "function": call}]
        }, "tool_calls"
    return message | {"content": _content(request, draw)}, "stop"


def _tool(request: Json) -> Json | None:
    """The function that the answer calls: the one asked for, else the first, else none once a result has come."""
    functions: list[Json] = [tool["function"] for tool in request.get("tools") or () if tool.get("type") == "function"]
    choice: Any = request.get("tool_choice", "auto")
    if not functions or choice == "none":
        return None
    if isinstance(choice, dict):
        return next((each for each in functions if each["name"] == choice.get("function", {}).get("name")), None)
    messages: list[Json] = request.get("messages") or [{}]
    return None if choice == "auto" and messages[-1].get("role") == "tool" else functions[0]


def _content(request: Json, draw: Draw) -> str:
    wanted: Json = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(draw.value(wanted["json_schema"].get("schema", {})))
    return "{}" if wanted.get("type") == "json_object" else draw.prose()


def _events(request: Json, head: Json, message: Json, reason: str, usage: Json) -> tuple[Event, ...]:
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    head = head | {"object": "chat.completion.chunk"}
    rest: Json = {"usage": None} if with_usage else {}

    def chunk(index: int, delta: Json, finish: str | None = None) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Event(sse(head | {"choices": [choice]} | rest), None)

    events = []
    for index in range(request.get("n") or 1):
        events += [chunk(index, delta) for delta in _deltas(message)]
        events.append(chunk(index, {}, reason))
    if with_usage:
        events.append(Event(sse(head | {"choices": [], "usage": usage}), usage))
    return (*events, Event(sse("[DONE]"), usage if with_usage else None))


def _deltas(message: Json) -> list[Json]:
    first: Json = {"role": "assistant", "content": None, "refusal": None}
    if calls := message.get("tool_calls"):
        call = calls[0]
        opening = call | {"index": 0, "function": {"name": call["function"]["name"], "arguments": ""}}
        rest = pieces(call["function"]["arguments"])
        arguments = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in rest]
        return [first | {"tool_calls": [opening]}, *arguments]
    return [first | {"content": ""}, *({"content": piece} for piece in pieces(message["content"]))]


def _error(status: int, message: str, _request_id: str) -> Json:
    kind, code = _ERRORS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _error_event(message: str) -> bytes:
    return sse(_error(500, message, ""))


def _headers() -> dict[str, str]:
    return {
        "openai-organization": "stand-in",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
    }


WIRE: Final = Wire("openai", "/chat/completions", "x-request-id", _answer, _error, _error_event, _headers)
