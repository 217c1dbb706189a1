"""Content of Gemini, contents with their parts, in the message schema of the conventions. Used only on request."""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from ..binary import blob, linked
from ..wire import Answer, Content, Json, items, mapping, text

#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {
    "BLOCKLIST": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "LANGUAGE": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MAX_TOKENS": "length",
    "MODEL_ARMOR": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "RECITATION": "content_filter",
    "SAFETY": "content_filter",
    "SPII": "content_filter",
    "STOP": "stop",
}
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"
_ROLES: Final = {"function": "tool", "model": "assistant"}
_MODALITIES: Final = frozenset({"audio", "image", "video"})
_GROWING: Final = frozenset({"reasoning", "text"})
_HUMP: Final = re.compile(r"[A-Z]")


def field(body: Json, name: str) -> Any:
    """A field of a request by its camelCase name: Google takes snake_case for the same."""
    value = body.get(name)
    return body.get(_snake(name)) if value is None else value


@functools.cache
def _snake(name: str) -> str:
    return _HUMP.sub(lambda hump: "_" + hump[0].lower(), name)


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back, the system instruction apart from them as the format has it."""
    return Content(
        input_messages=[_read_message(message) for message in items(body.get("contents"))] or None,
        output_messages=[_output(answer, index) for index in sorted(answer.parts)] or None,
        system_instructions=_read_system(field(body, "systemInstruction")) or None,
        tool_definitions=[definition for tool in items(body.get("tools")) for definition in _read_tool(tool)] or None,
    )


def add_content(answer: Answer, index: int, content: Json) -> None:
    """Keep what a candidate says, whole or the next piece of it: text grows."""
    kept = answer.parts.setdefault(index, [])
    for part in items(content.get("parts")):
        read = _read_part(part)
        if kept and kept[-1]["type"] == read["type"] and read["type"] in _GROWING:
            kept[-1]["content"] += read["content"]
        elif read.get("content") != "" or read["type"] not in _GROWING:
            kept.append(read)


def _output(answer: Answer, index: int) -> dict[str, Any]:
    parts = answer.parts[index]
    reason = answer.finish_reasons.get(index) or _NO_REASON
    reason = _REASONS.get(reason, reason.lower())
    if reason == "stop" and any(part["type"] == "tool_call" for part in parts):
        reason = "tool_call"  # for which the provider has no reason of its own
    return {"role": "assistant", "parts": parts, "finish_reason": reason}


def _read_message(content: Json) -> dict[str, Any]:
    parts = [_read_part(part) for part in items(content.get("parts"))]
    role = str(content.get("role") or "user")
    answered = any(part["type"] == "tool_call_response" for part in parts)
    return {"role": "tool" if answered else _ROLES.get(role, role), "parts": parts}


def _read_system(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"type": "text", "content": given}]
    return [_read_part(part) for part in items(mapping(given).get("parts"))]


def _read_part(part: Json) -> dict[str, Any]:
    said = part.get("text")
    if isinstance(said, str):
        return {"type": "reasoning" if part.get("thought") is True else "text", "content": said}
    if data := mapping(field(part, "inlineData")):
        mime_type = field(data, "mimeType")
        return blob(modality(mime_type), mime_type, data.get("data"))
    if file := mapping(field(part, "fileData")):
        mime_type = field(file, "mimeType")
        return linked(modality(mime_type), field(file, "fileUri"), mime_type)
    return _read_call(part)


def _read_call(part: Json) -> dict[str, Any]:
    """A call or a result: of the app's tools, or of those that the provider runs itself."""
    if call := mapping(field(part, "functionCall")):
        name = text(call.get("name")) or ""
        return {"type": "tool_call", "id": call.get("id"), "name": name, "arguments": call.get("args")}
    if result := mapping(field(part, "functionResponse")):
        id = text(result.get("id")) or result.get("name")
        return {"type": "tool_call_response", "id": id, "response": result.get("response")}
    if code := mapping(field(part, "executableCode")):
        made = {"type": "executable_code", **code}
        return {"type": "server_tool_call", "name": "code_execution", "server_tool_call": made}
    if ran := mapping(field(part, "codeExecutionResult")):
        return {
            "type": "server_tool_call_response",
            "server_tool_call_response": {"type": "code_execution_result", **ran},
        }
    kind = next((key for key in part if key not in ("thought", "thoughtSignature")), "empty")
    return {"type": "generic", "generic_type": kind}


def modality(mime_type: Any) -> str:
    """The conventions' word for a kind of data."""
    kind = str(mime_type).partition("/")[0]
    return kind if kind in _MODALITIES else "document"


def _read_tool(tool: Json) -> list[dict[str, Any]]:
    """A tool of Gemini holds several functions, or is one that the provider runs."""
    functions = items(field(tool, "functionDeclarations"))
    if functions:
        return [{"type": "function", **function} for function in functions]
    return [{"type": key, "name": key} for key in tool]
