"""Content of models on Bedrock whose format nobody else speaks: a prompt in, texts out. Used only on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..wire import Answer, Content, Json, items, mapping, text
from . import openai_content

#: The text of an answer: Cohere, Mistral and DeepSeek; Llama; Titan.
_TEXTS: Final = ("text", "generation", "outputText")
#: The makers' reasons in the conventions' words, in messages only: Cohere's and Titan's.
_REASONS: Final = {
    "COMPLETE": "stop",
    "CONTENT_FILTERED": "content_filter",
    "ERROR": "error",
    "ERROR_TOXIC": "content_filter",
    "FINISH": "stop",
    "FINISHED": "stop",
    "LENGTH": "length",
    "MAX_TOKENS": "length",
    "STOP_CRITERIA_MET": "stop",
}
_ROLES: Final = {"CHATBOT": "assistant", "SYSTEM": "system", "USER": "user"}


def read_content(body: Json, answer: Answer) -> Content:
    """Messages of a request and of what came back. A text that is only embedded is no message."""
    prompt = body.get("prompt", body.get("message"))
    if prompt is None and "textGenerationConfig" in body:
        prompt = body.get("inputText")
    asked = [_said(turn) for turn in items(body.get("chat_history"))]
    if said := text(prompt):
        asked.append({"role": "user", "content": said})
    content = openai_content.read_content({"messages": asked}, answer)
    for message in content.output_messages or ():
        message["finish_reason"] = _REASONS.get(message["finish_reason"], message["finish_reason"])
    return content


def add_answers(answer: Answer, found: Iterable[tuple[int, Json]], *, whole: bool) -> None:
    """Keep answers, or pieces of them: a message where there is one, else a text."""
    for index, item in found:
        message = mapping(item.get("message")) or mapping(item.get("delta"))
        if not message:
            said = next((piece for key in _TEXTS if (piece := text(item.get(key)))), None)
            message = {"content": said} if said else {}
        if message and whole:
            openai_content.add_message(answer, index, message)
        elif message:
            openai_content.add_delta(answer, index, message)


def _said(turn: Json) -> dict[str, Any]:
    """A turn of Cohere's."""
    role = str(turn.get("role"))
    return {"role": _ROLES.get(role, role.lower()), "content": turn.get("message")}
