"""Content of Ollama's chat and generate in the message schema of the conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from ..binary import blob
from ..wire import Answer, Content, Json, items, mapping, text

#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a chat, or the prompt of a generation, and what came back."""
    system = text(body.get("system"))
    messages = [_read_message(message) for message in items(body.get("messages"))] or _read_prompt(body)
    return Content(
        input_messages=messages or None,
        output_messages=_output(answer),
        system_instructions=[{"type": "text", "content": system}] if system else None,
        tool_definitions=[_read_tool(tool) for tool in items(body.get("tools"))] or None,
    )


def add_piece(answer: Answer, body: Json) -> None:
    """Keep an answer, whole or the next line of it: texts grow, a call of a tool comes whole."""
    state = answer.parts.setdefault(0, {"reasoning": [], "text": [], "calls": []})
    message = mapping(body.get("message")) or body
    if piece := text(message.get("thinking")):
        state["reasoning"].append(piece)
    if piece := text(message.get("content")) or text(body.get("response")):
        state["text"].append(piece)
    state["calls"] += _calls(message)


def _output(answer: Answer) -> list[Any] | None:
    state = answer.parts.get(0)
    if not state:
        return None
    parts: list[Any] = [
        {"type": kind, "content": "".join(state[kind])} for kind in ("reasoning", "text") if state[kind]
    ]
    parts += state["calls"]
    return [{"role": "assistant", "parts": parts, "finish_reason": _reason(answer, state)}] if parts else None


def _reason(answer: Answer, state: dict[str, Any]) -> str:
    reason = answer.finish_reasons.get(0) or _NO_REASON
    return "tool_call" if reason == "stop" and state["calls"] else reason


def _read_prompt(body: Json) -> list[dict[str, Any]]:
    prompt = text(body.get("prompt"))
    parts = ([{"type": "text", "content": prompt}] if prompt else []) + _images(body)
    return [{"role": "user", "parts": parts}] if parts else []


def _read_message(message: Json) -> dict[str, Any]:
    role = str(message.get("role", "user"))
    if role == "tool":
        id = text(message.get("tool_call_id")) or text(message.get("tool_name"))
        response = {"type": "tool_call_response", "id": id, "response": message.get("content")}
        return {"role": role, "parts": [response]}
    parts: list[dict[str, Any]] = []
    for key, kind in (("thinking", "reasoning"), ("content", "text")):
        if said := text(message.get(key)):
            parts.append({"type": kind, "content": said})
    return {"role": role, "parts": [*parts, *_images(message), *_calls(message)]}


def _images(message: Json) -> list[dict[str, Any]]:
    images = message.get("images")
    return [blob("image", None, data) for data in images] if isinstance(images, list) else []


def _calls(message: Json) -> list[dict[str, Any]]:
    calls = ((call, mapping(call.get("function"))) for call in items(message.get("tool_calls")))
    return [
        {
            "type": "tool_call",
            "id": call.get("id"),
            "name": text(function.get("name")) or "",
            "arguments": function.get("arguments"),
        }
        for call, function in calls
    ]


def _read_tool(tool: Json) -> dict[str, Any]:
    return {"type": str(tool.get("type", "function")), **mapping(tool.get("function"))}
