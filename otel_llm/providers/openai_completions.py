"""OpenAI's legacy text completions, spoken by local servers and for code (`/fim/completions` of Mistral) too."""

from __future__ import annotations

from typing import Any, Final

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import count

from ..wire import Answer, Content, Json, Request, items, text
from .openai_chat import OpenAIChat

_TEXT: Final = "text"


class OpenAICompletions(OpenAIChat):
    """POST .../completions: the envelope of chat completions with one text a choice."""

    PIECE = b""

    def is_request(self, body: Json, path: str) -> bool:
        return isinstance(body.get("model"), str) and "prompt" in body

    def read_request(self, body: Json, path: str) -> Request:
        request = super().read_request(body, path)
        return Request(a.OPERATION_TEXT_COMPLETION, request.model, request.stream, request.attributes)

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        super().read_response(body, answer, False)
        if content:
            self._add_texts(body, answer)

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        super().fold_event(event, answer, False)
        if content:
            self._add_texts(event, answer)

    def read_content(self, body: Json, answer: Answer) -> Content:
        prompts = body.get("prompt")
        given = [prompts] if isinstance(prompts, str) else prompts if isinstance(prompts, list) else []
        asked = [_message("user", prompt) for prompt in given if isinstance(prompt, str)]
        return Content(
            input_messages=asked or None,
            output_messages=[self._output(answer, index) for index in sorted(answer.parts)] or None,
        )

    def _add_texts(self, body: Json, answer: Answer) -> None:
        for choice in items(body.get("choices")):
            message = choice.get("message") if isinstance(choice.get("message"), dict) else choice.get("delta")
            said = text(choice.get(_TEXT)) or (text(message.get("content")) if isinstance(message, dict) else None)
            if said:
                answer.parts.setdefault(count(choice.get("index")) or 0, []).append(said)

    def _output(self, answer: Answer, index: int) -> dict[str, Any]:
        message = _message("assistant", "".join(answer.parts[index]))
        if reason := answer.finish_reasons.get(index):
            message["finish_reason"] = reason
        return message


def _message(role: str, said: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": _TEXT, "content": said}]}


reader: Final = OpenAICompletions()
