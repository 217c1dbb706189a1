"""Content of other dialects in the message schema of the conventions.

It comes as flat attributes with numbers in their names, or as JSON in the manner of OpenAI, Anthropic and the Vercel AI
SDK: messages, or a whole request or response of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, Final

from .. import attributes as a
from .dialect import Attributes, Completion, Reading, Span
from .message_parts import PARTS, content_parts, members, message_of, tool_call
from .values import json_of

Message = dict[str, Any]
#: Limit on the members of a list that is spelled as attributes: their numbers are the sender's.
_INDEX_MAX: Final = 10_000
_NO_REASON: Final = "error"
#: What providers and SDKs call the reasons of the message schema.
_REASONS: Final = {
    "MAX_TOKENS": "length",
    "STOP": "stop",
    "completed": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop",
    "tool-calls": "tool_call",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
}
#: What was seen wrong in messages that have parts; all others are not looked into, which would cost more than the rest.
ODD: Final = r'"content": ?\[|"parts": ?\[\]|"finish_reason": ?""|"(result|text|thinking)":'
_ODD: Final = re.compile(ODD)
#: What is in all messages of the schema.
IN_SCHEMA: Final = '"parts"'
#: Where a request has its messages.
_ASKED_IN: Final = ("messages", "input", "prompt", "contents")
_COLUMN_OF: Final = {a.INPUT_MESSAGES: "input_messages", a.OUTPUT_MESSAGES: "output_messages"}


def flat(inputs: str, outputs: str, inside: str = "") -> Completion:
    """Completes a reading by messages that are spelled `PREFIX.<number>.INSIDE.<member>`, one attribute a value."""

    def complete(span: Span, reading: Reading) -> None:
        if reading.columns.get("operation") == a.OPERATION_EMBEDDINGS:
            return
        asked = [message_of(_inner(one, inside)) for one in numbered(span.attributes, inputs)]
        said = [_with_reason(_inner(one, inside), reading) for one in numbered(span.attributes, outputs)]
        _put(reading, "input_messages", asked)
        _put(reading, "output_messages", _joined(said))

    return complete


def written(inputs: tuple[str, ...], outputs: tuple[str, ...] = ()) -> Completion:
    """Completes a reading by messages that are JSON in one attribute, or by the text that is no JSON."""

    def complete(span: Span, reading: Reading) -> None:
        if reading.columns.get("operation") == a.OPERATION_EMBEDDINGS:
            return
        asked, said = (_first(span.attributes, names) for names in (inputs, outputs))
        _put(reading, "input_messages", _asked(asked))
        _put(reading, "output_messages", [_reasoned(one, reading) for one in _joined(_said(said))])
        if isinstance(listed := json_of(asked), Mapping) and isinstance(tools := listed.get("tools"), list):
            _put(reading, "tool_definitions", [dict(one) for one in members(tools)])

    return complete


def tools(prefix: str, inside: str = "") -> Completion:
    """Completes a reading by definitions of tools: one attribute each in JSON, or one a member."""

    def complete(span: Span, reading: Reading) -> None:
        found = (_nested(one, inside) for one in numbered(span.attributes, prefix))
        parsed = (json_of(one) if isinstance(one, str) else _schemas(one) for one in found)
        _put(reading, "tool_definitions", [dict(one) for one in parsed if isinstance(one, Mapping)])

    return complete


def from_events(span: Span, reading: Reading) -> None:
    """The conventions had an event a message once: those of a span tell what no attribute does."""
    found = [(event.name, event.attributes) for event in span.events if event.name.startswith("gen_ai.")]
    asked = [
        {"role": name.split(".")[1], **said} for name, said in found if name.endswith(".message") and "content" in said
    ]
    choices = [said for name, said in found if name == "gen_ai.choice"]
    reasons = [reason for said in choices if isinstance(reason := said.get("finish_reason"), str)]
    if reasons:
        reading.columns.setdefault("finish_reasons", reasons)
    _put(reading, "input_messages", [message_of(one) for one in asked])
    answers = [message_of({"role": "assistant", "content": said.get("message")}) for said in choices]
    _put(reading, "output_messages", [_reasoned(one, reading) for one in answers if one["parts"]])


def settle(span: Span, reading: Reading) -> None:
    """The conventions' own attributes go before what was read from others, unless they hold another schema."""
    if a.TOOL_DEFINITIONS in span.attributes:
        reading.messages.pop("tool_definitions", None)
    system = json_of(span.attributes.get(a.SYSTEM_INSTRUCTIONS))
    if isinstance(system, list) and not all(map(_is_part, system)) and (found := content_parts(system)):
        reading.messages["system_instructions"] = found
    for attribute, column in _COLUMN_OF.items():
        if attribute in span.attributes:
            _settle(span.attributes[attribute], column, reading)


def _settle(value: Any, column: str, reading: Reading) -> None:
    if isinstance(value, str) and IN_SCHEMA in value and not _ODD.search(value):
        reading.messages.pop(column, None)
        return
    listed, said = json_of(value), column == "output_messages"
    found = [told for one in members(listed) if (told := _item(_unwrapped(one)))]
    if not isinstance(listed, list) or not any(one["parts"] for one in found):
        return
    in_pieces = said and len(listed) > 1 and not any(_nested(one, "finish_reason") for one in listed[:-1])
    if all(map(_is_in_schema, listed)) and not in_pieces:
        reading.messages.pop(column, None)
    elif said:
        found = _glued(found) if in_pieces else _joined(found)
        reading.messages[column] = [_reasoned(one, reading) for one in found]
    else:
        reading.messages[column] = found


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
    inside.setdefault(path[-1], deepcopy(value) if isinstance(value, Mapping) else value)


