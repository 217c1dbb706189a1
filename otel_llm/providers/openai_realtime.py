"""OpenAI Realtime, over a websocket: one call is what happens between `response.create` and `response.done`.

A request here is what `transports/conversation.py` puts together of it: `model` (of the URL), `session` (what the
client has set), `response` (what it asked for now), `items` (what was said before). Counts are inclusive: cached and
audio tokens are parts. `response.done` says what was used and repeats what was said, but for the sound itself, and
not always where it was cancelled: then the pieces are what there is.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, number, text
from . import openai_realtime_content as contents
from .openai_chat import read_error, read_metadata

#: The conventions' names, by those of the first and of the current interface.
_NUMBERS: Final = {
    "max_response_output_tokens": a.REQUEST_MAX_TOKENS,
    "max_output_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
}
_MODALITIES: Final = ("modalities", "output_modalities")
_AUDIO: Final = "audio"
_LAST: Final = "response.done"
_REASONS: Final = {"max_output_tokens": "length"}
_STOP: Final = "stop"
_TOOL_CALL: Final = "tool_call"


class OpenAIRealtime(Reader):
    """`response.create` on .../realtime."""

    PROVIDER = "openai"
    MARKS = (b"response.done", b'"type":"error"', b'"type": "error"', b"event: error")

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and isinstance(body.get("session"), dict)

    def read_request(self, body: Json, path: str) -> Request:
        settings = {**mapping(body.get("session")), **mapping(body.get("response"))}
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(settings.get(key))) is not None:
                found[name] = value
        for key in _MODALITIES:
            if isinstance(asked := settings.get(key), list) and asked:
                found[a.OUTPUT_TYPE] = "speech" if _AUDIO in asked else "text"
        if level := text(mapping(settings.get("reasoning")).get("effort")):
            found[a.REQUEST_REASONING_LEVEL] = level
        read_metadata(settings.get("metadata"), found)
        return Request(a.OPERATION_CHAT, text(body.get("model")), True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.id = text(body.get("id")) or answer.id
        answer.usage.update(mapping(body.get("usage")))
        output = items(body.get("output"))
        _read_status(body, output, answer)
        if content and output:
            answer.parts[0] = contents.read_output(output)

    def is_update(self, block: bytes) -> bool:
        return b".delta" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") == _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if event.get("type") == "error":
            read_error(event.get("error"), answer)
        elif isinstance(response := event.get("response"), dict):
            self.read_response(response, answer, content and event.get("type") == _LAST)
        elif content:
            contents.add_event(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        given, made = mapping(usage.get("input_token_details")), mapping(usage.get("output_token_details"))
        cached = mapping(given.get("cached_tokens_details"))
        return Usage(
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            cache_read_tokens=count(given.get("cached_tokens")),
            audio_input_tokens=count(given.get("audio_tokens")),
            audio_output_tokens=count(made.get("audio_tokens")),
            reasoning_tokens=count(made.get("reasoning_tokens")),
            image_input_tokens=count(given.get("image_tokens")),
            cache_read_audio_tokens=count(cached.get("audio_tokens")),
            cache_read_image_tokens=count(cached.get("image_tokens")),
        )

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def _read_status(body: Json, output: list[Json], answer: Answer) -> None:
    """Why it stopped. A response that was cancelled, by the client or by a voice, is no error."""
    status, details = body.get("status"), mapping(body.get("status_details"))
    if status == "completed":
        answer.finish_reasons[0] = _TOOL_CALL if any(item.get("type") == "function_call" for item in output) else _STOP
    elif status in ("cancelled", "incomplete"):
        reason = text(details.get("reason")) or str(status)
        answer.finish_reasons[0] = _REASONS.get(reason, reason) if status == "incomplete" else str(status)
    elif status == "failed":
        read_error(details.get("error"), answer)


reader: Final = OpenAIRealtime()
