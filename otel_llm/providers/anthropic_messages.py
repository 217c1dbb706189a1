"""Anthropic messages, at Anthropic and on Vertex AI, where the path names the model.

`input_tokens` excludes the cache here, so it is made inclusive; `output_tokens` includes thinking. In a stream
`message_start` brings the input counts with a placeholder output, and the usage of each `message_delta` is
cumulative: it overwrites, it is never added. The provider bills more than these counts say: what a compaction took is
added to ours. The tokens of an adviser, which is another model, stand beside them, or are units without a price where
no one model is named, or some of them were cached.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, added, counts, inclusive_input, sum_known

from ..wire import PIECE_BYTES_MAX, Answer, Content, Json, Plain, Reader, Request, items, mapping, read_numbers, text
from . import anthropic_content

_NUMBERS: Final = {
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
    "top_k": a.REQUEST_TOP_K,
}
_OPTIONS: Final = frozenset({"stop_sequences", "output_config", "metadata"})
_ANYWHERE: Final = frozenset({"global", "not_available"})
_STANDARD: Final = "standard"
_ADVISER: Final = "advisor_message"
_COMPACTION: Final = "compaction"
#: Kind of an iteration that the counts leave out -> its input, its output.
_LEFT_OUT: Final = {
    _ADVISER: (a.USAGE_ADVISOR_INPUT_TOKENS, a.USAGE_ADVISOR_OUTPUT_TOKENS),
    _COMPACTION: (a.USAGE_COMPACTION_INPUT_TOKENS, a.USAGE_COMPACTION_OUTPUT_TOKENS),
}


class AnthropicMessages(Reader):
    """POST .../v1/messages, and `:rawPredict` or `:streamRawPredict` of a model of Anthropic's."""

    PROVIDER = "anthropic"
    TIME_HEADER = "x-envoy-upstream-service-time"
    END_MARK = b"event: message_stop"
    PLAIN = Plain(22, PIECE_BYTES_MAX, 22, ord("e"))  # `event: content_block_delta` alone has an e there
    EMPTY_HEADS = (b"event: ping", b"event: content_block_stop")
    #: `message_start`, `message_delta`, `message_stop` and errors; not the blocks of content between them.
    MARKS = (b"message_", b'"error"')
    PIECE = b'"delta":{"type":"text_delta","text":"'

    def is_request(self, body: Json, path: str) -> bool:
        """`max_tokens` is required here, which sets the format apart from others with messages and a model."""
        named = isinstance(body.get("model"), str) or "anthropic_version" in body
        return named and isinstance(body.get("messages"), list) and "max_tokens" in body

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        read_numbers(body, _NUMBERS, found)
        if not _OPTIONS.isdisjoint(body):
            _read_options(body, found)
        model = text(body.get("model")) or _model_in(path)
        return Request(a.OPERATION_CHAT, model, body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if body.get("error"):
            read_error(body, answer)
            return
        _read_message(body, answer)
        if content:
            anthropic_content.add_blocks(answer, body.get("content"))

    def is_update(self, block: bytes) -> bool:
        return b"content_block_" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") == "message_stop"

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        kind = event.get("type")
        if kind == "message_start":
            _read_message(mapping(event.get("message")), answer)
        elif kind == "message_delta":
            _read_message(mapping(event.get("delta")), answer)
            _add_usage(event, answer)
        elif kind == "error":
            read_error(event, answer)
        elif content:
            anthropic_content.add_event(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        lived = mapping(usage.get("cache_creation"))
        asked, made, read, write, write_5m, write_1h, thought, searches = counts(
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            usage.get("cache_read_input_tokens"),
            usage.get("cache_creation_input_tokens"),
            lived.get("ephemeral_5m_input_tokens"),
            lived.get("ephemeral_1h_input_tokens"),
            mapping(usage.get("output_tokens_details")).get("thinking_tokens"),
            mapping(usage.get("server_tool_use")).get("web_search_requests"),
        )
        if write is None:
            write = sum_known(write_5m, write_1h)
        found = Usage(
            input_tokens=inclusive_input(asked, read, write),
            output_tokens=made,
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=write_1h,
            reasoning_tokens=thought,
            web_searches=searches,
        )
        return self._with_iterations(found, items(usage["iterations"])) if usage.get("iterations") else found

    def _with_iterations(self, found: Usage, iterations: list[Json]) -> Usage:
        """The counts with what they leave out."""
        for iteration in iterations:
            if iteration.get("type") == _COMPACTION:
                found = added(found, self.read_usage(iteration))
        advised = [iteration for iteration in iterations if iteration.get("type") == _ADVISER]
        return self._with_advice(found, advised) if advised else found

    def _with_advice(self, found: Usage, iterations: list[Json]) -> Usage:
        """The counts, and beside them the adviser's where these have a price: of one model, and nothing was cached."""
        told = functools.reduce(added, map(self.read_usage, iterations))
        models = {text(iteration.get("model")) for iteration in iterations}
        if len(models) > 1 or None in models or told.cache_read_tokens or told.cache_write_tokens:
            return replace(found, unpriced_units=sum_known(told.input_tokens, told.output_tokens))
        return replace(found, advisor_input_tokens=told.input_tokens, advisor_output_tokens=told.output_tokens)

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        if answer.service_tier and answer.service_tier != _STANDARD:
            found[a.SERVICE_TIER] = answer.service_tier
        if answer.place:
            found[a.INFERENCE_PLACE] = answer.place
        if iterations := answer.usage.get("iterations"):
            for iteration in items(iterations):
                self._read_iteration(iteration, found)
        return found

    def _read_iteration(self, iteration: Json, found: dict[str, AttributeValue]) -> None:
        """What one of the model's turns adds to the bill beside the counts."""
        names = _LEFT_OUT.get(str(iteration.get("type")))
        if names is None:
            return
        usage = self.read_usage(iteration)
        for name, tokens in zip(names, (usage.input_tokens, usage.output_tokens), strict=True):
            if tokens is not None:
                before = found.get(name)
                found[name] = tokens + before if isinstance(before, int) else tokens
        if model := text(iteration.get("model")):
            found[a.USAGE_ADVISOR_MODEL] = model

    def read_content(self, body: Json, answer: Answer) -> Content:
        return anthropic_content.read_content(body, answer)


def _read_options(body: Json, found: dict[str, AttributeValue]) -> None:
    stops = body.get("stop_sequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    if level := text(mapping(body.get("output_config")).get("effort")):
        found[a.REQUEST_REASONING_LEVEL] = level
    if user := text(mapping(body.get("metadata")).get("user_id")):
        found[a.USER_ID] = user


def _model_in(path: str) -> str | None:
    """The model that a path of Vertex AI ends with: `.../models/MODEL:rawPredict`."""
    return text(path.rpartition("/models/")[2].partition(":")[0]) if "/models/" in path else None


def _read_message(message: Json, answer: Answer) -> None:
    answer.say(message)
    if reason := text(message.get("stop_reason")):
        answer.finish_reasons[0] = reason
    _add_usage(message, answer)


def _add_usage(body: Json, answer: Answer) -> None:
    usage = mapping(body.get("usage"))
    if not usage:
        return
    if None in usage.values():  # says nothing, and must not unsay what an earlier event said
        usage = {key: value for key, value in usage.items() if value is not None}
    answer.usage.update(usage)
    speed = text(usage.get("speed"))
    tier = text(usage.get("service_tier")) if speed is None or speed == _STANDARD else speed
    answer.service_tier = tier or answer.service_tier
    if (place := text(usage.get("inference_geo"))) and place not in _ANYWHERE:
        answer.place = place


def read_error(body: Json, answer: Answer) -> None:
    """What went wrong: of a response, or of a stream that breaks off."""
    error = mapping(body.get("error"))
    answer.failed = True
    answer.error_type = text(error.get("type")) or text(error.get("status"))  # of Vertex AI
    answer.error_message = text(error.get("message")) or text(body.get("error"))


reader: Final = AnthropicMessages()
