"""Ollama's own API: chat, generate and embed. It streams unless it is told not to, a JSON text a line.

The last line has the counts. `prompt_eval_count` is missing where the whole prompt was cached: absent, not zero.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import LINES, Answer, Content, Json, Reader, Request, mapping, number, parse, text
from . import ollama_content
from .gemini_embeddings import without_vectors

_NUMBERS: Final = {
    "frequency_penalty": a.REQUEST_FREQUENCY_PENALTY,
    "num_predict": a.REQUEST_MAX_TOKENS,
    "presence_penalty": a.REQUEST_PRESENCE_PENALTY,
    "seed": a.REQUEST_SEED,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_k": a.REQUEST_TOP_K,
    "top_p": a.REQUEST_TOP_P,
}
#: Last word of the path -> operation; the rest makes embeddings.
_OPERATIONS: Final = {"chat": a.OPERATION_CHAT, "generate": a.OPERATION_TEXT_COMPLETION}
_INPUTS: Final = {"chat": "messages", "embed": "input"}
_PROMPT: Final = "prompt"
_VECTORS: Final = (b'"embeddings"',)
_AFTER: Final = b'"total_duration"'
_NEEDED: Final = frozenset({"model", "prompt_eval_count"})


class Ollama(Reader):
    """POST .../api/chat, .../api/generate, .../api/embed and .../api/embeddings."""

    PROVIDER = "ollama"
    FRAMING = LINES
    END_MARK = b'"done":true'
    MARKS = (b'"done":true', b'"done": true', b'"error"')

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and _INPUTS.get(_word(path), _PROMPT) in body

    def read_request(self, body: Json, path: str) -> Request:
        operation = _OPERATIONS.get(_word(path), a.OPERATION_EMBEDDINGS)
        streams = operation != a.OPERATION_EMBEDDINGS and body.get("stream") is not False
        return Request(operation, text(body.get("model")), streams, _read_options(body))

    def parse_response(self, content: bytes, captures: bool) -> Json:
        found = without_vectors(content, _VECTORS, _AFTER)
        return found if found.keys() >= _NEEDED else parse(content)  # other servers write other orders

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.model = text(body.get("model")) or answer.model
        answer.usage.update((key, body[key]) for key in ("eval_count", "prompt_eval_count") if key in body)
        if reason := text(body.get("done_reason")):
            answer.finish_reasons[0] = reason
        if error := text(body.get("error")):
            answer.failed = True
            answer.error_message = error
        if content:
            ollama_content.add_piece(answer, body)

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("done") is True

    def read_usage(self, usage: Json) -> Usage:
        return Usage(input_tokens=count(usage.get("prompt_eval_count")), output_tokens=count(usage.get("eval_count")))

    def read_content(self, body: Json, answer: Answer) -> Content:
        return ollama_content.read_content(body, answer)


def _word(path: str) -> str:
    return path.rpartition("/")[2]


def _read_options(body: Json) -> dict[str, AttributeValue]:
    options = mapping(body.get("options"))
    found: dict[str, AttributeValue] = {}
    for key, name in _NUMBERS.items():
        if (value := number(options.get(key))) is not None:
            found[name] = value
    stops = options.get("stop")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    if body.get("format"):  # "json" or a schema
        found[a.OUTPUT_TYPE] = "json"
    if level := text(body.get("think")):
        found[a.REQUEST_REASONING_LEVEL] = level
    if (size := count(body.get("dimensions"))) is not None:
        found[a.EMBEDDINGS_DIMENSION_COUNT] = size
    return found


reader: Final = Ollama()
