"""Content of Mistral's conversations in the message schema of the conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv.usage import count

from ..wire import Answer, Content, Json, items, mapping, text
from .openai_content import add_delta, read_arguments, stream_parts

_CALL: Final = "function.call"
_CALL_DELTA: Final = "function.call.delta"
_EXECUTION: Final = "tool.execution"
_MESSAGE_DELTA: Final = "message.output.delta"
_RESULT: Final = "function.result"
#: In messages, where the schema asks for a reason: of an answer that was cut.
_NO_REASON: Final = "error"


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back."""
    system, given = text(body.get("instructions")), body.get("inputs")
    entries = [{"role": "user", "content": given}] if isinstance(given, str) else items(given)
    return Content(
        input_messages=[_read_entry(entry) for entry in entries] or None,
        output_messages=_output(answer),
        system_instructions=[{"type": "text", "content": system}] if system else None,
        tool_definitions=[_read_tool(tool) for tool in items(body.get("tools"))] or None,
    )


def read_outputs(outputs: list[Json]) -> list[dict[str, Any]]:
    """The parts of a whole answer."""
    return [part for entry in outputs for part in _read_parts(entry)]


def add_event(answer: Answer, event: Json) -> None:
    """Keep a piece of a message or of a call, by the place of its entry."""
    index = count(event.get("output_index")) or 0
    if event.get("type") == _MESSAGE_DELTA:
        content = event.get("content")
        add_delta(answer, index, {"content": [content] if isinstance(content, dict) else content})
    elif event.get("type") == _CALL_DELTA:
        function = {"name": event.get("name"), "arguments": event.get("arguments")}
        add_delta(answer, index, {"tool_calls": [{"index": 0, "id": event.get("tool_call_id"), "function": function}]})


def _output(answer: Answer) -> list[Any] | None:
    if not answer.parts:
        return None
    kept = [answer.parts[index] for index in sorted(answer.parts)]
    parts = [part for state in kept for part in (stream_parts(state) if isinstance(state, dict) else state)]
    return [{"role": "assistant", "parts": parts, "finish_reason": answer.finish_reasons.get(0) or _NO_REASON}]


def _read_entry(entry: Json) -> dict[str, Any]:
    is_result = entry.get("type") == _RESULT
    role = "tool" if is_result else text(entry.get("role")) or "assistant"
    return {"role": role, "parts": _read_parts(entry)}


def _read_parts(entry: Json) -> list[dict[str, Any]]:
    kind = entry.get("type")
    if kind == _RESULT:
        return [{"type": "tool_call_response", "id": entry.get("tool_call_id"), "response": entry.get("result")}]
    if kind == _CALL:
        arguments = entry.get("arguments")
        read = read_arguments(arguments) if isinstance(arguments, str) else arguments
        name = text(entry.get("name")) or ""
        return [{"type": "tool_call", "id": entry.get("tool_call_id"), "name": name, "arguments": read}]
    if kind == _EXECUTION:
        said = {key: entry[key] for key in ("name", "arguments", "info") if key in entry}
        name = text(entry.get("name")) or ""
        return [{"type": "server_tool_call", "id": entry.get("id"), "name": name, "server_tool_call": said}]
    content = entry.get("content")
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    if content is None:
        return [{"type": "generic", "generic_type": str(kind)}]
    return [_read_chunk(chunk) for chunk in items(content)]


def _read_chunk(chunk: Json) -> dict[str, Any]:
    kind = str(chunk.get("type"))
    if kind == "text":
        return {"type": "text", "content": text(chunk.get("text")) or ""}
    if kind == "thinking":
        said = "".join(text(piece.get("text")) or "" for piece in items(chunk.get("thinking")))
        return {"type": "reasoning", "content": said}
    return {"type": "generic", "generic_type": kind}


def _read_tool(tool: Json) -> dict[str, Any]:
    function = mapping(tool.get("function"))
    return {"type": tool.get("type"), **function} if function else dict(tool)
