"""Gemini's generateContent and streamGenerateContent, on AI Studio and on Vertex.

`promptTokenCount` includes the cache. Thoughts stand outside of `candidatesTokenCount`, and what tools brought into
the prompt outside of `promptTokenCount`: both are billed like what they stand beside, so they are added here. Each
chunk of a stream says the counts so far: they overwrite. Lists by modality say how much of each was sound or pictures,
which have prices of their own. Searches are told by their queries alone. The path names the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, sum_known

from ..wire import Answer, Content, Json, Reader, Request, items, mapping, number, text
from . import gemini_parts_content as parts
from .gemini_parts_content import field
from .openai_chat import read_who

_NUMBERS: Final = {
    "frequencyPenalty": a.REQUEST_FREQUENCY_PENALTY,
    "maxOutputTokens": a.REQUEST_MAX_TOKENS,
    "presencePenalty": a.REQUEST_PRESENCE_PENALTY,
    "seed": a.REQUEST_SEED,
    "temperature": a.REQUEST_TEMPERATURE,
    "topK": a.REQUEST_TOP_K,
    "topP": a.REQUEST_TOP_P,
}
_OUTPUT_TYPES: Final = {"AUDIO": "speech", "IMAGE": "image", "TEXT": "text"}
_STREAM: Final = ":streamGenerateContent"
#: With `$alt=json;enum-encoding=int` reasons are numbers. Beyond these, AI Studio and Vertex number them differently.
_NUMBERED_REASONS: Final = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION"}
_MODALITIES: Final = {"2": "image", "4": "audio", "audio": "audio", "image": "image"}
Media: TypeAlias = Mapping[str, str]
#: Modality -> field of Usage.
ASKED: Final[Media] = {"audio": "audio_input_tokens", "image": "image_input_tokens"}
CACHED: Final[Media] = {"audio": "cache_read_audio_tokens", "image": "cache_read_image_tokens"}
MADE: Final[Media] = {"audio": "audio_output_tokens", "image": "image_output_tokens"}
_LISTS: Final = {
    "promptTokensDetails": ASKED,
    "toolUsePromptTokensDetails": ASKED,
    "cacheTokensDetails": CACHED,
    "candidatesTokensDetails": MADE,
}
#: Grounded answers of these are billed as one search each, those of later ones by the query.
_SEARCHES_AT_ONCE: Final = re.compile(r"gemini-(?:live-)?[12]\.")
#: Where the searches are counted that are billed, beside Google's own counts.
SEARCHES: Final = "billedSearches"
_PAY_AS_YOU_GO: Final = "ON_DEMAND"
_STANDARD_TIER: Final = "standard"


class GeminiContent(Reader):
    """POST .../models/MODEL:generateContent and :streamGenerateContent."""

    PROVIDER = "gcp.gemini"
    TIME_HEADER = "server-timing"

    def is_request(self, body: Json, path: str) -> bool:
        return "contents" in body

    def read_request(self, body: Json, path: str) -> Request:
        config = mapping(field(body, "generationConfig"))
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(field(config, key))) is not None:
                found[name] = value
        _read_options(config, found)
        read_who({"metadata": body.get("labels")}, found)
        return Request(a.OPERATION_GENERATE_CONTENT, model_of(path), _STREAM in path, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        answer.id = text(body.get("responseId")) or answer.id
        answer.model = text(body.get("modelVersion")) or answer.model
        usage = mapping(body.get("usageMetadata"))
        answer.usage.update((key, value) for key, value in usage.items() if value is not None)
        answer.service_tier = _read_tier(usage) or answer.service_tier
        for place, candidate in enumerate(items(body.get("candidates"))):
            if grounding := candidate.get("groundingMetadata"):
                add_searches(answer, len(_queries(mapping(grounding))))
            index = count(candidate.get("index"))
            _read_candidate(candidate, place if index is None else index, answer, content)
        if blocked := _read_reason(mapping(body.get("promptFeedback")).get("blockReason")):
            answer.finish_reasons.setdefault(0, blocked)
        read_error(body, answer)

    def read_usage(self, usage: Json) -> Usage:
        tools = count(usage.get("toolUsePromptTokenCount"))
        thoughts = count(usage.get("thoughtsTokenCount"))
        found = Usage(
            input_tokens=count(sum_known(count(usage.get("promptTokenCount")), tools)),
            output_tokens=count(sum_known(count(usage.get("candidatesTokenCount")), thoughts)),
            cache_read_tokens=count(usage.get("cachedContentTokenCount")),
            reasoning_tokens=thoughts,
            tool_use_prompt_tokens=tools,
            web_searches=usage.get(SEARCHES),
        )
        add_media(found, usage, _LISTS, "tokenCount")
        return found

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        return tier_attributes(answer)

    def read_content(self, body: Json, answer: Answer) -> Content:
        return parts.read_content(body, answer)


def add_media(found: Usage, usage: Json, lists: Mapping[str, Media], tokens: str) -> None:
    """The sound and the pictures among the tokens, which Google lists by modality; `tokens` is what a count is called.

    Text, video and documents have no counts of their own.
    """
    for name, media in lists.items():
        for part in items(usage.get(name)):
            place = media.get(_MODALITIES.get(str(part.get("modality")).lower(), ""))
            if place is not None:
                setattr(found, place, sum_known(getattr(found, place), count(part.get(tokens))))


def add_searches(answer: Answer, queries: int) -> None:
    """So many queries of Google's search, as they are billed: an answer of an early model that is grounded is one.

    What is free each day is counted: nobody can tell here which of a project's are.
    """
    if queries:
        answer.usage[SEARCHES] = 1 if _SEARCHES_AT_ONCE.search(answer.model or "") else queries


def _queries(grounding: Json) -> set[str]:
    """Each once, without the empty ones, which are not billed."""
    asked = grounding.get("webSearchQueries")
    return set(filter(None, map(text, asked))) if isinstance(asked, list) else set()


def model_of(path: str) -> str | None:
    """The model that a path names, between `/models/` and the method; else a tuned model or a Vertex endpoint."""
    resource, _, _ = path.rpartition(":")
    _, _, model = resource.rpartition("/models/")
    return text(model) if "/models/" in resource else text("/".join(resource.split("/")[-2:]))


def tier_attributes(answer: Answer) -> dict[str, AttributeValue]:
    """The tier that served the call, where it is not the standard one."""
    tier = answer.service_tier
    return {a.SERVICE_TIER: tier} if tier and tier != _STANDARD_TIER else {}


def read_error(body: Json, answer: Answer) -> None:
    """Google's error object, if there is one."""
    if error := mapping(body.get("error")):
        answer.failed = True
        answer.error_type = text(error.get("status")) or text(error.get("code"))
        answer.error_message = text(error.get("message"))


