"""Converse of Amazon Bedrock: one shape for all of its models, whose name stands in the path.

`inputTokens` excludes the cache here, so it is made inclusive. A stream arrives as frames, `{EVENT: payload}` each;
its last event, `metadata`, has the usage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, inclusive_input, sum_known

from ..wire import FRAMES, Answer, Content, Json, Reader, Request, items, mapping, number, text
from . import bedrock_converse_content as contents
from .openai_chat import read_metadata

_NUMBERS: Final = {
    "maxTokens": a.REQUEST_MAX_TOKENS,
    "max_new_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "topP": a.REQUEST_TOP_P,
    "topK": a.REQUEST_TOP_K,
    "top_k": a.REQUEST_TOP_K,
}
_OUTPUT_TYPES: Final = {"json_schema": "json"}
_ERROR_HEADER: Final = "x-amzn-errortype"
_DEFAULT_TIER: Final = "default"
_STANDARD_LATENCY: Final = "standard"
_HOUR: Final = "1h"


class BedrockConverse(Reader):
    """POST /model/MODEL/converse and converse-stream."""

    PROVIDER = "aws.bedrock"
    FRAMING = FRAMES
    END_MARK = b"metadata"
    MARKS = (b"messageStop", END_MARK, b'"error"')

    def is_request(self, body: Json, path: str) -> bool:
        return (isinstance(body.get("messages"), list) or "promptVariables" in body) and model_in(path) is not None

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        more = mapping(body.get("additionalModelRequestFields"))
        for given in (more, mapping(more.get("inferenceConfig")), mapping(body.get("inferenceConfig"))):
            _read_inference(given, found)
        output = mapping(body.get("outputConfig"))
        if level := text(output.get("effort")):
            found[a.REQUEST_REASONING_LEVEL] = level
        if kind := _OUTPUT_TYPES.get(str(mapping(output.get("textFormat")).get("type"))):
            found[a.OUTPUT_TYPE] = kind
        if guardrail := text(mapping(body.get("guardrailConfig")).get("guardrailIdentifier")):
            found[a.BEDROCK_GUARDRAIL_ID] = guardrail
        read_metadata(body.get("requestMetadata"), found)
        return Request(a.OPERATION_CHAT, model_in(path), path.endswith("-stream"), found)

    def read_headers(self, headers: Mapping[str, str], answer: Answer) -> None:
        read_error_header(headers, answer)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if error := body.get("error"):
            read_error(mapping(error), answer)
        if "output" not in body:
            read_error(body, answer)
            return
        _read_stop(body, answer)
        _read_metadata(body, answer)
        if content:
            contents.add_message(answer, mapping(mapping(body.get("output")).get("message")))

    def is_update(self, block: bytes) -> bool:
        return b"contentBlock" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return "metadata" in event

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if "messageStop" in event:
            _read_stop(mapping(event["messageStop"]), answer)
        elif "metadata" in event:
            _read_metadata(mapping(event["metadata"]), answer)
        elif "error" in event:
            answer.failed = True
            read_error(mapping(event["error"]), answer)
        elif content:
            contents.add_event(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        read, write = _read_cache(usage, "cacheRead"), _read_cache(usage, "cacheWrite")
        hours = [item.get("inputTokens") for item in items(usage.get("cacheDetails")) if item.get("ttl") == _HOUR]
        return Usage(
            input_tokens=inclusive_input(count(usage.get("inputTokens")), read, write),
            output_tokens=count(usage.get("outputTokens")),
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=sum_known(*map(count, hours)),
        )

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        if answer.service_tier and answer.service_tier != _DEFAULT_TIER:
            return {a.SERVICE_TIER: answer.service_tier}
        return {}

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def model_in(path: str) -> str | None:
    """The model in a path, `/model/MODEL/OPERATION`: its id, or the ARN of a profile or a prompt."""
    return text(unquote(path.partition("/model/")[2].rpartition("/")[0]))


def read_latency(latency: str | None, answer: Answer) -> None:
    """Latency that is paid for is a tier with prices of its own."""
    if latency and latency != _STANDARD_LATENCY:
        answer.service_tier = latency


def read_error_header(headers: Mapping[str, str], answer: Answer) -> None:
    """The error's name, which an error's body does not have: `ValidationException:http://...`."""
    if written := headers.get(_ERROR_HEADER):
        answer.error_type = text(written.partition(":")[0])


def read_error(error: Json, answer: Answer) -> None:
    """What a body says of an error. That it is one, the status or the event's name says."""
    answer.error_type = text(error.get("type")) or answer.error_type
    answer.error_message = text(error.get("message")) or text(error.get("Message")) or answer.error_message


def _read_inference(given: Json, found: dict[str, AttributeValue]) -> None:
    for key, name in _NUMBERS.items():
        if (value := number(given.get(key))) is not None:
            found[name] = value
    stops = given.get("stopSequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)


def _read_stop(body: Json, answer: Answer) -> None:
    if reason := text(body.get("stopReason")):
        answer.finish_reasons[0] = reason


def _read_metadata(body: Json, answer: Answer) -> None:
    answer.usage.update(mapping(body.get("usage")))
    answer.service_tier = text(mapping(body.get("serviceTier")).get("type")) or answer.service_tier
    read_latency(text(mapping(body.get("performanceConfig")).get("latency")), answer)
    router = mapping(mapping(body.get("trace")).get("promptRouter"))
    answer.model = text(router.get("invokedModelId")) or answer.model


def _read_cache(usage: Json, name: str) -> int | None:
    """Cached tokens, in Converse's spelling or in Nova's own, whose 0 stands in every answer and says nothing."""
    found = count(usage.get(name + "InputTokens"))
    return found if found is not None else count(usage.get(name + "InputTokenCount")) or None


reader: Final = BedrockConverse()
