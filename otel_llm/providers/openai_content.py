"""Content of OpenAI chat completions in the message schema of the GenAI conventions. Used only on request."""

from __future__ import annotations

import json
from typing import Any, Final

from otel_llm_semconv.usage import count

from ..binary import blob, decoded, linked
from ..wire import Answer, Content, Json, items, mapping, text

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {"tool_calls": "tool_call", "function_call": "tool_call"}
_ROLES: Final = {"developer": "system", "function": "tool"}
#: Keys of a message that hold more than its content.
_BESIDES: Final = frozenset({"audio", "images", "reasoning", "reasoning_content", "refusal", "tool_calls"})
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back. The system prompt stays a message, as it was sent."""
    return Content(
        input_messages=[_read_message(message) for message in items(body.get("messages"))] or None,
        output_messages=[_output(answer, index) for index in sorted(answer.parts)] or None,
        tool_definitions=[_read_tool(tool) for tool in items(body.get("tools"))] or None,
    )


def add_message(answer: Answer, index: int, message: Json) -> None:
    """Keep a choice of a whole response."""
    answer.parts[index] = _parts(message)


def add_delta(answer: Answer, index: int, delta: Json) -> None:
    """Keep a piece of a streamed choice: texts grow, tool calls grow by their own index."""
    state = answer.parts.setdefault(index, {"text": [], "reasoning": [], "audio": [], "calls": {}})
    content = delta.get("content")
    if piece := text(content):
        state["text"].append(piece)
    if _BESIDES.isdisjoint(delta) and not isinstance(content, list):
        return
    if piece := text(delta.get("refusal")):
        state["text"].append(piece)
    if isinstance(content, list):
        _add_parts(state, items(content))
    if thought := text(delta.get("reasoning_content")) or text(delta.get("reasoning")):
        state["reasoning"].append(thought)
    spoken = mapping(delta.get("audio"))
    for key, kind in (("transcript", "text"), ("data", "audio")):
        if piece := text(spoken.get(key)):
            state[kind].append(piece)
    for call in items(delta.get("tool_calls")):
        entry = state["calls"].setdefault(_call_key(state["calls"], call), {"id": None, "name": None, "arguments": []})
        function = mapping(call.get("function"))
        entry["id"] = text(call.get("id")) or entry["id"]
        entry["name"] = text(function.get("name")) or entry["name"]
        entry["arguments"].append(text(function.get("arguments")) or "")


def _add_parts(state: dict[str, Any], parts: list[Json]) -> None:
    """Keep the parts that a piece of Mistral's comes in while the model thinks."""
    for part in parts:
        if thought := _thought(part):
            state["reasoning"].append(thought)
        elif piece := text(part.get("text")):
            state["text"].append(piece)


def _thought(part: Json) -> str:
    """What a part says of the model's thinking: texts in a list, of Mistral's."""
    if part.get("type") != "thinking":
        return ""
    return "".join(text(piece.get("text")) or "" for piece in items(part.get("thinking")))


def _call_key(calls: dict[int, Any], call: Json) -> int:
    """Which tool call a piece belongs to. Without an index, one with an id of its own is a new one."""
    index = count(call.get("index"))
    if index is not None:
        return index
    last = max(calls, default=-1)
    return last + 1 if last < 0 or text(call.get("id")) else last


def _output(answer: Answer, index: int) -> dict[str, Any]:
    kept = answer.parts[index]
    parts = stream_parts(kept) if isinstance(kept, dict) else kept
    reason = answer.finish_reasons.get(index) or _NO_REASON
    return {"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason)}


def stream_parts(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts that a stream's pieces make together."""
    parts: list[dict[str, Any]] = []
    if state["reasoning"]:
        parts.append({"type": "reasoning", "content": "".join(state["reasoning"])})
    if state["text"]:
        parts.append({"type": "text", "content": "".join(state["text"])})
    if state["audio"]:
        parts.append(blob("audio", None, _joined(state["audio"])))
    for _, call in sorted(state["calls"].items()):
        parts.append(_call_part(call["id"], call["name"], "".join(call["arguments"])))
    return parts


def _joined(pieces: list[str]) -> bytes | str:
    """Each piece of streamed audio is base64 for itself."""
    try:
        return b"".join(map(decoded, pieces))
    except ValueError:
        return "".join(pieces)


def _read_message(message: Json) -> dict[str, Any]:
    role = str(message.get("role", "user"))
    if role in ("tool", "function"):
        response = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": "tool", "parts": [response]}
    return {"role": _ROLES.get(role, role), "parts": _parts(message)}


def _parts(message: Json) -> list[dict[str, Any]]:
    if isinstance(content := message.get("content"), str) and _BESIDES.isdisjoint(message):
        return [{"type": "text", "content": content}]
    parts: list[dict[str, Any]] = []
    if thought := text(message.get("reasoning_content")) or text(message.get("reasoning")):
        parts.append({"type": "reasoning", "content": thought})
    if isinstance(content, str):
        parts.append({"type": "text", "content": content})
    else:
        parts.extend(_read_part(part) for part in items(content))
    if refusal := text(message.get("refusal")):
        parts.append({"type": "text", "content": refusal})
    parts.extend(_audio(mapping(message.get("audio"))))
    parts.extend(_read_part(part) for part in items(message.get("images")))  # of OpenRouter
    for call in items(message.get("tool_calls")):
        function = mapping(call.get("function"))
        parts.append(_call_part(call.get("id"), function.get("name"), str(function.get("arguments", ""))))
    return parts


def _read_part(part: Json) -> dict[str, Any]:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        return {"type": "text", "content": text(part.get(str(kind))) or ""}
    if kind == "thinking":
        return {"type": "reasoning", "content": _thought(part)}
    if kind == "image_url":
        return image(str(mapping(part.get("image_url")).get("url", "")))
    if kind == "input_audio":
        sound = mapping(part.get("input_audio"))
        return blob("audio", f"audio/{sound.get('format') or 'wav'}", sound.get("data"))
    if kind == "file":
        return file(mapping(part.get("file")))
    return {"type": "generic", "generic_type": str(kind)}


def image(url: str) -> dict[str, Any]:
    """A link stays; the bytes of an inline image never enter a span."""
    return linked("image", url)


def file(given: Json) -> dict[str, Any]:
    """A document by its id, by a link, or as size and hash of its bytes."""
    if id := text(given.get("file_id")):
        return {"type": "file", "modality": "document", "file_id": id}
    if url := text(given.get("file_url")):
        return linked("document", url)
    data = text(given.get("file_data")) or ""
    return linked("document", data) if data.startswith("data:") else blob("document", None, data)


def _audio(spoken: Json) -> list[dict[str, Any]]:
    """What was said in an answer, or the id of it in a later request."""
    parts: list[dict[str, Any]] = []
    if transcript := text(spoken.get("transcript")):
        parts.append({"type": "text", "content": transcript})
    if data := text(spoken.get("data")):
        parts.append(blob("audio", None, data))
    elif id := text(spoken.get("id")):
        parts.append({"type": "file", "modality": "audio", "file_id": id})
    return parts


def _call_part(id: Any, name: Any, arguments: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": id, "name": text(name) or "", "arguments": read_arguments(arguments)}


def read_arguments(written: str) -> Any:
    """Arguments of a tool call as JSON, or as they were written where they are none."""
    try:
        return json.loads(written) if written else None
    except (ValueError, RecursionError):
        return written


def _read_tool(tool: Json) -> dict[str, Any]:
    function = mapping(tool.get("function"))
    return {"type": str(tool.get("type", "function")), **{key: function[key] for key in function}}
