"""Azure OpenAI: OpenAI's formats under `/openai/deployments/NAME/...` and `/openai/v1/...`.

A deployment is called as its owner likes; the answer names the model: the one whose name is found in the
deployment's, else a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from .. import tokens
from ..drawing import Draw
from ..wire import OVERLOADED, SNAPSHOTS, Answer, Event, Json, Step, Wire, sse, sse_events
from . import chat_completions, completions, embeddings, responses
from .providers import AZURE, openai_error

_MODELS: Final = (*sorted(SNAPSHOTS, key=len, reverse=True), "text-embedding-3-large", "text-embedding-3-small")
_SAFE: Final = {"filtered": False, "severity": "safe"}
_FILTERED: Final = dict.fromkeys(("hate", "self_harm", "sexual", "violence"), _SAFE)
_PROMPT_FILTERED: Final = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _FILTERED}]}


def _deployed(request: Json, default: str = "gpt-4o-mini") -> Json:
    name = str(request.get("model"))
    return request | {"model": next((model for model in _MODELS if model in name), default)}


def _chat(request: Json, draw: Draw, told: Json | None) -> Answer:
    body = chat_completions.compose(_deployed(request), draw, told)
    return _answer(body, chat_completions.chunks(body, _asks_for_usage(request)))


def _complete(request: Json, draw: Draw, told: Json | None) -> Answer:
    body = completions.compose(_deployed(request), draw, told)
    return _answer(body, completions.chunks(body, _asks_for_usage(request)))


def _asks_for_usage(request: Json) -> bool:
    return bool((request.get("stream_options") or {}).get("include_usage"))


def _answer(body: Json, chunks: Iterable[Step]) -> Answer:
    """Both shapes with what Azure adds: its filter's verdict on the prompt, before all else, and on each choice."""
    events = sse_events(_filtered(chunks))
    error = sse(openai_error(500, OVERLOADED, ""))
    filtered = body | {"choices": [_judged(choice) for choice in body["choices"]]} | _PROMPT_FILTERED
    return Answer(
        body["id"], body["model"], filtered, body["usage"], (*events, Event(sse("[DONE]"), events[-1].usage)), error
    )


def _filtered(chunks: Iterable[Step]) -> Iterator[Step]:
    yield {"choices": [], "created": 0, "id": "", "model": "", "object": "", **_PROMPT_FILTERED}, None
    for chunk, told in chunks:
        yield chunk | {"choices": [_judged(choice) for choice in chunk["choices"]]}, told


def _judged(choice: Json) -> Json:
    return choice | {"content_filter_results": _FILTERED}


def _embed(request: Json, draw: Draw, told: Json | None) -> Answer:
    return embeddings.answer(_deployed(request, "text-embedding-3-small"), draw, told)


def _respond(request: Json, draw: Draw, told: Json | None) -> Answer:
    return responses.answer(_deployed(request), draw, told)


CHAT: Final = Wire(AZURE, _chat, chat_completions.DRAWN_FROM, tokens.OPENAI_CHAT)
COMPLETIONS: Final = Wire(AZURE, _complete, completions.DRAWN_FROM, tokens.OPENAI_CHAT)
EMBEDDINGS: Final = Wire(AZURE, _embed, embeddings.DRAWN_FROM, tokens.OPENAI_EMBEDDINGS)
RESPONSES: Final = Wire(AZURE, _respond, responses.DRAWN_FROM, tokens.OPENAI_RESPONSES)
