"""OpenAI chat completions, spoken by OpenAI and by most other vendors and local servers.

Counts are inclusive: `prompt_tokens` holds cached and audio tokens, `completion_tokens` holds reasoning. A stream
reports usage only in its last chunk, and only where `stream_options.include_usage` asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import (
    PROMPT_NAME_KEY,
    PROMPT_VERSION_KEY,
    SESSION_ID_KEY,
    USER_ID_KEY,
    Answer,
    Content,
    Json,
    Request,
    items,
    mapping,
    number,
    text,
)
from . import openai_content

PROVIDER: Final = "openai"
PATH_SUFFIX: Final = "/chat/completions"
END_MARK: Final = b"[DONE]"
#: Content chunks spell the first two keys as null, or not at all.
MARKS: Final = (b'"finish_reason":"', b'"finish_reason": "', b'"usage":{', b'"usage": {', b'"error"', END_MARK)

_NUMBERS: Final = {
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "max_completion_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
    "frequency_penalty": a.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": a.REQUEST_PRESENCE_PENALTY,
    "seed": a.REQUEST_SEED,
}
#: Keys of the request's `metadata` that are more than a property.
_METADATA: Final = {
    PROMPT_NAME_KEY: a.PROMPT_NAME,
    PROMPT_VERSION_KEY: a.PROMPT_VERSION,
    SESSION_ID_KEY: a.SESSION_ID,
    USER_ID_KEY: a.USER_ID,
}
_OUTPUT_TYPES: Final = {"json_object": "json", "json_schema": "json", "text": "text"}


def is_request(body: Json) -> bool:
    return isinstance(body.get("messages"), list) and isinstance(body.get("model"), str)


def read_request(body: Json) -> Request:
    found: dict[str, AttributeValue] = {}
    for key, name in _NUMBERS.items():
        if (value := number(body.get(key))) is not None:
            found[name] = value
    _read_options(body, found)
    _read_who(body, found)
    return Request(a.OPERATION_CHAT, text(body.get("model")), body.get("stream") is True, found)


def _read_options(body: Json, found: dict[str, AttributeValue]) -> None:
    stop = body.get("stop")
    if isinstance(stop, str):
        found[a.REQUEST_STOP_SEQUENCES] = (stop,)
    elif isinstance(stop, list) and stop:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stop)
    choices = count(body.get("n"))
    if choices is not None and choices != 1:
        found[a.REQUEST_CHOICE_COUNT] = choices
    if level := text(body.get("reasoning_effort")):
        found[a.REQUEST_REASONING_LEVEL] = level
    tier = text(body.get("service_tier"))
    if tier and tier != "auto":
        found[a.OPENAI_REQUEST_SERVICE_TIER] = tier
    output = _OUTPUT_TYPES.get(str(mapping(body.get("response_format")).get("type")))
    if output:
        found[a.OUTPUT_TYPE] = output


def _read_who(body: Json, found: dict[str, AttributeValue]) -> None:
    for key, value in mapping(body.get("metadata")).items():
        if isinstance(value, str | int | float) and value != "":
            found[_METADATA.get(key, a.PROPERTY_PREFIX + key)] = str(value)
    if user := text(body.get("user")) or text(body.get("safety_identifier")):
        found[a.USER_ID] = user


def read_response(body: Json, answer: Answer, content: bool) -> None:
    _read_envelope(body, answer)
    for index, choice in _read_choices(body, answer):
        if content:
            openai_content.add_message(answer, index, mapping(choice.get("message")))


def is_update(block: bytes) -> bool:
    return b"data:" in block


def is_last(data: bytes, event: Json) -> bool:
    return data.strip() == END_MARK


def fold_event(event: Json, answer: Answer, content: bool) -> None:
    _read_envelope(event, answer)
    for index, choice in _read_choices(event, answer):
        if content:
            openai_content.add_delta(answer, index, mapping(choice.get("delta")))


def _read_choices(body: Json, answer: Answer) -> Iterator[tuple[int, Json]]:
    """The choices with their places; why each ended goes into the answer."""
    for choice in items(body.get("choices")):
        index = count(choice.get("index")) or 0
        if reason := text(choice.get("finish_reason")):
            answer.finish_reasons[index] = reason
        yield index, choice


def read_usage(usage: Json) -> Usage:
    prompt = mapping(usage.get("prompt_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=count(prompt.get("cached_tokens")),
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        reasoning_tokens=count(completion.get("reasoning_tokens")),
        audio_input_tokens=count(prompt.get("audio_tokens")),
        audio_output_tokens=count(completion.get("audio_tokens")),
    )


def response_attributes(answer: Answer) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    if answer.service_tier:
        found[a.OPENAI_RESPONSE_SERVICE_TIER] = answer.service_tier
    if answer.fingerprint:
        found[a.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = answer.fingerprint
    return found


def read_content(body: Json, answer: Answer) -> Content:
    return openai_content.read_content(body, answer)


def _read_envelope(body: Json, answer: Answer) -> None:
    answer.id = text(body.get("id")) or answer.id
    answer.model = text(body.get("model")) or answer.model
    answer.service_tier = text(body.get("service_tier")) or answer.service_tier
    answer.fingerprint = text(body.get("system_fingerprint")) or answer.fingerprint
    answer.usage.update(mapping(body.get("usage")) or mapping(mapping(body.get("x_groq")).get("usage")))
    if error := body.get("error"):
        _read_error(error, answer)


def _read_error(error: Any, answer: Answer) -> None:
    """OpenAI sends an object; some compatible servers send a bare string."""
    fields = mapping(error)
    answer.failed = True
    answer.error_type = text(fields.get("type")) or text(fields.get("code"))
    answer.error_message = text(fields.get("message")) or text(error)
