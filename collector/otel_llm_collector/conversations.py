"""Conversations as providers take them for fine-tuning: OpenAI's chat format, one example a line."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from otel_llm.redaction import Redactor

Message = dict[str, Any]
#: Why a call is no example -> what that means.
REASONS: Final[Mapping[str, str]] = {
    "failed": "the call failed",
    "scored_low": "its scores are too low, or missing",
    "no_content": "its content was not recorded",
    "truncated": "its content was cut when it was recorded",
    "cut": "the answer is no whole one",
    "media": "it holds more than text",
    "no_answer": "there is no answer, or none that can be read",
    "duplicate": "it says the same as one before",
}
_ASSISTANT: Final = "assistant"
#: Parts that are left out: nobody is taught to think by them.
_UNSAID: Final = frozenset({"reasoning", "compaction"})


class NoExampleError(Exception):
    """A call that cannot be an example. Its text is one of REASONS."""


class Conversations:
    """Makes examples of the rows of `queries/conversations.sql`. `skipped` counts those that are none, by reason."""

    def __init__(self, redactor: Redactor | None = None) -> None:
        self._redactor = redactor
        self._known: set[bytes] = set()
        self.skipped: Counter[str] = Counter()
        self.count = 0

    def lines(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """The examples as JSON, each another one, in the order of the rows."""
        for row in rows:
            try:
                line = self._line(row)
            except NoExampleError as error:
                self.skipped[str(error)] += 1
                continue
            self.count += 1
            yield line

    def _line(self, row: Mapping[str, Any]) -> str:
        for column, reason in (("is_failed", "failed"), ("is_truncated", "truncated"), ("is_cut", "cut")):
            if row[column]:
                raise NoExampleError(reason)
        if not row["is_worthy"]:
            raise NoExampleError("scored_low")
        found = example(row)
        if self._redactor is not None:
            found = self._redactor.redact(found)
        line = json.dumps(found, ensure_ascii=False)
        digest = hashlib.blake2b(line.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in self._known:
            raise NoExampleError("duplicate")
        self._known.add(digest)
        return line


def example(row: Mapping[str, Any]) -> Message:
    """The example of a row: its messages, the answer last, and the tools that were offered. NoExampleError."""
    asked, answered = (_list(row[f"{side}_messages"]) for side in ("input", "output"))
    if not asked and not answered:
        raise NoExampleError("no_content")
    system = "\n\n".join(_text([part]) for part in _list(row["system_instructions"]))
    messages = [{"role": "system", "content": system}] if system else []
    messages += [one for message in asked for one in _messages(message)]
    answer = [one for message in answered[:1] for one in _messages(message)]
    if not messages or len(answer) != 1 or answer[0]["role"] != _ASSISTANT:
        raise NoExampleError("no_answer")
    found: Message = {"messages": [*messages, *answer]}
    if tools := [_tool(one) for one in _list(row["tool_definitions"]) if isinstance(one.get("name"), str)]:
        found["tools"] = tools
    return found


def _messages(message: Mapping[str, Any]) -> Iterator[Message]:
    """A message of the conventions' schema as one or more: each result of a tool is a message of its own."""
    parts = [part for part in message.get("parts") or () if isinstance(part, dict) and part.get("type") not in _UNSAID]
    results = [part for part in parts if part.get("type") == "tool_call_response"]
    calls = [part for part in parts if part.get("type") == "tool_call"]
    said = [part for part in parts if part not in results and part not in calls]
    for part in results:
        result = part.get("response", part.get("result"))
        yield {"role": "tool", "tool_call_id": str(part.get("id") or ""), "content": _written(result)}
    role = message.get("role") if message.get("role") in ("system", _ASSISTANT) else "user"
    if calls:
        yield {"role": _ASSISTANT, "content": _text(said) or None, "tool_calls": [_call(part) for part in calls]}
    elif said:
        yield {"role": role, "content": _text(said)}


def _call(part: Mapping[str, Any]) -> Message:
    function = {"name": str(part.get("name") or ""), "arguments": _written(part.get("arguments") or {})}
    return {"id": str(part.get("id") or ""), "type": "function", "function": function}


def _tool(definition: Mapping[str, Any]) -> Message:
    parameters = definition.get("parameters", definition.get("input_schema"))
    function = {"name": definition["name"], "description": definition.get("description"), "parameters": parameters}
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _text(parts: Iterable[Mapping[str, Any]]) -> str:
    texts = []
    for part in parts:
        if part.get("type") != "text" or not isinstance(part.get("content"), str):
            raise NoExampleError("media")
        texts.append(part["content"])
    return "\n\n".join(texts)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _list(text: str | None) -> list[dict[str, Any]]:
    """The objects of a JSON list; none of what is no such list."""
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
