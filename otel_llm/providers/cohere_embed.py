"""Cohere's embed, v1 and v2: texts, pictures, or both. What is billed is the usage."""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Json, Reader, Request, mapping, parse, text
from .cohere_chat import read_billed, read_error
from .gemini_embeddings import without_vectors

_INPUTS: Final = ("images", "inputs", "texts")
_VECTORS: Final = (b'"embeddings"',)
_META: Final = b'"meta"'


class CohereEmbed(Reader):
    """POST .../v2/embed and .../v1/embed."""

    PROVIDER = "cohere"

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and any(isinstance(body.get(key), list) for key in _INPUTS)

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        if (size := count(body.get("output_dimension"))) is not None:
            found[a.EMBEDDINGS_DIMENSION_COUNT] = size
        kinds = body.get("embedding_types")
        if isinstance(kinds, list) and kinds:
            found[a.REQUEST_ENCODING_FORMATS] = tuple(str(kind) for kind in kinds)
        return Request(a.OPERATION_EMBEDDINGS, text(body.get("model")), False, found)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        return without_vectors(content, _VECTORS, _META) or parse(content)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if not read_error(body, answer):
            answer.id = text(body.get("id")) or answer.id
            answer.usage.update(mapping(body.get("meta")))

    def read_usage(self, usage: Json) -> Usage:
        return read_billed(usage)


reader: Final = CohereEmbed()
