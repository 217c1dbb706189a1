"""OpenAI images: generations, edits, variations; spoken by other vendors too.

A request is JSON or a form, whose fields are all strings. Only the GPT image models report usage; which part of it
is pictures has a price of its own and goes into attributes. The pictures themselves are never kept.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, parse, text
from . import openai_images_content as contents
from .openai_chat import deployment, read_cost, read_error, read_who
from .openai_embeddings import without_data

_IMAGE: Final = "image"
_TRUE: Final = (True, "true", "True")
_LAST: Final = ("image_edit.completed", "image_generation.completed")


class OpenAIImages(Reader):
    """POST .../images/generations, edits and variations."""

    PROVIDER = "openai"
    TIME_HEADER = "openai-processing-ms"
    #: Not in an event with a partial picture, whose base64 has no dot.
    MARKS = (b".completed", b'"error"')

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("prompt"), str) or isinstance(body.get("model"), str)

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {a.OUTPUT_TYPE: _IMAGE}
        choices = read_whole(body.get("n"))
        if choices is not None and choices != 1:
            found[a.REQUEST_CHOICE_COUNT] = choices
        read_who(body, found)
        model = text(body.get("model")) or deployment(path)
        return Request(a.OPERATION_GENERATE_CONTENT, model, is_true(body.get("stream")), found)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        return (not captures and without_data(content)) or parse(content)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.id = text(body.get("id")) or answer.id
        answer.model = text(body.get("model")) or answer.model
        if usage := mapping(body.get("usage")):
            answer.usage.update(usage)
            read_cost(usage, answer)
        if error := body.get("error"):
            read_error(error, answer)
        if content:
            contents.add_images(answer, body, items(body.get("data")))

    def is_update(self, block: bytes) -> bool:
        return b"b64_json" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") in _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        self.read_response(event, answer, False)
        if content and event.get("type") in _LAST:
            contents.add_images(answer, event, [event])

    def read_usage(self, usage: Json) -> Usage:
        given, made = mapping(usage.get("input_tokens_details")), mapping(usage.get("output_tokens_details"))
        return Usage(
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            cache_read_tokens=count(given.get("cached_tokens")),
            image_input_tokens=count(given.get("image_tokens")),
            image_output_tokens=count(made.get("image_tokens")),
        )

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def is_true(value: Any) -> bool:
    """True for what JSON or a form calls true."""
    return value in _TRUE


def read_whole(value: Any) -> int | None:
    """A whole number of JSON, or of a form's field."""
    return int(value) if isinstance(value, str) and value.isdecimal() else count(value)


reader: Final = OpenAIImages()
