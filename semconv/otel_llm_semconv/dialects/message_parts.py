"""One message, and its parts, in the schema of the conventions, whoever's manner it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .values import json_of

Part = dict[str, Any]
#: The types of parts there are in the schema.
PARTS: Final = frozenset(
    {
        *("blob", "compaction", "file", "generic", "reasoning", "server_tool_call", "server_tool_call_response"),
        *("text", "tool_call", "tool_call_response", "uri"),
    }
)
_UNTYPED: Final = {
    "functionCall": "tool_call",
    "functionResponse": "tool_call_response",
    "function_call": "tool_call",
    "function_response": "tool_call_response",
    "toolRequest": "tool_call",
    "toolResponse": "tool_call_response",
    "toolResult": "tool_call_response",
    "toolUse": "tool_call",
}
_ROLES: Final = {"ai": "assistant", "developer": "system", "function": "tool", "human": "user", "model": "assistant"}


def message_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with parts."""
    role = str(message.get("role") or "user")
    role = _ROLES.get(role, role)
    parts = [*content_parts(message.get("parts")), *content_parts(message.get("content")), *_contents(message)]
    if role == "tool" and (id := message.get("tool_call_id")):
        parts = [{"type": "tool_call_response", "id": id, "response": message.get("content")}]
    calls = [call.get("tool_call", call) for call in members(message.get("tool_calls"))]
    calls += [call] if isinstance(call := message.get("function_call"), dict) else []
    parts += [tool_call(call) for call in calls if isinstance(call, dict)]
    answers = bool(parts) and all(part["type"] == "tool_call_response" for part in parts)
    found: dict[str, Any] = {"role": "tool" if answers else role, "parts": parts}
    return found | ({"finish_reason": reason} if isinstance(reason := message.get("finish_reason"), str) else {})


def members(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list, or of the mapping that stands for one where it was spelled as attributes."""
    if isinstance(value, Mapping):
        keys = sorted((key for key in value if str(key).isdecimal()), key=int)
        value = [value[key] for key in keys]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def content_parts(content: Any) -> list[Part]:
    """The parts of a text, also of one that is a list in JSON, or of a list."""
    if isinstance(content, str) and content.startswith("[") and isinstance(listed := json_of(content), list):
        content = listed
    if isinstance(content, str):
        return [_text(content)] if content else []
    return [part for one in members(content) for part in _parts(one)]


def tool_call(call: Mapping[str, Any]) -> Part:
    """A tool call, whoever names its members how: OpenAI nests a function, the others do not."""
    function = call.get("function")
    inner = function if isinstance(function, Mapping) else call
    name = inner.get("name") or inner.get("toolName") or inner.get("function.name") or ""
    arguments = next((inner[key] for key in ("arguments", "input", "args") if key in inner), None)
    given = json_of(arguments) if isinstance(arguments, str) else arguments
    id = call.get("id") or call.get("toolCallId")
    return {"type": "tool_call", "id": id, "name": str(name), "arguments": arguments if given is None else given}


def _contents(message: Mapping[str, Any]) -> list[Part]:
    """Of OpenInference, each one level deeper; its tool calls stand beside them once more."""
    found = (one.get("message_content") for one in members(message.get("contents")))
    return [part for one in found if isinstance(one, Mapping) and one.get("type") != "tool_use" for part in _parts(one)]


def _parts(part: Mapping[str, Any]) -> list[Part]:
    """A part, or several where its content is a list again."""
    part = _typed(part)
    kind = str(part.get("type") or "text")
    match kind:
        case "text" | "input_text" | "output_text":
            held = part.get("text") or part.get("content")
            return content_parts(held) if isinstance(held, list) else [_text(str(held or ""))]
        case "reasoning" | "thinking":
            held = part.get("text") or part.get("thinking") or part.get("content")
            return [{"type": "reasoning", "content": held}] if isinstance(held, str) and held else []
        case "tool-call" | "tool_use" | "tool_call":
            return [tool_call(part)]
        case "tool-result" | "tool_result" | "tool_call_response":
            return [_tool_response(part)]
    return [dict(part) if "generic_type" in part else {"type": "generic", "generic_type": kind}]


def _typed(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parts of Genkit, of Bedrock's Converse and of Google have no type."""
    if part.get("thought") is True:
        return {**part, "type": "reasoning"}
    for key, kind in _UNTYPED.items():
        if isinstance(inner := part.get(key), Mapping):
            return {**inner, "type": kind, "id": inner.get("id") or inner.get("ref") or inner.get("toolUseId")}
    return part


def _tool_response(part: Mapping[str, Any]) -> Part:
    id = part.get("toolCallId") or part.get("tool_use_id") or part.get("id")
    response = next((part[key] for key in ("output", "result", "content", "response") if key in part), None)
    if isinstance(response, Mapping) and response.get("type") in ("text", "json"):  # of the Vercel AI SDK
        response = response.get("value")
    return {"type": "tool_call_response", "id": id, "response": response}


def _text(content: str) -> Part:
    return {"type": "text", "content": content}
