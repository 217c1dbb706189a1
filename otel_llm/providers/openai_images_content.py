"""Content of OpenAI images in the message schema of the GenAI conventions. Used only on request.

Of a picture only its link, or its size and hash, are kept.
"""

from __future__ import annotations

from typing import Any, Final

from ..binary import blob, linked
from ..wire import Answer, Content, Json, text

_IMAGE: Final = "image"


def read_content(body: Json, answer: Answer) -> Content:
    """The prompt as the user's message, the pictures as the answer's, one message each."""
    prompt = text(body.get("prompt"))
    return Content(
        input_messages=[{"role": "user", "parts": [_text(prompt)]}] if prompt else None,
        output_messages=[_message(answer.parts[index]) for index in sorted(answer.parts)] or None,
    )


def add_images(answer: Answer, body: Json, images: list[Json]) -> None:
    """Keep the pictures of a response, or that of the event that ends a stream; `body` says their format."""
    form = text(body.get("output_format"))
    for image in images:
        answer.parts[len(answer.parts)] = _parts(image, f"image/{form}" if form else None)


def _parts(image: Json, mime_type: str | None) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if revised := text(image.get("revised_prompt")):
        parts.append(_text(revised))
    if url := text(image.get("url")):
        parts.append(linked(_IMAGE, url, mime_type))
    elif data := text(image.get("b64_json")):
        parts.append(blob(_IMAGE, mime_type, data))
    return parts


def _message(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "assistant", "parts": parts, "finish_reason": "stop"}


def _text(said: str) -> dict[str, Any]:
    return {"type": "text", "content": said}
