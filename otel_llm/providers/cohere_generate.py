"""Cohere's legacy generate. What is billed is the usage, which its streams do not report."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, text
from .cohere_chat import read_billed, read_error, read_options

_LAST: Final = "stream-end"
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"
_REASONS: Final = {"COMPLETE": "stop", "MAX_TOKENS": "length", "STOP_SEQUENCE": "stop"}


class CohereGenerate(Reader):
    """POST .../v1/generate."""

    PROVIDER = "cohere"
    END_MARK = b"stream-end"
    MARKS = (b"stream-end", b"stream-error")

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("prompt"), str) and isinstance(body.get("model"), str)

    def read_request(self, body: Json, path: str) -> Request:
        found = read_options(body)
        choices = count(body.get("num_generations"))
        if choices is not None and choices != 1:
            found[a.REQUEST_CHOICE_COUNT] = choices
        return Request(a.OPERATION_TEXT_COMPLETION, text(body.get("model")), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if read_error(body, answer):
            return
        answer.id = text(body.get("id")) or answer.id
        answer.usage.update(mapping(body.get("meta")))
        for index, made in enumerate(items(body.get("generations"))):
            if reason := text(made.get("finish_reason")):
                answer.finish_reasons[index] = reason
            if content:
                answer.parts[index] = [text(made.get("text")) or ""]

    def is_update(self, block: bytes) -> bool:
        return b"text-generation" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("event_type") == _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        kind = event.get("event_type")
        if kind == _LAST:
            self.read_response(mapping(event.get("response")), answer, content)
            answer.usage.update(mapping(event.get("meta")))
        elif kind == "stream-error":
            answer.failed = True
            answer.error_type = text(event.get("finish_reason"))
            answer.error_message = text(event.get("err"))
        elif content and (piece := text(event.get("text"))):
            answer.parts.setdefault(count(event.get("index")) or 0, []).append(piece)

    def read_usage(self, usage: Json) -> Usage:
        return read_billed(usage)

    def read_content(self, body: Json, answer: Answer) -> Content:
        prompt = text(body.get("prompt"))
        asked = [{"role": "user", "parts": [{"type": "text", "content": prompt}]}] if prompt else None
        return Content(
            input_messages=asked,
            output_messages=[_output(answer, index) for index in sorted(answer.parts)] or None,
        )


def _output(answer: Answer, index: int) -> dict[str, Any]:
    reason = answer.finish_reasons.get(index) or _NO_REASON
    parts = [{"type": "text", "content": "".join(answer.parts[index])}]
    return {"role": "assistant", "parts": parts, "finish_reason": _REASONS.get(reason, reason.lower())}


reader: Final = CohereGenerate()
