"""Content of Gemini's interactions in the message schema of the conventions. Used only on request."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv.usage import count

from ..binary import blob, linked
from ..wire import Answer, Content, Json, items, mapping, text
from .openai_content import read_arguments

_MEDIA: Final = frozenset({"audio", "document", "image", "video"})
#: Keys of a streamed step that grow, by the kind of their piece.
_PIECES: Final = {"arguments_delta": "arguments", "text": "text"}
_SUMMARY: Final = "thought_summary"
_SKIPPED: Final = frozenset({"text_annotation_delta", "thought_signature"})
_USER: Final = "user_input"
_RESULT: Final = "function_result"
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back."""
    system = text(body.get("system_instruction"))
    return Content(
        input_messages=_read_input(body.get("input")) or None,
        output_messages=_output(answer),
        system_instructions=[{"type": "text", "content": system}] if system else None,
        tool_definitions=[dict(tool) for tool in items(body.get("tools"))] or None,
    )


def add_steps(answer: Answer, steps: list[Json]) -> None:
    """Keep the steps of a whole interaction."""
    answer.parts.clear()
    for index, step in enumerate(steps):
        if step.get("type") != _USER:
            answer.parts[index] = {"step": dict(step)}


def add_event(answer: Answer, event: Json) -> None:
    """Keep a started step, or grow one by its delta."""
    index = count(event.get("index"))
    if index is None:
        return  # of the interaction, not of a step
    begun = mapping(event.get("step")) or mapping(event.get("content"))
    kept = answer.parts.setdefault(index, {"step": dict(begun)})
    delta = mapping(event.get("delta"))
    kind = str(delta.get("type"))
    if kind in _PIECES:
        kept.setdefault(_PIECES[kind], []).append(text(delta.get(_PIECES[kind])) or "")
    elif kind == _SUMMARY:
        kept.setdefault(_SUMMARY, []).append(text(mapping(delta.get("content")).get("text")) or "")
    elif delta and kind not in _SKIPPED:
        kept.setdefault("parts", []).append(_read_part(delta))


def _output(answer: Answer) -> list[Any] | None:
    if not answer.parts:
        return None
    parts = [part for index in sorted(answer.parts) for part in _kept_parts(answer.parts[index])]
    return [{"role": "assistant", "parts": parts, "finish_reason": answer.finish_reasons.get(0) or _NO_REASON}]


def _kept_parts(kept: dict[str, Any]) -> list[dict[str, Any]]:
    """A step as it came whole, or as its pieces say it."""
    step = kept["step"]
    if "arguments" in kept:
        step = {**step, "arguments": read_arguments("".join(kept["arguments"]))}
    grown = [
        {"type": kind, "content": "".join(kept[key])}
        for key, kind in ((_SUMMARY, "reasoning"), ("text", "text"))
        if key in kept
    ]
    return grown + kept.get("parts", []) or _step_parts(step)


def _read_input(given: Any) -> list[dict[str, Any]]:
    """A text, one content, a list of contents, of steps, or of turns with a role."""
    if isinstance(given, str):
        return [{"role": "user", "parts": [{"type": "text", "content": given}]}]
    listed = items(given) or ([given] if isinstance(given, dict) else [])
    if listed and all(_is_plain(item) for item in listed):
        return [{"role": "user", "parts": [_read_part(item) for item in listed]}]
    return [_read_step(item) for item in listed]


def _is_plain(item: Json) -> bool:
    return item.get("type") == "text" or item.get("type") in _MEDIA


def _read_step(step: Json) -> dict[str, Any]:
    if role := text(step.get("role")):
        said = step.get("content") if "content" in step else step.get("parts")
        return {"role": "assistant" if role == "model" else role, "parts": _contents(said)}
    kind = step.get("type")
    role = "tool" if kind == _RESULT else "user" if kind == _USER or _is_plain(step) else "assistant"
    return {"role": role, "parts": _step_parts(step)}


def _step_parts(step: Json) -> list[dict[str, Any]]:
    kind = str(step.get("type"))
    if kind in (_USER, "model_output"):
        return _contents(step.get("content"))
    if kind == "thought":
        said = "".join(text(part.get("text")) or "" for part in items(step.get("summary")))
        return [{"type": "reasoning", "content": said}] if said else []
    if kind == "function_call":
        name = text(step.get("name")) or ""
        return [{"type": "tool_call", "id": step.get("id"), "name": name, "arguments": step.get("arguments")}]
    if kind == _RESULT:
        response = _contents(step.get("result")) if isinstance(step.get("result"), list) else step.get("result")
        return [{"type": "tool_call_response", "id": step.get("call_id"), "response": response}]
    return [_read_server_step(kind, step)] if kind.endswith(("_call", "_result")) else [_read_part(step)]


def _read_server_step(kind: str, step: Json) -> dict[str, Any]:
    """A call or a result of a tool that the provider runs itself."""
    said = {key: value for key, value in step.items() if key not in ("id", "call_id", "signature")}
    if kind.endswith("_call"):
        name = kind.removesuffix("_call")
        return {"type": "server_tool_call", "id": step.get("id"), "name": name, "server_tool_call": said}
    return {"type": "server_tool_call_response", "id": step.get("call_id"), "server_tool_call_response": said}


def _contents(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"type": "text", "content": given}]
    return [_read_part(part) for part in items(given)]


def _read_part(part: Json) -> dict[str, Any]:
    kind = str(part.get("type"))
    if kind == "text":
        return {"type": "text", "content": text(part.get("text")) or ""}
    if kind not in _MEDIA:
        return {"type": "generic", "generic_type": kind}
    if uri := text(part.get("uri")):
        return linked(kind, uri, part.get("mime_type"))
    return blob(kind, part.get("mime_type"), part.get("data"))
