"""Cohere's rerank, v1 and v2, spoken by other rerankers too. Cohere bills searches and counts no tokens; others do."""

from __future__ import annotations

from typing import Final

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, mapping, text
from .cohere_chat import read_billed, read_error

_TOTALS: Final = ("prompt_tokens", "total_tokens")


class CohereRerank(Reader):
    """POST .../rerank."""

    PROVIDER = "cohere"

    def is_request(self, body: Json, path: str) -> bool:
        given = isinstance(body.get("query"), str) and isinstance(body.get("documents"), list)
        return given and isinstance(body.get("model"), str)

    def read_request(self, body: Json, path: str) -> Request:
        return Request(a.OPERATION_RERANK, text(body.get("model")), False, {})

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if read_error(body, answer):
            return
        answer.id = text(body.get("id")) or answer.id
        answer.model = text(body.get("model")) or answer.model
        answer.usage.update(mapping(body.get("meta")))
        answer.usage.update(mapping(body.get("usage")))

    def read_usage(self, usage: Json) -> Usage:
        """Nothing is generated: all tokens are input, by whichever name."""
        told = read_billed(usage)
        if told.is_empty():
            return Usage(next((given for key in _TOTALS if (given := count(usage.get(key))) is not None), None))
        return told

    def read_content(self, body: Json, answer: Answer) -> Content:
        query = text(body.get("query"))
        documents = body.get("documents") if isinstance(body.get("documents"), list) else []
        texts = [one if isinstance(one, str) else text(mapping(one).get("text")) or "" for one in documents or ()]
        parts = [{"type": "text", "content": said} for said in (query or "", *texts)]
        return Content(input_messages=[{"role": "user", "parts": parts}] if query else None)


reader: Final = CohereRerank()
