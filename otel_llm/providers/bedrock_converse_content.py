"""Content of Bedrock's Converse in the message schema of the GenAI conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv.usage import count

from ..binary import blob
from ..wire import Answer, Content, Json, items, mapping, text
from .openai_content import read_arguments

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_call",
}
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"
_MEDIA: Final = {"audio": "audio", "document": "document", "image": "image", "video": "video"}
#: Blocks around another one, or around a list of them.
_WRAPPERS: Final = frozenset({"citationsContent", "guardContent"})
#: Blocks that mark a place in a prompt and say nothing.
_MARKS: Final = frozenset({"", "cachePoint"})


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back, the system prompt apart from them as the format has it."""
    tools = items(mapping(body.get("toolConfig")).get("tools"))
    return Content(
        input_messages=[_read_message(message) for message in items(body.get("messages"))] or None,
        output_messages=_output(answer),
        system_instructions=_read_blocks(body.get("system")) or None,
        tool_definitions=[_read_tool(tool) for tool in tools] or None,
    )


def add_message(answer: Answer, message: Json) -> None:
    """Keep the blocks of a whole response."""
    for index, block in enumerate(items(message.get("content"))):
        answer.parts[index] = dict(block)


def add_event(answer: Answer, event: Json) -> None:
    """Keep a started block, or grow one by its delta."""
    started, grown = mapping(event.get("contentBlockStart")), mapping(event.get("contentBlockDelta"))
    if started:
        answer.parts[count(started.get("contentBlockIndex")) or 0] = dict(mapping(started.get("start")))
    if grown:
        block = answer.parts.setdefault(count(grown.get("contentBlockIndex")) or 0, {})
        delta = mapping(grown.get("delta"))
        for kind, piece in (
            ("text", delta.get("text")),
            ("reasoning", mapping(delta.get("reasoningContent")).get("text")),
            ("arguments", mapping(delta.get("toolUse")).get("input")),
        ):
            if said := text(piece):
                block.setdefault("pieces", {}).setdefault(kind, []).append(said)


def _output(answer: Answer) -> list[Any] | None:
    if not answer.parts:
        return None
    parts = [part for index in sorted(answer.parts) for part in _read_block(_joined(answer.parts[index]))]
    reason = answer.finish_reasons.get(0) or _NO_REASON
    return [{"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason)}]


def _joined(block: dict[str, Any]) -> Json:
    """A streamed block in the shape of a whole one."""
    pieces = {kind: "".join(said) for kind, said in block.get("pieces", {}).items()}
    if "toolUse" in block:
        return {"toolUse": {**mapping(block["toolUse"]), "input": read_arguments(pieces.get("arguments", ""))}}
    if "reasoning" in pieces:
        return {"reasoningContent": {"reasoningText": {"text": pieces["reasoning"]}}}
    return {"text": pieces["text"]} if "text" in pieces else block


def _read_message(message: Json) -> dict[str, Any]:
    parts = _read_blocks(message.get("content"))
    tool = any(part["type"] == "tool_call_response" for part in parts)
    return {"role": "tool" if tool else str(message.get("role", "user")), "parts": parts}


def _read_blocks(content: Any) -> list[dict[str, Any]]:
    return [part for block in items(content) for part in _read_block(block)]


def _read_block(block: Json) -> list[dict[str, Any]]:
    """The parts of one block, whose only key is its kind."""
    kind = next((key for key in block if key != "pieces"), "")
    value = block.get(kind)
    if kind == "text":
        return [_text(value)]
    if kind == "reasoningContent":
        return [{"type": "reasoning", "content": text(mapping(mapping(value).get("reasoningText")).get("text")) or ""}]
    if kind in _MEDIA:
        return [_media(_MEDIA[kind], mapping(value))]
    if kind in _WRAPPERS:
        inner = mapping(value)
        return _read_blocks(inner.get("content", [inner]))
    return [] if kind in _MARKS else [_tool_part(kind, mapping(value))]


def _text(value: Any) -> dict[str, Any]:
    """A text, which a guarded block wraps once more."""
    return {"type": "text", "content": text(value) or text(mapping(value).get("text")) or ""}


def _media(modality: str, value: Json) -> dict[str, Any]:
    """A picture, sound, film or document: where it lies, or the size and hash of its bytes."""
    source, form = mapping(value.get("source")), text(value.get("format"))
    mime_type = f"{'application' if modality == 'document' else modality}/{form}" if form else None
    if uri := text(mapping(source.get("s3Location")).get("uri")):
        return {"type": "uri", "modality": modality, **({"mime_type": mime_type} if mime_type else {}), "uri": uri}
    if said := text(source.get("text")):
        return _text(said)
    return blob(modality, mime_type, source.get("bytes"))


def _tool_part(kind: str, value: Json) -> dict[str, Any]:
    id = value.get("toolUseId")
    if kind == "toolUse":
        return {"type": "tool_call", "id": id, "name": text(value.get("name")) or "", "arguments": value.get("input")}
    if kind == "toolResult":
        return {"type": "tool_call_response", "id": id, "response": _read_result(value.get("content"))}
    return {"type": "generic", "generic_type": kind}


def _read_result(content: Any) -> list[Any]:
    """What a tool answered: JSON as it is, everything else as parts."""
    found: list[Any] = []
    for block in items(content):
        found.extend([block["json"]] if "json" in block else _read_block(block))
    return found


def _read_tool(tool: Json) -> dict[str, Any]:
    given = mapping(tool.get("toolSpec"))
    named = {key: given[key] for key in ("name", "description") if key in given}
    parameters = mapping(given.get("inputSchema")).get("json")
    return {"type": "function", **named, **({"parameters": parameters} if parameters is not None else {})}
