"""OpenAI responses, spoken by some other vendors too.

Counts are inclusive, as in chat completions; vendors' own spellings are named beside the keys. A stream reports usage
in its last event, `response.completed`, `.incomplete` or `.failed`, which repeats the whole response. A response that
is only fetched again is no call: that is a GET. A background response is accepted without usage, which a later GET
has: it stays missing.
"""

from __future__ import annotations

import re
from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, counts, sum_known

from ..wire import PIECE_BYTES_MAX, Answer, Content, Json, Plain, Reader, Request, items, mapping, read_numbers, text
from . import openai_responses_content as contents
from .openai_chat import IMAGES, add_images, read_cost, read_error, read_who

_NUMBERS: Final = {
    "max_output_tokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
}
_OPTIONS: Final = frozenset({"reasoning", "service_tier", "text", "previous_response_id", "conversation"})
_OUTPUT_TYPES: Final = {"json_object": "json", "json_schema": "json", "text": "text"}
#: Events that end a stream, each with the whole response.
_LAST: Final = ("response.completed", "response.failed", "response.incomplete")
_TOOL_CALLS: Final = ("custom_tool_call", "function_call")
_SEARCH: Final = "web_search_call"
#: Models without reasoning pay another price for the tool's preview, and small ones for text that no count tells.
_OTHER_SEARCH: Final = re.compile(r"(?:ft:)?gpt-4")
_MINI: Final = "-mini"
_PREVIEW: Final = "web_search_preview"
#: What of it is no search: the pages that were found are read for nothing.
_READING: Final = ("find", "find_in_page", "open_page")
#: Tools that run at the provider, and are billed by the call, the session or the picture.
_HOSTED: Final = ("code_interpreter_call", "file_search_call", "image_generation_call")
#: Where both are counted, beside the provider's own counts.
_SEARCHES: Final = "web_search_calls"
_HOSTED_CALLS: Final = "hosted_tool_calls"
_PERPLEXITY_TOOLS: Final = "tool_calls_details"
_PERPLEXITY_SEARCH: Final = "search_web"
_TOOL_CALL: Final = "tool_call"
_REASONS: Final = {"max_output_tokens": "length"}
_STOP: Final = "stop"
_PERPLEXITY_READ: Final = "cache_read_input_tokens"
_PERPLEXITY_WRITTEN: Final = "cache_creation_input_tokens"


class OpenAIResponses(Reader):
    """POST .../responses."""

    PROVIDER = "openai"
    TIME_HEADER = "openai-processing-ms"
    END_MARK = b"event: response.completed"
    PLAIN = Plain(16, PIECE_BYTES_MAX, 16, ord("o"))  # `event: response.output_...`; the last one is longer
    MARKS = (
        b"response.completed",
        b"response.failed",
        b"response.incomplete",
        b'"type":"error"',
        b'"type": "error"',
        b"event: error",
    )
    REPEATS = True
    REPEATS_HEAD = True

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and ("input" in body or "prompt" in body)

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        read_numbers(body, _NUMBERS, found)
        if not _OPTIONS.isdisjoint(body):
            _read_options(body, found)
        read_who(body, found)
        return Request(a.OPERATION_CHAT, text(body.get("model")), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.say(body)
        usage = body.get("usage")
        if isinstance(usage, dict):
            answer.usage.update(usage)
            read_cost(usage, answer)
        if error := body.get("error"):
            read_error(error, answer)
        output = items(body.get("output"))
        _read_output(body, output, answer)
        if content:
            answer.parts[0] = contents.read_output(output)

    def is_update(self, block: bytes) -> bool:
        return b".delta" in block or b"output_item" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("type") in _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if event.get("type") == "error":
            read_error(event.get("error") or {**event, "type": event.get("code")}, answer)
        elif isinstance(response := event.get("response"), dict):
            self.read_response(response, answer, content and event.get("type") in _LAST)
        elif content:
            contents.add_event(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        given = mapping(usage.get("input_tokens_details"))
        made = mapping(usage.get("output_tokens_details"))
        cached = given.get("cached_tokens")
        asked, answered, read, written, reasoned = counts(
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            given.get(_PERPLEXITY_READ) if cached is None else cached,
            given.get("cache_write_tokens", given.get(_PERPLEXITY_WRITTEN)),
            made.get("reasoning_tokens"),
        )
        found = Usage(
            input_tokens=asked,
            output_tokens=answered,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=reasoned,
            web_searches=usage.get(_SEARCHES),
            unpriced_units=usage.get(_HOSTED_CALLS),
        )
        if _PERPLEXITY_TOOLS in usage:
            _add_tools(found, mapping(usage[_PERPLEXITY_TOOLS]))
        if IMAGES in given or IMAGES in made:
            add_images(found, given, made)
        return found

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        return {a.OPENAI_RESPONSE_SERVICE_TIER: answer.service_tier} if answer.service_tier else {}

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def _read_options(body: Json, found: dict[str, AttributeValue]) -> None:
    if level := text(mapping(body.get("reasoning")).get("effort")):
        found[a.REQUEST_REASONING_LEVEL] = level
    tier = text(body.get("service_tier"))
    if tier and tier != "auto":
        found[a.OPENAI_REQUEST_SERVICE_TIER] = tier
    if output := _OUTPUT_TYPES.get(str(mapping(mapping(body.get("text")).get("format")).get("type"))):
        found[a.OUTPUT_TYPE] = output
    if previous := text(body.get("previous_response_id")):
        found[a.REQUEST_PREVIOUS_RESPONSE_ID] = previous
    conversation = body.get("conversation")
    if identity := text(conversation) or text(mapping(conversation).get("id")):
        found[a.CONVERSATION_ID] = identity


def _read_output(body: Json, output: list[Json], answer: Answer) -> None:
    """Why it stopped, in the conventions' words, as this format has none of its own for a good end; what tools did."""
    status, asks, searches, hosted = body.get("status"), False, 0, 0
    for item in output:
        kind = item.get("type")
        if kind in _TOOL_CALLS:
            asks = True
        elif kind == _SEARCH:
            searches += mapping(item.get("action")).get("type") not in _READING
        elif kind in _HOSTED:
            hosted += 1
    if searches:
        answer.usage[_SEARCHES] = searches
        if _OTHER_SEARCH.match(answer.model or "") and (_MINI in (answer.model or "") or _has_preview(body)):
            hosted += searches
    if hosted:
        answer.usage[_HOSTED_CALLS] = hosted
    if status == "completed":
        answer.finish_reasons[0] = _TOOL_CALL if asks else _STOP
    elif status == "incomplete":
        reason = text(mapping(body.get("incomplete_details")).get("reason")) or "incomplete"
        answer.finish_reasons[0] = _REASONS.get(reason, reason)
    elif status == "failed":
        answer.failed = True


def _has_preview(body: Json) -> bool:
    return any(str(tool.get("type")).startswith(_PREVIEW) for tool in items(body.get("tools")))


def _add_tools(found: Usage, tools: Json) -> None:
    """Perplexity counts the calls of its tools in the usage."""
    for name, said in tools.items():
        calls = count(mapping(said).get("invocation"))
        if name == _PERPLEXITY_SEARCH:
            found.web_searches = sum_known(found.web_searches, calls)
        else:
            found.unpriced_units = sum_known(found.unpriced_units, calls)


reader: Final = OpenAIResponses()
