"""InvokeModel of Amazon Bedrock: each model speaks its maker's format, and its name stands in the path.

Anthropic's and Nova's bodies are read by the readers of messages and of Converse, all others here, by their shape: the
path may name an inference profile that does not tell the model. Usage is the body's, else what Bedrock counted itself:
in the headers of a response, in the last chunk of a stream (`amazon-bedrock-invocationMetrics`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count, inclusive_input, sum_known

from ..wire import FRAMES, Answer, Content, Json, Reader, Request, items, mapping, number, text
from . import anthropic_messages, bedrock_converse, openai_chat
from . import bedrock_invoke_content as contents
from .bedrock_converse import model_in, read_error, read_error_header, read_latency

_NUMBERS: Final = {
    "max_gen_len": a.REQUEST_MAX_TOKENS,
    "max_tokens": a.REQUEST_MAX_TOKENS,
    "max_tokens_to_sample": a.REQUEST_MAX_TOKENS,
    "maxTokenCount": a.REQUEST_MAX_TOKENS,
    "maxTokens": a.REQUEST_MAX_TOKENS,
    "temperature": a.REQUEST_TEMPERATURE,
    "p": a.REQUEST_TOP_P,
    "top_p": a.REQUEST_TOP_P,
    "topP": a.REQUEST_TOP_P,
    "k": a.REQUEST_TOP_K,
    "top_k": a.REQUEST_TOP_K,
    "seed": a.REQUEST_SEED,
}
_STOPS: Final = ("stop", "stop_sequences", "stopSequences")
_METRICS: Final = "amazon-bedrock-invocationMetrics"
#: What Bedrock counted: header -> key of the metrics.
_COUNTED: Final = {
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
}
_TIER_HEADER: Final = "x-amzn-bedrock-service-tier"
_LATENCY_HEADER: Final = "x-amzn-bedrock-performanceconfig-latency"
#: Counts that stand beside the text, cumulative in a stream: of Llama and of Titan.
_INPUT: Final = ("prompt_token_count", "inputTextTokenCount")
_OUTPUT: Final = ("generation_token_count", "totalOutputTextTokenCount")
#: Where answers stand, and why one ended: Mistral and DeepSeek, AI21, Cohere, Titan. Llama's stand in the body itself.
_ANSWERS: Final = ("choices", "completions", "generations", "outputs", "results")
_REASONS: Final = ("stop_reason", "finish_reason", "completionReason")
#: Parts of a model's name that tell what it is for.
_OPERATIONS: Final = {
    "canvas": a.OPERATION_GENERATE_CONTENT,
    "embed": a.OPERATION_EMBEDDINGS,
    "rerank": a.OPERATION_RERANK,
    "stability.": a.OPERATION_GENERATE_CONTENT,
    "titan-image": a.OPERATION_GENERATE_CONTENT,
}
_CONVERSE_EVENTS: Final = frozenset(
    {"contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStart", "messageStop", "metadata"}
)


class BedrockInvoke(Reader):
    """POST /model/MODEL/invoke and invoke-with-response-stream."""

    PROVIDER = "aws.bedrock"
    TIME_HEADER = "x-amzn-bedrock-invocation-latency"
    FRAMING = FRAMES
    #: Events of Anthropic and of Nova; of the others every event has a reason or a count, null until the end.
    MARKS = (b"message", b'"error"', b'"metadata"', _METRICS.encode(), b"eason", b"oken", b"finished")

    def is_request(self, body: Json, path: str) -> bool:
        return bool(body) and model_in(path) is not None

    def read_request(self, body: Json, path: str) -> Request:
        model = model_in(path)
        operation = _operation(model or "", body)
        maker = _maker(body)
        found = maker.read_request(body, path).attributes if maker else {}
        for given in (body, mapping(body.get("textGenerationConfig"))):
            _read_inference(given, found)
        if operation == a.OPERATION_GENERATE_CONTENT:
            found[a.OUTPUT_TYPE] = "image"
        return Request(operation, model, path.endswith("-stream"), found)

    def read_headers(self, headers: Mapping[str, str], answer: Answer) -> None:
        super().read_headers(headers, answer)
        read_error_header(headers, answer)
        for name, key in _COUNTED.items():
            written = headers.get(name)
            if written and written.isdecimal():
                answer.usage[key] = int(written)
        answer.service_tier = text(headers.get(_TIER_HEADER)) or answer.service_tier
        read_latency(headers.get(_LATENCY_HEADER), answer)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        if body.get("type") == "message":
            anthropic_messages.reader.read_response(body, answer, content)
        elif isinstance(body.get("output"), dict):
            bedrock_converse.reader.read_response(body, answer, content)
        else:
            _read_plain(body, answer)
            read_error(body, answer)
            if content:
                contents.add_answers(answer, _answers(body), whole=True)

    def is_update(self, block: bytes) -> bool:
        return b"message_start" not in block and b"messageStart" not in block

    def is_last(self, data: bytes, event: Json) -> bool:
        return _METRICS in event

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if "error" in event or not _CONVERSE_EVENTS.isdisjoint(event):
            bedrock_converse.reader.fold_event(event, answer, content)
        elif "type" in event:
            anthropic_messages.reader.fold_event(event, answer, content)
        else:
            _read_plain(event, answer)
            if content:
                contents.add_answers(answer, _answers(event), whole=False)
        answer.usage.update(mapping(event.get(_METRICS)))

    def read_usage(self, usage: Json) -> Usage:
        if "input_tokens" in usage:
            return anthropic_messages.reader.read_usage(usage)
        if "inputTokens" in usage:
            return bedrock_converse.reader.read_usage(usage)
        if "prompt_tokens" in usage:
            return openai_chat.reader.read_usage(usage)
        read, written = count(usage.get("cacheReadInputTokenCount")), count(usage.get("cacheWriteInputTokenCount"))
        given, made = _first_count(usage, _INPUT), _first_count(usage, _OUTPUT)
        if given is None:
            given = inclusive_input(count(usage.get("inputTokenCount")), read, written)
        return Usage(
            input_tokens=given,
            output_tokens=count(usage.get("outputTokenCount")) if made is None else made,
            cache_read_tokens=read,
            cache_write_tokens=written,
        )

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        maker = anthropic_messages.reader if "input_tokens" in answer.usage else bedrock_converse.reader
        return maker.response_attributes(answer)

    def read_content(self, body: Json, answer: Answer) -> Content:
        """By the answer's format, since a large request is not known."""
        if "input_tokens" in answer.usage:
            return anthropic_messages.reader.read_content(body, answer)
        if "inputTokens" in answer.usage:
            return bedrock_converse.reader.read_content(body, answer)
        return (_maker(body) or contents).read_content(body, answer)


