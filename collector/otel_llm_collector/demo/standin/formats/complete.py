"""Anthropic's legacy text completions: `POST /v1/complete`, which reports no usage."""

from __future__ import annotations

from typing import Final

from .. import tokens
from ..drawing import Draw, pieces
from ..wire import Answer, Json, Step, Wire, new_id, snapshot, sse, sse_events
from .messages import ERROR
from .providers import ANTHROPIC


def _answer(request: Json, draw: Draw, _told: Json | None) -> Answer:
    _, _, full = draw.output_tokens(False, request.get("max_tokens_to_sample"))
    text = draw.prose()
    body: Json = {
        "type": "completion",
        "id": new_id("compl_"),
        "completion": f" {text}",
        "stop_reason": "stop_sequence" if full else "max_tokens",
        "model": snapshot(str(request.get("model"))),
        "stop": "\n\nHuman:" if full else None,
        "log_id": new_id("compl_"),
    }
    running = body | {"stop_reason": None, "stop": None}
    steps: list[Step] = [(running | {"completion": piece}, None) for piece in pieces(body["completion"])]
    events = sse_events([*steps, (body | {"completion": ""}, None)], "type")
    return Answer(body["id"], body["model"], body, None, events, sse(ERROR, "error"))


WIRE: Final = Wire(ANTHROPIC, _answer, ("model", "prompt", "max_tokens_to_sample"), tokens.NONE)
