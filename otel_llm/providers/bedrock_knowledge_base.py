"""RetrieveAndGenerate of Amazon Bedrock: a model that answers from a knowledge base. Its usage is never reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage

from ..wire import FRAMES, Answer, Content, Json, Reader, Request, mapping, number, text
from .bedrock_converse import read_error, read_error_header

_CONFIGURATIONS: Final = ("knowledgeBaseConfiguration", "externalSourcesConfiguration")
_NUMBERS: Final = {
    "maxTokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "topP": a.REQUEST_TOP_P,
}


class BedrockKnowledgeBase(Reader):
    """POST /retrieveAndGenerate and /retrieveAndGenerateStream."""

    PROVIDER = "aws.bedrock"
    FRAMING = FRAMES

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("retrieveAndGenerateConfiguration"), dict)

    def read_request(self, body: Json, path: str) -> Request:
        asked = mapping(body.get("retrieveAndGenerateConfiguration"))
        given = next((chosen for key in _CONFIGURATIONS if (chosen := mapping(asked.get(key)))), {})
        made = mapping(given.get("generationConfiguration"))
        inference = mapping(mapping(made.get("inferenceConfig")).get("textInferenceConfig"))
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(inference.get(key))) is not None:
                found[name] = value
        for name, said in (
            (a.BEDROCK_KNOWLEDGE_BASE_ID, given.get("knowledgeBaseId")),
            (a.BEDROCK_GUARDRAIL_ID, mapping(made.get("guardrailConfiguration")).get("guardrailId")),
            (a.CONVERSATION_ID, body.get("sessionId")),
            (a.USER_ID, mapping(body.get("userContext")).get("userId")),
        ):
            if written := text(said):
                found[name] = written
        return Request(a.OPERATION_CHAT, text(given.get("modelArn")), path.endswith("Stream"), found)

    def read_headers(self, headers: Mapping[str, str], answer: Answer) -> None:
        read_error_header(headers, answer)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        read_error(body, answer)
        if content:
            _add(answer, body.get("output"))

    def is_update(self, block: bytes) -> bool:
        return b'"output"' in block

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if "error" in event:
            answer.failed = True
            read_error(mapping(event["error"]), answer)
        elif content:
            _add(answer, event.get("output"))

    def read_usage(self, usage: Json) -> Usage:
        return Usage()

    def read_content(self, body: Json, answer: Answer) -> Content:
        question = text(mapping(body.get("input")).get("text"))
        said = "".join(answer.parts.get(0, ()))
        return Content(
            input_messages=[_message("user", question)] if question else None,
            output_messages=[{**_message("assistant", said), "finish_reason": "stop"}] if said else None,
        )


def _add(answer: Answer, output: Any) -> None:
    if said := text(mapping(output).get("text")):
        answer.parts.setdefault(0, []).append(said)


def _message(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


reader: Final = BedrockKnowledgeBase()
