"""Content of OpenAI Realtime in the message schema of the GenAI conventions. Used only on request.

Items are those of OpenAI responses, but for sound: of that the transcript is the text, where there is one.
"""

from __future__ import annotations

from typing import Any, Final

from ..wire import Answer, Content, Json, items, mapping, text
from . import openai_responses_content as responses

_SOUND: Final = ("audio", "input_audio", "output_audio")
#: Pieces of a text or of a transcript, by the names of both interfaces.
_PIECES: Final = (
    "response.audio_transcript.delta",
    "response.output_audio_transcript.delta",
    "response.output_text.delta",
    "response.text.delta",
)
_PIECE: Final = "response.output_text.delta"
_DONE: Final = "response.output_item.done"


def read_content(body: Json, answer: Answer) -> Content:
    """What was said before and what came back. What a response is given of its own takes the place of the former."""
    asked = mapping(body.get("response"))
    settings = {**mapping(body.get("session")), **asked}
    given = asked.get("input", body.get("items"))
    as_response = {
        "instructions": settings.get("instructions"),
        "input": [_plain(item) for item in items(given)],
        "tools": settings.get("tools"),
    }
    return responses.read_content(as_response, answer)


def read_output(output: list[Json]) -> list[dict[str, Any]]:
    """The parts of what a response said."""
    return responses.read_output([_plain(item) for item in output])


def add_event(answer: Answer, event: Json) -> None:
    """Keep a piece of a response that was interrupted."""
    kind = event.get("type")
    if kind in _PIECES:
        responses.add_event(answer, {**event, "type": _PIECE})
    elif kind == _DONE:
        responses.add_event(answer, {**event, "item": _plain(mapping(event.get("item")))})


def _plain(item: Json) -> Json:
    """An item with text in the place of sound."""
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {**item, "content": [_heard(part) if part.get("type") in _SOUND else part for part in items(content)]}


def _heard(part: Json) -> Json:
    transcript = text(part.get("transcript"))
    return {"type": "text", "text": transcript} if transcript else {"type": part.get("type")}