def _nested(one: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        one = one.get(key) if isinstance(one, Mapping) else None
    return one


def _inner(one: dict[str, Any], key: str) -> dict[str, Any]:
    inner = _nested(one, key)
    return inner if isinstance(inner, dict) else {}


def _schemas(tool: Any) -> Any:
    """The members of a tool, its schema parsed."""
    if not isinstance(tool, Mapping):
        return None
    return {key: json_of(value) if key in ("parameters", "input_schema") else value for key, value in tool.items()}


def _first(attributes: Attributes, names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name)), None)


def _asked(value: Any) -> list[Message]:
    """The messages of a request, or of what stands for one."""
    listed = json_of(value)
    if isinstance(listed, Mapping):
        system = listed.get("system") or listed.get("instructions") or _nested(listed, "config.system_instruction")
        held = next((said for name in _ASKED_IN if (said := listed.get(name))), None)
        found = _listed(held, "user") or ([message_of(listed)] if "role" in listed else [])
        return [{"role": "system", "parts": content_parts(system)}, *found] if system and found else found
    return _listed(listed if isinstance(listed, list) else value, "user")


def _said(value: Any) -> list[Message]:
    """The messages of a response: choices of OpenAI's, a message of Anthropic's, a candidate of Google's, or the items
    of a Responses answer."""
    listed = json_of(value)
    if isinstance(listed, Mapping):
        if choices := members(listed.get("choices")):
            return [message_of(_unwrapped(one)) for one in choices]
        first = next(iter(members(listed.get("candidates"))), listed)
        if isinstance(inner := first.get("message"), Mapping):
            return _glued([message_of(inner)])
        if isinstance(inner := first.get("content"), Mapping):
            return [message_of({**inner, "finish_reason": first.get("finish_reason") or first.get("finishReason")})]
        if isinstance(items := listed.get("output"), list):
            return _listed(items, "assistant")
        return [message_of(listed)] if "role" in listed else []
    return _listed(listed if isinstance(listed, list) else value, "assistant")


def _listed(value: Any, role: str) -> list[Message]:
    if isinstance(value, str):
        return [{"role": role, "parts": [{"type": "text", "content": value}]}] if value else []
    return [found for one in members(value) if (found := _item(one))]


def _item(one: Mapping[str, Any]) -> Message | None:
    """A message, or an item of the Responses API that stands for a part of one."""
    if "role" in one or "parts" in one or isinstance(one.get("content"), str):
        return message_of(one)
    match one.get("type"):
        case "function_call":
            return {"role": "assistant", "parts": [tool_call({**one, "id": one.get("call_id")})]}
        case "function_call_output":
            part = {"type": "tool_call_response", "id": one.get("call_id"), "response": one.get("output")}
            return {"role": "tool", "parts": [part]}
    return None


def _unwrapped(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message of one of OpenAI's choices."""
    inner = one.get("message")
    return {**inner, "finish_reason": one.get("finish_reason")} if isinstance(inner, Mapping) else one


def _joined(messages: list[Message]) -> list[Message]:
    """An answer in several pieces is one, unless they are alternatives, each of which has its reason."""
    told = [one for one in messages if one["parts"]]
    if len(told) < 2 or any("finish_reason" in one for one in told[:-1]):
        return told
    parts = [part for one in told for part in one["parts"]]
    return [{**told[-1], "parts": parts}]


def _glued(messages: list[Message]) -> list[Message]:
    """The message that was told in pieces, one a chunk of a stream."""
    parts: list[dict[str, Any]] = []
    for part in (part for one in messages for part in one["parts"]):
        if parts and part["type"] == parts[-1]["type"] == "text":
            parts[-1] = {**part, "content": parts[-1]["content"] + part["content"]}
        else:
            parts.append(part)
    return [{**messages[-1], "parts": parts}]


def _with_reason(message: Mapping[str, Any], reading: Reading) -> Message:
    found = message_of({"role": "assistant", **message})
    said = message.get("finish_reason")
    return _reasoned(found if said is None else {**found, "finish_reason": said}, reading)


def _reasoned(message: Message, reading: Reading) -> Message:
    reasons = reading.columns.get("finish_reasons") or [_NO_REASON]
    reason = str(message.get("finish_reason") or reasons[0])
    return {**message, "finish_reason": _REASONS.get(reason, reason)}


def _is_in_schema(message: Any) -> bool:
    parts = message.get("parts") if isinstance(message, Mapping) else None
    return isinstance(parts, list) and all(map(_is_part, parts))


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping) or part.get("type") not in PARTS:
        return False
    if part["type"] == "tool_call_response":
        return "response" in part
    return part["type"] not in ("text", "reasoning") or isinstance(part.get("content"), str)


def _put(reading: Reading, column: str, found: Iterable[Message]) -> None:
    if (listed := list(found)) and column not in reading.messages:
        reading.messages[column] = listed
