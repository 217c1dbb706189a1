"""OpenAI images: `POST /v1/images/generations` and `/v1/images/edits`."""

from __future__ import annotations

import time
from typing import Final

from .. import tokens
from ..drawing import Draw
from ..wire import OVERLOADED, Answer, Json, Wire, sse, sse_events
from .providers import OPENAI, openai_error

_DRAWN_FROM: Final = ("model", "prompt", "n", "size", "quality", "image")
_IMAGE_TOKENS: Final = {"low": 272, "medium": 1056, "high": 4160}  # of a square picture
_PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # a PNG
)


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """GPT image models report usage, the older DALL-E models a URL and none."""
    count = int(request.get("n") or 1)
    created = int(time.time())
    if str(request.get("model")).startswith("dall-e") and request.get("response_format") != "b64_json":
        links = [{"url": f"http://127.0.0.1/image-{i}.png"} for i in range(count)]
        return Answer(None, None, {"created": created, "data": links}, None)
    usage = _usage(request, draw, count) if told is None else told
    more = {"background": "opaque", "output_format": "png", "quality": _quality(request), "size": "1024x1024"}
    body = {"created": created, "data": [{"b64_json": _PIXEL}] * count, **more, "usage": usage}
    kind = "image_edit" if "image" in request else "image_generation"
    last = {"type": f"{kind}.completed", "b64_json": _PIXEL, "created_at": created, **more, "usage": usage}
    partial = {"type": f"{kind}.partial_image", "b64_json": _PIXEL, "created_at": created, **more}
    steps = [*((partial | {"partial_image_index": i}, None) for i in range(int(request.get("partial_images") or 0)))]
    error = sse(openai_error(500, OVERLOADED, ""))
    return Answer(None, None, body, usage, sse_events([*steps, (last, usage)], "type"), error)


def _quality(request: Json) -> str:
    asked = request.get("quality")
    return asked if asked in _IMAGE_TOKENS else "medium"


def _usage(request: Json, draw: Draw, count: int) -> Json:
    text = 8 + len(str(request.get("prompt"))) // 4
    pictures = 194 + draw.below("picture", 600) if "image" in request else 0
    output = _IMAGE_TOKENS[_quality(request)] * count
    return {
        "input_tokens": text + pictures,
        "input_tokens_details": {"text_tokens": text, "image_tokens": pictures},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": text + pictures + output,
    }


WIRE: Final = Wire(OPENAI, _answer, _DRAWN_FROM, tokens.OPENAI_IMAGES)
