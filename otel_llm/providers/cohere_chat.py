"""Cohere's chat: v2 with its server-sent events, and v1 with its lines of JSON.

Two counts are reported: the tokens that were consumed, Cohere's own prompt around the caller's included, and those
that are billed, which are fewer. By the conventions the billed ones win; `cached_tokens` is a part of what was
consumed, and is left out with it.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, mapping, number, text
from . import cohere_chat_content as contents

_NUMBERS: Final = {
    "frequency_penalty": a.REQUEST_FREQUENCY_PENALTY,
    "k": a.REQUEST_TOP_K,
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "p": a.REQUEST_TOP_P,
    "presence_penalty": a.REQUEST_PRESENCE_PENALTY,
    "seed": a.REQUEST_SEED,
    "temperature": a.REQUEST_TEMPERATURE,
}
_OUTPUT_TYPES: Final = {"json_object": "json", "text": "text"}
_IDS: Final = ("id", "response_id", "generation_id")  # of v2; of v1, which has two
_LAST: Final = frozenset({"message-end", "stream-end"})  # of v2, of v1
_FAILURES: Final = ("ERROR", "TIMEOUT")


class CohereChat(Reader):
    """POST .../v2/chat and .../v1/chat."""

    PROVIDER = "cohere"
    END_MARK = b"-end"
    MARKS = (b"message-start", b"message-end", b"stream-start", b"stream-end", b'"error"')
    PIECE = b'"delta":{"message":{"content":{"text":"'

    def is_request(self, body: Json, path: str) -> bool:
        asked = body.get("messages") if path.endswith("/v2/chat") else body.get("message")
        return isinstance(body.get("model"), str) and isinstance(asked, list | str)

    def read_request(self, body: Json, path: str) -> Request:
        found = read_options(body)
        if output := _OUTPUT_TYPES.get(str(mapping(body.get("response_format")).get("type"))):
            found[a.OUTPUT_TYPE] = output
        if conversation := text(body.get("conversation_id")):
            found[a.CONVERSATION_ID] = conversation
        return Request(a.OPERATION_CHAT, text(body.get("model")), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if read_error(body, answer):
            return
        answer.id = next((id for key in _IDS if (id := text(body.get(key)))), answer.id)
        answer.usage.update(mapping(body.get("usage")) or mapping(body.get("meta")))
        _read_reason(body, answer)
        if content:
            contents.add_message(answer, body)

    def is_update(self, block: bytes) -> bool:
        return b"-delta" in block or b"tool-call" in block or b"text-generation" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return _kind(event) in _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        kind, delta = _kind(event), mapping(event.get("delta"))
        if kind == "stream-end":
            self.read_response(mapping(event.get("response")), answer, content)
            _read_reason(event, answer)
        elif kind == "message-end":
            answer.usage.update(mapping(delta.get("usage")))
            _read_reason(delta, answer)
        elif kind in ("message-start", "stream-start"):
            answer.id = next((id for key in _IDS if (id := text(event.get(key)))), answer.id)
        elif kind is None:
            read_error(event, answer)
        elif content:
            contents.add_event(answer, kind, event)

    def read_usage(self, usage: Json) -> Usage:
        return read_billed(usage)

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def read_billed(usage: Json) -> Usage:
    """The counts of a `usage` or `meta` object: billed, or consumed where none was billed."""
    billed, consumed = mapping(usage.get("billed_units")), mapping(usage.get("tokens"))
    if "input_tokens" in billed or "output_tokens" in billed or not consumed:
        return Usage(count(billed.get("input_tokens")), count(billed.get("output_tokens")))
    return Usage(
        input_tokens=count(consumed.get("input_tokens")),
        output_tokens=count(consumed.get("output_tokens")),
        cache_read_tokens=count(usage.get("cached_tokens")),
    )


def read_options(body: Json) -> dict[str, AttributeValue]:
    """What the caller set, in chat and in generate."""
    found: dict[str, AttributeValue] = {}
    for key, name in _NUMBERS.items():
        if (value := number(body.get(key))) is not None:
            found[name] = value
    stops = body.get("stop_sequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    return found


def read_error(body: Json, answer: Answer) -> bool:
    """True for the body of an error, in any version: a bare message, where an answer has an object or nothing."""
    message = text(body.get("message"))
    if message is None:
        return False
    answer.failed = True
    answer.error_message = message
    return True


def _kind(event: Json) -> str | None:
    return text(event.get("type")) or text(event.get("event_type"))


def _read_reason(body: Json, answer: Answer) -> None:
    """Why it stopped, which may be that it failed."""
    reason, error = text(body.get("finish_reason")), text(body.get("error"))
    if reason:
        answer.finish_reasons[0] = reason
    if error or (reason and reason.startswith(_FAILURES)):
        answer.failed = True
        answer.error_type = reason
        answer.error_message = error


reader: Final = CohereChat()
