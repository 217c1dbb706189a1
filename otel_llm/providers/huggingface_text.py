"""Text generation of Hugging Face: TGI's own endpoints, dedicated endpoints at the root path, feature extraction.

TGI says in its headers how many tokens were read and made. The details in a body, which have to be asked for, count
only what was made: half a usage that nobody bills is left out, as hosts of TGI bill by the hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage, count

from ..wire import Answer, Content, Json, Reader, Request, mapping, number, text

_NUMBERS: Final = {
    "frequency_penalty": a.REQUEST_FREQUENCY_PENALTY,
    "max_new_tokens": a.REQUEST_MAX_TOKENS,
    "seed": a.REQUEST_SEED,
    "temperature": a.REQUEST_TEMPERATURE,
    "top_k": a.REQUEST_TOP_K,
    "top_p": a.REQUEST_TOP_P,
}
_FEATURES: Final = "/pipeline/feature-extraction"
_STREAM: Final = "/generate_stream"
_HEADERS: Final = ("x-generated-tokens", "x-prompt-tokens")
_DIGITS_MAX: Final = 18
#: The provider's reasons in the conventions' words, in messages only: the attribute keeps what the provider said.
_REASONS: Final = {"eos_token": "stop", "stop_sequence": "stop"}
#: In messages, where the schema asks for a reason: of an answer that was interrupted.
_NO_REASON: Final = "error"


class HuggingFaceText(Reader):
    """POST .../generate, .../generate_stream, / of an endpoint, .../pipeline/feature-extraction."""

    PROVIDER = "huggingface"
    END_MARK = b'"generated_text":"'
    MARKS = (b'"details":{', b'"details": {', b'"error"', b'"generated_text":"', b'"generated_text": "')
    REPEATS = True

    def is_request(self, body: Json, path: str) -> bool:
        """Any service may take `inputs`: with text it is a call where the path says so, or the parameters beside it."""
        if path.endswith(_FEATURES):
            return "inputs" in body
        told = path != "/" or isinstance(body.get("parameters"), dict)
        return isinstance(body.get("inputs"), str) and told

    def read_request(self, body: Json, path: str) -> Request:
        if path.endswith(_FEATURES):
            return Request(a.OPERATION_EMBEDDINGS, _model(path), False, {})
        parameters = mapping(body.get("parameters"))
        found: dict[str, AttributeValue] = {}
        for key, name in _NUMBERS.items():
            if (value := number(parameters.get(key))) is not None:
                found[name] = value
        stops = parameters.get("stop")
        if isinstance(stops, list) and stops:
            found[a.REQUEST_STOP_SEQUENCES] = tuple(str(sequence) for sequence in stops)
        streams = body.get("stream") is True or path.endswith(_STREAM)
        return Request(a.OPERATION_TEXT_COMPLETION, None, streams, found)

    def read_headers(self, headers: Mapping[str, str], answer: Answer) -> None:
        for name in _HEADERS:
            if (value := headers.get(name, "")).isdecimal() and len(value) <= _DIGITS_MAX:
                answer.usage[name] = int(value)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        self.fold_event(body, answer, content)

    def is_last(self, data: bytes, event: Json) -> bool:
        return isinstance(event.get("generated_text"), str)

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        if reason := text(mapping(event.get("details")).get("finish_reason")):
            answer.finish_reasons[0] = reason
        if error := text(event.get("error")):
            answer.failed = True
            answer.error_type = text(event.get("error_type"))
            answer.error_message = error
        if content:
            _add_text(answer, event)

    def read_usage(self, usage: Json) -> Usage:
        return Usage(count(usage.get("x-prompt-tokens")), count(usage.get("x-generated-tokens")))

    def read_content(self, body: Json, answer: Answer) -> Content:
        prompt = text(body.get("inputs"))
        return Content(
            input_messages=[_message("user", prompt)] if prompt else None,
            output_messages=[_output(answer)] if answer.parts else None,
        )


def _model(path: str) -> str | None:
    """The model between `/models/` and the pipeline, which may hold a slash."""
    return text(path.removesuffix(_FEATURES).partition("/models/")[2])


def _add_text(answer: Answer, event: Json) -> None:
    """The whole text, in place of what was streamed of it, or the next token."""
    token = mapping(event.get("token"))
    if whole := text(event.get("generated_text")):
        answer.parts[0] = [whole]
    elif (piece := text(token.get("text"))) and token.get("special") is not True:
        answer.parts.setdefault(0, []).append(piece)


def _output(answer: Answer) -> dict[str, Any]:
    reason = answer.finish_reasons.get(0) or _NO_REASON
    return {**_message("assistant", "".join(answer.parts[0])), "finish_reason": _REASONS.get(reason, reason)}


def _message(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": said}]}


reader: Final = HuggingFaceText()
