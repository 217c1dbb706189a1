"""OpenAI's legacy completions: `POST /v1/completions`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from .. import tokens
from ..drawing import Draw, pieces
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, new_id, snapshot, sse, sse_events
from .providers import OPENAI, openai_error

DRAWN_FROM: Final = ("model", "prompt", "max_tokens", "suffix")


def answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer in both shapes."""
    body = compose(request, draw, told)
    steps = list(chunks(body, bool((request.get("stream_options") or {}).get("include_usage"))))
    done = Event(sse("[DONE]"), steps[-1][1])
    error = sse(openai_error(500, OVERLOADED, ""))
    return Answer(body["id"], body["model"], body, body["usage"], (*sse_events(steps), done), error)


def compose(request: Json, draw: Draw, told: Json | None) -> Json:
    """The body of an answer: a choice, or `n`, for each prompt."""
    prompt = request.get("prompt")
    count = (len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1) * (
        request.get("n") or 1
    )
    used = draw.prompt_tokens()[0]
    output, _, full = draw.output_tokens(False, request.get("max_tokens") or 16)
    usage = {"prompt_tokens": used, "completion_tokens": output * count, "total_tokens": used + output * count}
    choice = {"text": draw.prose(), "logprobs": None, "finish_reason": "stop" if full else "length"}
    return {
        "id": new_id("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": snapshot(str(request.get("model"))),
        "choices": [choice | {"index": i} for i in range(count)],
        "usage": usage if told is None else told,
    }


def chunks(body: Json, with_usage: bool) -> Iterator[Step]:
    """The body as the chunks of a stream; the last of them tells the usage, if it was asked for."""
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    rest: Json = {"usage": None} if with_usage else {}
    for choice in body["choices"]:
        for piece in pieces(choice["text"]):
            yield head | {"choices": [choice | {"text": piece, "finish_reason": None}]} | rest, None
        yield head | {"choices": [choice | {"text": ""}]} | rest, None
    if with_usage:
        yield head | {"choices": [], "usage": body["usage"]}, body["usage"]


WIRE: Final = Wire(OPENAI, answer, DRAWN_FROM, tokens.OPENAI_CHAT)
