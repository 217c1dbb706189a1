"""OpenAI Realtime, over a websocket: `GET /v1/realtime?model=...`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..tools import AUTO, Tool, pick
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, compact, new_id
from .providers import OPENAI

_DRAWN_FROM: Final = ("model", "session", "items", "response")
_MODEL: Final = "gpt-realtime"


class RealtimeSession:
    """One conversation: its settings and what was said so far."""

    def __init__(self, request: Json) -> None:
        self._model = request.get("model") or _MODEL
        self._items: list[Json] = []
        self._settings: Json = {
            "type": "realtime",
            "instructions": "",
            "tools": [],
            "tool_choice": AUTO,
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
        }
        self._id = new_id("sess_")

    def greet(self) -> list[Json]:
        """What is said first."""
        return [_event("session.created", session=self._session())]

    def hear(self, message: Json) -> tuple[list[Json], Json | None]:
        """What is said at once to a message, and the request for an answer, if it is one."""
        kind = message.get("type")
        if kind == "response.create":
            return [], self._request(message.get("response") or {})
        if kind == "session.update":
            self._settings |= message.get("session") or {}
            return [_event("session.updated", session=self._session())], None
        if kind == "conversation.item.create":
            return self._add(message.get("item") or {}), None
        if kind == "input_audio_buffer.append":
            return [], None
        if kind == "input_audio_buffer.commit":
            return self._commit(), None
        error = {"type": "invalid_request_error", "code": "invalid_value", "message": f"Invalid value: {kind!r}."}
        return [_event("error", error=error | {"param": "type", "event_id": message.get("event_id")})], None

    def _session(self) -> Json:
        return self._settings | {"object": "realtime.session", "id": self._id, "model": self._model}

    def _request(self, response: Json) -> Json:
        """The request, as if it had been posted: what the answer is drawn from."""
        settings = self._settings | response
        said = [{key: value for key, value in item.items() if key != "id"} for item in self._items]
        return {"model": self._model, "session": settings, "items": said, "metadata": response.get("metadata")}

    def _add(self, item: Json) -> list[Json]:
        item = {"id": new_id("item_"), "object": "realtime.item", "status": "completed"} | item
        before = self._items[-1]["id"] if self._items else None
        self._items.append(item)
        return [_event(f"conversation.item.{state}", previous_item_id=before, item=item) for state in ("added", "done")]

    def _commit(self) -> list[Json]:
        before = self._items[-1]["id"] if self._items else None
        audio = {"type": "input_audio", "transcript": None}
        added = self._add({"type": "message", "role": "user", "content": [audio]})
        return [_event("input_audio_buffer.committed", previous_item_id=before, item_id=self._items[-1]["id"]), *added]


def _event(kind: str, **fields: Any) -> Json:
    return {"type": kind, "event_id": new_id("event_"), **fields}


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    usage, full = _usage(request, draw)
    response: Json = {
        "object": "realtime.response",
        "id": new_id("resp_"),
        "status": "completed" if full else "incomplete",
        "status_details": None if full else {"type": "incomplete", "reason": "max_output_tokens"},
        "output": [_item(request, draw)],
        "conversation_id": new_id("conv_"),
        "output_modalities": ["text"],
        "max_output_tokens": request["session"].get("max_output_tokens"),
        "usage": usage if told is None else told,
        "metadata": request.get("metadata"),
    }
    events = tuple(Event(compact(payload).encode(), told_by) for payload, told_by in _steps(response))
    error = {"type": "server_error", "code": "server_error", "message": OVERLOADED}
    failed: Json = {
        "status": "failed",
        "status_details": {"type": "failed", "error": error},
        "output": [],
        "usage": None,
    }
    last = compact(_event("response.done", response=response | failed)).encode()
    return Answer(response["id"], request["model"], response, response["usage"], events, last)


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Text and sound of the whole conversation so far, of which a part was cached; an answer in words."""
    limit = request["session"].get("max_output_tokens")
    prompt, cached = draw.prompt_tokens()
    output, _, full = draw.output_tokens(False, limit if isinstance(limit, int) else None)
    audio = 10 * draw.below("audio", 30) if "input_audio" in json.dumps(request["items"]) else 0
    usage = {
        "total_tokens": prompt + audio + output,
        "input_tokens": prompt + audio,
        "output_tokens": output,
        "input_token_details": {
            "text_tokens": prompt,
            "audio_tokens": audio,
            "image_tokens": 0,
            "cached_tokens": cached,
            "cached_tokens_details": {"text_tokens": cached, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": output, "audio_tokens": 0},
    }
    return usage, full


def _item(request: Json, draw: Draw) -> Json:
    head = {"id": new_id("item_"), "object": "realtime.item", "status": "completed"}
    if tool := _pick_tool(request):
        arguments = json.dumps(draw.value(tool.schema, tool.name))
        call_id = f"call_{draw.below('call id', 1 << 64):016x}"
        return head | {"type": "function_call", "name": tool.name, "call_id": call_id, "arguments": arguments}
    return head | {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": draw.prose()}]}


def _pick_tool(request: Json) -> Tool | None:
    settings, items = request["session"], request["items"]
    tools = [Tool(each["name"], each.get("parameters") or {}) for each in settings["tools"] if "name" in each]
    choice: Any = settings["tool_choice"]
    answered = bool(items) and items[-1].get("type") == "function_call_output"
    if isinstance(choice, dict):
        return pick(tools, "function", answered, choice.get("name", ""))
    return pick(tools, choice, answered)


def _steps(response: Json) -> Iterator[Step]:
    """The events of one answer; the last one tells the usage."""
    begun = response | {"status": "in_progress", "status_details": None, "output": [], "usage": None}
    yield _event("response.created", response=begun), None
    [item] = response["output"]
    place: Json = {"response_id": response["id"], "output_index": 0}
    empty: Json = {"content": []} if "content" in item else {"arguments": ""}
    opening = item | {"status": "in_progress"} | empty
    yield _event("response.output_item.added", **place, item=opening), None
    place["item_id"] = item["id"]
    for each in _text_events(item, place) if "content" in item else _argument_events(item, place):
        yield each, None
    del place["item_id"]
    yield _event("response.output_item.done", **place, item=item), None
    yield _event("response.done", response=response), response["usage"]


def _text_events(item: Json, place: Json) -> Iterator[Json]:
    text, place = item["content"][0]["text"], {**place, "content_index": 0}
    yield _event("response.content_part.added", **place, part={"type": "text", "text": ""})
    for piece in pieces(text):
        yield _event("response.output_text.delta", **place, delta=piece)
    yield _event("response.output_text.done", **place, text=text)
    yield _event("response.content_part.done", **place, part={"type": "text", "text": text})


def _argument_events(item: Json, place: Json) -> Iterator[Json]:
    name, place = "response.function_call_arguments", {**place, "call_id": item["call_id"]}
    for piece in pieces(item["arguments"]):
        yield _event(f"{name}.delta", **place, delta=piece)
    yield _event(f"{name}.done", **place, name=item["name"], arguments=item["arguments"])


WIRE: Final = Wire(OPENAI, _answer, _DRAWN_FROM, tokens.OPENAI_REALTIME, session=RealtimeSession)
