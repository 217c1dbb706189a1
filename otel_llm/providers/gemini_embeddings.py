"""Gemini's embedContent and batchEmbedContents, on AI Studio and on Vertex. Older models report no usage."""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Json, Reader, Request, items, mapping, parse
from .gemini_content import ASKED, add_media, model_of, read_error
from .gemini_parts_content import field

_VECTORS: Final = (b'"embedding"', b'"embeddings"')
_LISTS: Final = {"promptTokenDetails": ASKED, "promptTokensDetails": ASKED}
_USAGE: Final = b'"usageMetadata"'


class GeminiEmbeddings(Reader):
    """POST .../models/MODEL:embedContent and :batchEmbedContents."""

    PROVIDER = "gcp.gemini"
    TIME_HEADER = "server-timing"

    def is_request(self, body: Json, path: str) -> bool:
        return "content" in body or isinstance(body.get("requests"), list)

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        first = next(iter(items(body.get("requests"))), body)
        config = mapping(field(first, "embedContentConfig"))  # of Vertex
        size = count(field(first, "outputDimensionality"))
        if size is None:
            size = count(field(config, "outputDimensionality"))
        if size is not None:
            found[a.EMBEDDINGS_DIMENSION_COUNT] = size
        return Request(a.OPERATION_EMBEDDINGS, model_of(path), False, found)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        return without_vectors(content, _VECTORS, _USAGE) or parse(content)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.usage.update(mapping(body.get("usageMetadata")))
        read_error(body, answer)

    def read_usage(self, usage: Json) -> Usage:
        found = Usage(input_tokens=count(usage.get("promptTokenCount")))
        add_media(found, usage, _LISTS, "tokenCount")
        return found


def without_vectors(content: bytes, starts: tuple[bytes, ...], end: bytes) -> Json:
    """A response without what stands between two of its outermost keys: to parse vectors takes 10 ms a megabyte.

    Empty where the keys are not there in this order. A quoted key stands in no text: quotes in text are escaped.
    """
    first = min((place for key in starts if (place := content.find(key)) >= 0), default=-1)
    last = content.rfind(end)
    return parse(content[:first] + content[last:]) if 0 <= first < last else {}


reader: Final = GeminiEmbeddings()
