"""OpenAI chat completions, spoken by OpenAI and by most other vendors and local servers.

Counts are inclusive: `prompt_tokens` holds cached and audio tokens, `completion_tokens` holds reasoning. A stream
reports usage only in its last chunk, and only where `stream_options.include_usage` asked for it. Vendors that spell
a count their own way, or say what a call costs, are read here too: their names stand beside the keys.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, counts, sum_known

from ..wire import (
    PROMPT_NAME_KEY,
    PROMPT_VERSION_KEY,
    SESSION_ID_KEY,
    USER_ID_KEY,
    Answer,
    Content,
    Json,
    Plain,
    Reader,
    Request,
    items,
    mapping,
    number,
    read_numbers,
    text,
)
from . import openai_content

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
_OPTIONS: Final = frozenset({"stop", "n", "reasoning_effort", "service_tier", "response_format"})
_WHO: Final = frozenset({"metadata", "user", "safety_identifier"})
_OUTPUT_TYPES: Final = {"json_object": "json", "json_schema": "json", "text": "text"}
#: Cached tokens outside of the details: Moonshot and Together, Mistral. A 0 there is said by servers without a cache.
_CACHED: Final = ("cached_tokens", "num_cached_tokens")
#: Key of a detail that few answers have.
IMAGES: Final = "image_tokens"
#: Of the search that comes with each request to Perplexity: its fee depends on that.
_SEARCH_SIZES: Final = frozenset({"low", "medium", "high"})
#: Perplexity's deep research bills its searches; of other models they are part of the request's fee.
_RESEARCHED: Final = "citation_tokens"
#: Beside the counts, and billed: what Perplexity read and Mistral's connectors brought, what xAI's search found.
_UNPRICED: Final = frozenset({_RESEARCHED, "connector_tokens", "num_sources_used"})
_TICKS_PER_USD: Final = 10**10
_DONE: Final = b"[DONE]"
_COSTS: Final = frozenset({"cost", "cost_in_usd_ticks", "estimated_cost"})


class OpenAIChat(Reader):
    """POST .../chat/completions."""

    PROVIDER = "openai"
    TIME_HEADER = "openai-processing-ms"
    END_MARK = b"[DONE]\n\n"
    PLAIN = Plain(2, sys.maxsize, -3, ord("}"))  # the mark is the end of its chunk
    #: Content chunks spell the first two keys as null, or not at all.
    MARKS = (b'"finish_reason":"', b'"finish_reason": "', b'"usage":{', b'"usage": {', b'"error"', _DONE)
    PIECE = b'"delta":{"content":"'
    REPEATS_HEAD = True

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("messages"), list) and isinstance(body.get("model"), str)

    def read_request(self, body: Json, path: str) -> Request:
        found: dict[str, AttributeValue] = {}
        read_numbers(body, _NUMBERS, found)
        if not _OPTIONS.isdisjoint(body):
            _read_options(body, found)
        read_who(body, found)
        return Request(a.OPERATION_CHAT, text(body.get("model")) or deployment(path), body.get("stream") is True, found)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        _read_envelope(body, answer)
        for choice in items(body.get("choices")):
            index = _read_choice(choice, answer)
            if content:
                openai_content.add_message(answer, index, mapping(choice.get("message")))

    def is_update(self, block: bytes) -> bool:
        return b"data:" in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return data.strip() == _DONE

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        _read_envelope(event, answer)
        for choice in items(event.get("choices")):
            index = _read_choice(choice, answer)
            if content:
                openai_content.add_delta(answer, index, mapping(choice.get("delta")))

    def read_usage(self, usage: Json) -> Usage:
        prompt = mapping(usage.get("prompt_tokens_details"))
        completion = mapping(usage.get("completion_tokens_details"))
        asked, answered, read, written, heard, reasoned, spoken = counts(
            usage.get("prompt_tokens"),
            usage.get("completion_tokens"),
            prompt.get("cached_tokens"),
            prompt.get("cache_write_tokens"),
            prompt.get("audio_tokens"),
            completion.get("reasoning_tokens", usage.get("reasoning_tokens")),
            completion.get("audio_tokens"),
        )
        found = Usage(
            input_tokens=asked,
            output_tokens=_read_output(usage, reasoned) if reasoned else answered,
            cache_read_tokens=_read_cached(usage) if read is None else read,
            cache_write_tokens=written,
            reasoning_tokens=reasoned,
            audio_input_tokens=heard,
            audio_output_tokens=spoken,
        )
        if IMAGES in prompt or IMAGES in completion:
            add_images(found, prompt, completion)
        if _RESEARCHED in usage:
            found.web_searches = count(usage.get("num_search_queries"))
        if not _UNPRICED.isdisjoint(usage):
            found.unpriced_units = sum_known(*map(count, map(usage.get, _UNPRICED))) or None
        return found

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        found: dict[str, AttributeValue] = {}
        if answer.service_tier:
            name = a.SERVICE_TIER if answer.service_tier in _SEARCH_SIZES else a.OPENAI_RESPONSE_SERVICE_TIER
            found[name] = answer.service_tier
        if answer.fingerprint:
            found[a.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] = answer.fingerprint
        return found

    def read_content(self, body: Json, answer: Answer) -> Content:
        return openai_content.read_content(body, answer)


def add_images(found: Usage, given: Json, made: Json) -> None:
    """The images among the tokens, which few answers count apart."""
    found.image_input_tokens, found.image_output_tokens = count(given.get(IMAGES)), count(made.get(IMAGES))


def deployment(path: str) -> str | None:
    """Azure names the model by its deployment in the path, and some callers nowhere else."""
    head, _, tail = path.partition("/deployments/")
    return text(tail.partition("/")[0]) if head else None


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


def read_who(body: Json, found: dict[str, AttributeValue]) -> None:
    """The request's metadata as properties, and the end user that it names."""
    if _WHO.isdisjoint(body):
        return
    if metadata := body.get("metadata"):
        read_metadata(metadata, found)
    if user := text(body.get("user")) or text(body.get("safety_identifier")):
        found[a.USER_ID] = user


