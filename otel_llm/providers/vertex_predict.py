"""Vertex's `predict` for Google's own models: text embeddings, each with its own count of tokens, and Imagen.

Nothing but text embeddings has counts: pictures are billed by the piece.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, sum_known

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, text
from .gemini_content import model_of, read_error
from .gemini_parts_content import field

_TOKENS: Final = "token_count"
_PROMPT: Final = "prompt"


class VertexPredict(Reader):
    """POST .../publishers/google/models/MODEL:predict."""

    PROVIDER = "gcp.vertex_ai"

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("instances"), list)

    def read_request(self, body: Json, path: str) -> Request:
        given = mapping(body.get("parameters"))
        if any(_PROMPT in instance for instance in items(body.get("instances"))):
            return Request(a.OPERATION_GENERATE_CONTENT, model_of(path), False, _read_picture_options(given))
        found: dict[str, AttributeValue] = {}
        if (size := count(field(given, "outputDimensionality"))) is not None:
            found[a.EMBEDDINGS_DIMENSION_COUNT] = size
        return Request(a.OPERATION_EMBEDDINGS, model_of(path), False, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        embedded = (mapping(made.get("embeddings")) for made in items(body.get("predictions")))
        counts = (count(mapping(one.get("statistics")).get(_TOKENS)) for one in embedded)
        if (total := sum_known(*counts)) is not None:
            answer.usage[_TOKENS] = total
        read_error(body, answer)

    def read_usage(self, usage: Json) -> Usage:
        return Usage(input_tokens=count(usage.get(_TOKENS)))

    def read_content(self, body: Json, answer: Answer) -> Content:
        prompts = (text(instance.get(_PROMPT)) for instance in items(body.get("instances")))
        asked = [{"role": "user", "parts": [{"type": "text", "content": prompt}]} for prompt in prompts if prompt]
        return Content(input_messages=asked or None)


def _read_picture_options(given: Json) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {a.OUTPUT_TYPE: "image"}
    pictures = count(field(given, "sampleCount"))
    if pictures is not None and pictures != 1:
        found[a.REQUEST_CHOICE_COUNT] = pictures
    return found


reader: Final = VertexPredict()
