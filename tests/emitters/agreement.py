"""A row of an emitter against ours of the same call, column by column, in one form where there are two of the same.

What is the same: a part of no tokens that is told as zero or not at all; a stop reason in the provider's word or in
the conventions'; the system's text as its own column or as the first message; the result of a tool as a message of
role tool or user, a text or a list of one; a tool's schema under either provider's name; a success whose status is
UNSET or OK; no stream, told as false or not at all; an error's name, as long as there is one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from otel_llm_collector.normalise import Normalised
from otel_llm_semconv import tables
from otel_llm_semconv.usage import FIELDS

_MONEY: Final = tuple(c.name for c in tables.TABLES["spans"] if c.name.startswith("cost_") and c.unit == "USD")
PLAIN: Final = (
    "operation", "provider", "request_model", "response_model", "input_tokens", "output_tokens", "usage_status",
    "cost_usd", "cost_status", "stream", "session_id", "user_id", "prompt_name", "prompt_version",
)  # fmt: skip
PARTS: Final = tuple(name for name in FIELDS if name not in PLAIN)
COLUMNS: Final = (
    *PLAIN, *PARTS, *(name for name in _MONEY if name not in PLAIN), "finish_reasons", "error_type", "status",
    "time_to_first_chunk_ns", "properties", "response_id",
)  # fmt: skip
CONTENT: Final = ("input_messages", "output_messages", "tool_definitions")
_CONTEXT: Final = (
    ("session", "session_id"),
    ("user", "user_id"),
    ("prompt", "prompt_name"),
    ("prompt", "prompt_version"),
)
_SCHEMAS: Final = ("parameters", "input_schema", "inputSchema", "parametersJsonSchema")
_REASONS: Final = {
    "completed": "stop", "end_turn": "stop", "max_tokens": "length", "stop_sequence": "stop", "tool-calls": "tool_call",
    "tool_calls": "tool_call", "tool_use": "tool_call",
}  # fmt: skip


def told(found: Normalised, id: str | None, context: Collection[str]) -> dict[str, Any]:
    """What a row and its content say, in the one form.

    `id` is that of the response, which only that call has, `context` what the emitter was told of who asks.
    """
    row = found.row
    said = {name: row.get(name) for name in (*PLAIN, *PARTS, *_MONEY)}
    said |= {name: said[name] or None for name in (*PARTS, *_MONEY) if name not in PLAIN}
    said["stream"] = said["stream"] or None
    if said["operation"] == "embeddings":
        said["output_tokens"] = said["output_tokens"] or None
    said["status"] = "ERROR" if row["status"] == "ERROR" else None
    said["error_type"] = bool(row.get("error_type")) or None
    said["finish_reasons"] = [_reason(word) for word in row.get("finish_reasons") or ()] or None
    said["time_to_first_chunk_ns"] = row.get("time_to_first_chunk_ns") is not None or None
    said |= {column: None for part, column in _CONTEXT if part not in context}
    said["response_id"] = None if row.get("response_id") is None else row["response_id"] == id
    said["properties"] = sorted(row["properties"]) if "properties" in context else []
    return said | _content(found.message or {})


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The columns that say something else; more properties than ours, and content where we have none, are no harm."""
    found = {name: (theirs[name], ours[name]) for name in (*COLUMNS, *CONTENT) if theirs[name] != ours[name]}
    if set(ours["properties"]) <= set(theirs["properties"]):
        found.pop("properties", None)
    return {name: pair for name, pair in found.items() if name not in CONTENT or pair[1] is not None}


def _content(message: Mapping[str, Any]) -> dict[str, Any]:
    parsed = {name: json.loads(message[name]) for name in tables_of_content() if message.get(name)}
    system = [part.get("content") for part in parsed.get("system_instructions", ()) if isinstance(part, dict)]
    inputs = [_message(one) for one in parsed.get("input_messages", ())]
    system += [part["content"] for one in inputs if one["role"] == "system" for part in one["parts"]]
    system = list(dict.fromkeys(map(str, system)))  # some tell it twice
    rest = [one for one in inputs if one["role"] != "system"]
    told = [{"role": "system", "parts": [{"type": "text", "content": text} for text in system]}] if system else []
    return {
        "input_messages": [*told, *rest] or None,
        "output_messages": [_message(one) for one in parsed.get("output_messages", ())] or None,
        "tool_definitions": sorted(map(_tool, parsed.get("tool_definitions", ()))) or None,
    }


def tables_of_content() -> Iterable[str]:
    """The columns of `messages` that hold content."""
    return [c.name for c in tables.TABLES["messages"] if c.attribute]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    parts = [{key: value for key, value in part.items() if value is not None} for part in message.get("parts", ())]
    answers = any(part.get("type") == "tool_call_response" for part in parts)
    return {"role": "tool" if answers else message["role"], "parts": [_part(part) for part in parts]}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if isinstance(text := part.get("arguments"), str):
        part["arguments"] = json.loads(text or "{}")
    if part.get("type") == "tool_call_response":
        part.pop("name", None)
    if isinstance(listed := part.get("response"), list) and len(listed) == 1:
        part["response"] = listed[0].get("text")
    return part


def _tool(tool: Mapping[str, Any]) -> tuple[str, str, str]:
    inner = tool.get("function", tool)
    schema = next((inner[key] for key in _SCHEMAS if inner.get(key)), None)
    return inner["name"], inner.get("description") or "", json.dumps(schema, sort_keys=True)


def _reason(word: str) -> str:
    return _REASONS.get(word.lower(), word.lower())
