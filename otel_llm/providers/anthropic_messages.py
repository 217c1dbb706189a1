"""Anthropic messages.

`input_tokens` excludes the cache here, so it is made inclusive; `output_tokens` includes thinking. In a stream
`message_start` brings the input counts with a placeholder output, and the usage of each `message_delta` is
cumulative: it overwrites, it is never added.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, inclusive_input, sum_known

from ..wire import Answer, Content, Json, Request, mapping, number, text
from . import anthropic_content

PROVIDER: Final = "anthropic"
PATH_SUFFIX: Final = "/v1/messages"
END_MARK: Final = b"message_stop"
#: `message_start`, `message_delta`, `message_stop` and errors; not the blocks of content between them.
MARKS: Final = (b"message_", b'"error"')

_NUMBERS: Final = {
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
    "top_k": a.REQUEST_TOP_K,
}
_STANDARD_TIER: Final = "standard"


def is_request(body: Json) -> bool:
    """`max_tokens` is required here, which sets the format apart from others with messages and a model."""
    return isinstance(body.get("messages"), list) and isinstance(body.get("model"), str) and "max_tokens" in body


def read_request(body: Json) -> Request:
    found: dict[str, AttributeValue] = {}
    for key, name in _NUMBERS.items():
        if (value := number(body.get(key))) is not None:
            found[name] = value
    stops = body.get("stop_sequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    if level := text(mapping(body.get("output_config")).get("effort")):
        found[a.REQUEST_REASONING_LEVEL] = level
    if user := text(mapping(body.get("metadata")).get("user_id")):
        found[a.USER_ID] = user
    return Request(a.OPERATION_CHAT, text(body.get("model")), body.get("stream") is True, found)


def read_response(body: Json, answer: Answer, content: bool) -> None:
    if body.get("type") == "error":
        _read_error(body, answer)
        return
    _read_message(body, answer)
    if content:
        anthropic_content.add_blocks(answer, body.get("content"))


def is_update(block: bytes) -> bool:
    return b"content_block_" in block


def is_last(data: bytes, event: Json) -> bool:
    return event.get("type") == "message_stop"


def fold_event(event: Json, answer: Answer, content: bool) -> None:
    kind = event.get("type")
    if kind == "message_start":
        _read_message(mapping(event.get("message")), answer)
    elif kind == "message_delta":
        _read_message(mapping(event.get("delta")), answer)
        _add_usage(event, answer)
    elif kind == "error":
        _read_error(event, answer)
    elif content:
        anthropic_content.add_event(answer, event)


def read_usage(usage: Json) -> Usage:
    read = count(usage.get("cache_read_input_tokens"))
    lived = mapping(usage.get("cache_creation"))
    write_1h = count(lived.get("ephemeral_1h_input_tokens"))
    write = count(usage.get("cache_creation_input_tokens"))
    if write is None:
        write = sum_known(count(lived.get("ephemeral_5m_input_tokens")), write_1h)
    return Usage(
        input_tokens=inclusive_input(count(usage.get("input_tokens")), read, write),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def response_attributes(answer: Answer) -> dict[str, AttributeValue]:
    if answer.service_tier and answer.service_tier != _STANDARD_TIER:
        return {a.SERVICE_TIER: answer.service_tier}
    return {}


def read_content(body: Json, answer: Answer) -> Content:
    return anthropic_content.read_content(body, answer)


def _read_message(message: Json, answer: Answer) -> None:
    answer.id = text(message.get("id")) or answer.id
    answer.model = text(message.get("model")) or answer.model
    if reason := text(message.get("stop_reason")):
        answer.finish_reasons[0] = reason
    _add_usage(message, answer)


def _add_usage(body: Json, answer: Answer) -> None:
    usage = mapping(body.get("usage"))
    answer.usage.update((key, value) for key, value in usage.items() if value is not None)
    answer.service_tier = text(usage.get("service_tier")) or answer.service_tier


def _read_error(body: Json, answer: Answer) -> None:
    error = mapping(body.get("error"))
    answer.failed = True
    answer.error_type = text(error.get("type"))
    answer.error_message = text(error.get("message"))
