"""Content of OpenAI responses in the message schema of the GenAI conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv.usage import count

from ..binary import blob
from ..wire import Answer, Content, Json, items, mapping, text
from .openai_content import file, image, read_arguments

_ROLES: Final = {"developer": "system"}
_TEXTS: Final = ("input_text", "output_text", "summary_text", "text")
_CALLS: Final = ("custom_tool_call", "function_call")
_RESULTS: Final = ("custom_tool_call_output", "function_call_output")
_REASONING: Final = "reasoning"
_PAINTED: Final = "image_generation_call"
#: Calls of tools that the provider runs itself.
_SERVER_CALLS: Final = (
    "code_interpreter_call",
    "file_search_call",
    "mcp_call",
    "tool_search_call",
    "web_search_call",
)
#: Keys of such a call that say nothing of it.
_ENVELOPE: Final = frozenset({"id", "status"})


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back; `instructions` are the system's."""
    instructions = text(body.get("instructions"))
    given = body.get("input")
    return Content(
        input_messages=_read_input(given) or None,
        output_messages=_read_answer(answer) or None,
        system_instructions=[{"type": "text", "content": instructions}] if instructions else None,
        tool_definitions=[dict(tool) for tool in items(body.get("tools"))] or None,
    )


def read_output(output: list[Json]) -> list[dict[str, Any]]:
    """The parts of a response's items."""
    return [part for item in output for part in _item_parts(item)]


def add_event(answer: Answer, event: Json) -> None:
    """Keep a piece of a stream that was interrupted: texts grow, whole items replace them."""
    kind, state = str(event.get("type")), answer.parts.setdefault(0, {})
    if not isinstance(state, dict):
        return
    place = count(event.get("output_index")) or 0
    if kind.endswith("output_text.delta"):
        state.setdefault(place, []).append(str(event.get("delta", "")))
    elif kind == "response.output_item.done":
        state[place] = dict(mapping(event.get("item")))


def _read_answer(answer: Answer) -> list[dict[str, Any]]:
    kept = answer.parts.get(0)
    if not kept:
        return []
    message: dict[str, Any] = {"role": "assistant", "parts": _pieces(kept) if isinstance(kept, dict) else kept}
    if reason := answer.finish_reasons.get(0):
        message["finish_reason"] = reason
    return [message]


def _pieces(state: dict[Any, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for kept in state.values():
        parts += [{"type": "text", "content": "".join(kept)}] if isinstance(kept, list) else _item_parts(kept)
    return parts


def _read_input(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"role": "user", "parts": [{"type": "text", "content": given}]}]
    return [_read_item(item) for item in items(given)]


def _read_item(item: Json) -> dict[str, Any]:
    kind = item.get("type")
    if kind in _RESULTS:
        given = item.get("output")
        result = [_read_part(part) for part in items(given)] if isinstance(given, list) else given
        return {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": item.get("call_id"), "response": result}],
        }
    role = str(item.get("role") or "assistant")
    return {"role": _ROLES.get(role, role), "parts": _item_parts(item)}


def _item_parts(item: Json) -> list[dict[str, Any]]:
    kind = item.get("type", "message")
    if kind == "message":
        content = item.get("content")
        if isinstance(content, str):
            return [{"type": "text", "content": content}]
        return [_read_part(part) for part in items(content)]
    if kind in _CALLS:
        arguments = read_arguments(str(item.get("arguments") or item.get("input") or ""))
        return [{"type": "tool_call", "id": item.get("call_id"), "name": item.get("name"), "arguments": arguments}]
    if kind == _REASONING:
        thoughts = [*items(item.get("summary")), *items(item.get("content"))]
        return [{"type": _REASONING, "content": str(thought.get("text", ""))} for thought in thoughts]
    return [_server_part(str(kind), item)]


def _server_part(kind: str, item: Json) -> dict[str, Any]:
    """What the provider did itself; of a picture that it made, size and hash."""
    if kind == _PAINTED:
        form = text(item.get("output_format"))
        return blob("image", f"image/{form}" if form else None, item.get("result"))
    if kind in _SERVER_CALLS:
        call = {key: value for key, value in item.items() if key not in _ENVELOPE}
        name = kind.removesuffix("_call")
        return {"type": "server_tool_call", "id": item.get("id"), "name": name, "server_tool_call": call}
    return {"type": "generic", "generic_type": kind}


def _read_part(part: Json) -> dict[str, Any]:
    kind = part.get("type")
    if kind in _TEXTS:
        return {"type": "text", "content": part.get("text", "")}
    if kind == "refusal":
        return {"type": "text", "content": part.get("refusal", "")}
    if kind == "input_image" and isinstance(url := part.get("image_url"), str):
        return image(url)
    if kind == "input_file":
        return file(part)
    return {"type": "generic", "generic_type": str(kind)}
