"""Content of Cohere's chat, v1 and v2, in the message schema of the conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv.usage import count

from ..wire import Answer, Content, Json, items, mapping, text
from .openai_content import image, read_arguments

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {
    "COMPLETE": "stop",
    "MAX_TOKENS": "length",
    "STOP_SEQUENCE": "stop",
    "TOOL_CALL": "tool_call",
}
_ROLES: Final = {"chatbot": "assistant", "developer": "system"}
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request, which are of v2 or a message and its history of v1, and of what came back."""
    messages = body.get("messages")
    preamble = text(body.get("preamble"))
    asked = [_read_message(one) for one in items(messages)] if isinstance(messages, list) else _read_v1(body)
    return Content(
        input_messages=asked or None,
        output_messages=_output(answer),
        system_instructions=[{"type": "text", "content": preamble}] if preamble else None,
        tool_definitions=[_read_tool(tool) for tool in items(body.get("tools"))] or None,
    )


def add_message(answer: Answer, body: Json) -> None:
    """Keep a whole response, in place of what was streamed of it."""
    message = body.get("message")
    answer.parts[0] = _parts(message) if isinstance(message, dict) else _v1_parts(body)


def add_event(answer: Answer, kind: str, event: Json) -> None:
    """Keep a piece of a stream: texts grow, tool calls grow by their own index."""
    state = answer.parts.setdefault(0, {"reasoning": [], "text": [], "calls": {}})
    message = mapping(mapping(event.get("delta")).get("message"))
    content = mapping(message.get("content"))
    if piece := text(message.get("tool_plan")) or text(content.get("thinking")):
        state["reasoning"].append(piece)
    if piece := text(content.get("text")) or text(event.get("text")):
        state["text"].append(piece)
    if call := mapping(message.get("tool_calls")):
        function = mapping(call.get("function"))
        entry = state["calls"].setdefault(count(event.get("index")) or 0, {"arguments": []})
        entry.update((key, value) for key, value in (("id", call.get("id")), ("name", function.get("name"))) if value)
        entry["arguments"].append(text(function.get("arguments")) or "")


def _output(answer: Answer) -> list[Any] | None:
    kept = answer.parts.get(0)
    if not kept:
        return None
    reason = answer.finish_reasons.get(0) or _NO_REASON
    parts = _stream_parts(kept) if isinstance(kept, dict) else kept
    return [{"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason.lower())}]


def _stream_parts(state: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"type": kind, "content": "".join(state[kind])} for kind in ("reasoning", "text") if state[kind]
    ]
    for _, call in sorted(state["calls"].items()):
        arguments = read_arguments("".join(call["arguments"]))
        parts.append(_call_part(call.get("id"), call.get("name"), arguments))
    return parts


def _read_message(message: Json) -> dict[str, Any]:
    role = str(message.get("role", "user")).lower()
    if role == "tool":
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": "tool", "parts": [response]}
    return {"role": _ROLES.get(role, role), "parts": _parts(message)}


def _parts(message: Json) -> list[dict[str, Any]]:
    plan, content = text(message.get("tool_plan")), message.get("content")
    parts = [{"type": "reasoning", "content": plan}] if plan else []
    if isinstance(content, str):
        parts.append({"type": "text", "content": content})
    parts += [_read_part(part) for part in items(content)]
    for call in items(message.get("tool_calls")):
        function = mapping(call.get("function"))
        arguments = read_arguments(text(function.get("arguments")) or "")
        parts.append(_call_part(call.get("id"), function.get("name"), arguments))
    return parts


def _read_part(part: Json) -> dict[str, Any]:
    kind = str(part.get("type"))
    if kind == "text":
        return {"type": "text", "content": text(part.get("text")) or ""}
    if kind == "thinking":
        return {"type": "reasoning", "content": text(part.get("thinking")) or ""}
    if kind == "image_url":
        return image(str(mapping(part.get("image_url")).get("url", "")))
    return {"type": "generic", "generic_type": kind}


def _read_v1(body: Json) -> list[dict[str, Any]]:
    turns = [*items(body.get("chat_history")), {"role": "user", **body}]
    return [message for turn in turns for message in _read_turn(turn)]


def _read_turn(turn: Json) -> list[dict[str, Any]]:
    """What was said, and what tools answered: of one turn in v1, where a tool's result names the call it answers."""
    role, said = str(turn.get("role", "user")).lower(), text(turn.get("message"))
    parts = [{"type": "text", "content": said}] if said else []
    parts += _v1_calls(turn)
    found = [{"role": _ROLES.get(role, role), "parts": parts}] if parts else []
    results = [
        {"type": "tool_call_response", "id": mapping(result.get("call")).get("name"), "response": result.get("outputs")}
        for result in items(turn.get("tool_results"))
    ]
    return [*found, {"role": "tool", "parts": results}] if results else found


def _v1_parts(body: Json) -> list[dict[str, Any]]:
    said = text(body.get("text"))
    return ([{"type": "text", "content": said}] if said else []) + _v1_calls(body)


def _v1_calls(turn: Json) -> list[dict[str, Any]]:
    return [_call_part(None, call.get("name"), call.get("parameters")) for call in items(turn.get("tool_calls"))]


def _call_part(id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": id, "name": text(name) or "", "arguments": arguments}


def _read_tool(tool: Json) -> dict[str, Any]:
    """A function of v2, or a tool of v1 with its own spelling of parameters."""
    return {"type": "function", **(mapping(tool.get("function")) or tool)}
