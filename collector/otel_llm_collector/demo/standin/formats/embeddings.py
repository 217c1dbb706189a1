"""OpenAI embeddings: `POST /v1/embeddings`, as numbers or as base64 of 32-bit floats."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any, Final

from .. import tokens
from ..drawing import Draw
from ..wire import Answer, Json, Wire
from .providers import OPENAI

DRAWN_FROM: Final = ("model", "input", "dimensions")
_DIMENSIONS: Final = 1536
_DIMENSIONS_OF: Final = {"text-embedding-3-large": 3072, "mistral-embed": 1024}


def answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer, a vector a text."""
    return Answer(None, str(request.get("model")), body := compose(request, draw, told), body["usage"])


def compose(request: Json, draw: Draw, told: Json | None) -> Json:
    """The body of an answer."""
    count = len(texts(request.get("input")))
    dimensions = request.get("dimensions") or _DIMENSIONS_OF.get(str(request.get("model")), _DIMENSIONS)
    vectors = [draw.vector(f"embedding {i}", dimensions) for i in range(count)]
    encode = _base64 if request.get("encoding_format") == "base64" else list
    used = draw.embedded_tokens()
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": encode(v)} for i, v in enumerate(vectors)],
        "model": request.get("model"),
        "usage": {"prompt_tokens": used, "total_tokens": used} if told is None else told,
    }


def texts(value: Any) -> list[Any]:
    """The texts of an input: a text, several, or token numbers of one."""
    if isinstance(value, list):
        return [value] if value and isinstance(value[0], int) else value
    return [value]


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


WIRE: Final = Wire(OPENAI, answer, DRAWN_FROM, tokens.OPENAI_EMBEDDINGS)
