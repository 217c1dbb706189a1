"""OpenAI embeddings, spoken by many vendors. Of a response only what stands around the numbers is read."""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, counts

from ..wire import Answer, Json, Reader, Request, mapping, parse, text
from .openai_chat import deployment, read_cost, read_error, read_who

_DATA_BYTES_MIN: Final = 2048  # below, parsing is cheaper than looking
_DATA: Final = b'"data"'
_AFTER: Final = b"]"


class OpenAIEmbeddings(Reader):
    """POST .../embeddings."""

    PROVIDER = "openai"
    TIME_HEADER = "openai-processing-ms"

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and "input" in body

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        if (size := count(body.get("dimensions"))) is not None:
            found[a.EMBEDDINGS_DIMENSION_COUNT] = size
        if encoding := text(body.get("encoding_format")):
            found[a.REQUEST_ENCODING_FORMATS] = (encoding,)
        read_who(body, found)
        return Request(a.OPERATION_EMBEDDINGS, text(body.get("model")) or deployment(path), False, found)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        return without_data(content) or parse(content)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.say(body)
        if usage := mapping(body.get("usage")):
            answer.usage.update(usage)
            read_cost(usage, answer)
        if error := body.get("error"):
            read_error(error, answer)

    def read_usage(self, usage: Json) -> Usage:
        details = mapping(usage.get("prompt_tokens_details"))
        asked, made, read = counts(
            usage.get("prompt_tokens"), usage.get("completion_tokens"), details.get("cached_tokens")
        )
        return Usage(input_tokens=asked, output_tokens=made, cache_read_tokens=read)


def without_data(content: bytes) -> Json:
    """The response without the list under `data`, the last list in it: vectors or images. Empty where it has none."""
    start, end = content.find(_DATA), content.rfind(_AFTER)
    if len(content) < _DATA_BYTES_MIN or start < 0 or end < start:
        return {}
    return parse(content[: start + len(_DATA)] + b":null" + content[end + 1 :])


reader: Final = OpenAIEmbeddings()
