"""Content of Anthropic messages in the message schema of the GenAI conventions. Used only on request."""

from __future__ import annotations

import json
from typing import Any, Final

from otel_llm_semconv.usage import count

from ..binary import blob, linked
from ..wire import Answer, Content, Json, items, mapping, text

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"
_DELTAS: Final = {
    "compaction_delta": "content",
    "input_json_delta": "partial_json",
    "text_delta": "text",
    "thinking_delta": "thinking",
}
#: Where the pieces of a streamed block belong; those of any other kind are its text.
_GROWING: Final = {"compaction": "content", "thinking": "thinking"}
_CALLS: Final = frozenset({"mcp_tool_use", "server_tool_use", "tool_use"})
_MEDIA: Final = frozenset({"document", "image"})


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back, the system prompt apart from them as the format has it."""
    return Content(
        input_messages=[_read_message(message) for message in items(body.get("messages"))] or None,
        output_messages=_output(answer),
        system_instructions=_read_blocks(body.get("system")) or None,
        tool_definitions=[dict(tool) for tool in items(body.get("tools"))] or None,
    )


def add_blocks(answer: Answer, content: Any) -> None:
    """Keep the blocks of a whole response."""
    for index, block in enumerate(items(content)):
        answer.parts[index] = dict(block)


def add_event(answer: Answer, event: Json) -> None:
    """Keep a started block, or grow one by its delta."""
    index = count(event.get("index")) or 0
    if event.get("type") == "content_block_start":
        answer.parts[index] = dict(mapping(event.get("content_block")))
        return
    delta = mapping(event.get("delta"))
    key = _DELTAS.get(str(delta.get("type")))
    if key and (piece := text(delta.get(key))):
        answer.parts.setdefault(index, {"type": "text"}).setdefault("pieces", []).append(piece)


def _output(answer: Answer) -> list[Any] | None:
    if not answer.parts:
        return None
    parts = [_read_block(_joined(answer.parts[index])) for index in sorted(answer.parts)]
    reason = answer.finish_reasons.get(0) or _NO_REASON
    return [{"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason)}]


def _joined(block: dict[str, Any]) -> dict[str, Any]:
    pieces = "".join(block.get("pieces", ()))
    if not pieces:
        return block
    kind = str(block.get("type"))
    if kind in _CALLS:
        return {**block, "input": _parsed(pieces)}
    return {**block, _GROWING.get(kind, "text"): pieces}


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _read_message(message: Json) -> dict[str, Any]:
    blocks = _read_blocks(message.get("content"))
    tool = any(block["type"] == "tool_call_response" for block in blocks)
    return {"role": "tool" if tool else str(message.get("role", "user")), "parts": blocks}


def _read_blocks(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return [_read_block(block) for block in items(content)]


def _read_block(block: Json) -> dict[str, Any]:
    kind = str(block.get("type"))
    if kind == "text":
        return {"type": "text", "content": text(block.get("text")) or ""}
    if kind == "thinking":
        return {"type": "reasoning", "content": text(block.get("thinking")) or ""}
    if kind == "compaction":
        return {"type": "compaction", "content": text(block.get("content")) or ""}
    if kind in _MEDIA:
        return _media(kind, block)
    if kind in _CALLS or kind.endswith("tool_result"):
        return _tool_part(kind, block)
    return {"type": "generic", "generic_type": kind}


def _tool_part(kind: str, block: Json) -> dict[str, Any]:
    """A call or a result: of the app's tools, or of those that the provider runs itself."""
    name, input = text(block.get("name")) or "", block.get("input")
    if kind == "tool_use":
        return {"type": "tool_call", "id": block.get("id"), "name": name, "arguments": input}
    if kind in _CALLS:
        call = {"type": kind, "input": input}
        return {"type": "server_tool_call", "id": block.get("id"), "name": name, "server_tool_call": call}
    id, content = block.get("tool_use_id"), _read_result(block.get("content"))
    if kind == "tool_result":
        return {"type": "tool_call_response", "id": id, "response": content}
    result = {"type": kind, "content": content}
    return {"type": "server_tool_call_response", "id": id, "server_tool_call_response": result}


def _read_result(content: Any) -> Any:
    """A tool's result as it is, but for images and documents in it."""
    if not isinstance(content, list):
        return content
    return [_media(block["type"], block) if _is_media(block) else block for block in content]


def _is_media(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _MEDIA and isinstance(block.get("source"), dict)


def _media(kind: str, block: Json) -> dict[str, Any]:
    """A link stays; the bytes of inline media never enter a span. A document may be plain text, or blocks."""
    source = mapping(block.get("source"))
    match source.get("type"):
        case "url":
            return linked(kind, source.get("url"))
        case "file":
            return {"type": "file", "modality": kind, "file_id": text(source.get("file_id")) or ""}
        case "text":
            return {"type": "text", "content": text(source.get("data")) or ""}
        case "content":
            inner = source.get("content")
            return {"type": "generic", "generic_type": kind, "parts": _read_blocks(inner)}
    return blob(kind, source.get("media_type"), source.get("data"))
