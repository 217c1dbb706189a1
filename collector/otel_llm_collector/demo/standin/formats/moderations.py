"""OpenAI moderations: `POST /v1/moderations`, which bills nothing."""

from __future__ import annotations

from typing import Any, Final

from .. import tokens
from ..drawing import Draw
from ..wire import Answer, Json, Wire, new_id
from .providers import OPENAI

_CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def _answer(request: Json, draw: Draw, _told: Json | None) -> Answer:
    asked: Any = request.get("input")
    count = len(asked) if isinstance(asked, list) and asked and isinstance(asked[0], str) else 1
    model = str(request.get("model") or "omni-moderation-latest")
    body = {"id": new_id("modr-"), "model": model, "results": [_result(draw, i) for i in range(count)]}
    return Answer(str(body["id"]), model, body, None)


def _result(draw: Draw, index: int) -> Json:
    scores = {name: draw.below(f"{index} {name}", 1000) / 10_000 for name in _CATEGORIES}
    return {
        "flagged": False,
        "categories": dict.fromkeys(_CATEGORIES, False),
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


WIRE: Final = Wire(OPENAI, _answer, ("model", "input"), tokens.NONE)
