"""Content of other dialects in the message schema of the conventions.

It comes as flat attributes with numbers in their names, or as JSON in the manner of OpenAI and of the Vercel AI SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .dialect import Attributes, Completion, Reading, Span
from .values import json_of

Message = dict[str, Any]
#: Limit on the members of a list that is spelled as attributes: their numbers are the sender's.
_INDEX_MAX: Final = 10_000
_NO_REASON: Final = "error"
_ROLES: Final = {"ai": "assistant", "developer": "system", "function": "tool", "human": "user", "model": "assistant"}


def flat(inputs: str, outputs: str, inside: str = "") -> Completion:
    """Completes a reading by messages that are spelled `PREFIX.<number>.INSIDE.<member>`, one attribute a value."""

    def complete(span: Span, reading: Reading) -> None:
        _put(reading, "input_messages", [_read(_inner(one, inside)) for one in numbered(span.attributes, inputs)])
        said = [_with_reason(_inner(one, inside), reading) for one in numbered(span.attributes, outputs)]
        _put(reading, "output_messages", said)

    return complete


def written(inputs: tuple[str, ...], outputs: tuple[str, ...] = ()) -> Completion:
    """Completes a reading by messages that are JSON in one attribute, or by the text that is no JSON."""

    def complete(span: Span, reading: Reading) -> None:
        _put(reading, "input_messages", _first_list(span.attributes, inputs, "user"))
        answers = _first_list(span.attributes, outputs, "assistant")
        _put(reading, "output_messages", [{**one, "finish_reason": _reason(reading, {})} for one in answers])

    return complete


def numbered(attributes: Attributes, prefix: str) -> list[dict[str, Any]]:
    """The members of a list that is spelled as attributes, as nested mappings, in the order of their numbers."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix):
            continue
        number, _, rest = name[len(prefix) :].partition(".")
        if rest and number.isdecimal() and int(number) < _INDEX_MAX:
            _nest(found.setdefault(int(number), {}), rest.split("."), value)
    return [found[number] for number in sorted(found)]


def _nest(inside: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        below = inside.setdefault(key, {})
        if not isinstance(below, dict):
            return
        inside = below
    inside.setdefault(path[-1], value)


def _inner(one: dict[str, Any], key: str) -> dict[str, Any]:
    inner = one.get(key) if key else one
    return inner if isinstance(inner, dict) else {}


def _members(value: Any) -> list[dict[str, Any]]:
    """A list, or the mapping that stands for one where it was spelled as attributes."""
    if isinstance(value, Mapping):
        keys = sorted((key for key in value if str(key).isdecimal()), key=int)
        value = [value[key] for key in keys]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _read(message: Mapping[str, Any]) -> Message:
    role = str(message.get("role") or "user")
    role = _ROLES.get(role, role)
    parts = [part for part in (*_content(message.get("content")), *map(_part, _contents(message))) if part]
    if role == "tool" and (id := message.get("tool_call_id")):
        parts = [{"type": "tool_call_response", "id": id, "response": message.get("content")}]
    calls = [call.get("tool_call", call) for call in _members(message.get("tool_calls"))]
    return {"role": role, "parts": [*parts, *(_call(call) for call in calls if isinstance(call, dict))]}


def _content(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str) and content.startswith("[") and isinstance(listed := json_of(content), list):
        content = listed
    if isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    return [part for part in map(_part, _members(content)) if part]


def _contents(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of OpenInference, each one level deeper."""
    return [_inner(one, "message_content") for one in _members(message.get("contents"))]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(part.get("type") or "text")
    match kind:
        case "text" | "input_text" | "output_text":
            return {"type": "text", "content": str(part.get("text") or "")}
        case "reasoning" | "thinking":
            return {"type": "reasoning", "content": str(part.get("text") or part.get("thinking") or "")}
        case "tool-call" | "tool_use" | "tool_call":
            return _call(part)
        case "tool-result" | "tool_result":
            id = part.get("toolCallId") or part.get("tool_use_id")
            response = next((part[key] for key in ("output", "result", "content") if key in part), None)
            return {"type": "tool_call_response", "id": id, "response": response}
    return {"type": "generic", "generic_type": kind}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    """A tool call, whoever names its members how: OpenAI nests a function, the others do not."""
    function = call.get("function")
    inner = function if isinstance(function, Mapping) else call
    name = inner.get("name") or inner.get("toolName") or inner.get("function.name") or ""
    arguments = next((inner[key] for key in ("arguments", "input", "args") if key in inner), None)
    given = json_of(arguments) if isinstance(arguments, str) else arguments
    id = call.get("id") or call.get("toolCallId")
    return {"type": "tool_call", "id": id, "name": str(name), "arguments": arguments if given is None else given}


def _with_reason(message: Mapping[str, Any], reading: Reading) -> Message:
    return {**_read({"role": "assistant", **message}), "finish_reason": _reason(reading, message)}


def _reason(reading: Reading, message: Mapping[str, Any]) -> str:
    reasons = reading.columns.get("finish_reasons") or [_NO_REASON]
    return str(message.get("finish_reason") or reasons[0])


def _first_list(attributes: Attributes, names: tuple[str, ...], role: str) -> list[Message]:
    value = next((attributes[name] for name in names if attributes.get(name)), None)
    if value is None:
        return []
    listed = json_of(value)
    if isinstance(listed, Mapping):
        listed = listed.get("messages", [listed] if "role" in listed else None)
    if isinstance(listed, list) and (found := [one for one in listed if isinstance(one, dict) and "role" in one]):
        return [_read(one) for one in found]
    return [{"role": role, "parts": [{"type": "text", "content": value}]}] if isinstance(value, str) else []


def _put(reading: Reading, column: str, messages: list[Message]) -> None:
    if messages and column not in reading.messages:
        reading.messages[column] = messages
