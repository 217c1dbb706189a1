"""Mistral's conversations: begun with a model or an agent, gone on with by their id, begun anew from a place in them.

Only the entries of an answer name the model that made them. Counts are those of chat completions; what connectors
brought, and each of their calls, is billed beside them. A stream says its usage in `conversation.response.done`.
"""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, sum_known

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, read_numbers, text
from . import mistral_conversations_content as contents
from . import openai_chat

_NUMBERS: Final = {
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
    "frequency_penalty": a.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": a.REQUEST_PRESENCE_PENALTY,
    "random_seed": a.REQUEST_SEED,
}
_OUTPUT_TYPES: Final = {"json_object": "json", "json_schema": "json", "text": "text"}
#: What asks for an answer: OpenAI has conversations at the same path, which hold items and ask for nothing.
_ASKING: Final = frozenset({"inputs", "tool_confirmations"})
_BELOW: Final = re.compile(r"/conversations/([^/]+)")
_DONE: Final = "conversation.response.done"
_ERROR: Final = "conversation.response.error"
#: Why it stopped, in the conventions' words, by the kind of the last entry: this format has no reason.
_REASONS: Final = {"function.call": "tool_call", "message.output": "stop"}
_DELTA: Final = ".delta"


class MistralConversations(Reader):
    """POST .../conversations, .../conversations/ID and .../conversations/ID/restart."""

    PROVIDER = "mistral_ai"
    END_MARK = b"event: conversation.response.done"

    def is_request(self, body: Json, path: str) -> bool:
        """On a host that nobody names: as Mistral's own SDK goes on with a conversation."""
        is_begun = isinstance(body.get("model"), str) or isinstance(body.get("agent_id"), str)
        return not self.is_other(body) and (is_begun or "handoff_execution" in body)

    def is_other(self, body: Json) -> bool:
        return _ASKING.isdisjoint(body)

    def read_request(self, body: Json, path: str) -> Request:
        options = mapping(body.get("completion_args"))
        found: dict[str, AttributeValue] = {}
        read_numbers(options, _NUMBERS, found)
        stop = options.get("stop")
        if stops := (stop,) if isinstance(stop, str) else tuple(map(str, stop)) if isinstance(stop, list) else ():
            found[a.REQUEST_STOP_SEQUENCES] = stops
        if output := _OUTPUT_TYPES.get(str(mapping(options.get("response_format")).get("type"))):
            found[a.OUTPUT_TYPE] = output
        openai_chat.read_who(body, found)
        if below := _BELOW.search(path):
            found[a.CONVERSATION_ID] = below[1]
        return Request(a.OPERATION_CHAT, text(body.get("model")), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.conversation = text(body.get("conversation_id")) or answer.conversation
        answer.usage.update(mapping(body.get("usage")))
        outputs = items(body.get("outputs"))
        for entry in outputs:
            _read_entry(entry, answer)
        if content and outputs:
            answer.parts[0] = contents.read_outputs(outputs)
        if "outputs" not in body and (body.get("detail") or body.get("message")):
            _read_error(body, answer)

    def is_update(self, block: bytes) -> bool:
        return b".delta" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") == _DONE

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        kind = str(event.get("type"))
        if kind == _ERROR:
            _read_error(event, answer)
        elif kind.endswith(_DELTA):
            _read_entry({**event, "type": kind.removesuffix(_DELTA)}, answer)
            if content:
                contents.add_event(answer, event)
        else:
            self.read_response({key: event.get(key) for key in ("conversation_id", "usage")}, answer, content)

    def read_usage(self, usage: Json) -> Usage:
        found = openai_chat.reader.read_usage(usage)
        calls = sum_known(*map(count, mapping(usage.get("connectors")).values()))
        found.unpriced_units = sum_known(found.unpriced_units, calls) or None
        return found

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        return {a.CONVERSATION_ID: answer.conversation} if answer.conversation else {}

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def _read_entry(entry: Json, answer: Answer) -> None:
    """What an entry says of the answer, or a piece of one."""
    answer.model = text(entry.get("model")) or answer.model
    if reason := _REASONS.get(str(entry.get("type"))):
        answer.finish_reasons[0] = reason
        answer.id = text(entry.get("id")) or answer.id


def _read_error(body: Json, answer: Answer) -> None:
    """A stream's error, the body of a refused request, or the list of what is wrong with one."""
    detail = next(iter(items(body.get("detail"))), {})
    code = body.get("code")
    answer.failed = True
    answer.error_type = text(body.get("type")) if not str(body.get("type")).startswith("conversation.") else None
    answer.error_type = answer.error_type or text(detail.get("type")) or (None if code is None else str(code))
    answer.error_message = text(body.get("message")) or text(detail.get("msg")) or text(body.get("detail"))


reader: Final = MistralConversations()
