"""OpenAI audio: speech, transcriptions, translations; spoken by other vendors too.

A request is JSON or a form, whose fields are all strings. Speech comes back as sound, of which nothing is read, or as
events, which have usage. A transcription is counted in tokens, or in seconds, which are no tokens.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, mapping, number, parse, text
from .openai_chat import deployment, read_cost, read_error, read_who
from .openai_images import is_true

_SPEECH: Final = "/speech"
_LAST: Final = ("speech.audio.done", "transcript.text.done")
_DELTA: Final = "transcript.text.delta"


class OpenAIAudio(Reader):
    """POST .../audio/speech, transcriptions and translations."""

    PROVIDER = "openai"
    TIME_HEADER = "openai-processing-ms"
    MARKS = (b".done", b'"error"')
    PIECE = b'"delta":"'

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str)

    def read_request(self, body: Json, path: str) -> Request:
        speaks = path.endswith(_SPEECH)
        found: dict[str, AttributeValue] = {a.OUTPUT_TYPE: "speech" if speaks else "text"}
        if (temperature := _read_number(body.get("temperature"))) is not None:
            found[a.REQUEST_TEMPERATURE] = temperature
        read_who(body, found)
        streams = body.get("stream_format") == "sse" or is_true(body.get("stream"))
        return Request(a.OPERATION_GENERATE_CONTENT, text(body.get("model")) or deployment(path), streams, found)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        return parse(content) if content[:1] == b"{" else {}

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.model = text(body.get("model")) or answer.model
        if usage := mapping(body.get("usage")):
            answer.usage.update(usage)
            read_cost(usage, answer)
        if error := body.get("error"):
            read_error(error, answer)
        if content and (said := text(body.get("text"))):
            answer.parts[0] = [said]

    def is_update(self, block: bytes) -> bool:
        return b".delta" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") in _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if event.get("type") != _DELTA:
            self.read_response(event, answer, content and event.get("type") in _LAST)
        elif content and (piece := text(event.get("delta"))):
            answer.parts.setdefault(0, []).append(piece)

    def read_usage(self, usage: Json) -> Usage:
        return Usage(
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            audio_input_tokens=count(mapping(usage.get("input_token_details")).get("audio_tokens")),
        )

    def read_content(self, body: Json, answer: Answer) -> Content:
        asked = text(body.get("input")) or text(body.get("prompt"))
        said = "".join(answer.parts.get(0, ()))
        return Content(
            input_messages=[{"role": "user", "parts": [_part(asked)]}] if asked else None,
            output_messages=[{"role": "assistant", "parts": [_part(said)], "finish_reason": "stop"}] if said else None,
        )


def _part(said: str) -> dict[str, str]:
    return {"type": "text", "content": said}


def _read_number(value: object) -> int | float | None:
    """A number of JSON, or of a form's field."""
    try:
        return float(value) if isinstance(value, str) else number(value)
    except ValueError:
        return None


reader: Final = OpenAIAudio()