def _operation(model: str, body: Json) -> str:
    """By the model's name, else by the shape of what was asked: an application's profile has a name of its own."""
    for part, operation in _OPERATIONS.items():
        if part in model:
            return operation
    if "texts" in body or ("inputText" in body and "textGenerationConfig" not in body):
        return a.OPERATION_EMBEDDINGS
    return a.OPERATION_TEXT_COMPLETION if "prompt" in body or "inputText" in body else a.OPERATION_CHAT


def _maker(body: Json) -> Reader | None:
    """The reader of a request in a format that others speak, too."""
    if "anthropic_version" in body:
        return anthropic_messages.reader
    messages = items(body.get("messages"))
    if not messages:
        return None
    blocks = items(messages[0].get("content"))
    return bedrock_converse.reader if blocks and "type" not in blocks[0] else openai_chat.reader


def _read_inference(given: Json, found: dict[str, AttributeValue]) -> None:
    for key, name in _NUMBERS.items():
        if (value := number(given.get(key))) is not None:
            found[name] = value
    for key in _STOPS:
        stops = given.get(key)
        if isinstance(stops, list) and stops:
            found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)


def _read_plain(body: Json, answer: Answer) -> None:
    """A body, or an event, of a model whose format nobody else speaks."""
    answer.id = text(body.get("id")) or text(body.get("generation_id")) or answer.id
    answer.model = text(body.get("model")) or answer.model
    answer.usage.update(mapping(body.get("usage")))
    answer.usage.update((key, body[key]) for key in (*_INPUT, *_OUTPUT) if body.get(key) is not None)
    lengths = []
    for index, item in _answers(body):
        lengths.append(count(item.get("tokenCount")))  # Titan
        if reason := next((said for key in _REASONS if (said := text(item.get(key)))), None):
            answer.finish_reasons[index] = reason
    if (total := sum_known(*lengths)) is not None:
        answer.usage["totalOutputTextTokenCount"] = total


def _answers(body: Json) -> list[tuple[int, Json]]:
    """The answers with their places: those of a list, or the body itself."""
    found = next((listed for key in _ANSWERS if (listed := items(body.get(key)))), [body])
    return [(place if (index := count(item.get("index"))) is None else index, item) for place, item in enumerate(found)]


def _first_count(usage: Json, keys: Iterable[str]) -> int | None:
    return next((found for key in keys if (found := count(usage.get(key))) is not None), None)


reader: Final = BedrockInvoke()
