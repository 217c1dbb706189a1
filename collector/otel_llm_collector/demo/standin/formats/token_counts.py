"""Endpoints that count tokens and bill none: Anthropic, OpenAI responses, Gemini, Vertex, Bedrock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .. import tokens
from ..drawing import Draw
from ..wire import Answer, Json, Provider, Wire
from .providers import ANTHROPIC, BEDROCK, GEMINI, OPENAI, VERTEX

_DRAWN_FROM: Final = ("model", "messages", "system", "tools", "input", "instructions", "contents", "systemInstruction")


def _wire(provider: Provider, shape: Callable[[int], Json]) -> Wire:
    def answer(_request: Json, draw: Draw, _told: Json | None) -> Answer:
        return Answer(None, None, shape(draw.prompt_tokens()[0]), None)

    return Wire(provider, answer, _DRAWN_FROM, tokens.NONE)


def _google(count: int) -> Json:
    return {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]}


ANTHROPIC_COUNT: Final = _wire(ANTHROPIC, lambda count: {"input_tokens": count})
OPENAI_COUNT: Final = _wire(OPENAI, lambda count: {"object": "response.input_tokens", "input_tokens": count})
GEMINI_COUNT: Final = _wire(GEMINI, _google)
VERTEX_COUNT: Final = _wire(VERTEX, lambda count: _google(count) | {"totalBillableCharacters": 4 * count})
VERTEX_ANTHROPIC_COUNT: Final = _wire(VERTEX, lambda count: {"input_tokens": count})
BEDROCK_COUNT: Final = _wire(BEDROCK, lambda count: {"inputTokens": count})
