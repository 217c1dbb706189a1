"""Gemini's interactions: a model, or an agent that Google runs.

`total_input_tokens` includes the cache; thoughts stand outside of `total_output_tokens`, and what tools brought outside
of `total_input_tokens`: both are added. A stream's last event has the usage of the whole interaction, events before it
may say the counts so far. An interaction in the background is accepted without usage, which a later GET has: it stays
missing.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, sum_known

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, number, text
from . import gemini_interactions_content as contents
from .gemini_content import ASKED, CACHED, MADE, SEARCHES, add_media, add_searches, tier_attributes
from .openai_chat import read_who

_NUMBERS: Final = {
    "max_output_tokens": a.REQUEST_MAX_TOKENS,
    "seed": a.REQUEST_SEED,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_p": a.REQUEST_TOP_P,
}
_LISTS: Final = {
    "input_tokens_by_modality": ASKED,
    "tool_use_tokens_by_modality": ASKED,
    "cached_tokens_by_modality": CACHED,
    "output_tokens_by_modality": MADE,
}
_OUTPUT_TYPES: Final = {"audio": "speech", "image": "image", "text": "text"}
#: Both spellings of the last event: the second is the API's before 2026.
_LAST: Final = frozenset({"interaction.completed", "interaction.complete"})
#: Why it stopped, in the conventions' words: this format has a status only.
_REASONS: Final = {"completed": "stop", "incomplete": "length", "requires_action": "tool_call"}
_UNDER_WAY: Final = frozenset({"in_progress", "queued"})
_FAILED: Final = "failed"
_SEARCH: Final = "google_search"


class GeminiInteractions(Reader):
    """POST .../interactions."""

    PROVIDER = "gcp.gemini"
    TIME_HEADER = "server-timing"
    END_MARK = b"interaction.complete"
    MARKS = (b"interaction.", b'usage":', b'"error"')
    PIECE = b'"delta":{"text":"'

    def is_request(self, body: Json, path: str) -> bool:
        return "input" in body and (isinstance(body.get("model"), str) or isinstance(body.get("agent"), str))

    def read_request(self, body: Json, path: str) -> Request:
        config = mapping(body.get("generation_config"))
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(config.get(key))) is not None:
                found[name] = value
        _read_options(body, config, found)
        read_who({"metadata": body.get("labels")}, found)
        model = text(body.get("model"))
        if model is None and (agent := text(body.get("agent"))):
            found[a.AGENT_NAME] = agent
        return Request(a.OPERATION_GENERATE_CONTENT, model, body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.id = text(body.get("id")) or answer.id
        answer.model = text(body.get("model")) or answer.model
        answer.service_tier = text(body.get("service_tier")) or answer.service_tier
        usage = mapping(body.get("usage"))
        answer.usage.update(usage)
        _read_tools(usage, answer)
        _read_status(body, answer)
        _read_error(body, answer)
        steps = items(body.get("steps")) or items(body.get("outputs"))  # the second is the API's before 2026
        if content and steps:
            contents.add_steps(answer, steps)

    def is_update(self, block: bytes) -> bool:
        return b".delta" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return event.get("event_type") in _LAST

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if interaction := mapping(event.get("interaction")):
            self.read_response(interaction, answer, content)
            return
        so_far = mapping(event.get("usage")) or mapping(mapping(event.get("metadata")).get("total_usage"))
        answer.usage.update(so_far)
        _read_error(event, answer)
        if content:
            contents.add_event(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        tools = count(usage.get("total_tool_use_tokens"))
        thoughts = count(usage.get("total_thought_tokens"))
        found = Usage(
            input_tokens=count(sum_known(count(usage.get("total_input_tokens")), tools)),
            output_tokens=count(sum_known(count(usage.get("total_output_tokens")), thoughts)),
            cache_read_tokens=count(usage.get("total_cached_tokens")),
            reasoning_tokens=thoughts,
            tool_use_prompt_tokens=tools,
            web_searches=usage.get(SEARCHES),
        )
        add_media(found, usage, _LISTS, "tokens")
        return found

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        return tier_attributes(answer)

    def read_content(self, body: Json, answer: Answer) -> Content:
        return contents.read_content(body, answer)


def _read_options(body: Json, config: Json, found: dict[str, AttributeValue]) -> None:
    stops = config.get("stop_sequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    if level := text(config.get("thinking_level")):
        found[a.REQUEST_REASONING_LEVEL] = level
    if previous := text(body.get("previous_interaction_id")):
        found[a.REQUEST_PREVIOUS_RESPONSE_ID] = previous
    if output := _read_output_type(body):
        found[a.OUTPUT_TYPE] = output


def _read_output_type(body: Json) -> str | None:
    wished = mapping(body.get("response_format"))
    mime_type = text(wished.get("mime_type")) or text(body.get("response_mime_type"))
    if mime_type == "application/json" or "schema" in wished:
        return "json"
    modalities = body.get("response_modalities")
    wanted = {str(modality) for modality in modalities} if isinstance(modalities, list) else {str(wished.get("type"))}
    return next((kind for modality, kind in _OUTPUT_TYPES.items() if modality in wanted), None)


def _read_status(body: Json, answer: Answer) -> None:
    status = text(body.get("status"))
    if status == _FAILED:
        answer.failed = True
    elif status and status not in _UNDER_WAY:
        answer.finish_reasons[0] = _REASONS.get(status, status)


def _read_tools(usage: Json, answer: Answer) -> None:
    asked = (tool.get("count") for tool in items(usage.get("grounding_tool_count")) if tool.get("type") == _SEARCH)
    add_searches(answer, sum_known(*map(count, asked)) or 0)


def _read_error(body: Json, answer: Answer) -> None:
    """An error event, the body of a refused request, or the first of the errors of an interaction that failed."""
    error = mapping(body.get("error")) or (next(iter(items(body.get("errors"))), {}) if answer.failed else {})
    if error:
        answer.failed = True
        answer.error_type = text(error.get("status")) or text(error.get("code"))
        answer.error_message = text(error.get("message"))


reader: Final = GeminiInteractions()
