"""Anthropic's legacy text completions: a prompt, a text, no usage. A stream brings the text in pieces."""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage

from ..wire import Answer, Content, Json, Reader, Request, mapping, number, text
from . import anthropic_content
from .anthropic_messages import read_error

_NUMBERS: Final = {
    "max_tokens_to_sample": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
    "top_k": a.REQUEST_TOP_K,
}


class AnthropicComplete(Reader):
    """POST .../v1/complete."""

    PROVIDER = "anthropic"
    TIME_HEADER = "x-envoy-upstream-service-time"
    END_MARK = b'"stop_reason":"'
    #: Events with a piece of the text spell the reason as null.
    MARKS = (END_MARK, b'"stop_reason": "', b'"error"')

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("prompt"), str) and "max_tokens_to_sample" in body

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(body.get(key))) is not None:
                found[name] = value
        stops = body.get("stop_sequences")
        if isinstance(stops, list) and stops:
            found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
        if user := text(mapping(body.get("metadata")).get("user_id")):
            found[a.USER_ID] = user
        return Request(a.OPERATION_TEXT_COMPLETION, text(body.get("model")), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if body.get("error"):
            read_error(body, answer)
            return
        answer.id = text(body.get("id")) or answer.id
        answer.model = text(body.get("model")) or answer.model
        if reason := text(body.get("stop_reason")):
            answer.finish_reasons[0] = reason
        if content:
            anthropic_content.add_event(answer, {"delta": {"type": "text_delta", "text": body.get("completion")}})

    def is_update(self, block: bytes) -> bool:
        return b'"completion":' in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return text(event.get("stop_reason")) is not None

    def read_usage(self, usage: Json) -> Usage:
        return Usage()

    def read_content(self, body: Json, answer: Answer) -> Content:
        asked = [{"role": "user", "content": body["prompt"]}] if body.get("prompt") else []
        return anthropic_content.read_content({"messages": asked}, answer)


reader: Final = AnthropicComplete()
