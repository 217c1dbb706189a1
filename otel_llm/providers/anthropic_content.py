"""Content of Anthropic messages in the message schema of the GenAI conventions. Used only on request."""

from __future__ import annotations

import json
from typing import Any, Final

from otel_llm_semconv.usage import count

from ..wire import Answer, Content, Json, items, mapping, text

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_call",
    "refusal": "content_filter",
}
_DELTAS: Final = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


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
    message: dict[str, Any] = {"role": "assistant", "parts": parts}
    if reason := answer.finish_reasons.get(0):
        message["finish_reason"] = _REASONS.get(reason, reason)
    return [message]


def _joined(block: dict[str, Any]) -> dict[str, Any]:
    pieces = "".join(block.get("pieces", ()))
    if not pieces:
        return block
    if block.get("type") == "thinking":
        return {**block, "thinking": pieces}
    if block.get("type") in ("tool_use", "server_tool_use"):
        return {**block, "input": _parsed(pieces)}
    return {**block, "text": pieces}


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
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
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "content": block.get("text", "")}
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking", "")}
    if kind == "tool_use":
        return {"type": "tool_call", "id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
    if kind == "tool_result":
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": block.get("content")}
    if kind in ("image", "document"):
        return _media(str(kind), mapping(block.get("source")))
    return {"type": "generic", "generic_type": str(kind)}


def _media(kind: str, source: Json) -> dict[str, Any]:
    """A link stays; the bytes of inline media never enter a span."""
    if source.get("type") == "url":
        return {"type": "uri", "modality": kind, "uri": source.get("url")}
    if source.get("type") == "file":
        return {"type": "file", "modality": kind, "file_id": source.get("file_id")}
    return {"type": "blob", "modality": kind, "mime_type": source.get("media_type"), "content": ""}