def _read_options(config: Json, found: dict[str, AttributeValue]) -> None:
    stops = field(config, "stopSequences")
    if isinstance(stops, list) and stops:
        found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
    choices = count(field(config, "candidateCount"))
    if choices is not None and choices != 1:
        found[a.REQUEST_CHOICE_COUNT] = choices
    if level := text(field(mapping(field(config, "thinkingConfig")), "thinkingLevel")):
        found[a.REQUEST_REASONING_LEVEL] = level
    if output := _read_output_type(config):
        found[a.OUTPUT_TYPE] = output


def _read_output_type(config: Json) -> str | None:
    if field(config, "responseMimeType") == "application/json":
        return "json"
    modalities = field(config, "responseModalities")
    wanted = {str(modality).upper() for modality in modalities} if isinstance(modalities, list) else ()
    return next((kind for modality, kind in _OUTPUT_TYPES.items() if modality in wanted), None)


def _read_candidate(candidate: Json, index: int, answer: Answer, content: bool) -> None:
    if reason := _read_reason(candidate.get("finishReason")):
        answer.finish_reasons[index] = reason
    if content:
        parts.add_content(answer, index, mapping(candidate.get("content")))


def _read_reason(reason: Any) -> str | None:
    if type(reason) is int and reason:
        return _NUMBERED_REASONS.get(reason, str(reason))
    return text(reason)


def _read_tier(usage: Json) -> str | None:
    """AI Studio names the tier, Vertex the kind of traffic: ON_DEMAND_FLEX is the tier flex."""
    traffic = text(usage.get("trafficType")) or ""
    tier = text(usage.get("serviceTier")) or traffic.removeprefix(_PAY_AS_YOU_GO).lstrip("_")
    return tier.lower() or None


reader: Final = GeminiContent()