def read_metadata(metadata: Any, found: dict[str, AttributeValue]) -> None:
    """Pairs that the caller put on a request: properties, or what their key says."""
    for key, value in mapping(metadata).items():
        if isinstance(value, str | int | float) and value != "":
            found[_METADATA.get(key, a.PROPERTY_PREFIX + key)] = str(value)


def read_cost(usage: Json, answer: Answer) -> None:
    """What the provider says that it charges, in USD."""
    if _COSTS.isdisjoint(usage):
        return
    cost = usage.get("cost")  # OpenRouter
    if isinstance(cost, dict):  # Perplexity, all zero until the stream ends
        answer.service_tier = text(usage.get("search_context_size")) or answer.service_tier
        cost = cost.get("total_cost") or None
    elif cost is None:
        cost = _read_ticks(usage) or usage.get("estimated_cost")  # DeepInfra
    if (known := number(cost)) is not None and known >= 0:
        answer.declared_cost_usd = known


def _read_ticks(usage: Json) -> float | None:
    """The cost in xAI's unit. It is 0 where another vendor serves the model, who charges for it."""
    ticks = usage.get("cost_in_usd_ticks")
    return ticks / _TICKS_PER_USD if isinstance(ticks, int) and ticks > 0 else None


def _read_cached(usage: Json) -> int | None:
    """Cached tokens by the vendors' own names."""
    hits = count(usage.get("prompt_cache_hit_tokens"))  # DeepSeek
    if hits is not None:
        return hits
    return next((found for key in _CACHED if (found := count(usage.get(key)))), None)


def _read_output(usage: Json, reasoning: int) -> int | None:
    """Output with its reasoning, which xAI and Perplexity's deep research leave out of `completion_tokens`."""
    prompt, completion = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    if completion is None:
        return None
    is_outside = usage.get("total_tokens") == (prompt or 0) + completion + reasoning or _RESEARCHED in usage
    return count(completion + reasoning) if is_outside else completion


def _read_choice(choice: Json, answer: Answer) -> int:
    """The place of a choice; why it ended goes into the answer."""
    index = count(choice.get("index")) or 0
    if reason := text(choice.get("finish_reason")):
        answer.finish_reasons[index] = reason
    return index


def _read_envelope(body: Json, answer: Answer) -> None:
    answer.say(body)
    if (fingerprint := body.get("system_fingerprint")) and isinstance(fingerprint, str):
        answer.fingerprint = fingerprint
    if usage := body.get("usage") or _read_others_usage(body, answer):
        usage = mapping(usage)
        answer.usage.update(usage)
        read_cost(usage, answer)
    if error := body.get("error"):
        read_error(error, answer)


def _read_others_usage(body: Json, answer: Answer) -> Json:
    """Usage that stands elsewhere: Groq's, and llama.cpp's timings, which count only what was not in the cache."""
    if groq := body.get("x_groq"):
        return mapping(mapping(groq).get("usage"))
    timings = body.get("timings")
    if not isinstance(timings, dict) or answer.usage:
        return {}
    found: dict[str, Any] = {"completion_tokens": timings.get("predicted_n")}
    processed, cached = count(timings.get("prompt_n")), count(timings.get("cache_n"))
    if processed is not None and cached is not None:
        found |= {"prompt_tokens": processed + cached, "prompt_tokens_details": {"cached_tokens": cached}}
    return found


def read_error(error: Any, answer: Answer) -> None:
    """OpenAI sends an object; some compatible servers send a bare string."""
    fields = mapping(error)
    answer.failed = True
    answer.error_type = text(fields.get("type")) or text(fields.get("code"))
    answer.error_message = text(fields.get("message")) or text(error)


reader: Final = OpenAIChat()
