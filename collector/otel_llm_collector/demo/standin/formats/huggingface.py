"""Hugging Face: its router's chat completions, and TGI's generation and feature extraction, which bill no tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, sse, sse_events
from . import chat_completions
from .embeddings import texts
from .providers import HUGGINGFACE

_DRAWN_FROM: Final = ("model", "inputs", "parameters")
_DIMENSIONS: Final = 384
_FAILED: Final = {"error": OVERLOADED, "error_type": "overloaded"}


def _chat(request: Json, draw: Draw, told: Json | None) -> Answer:
    """OpenAI's shape without the details of the usage."""
    body = chat_completions.compose(request, draw, told)
    if told is None:
        body["usage"] = {key: n for key, n in body["usage"].items() if not key.endswith("_details")}
    with_usage = bool((request.get("stream_options") or {}).get("include_usage"))
    events = sse_events(chat_completions.chunks(body, with_usage))
    done = Event(sse("[DONE]"), events[-1].usage)
    return Answer(body["id"], body["model"], body, body["usage"], (*events, done), sse(_FAILED))


def _generate(request: Json, draw: Draw, told: Json | None) -> Answer:
    """TGI's own endpoint gives an object."""
    body, usage = _generation(request, draw, told)
    return _generated(request, body, usage, body)


def _generate_list(request: Json, draw: Draw, told: Json | None) -> Answer:
    """The root of TGI and the API give a list of one."""
    body, usage = _generation(request, draw, told)
    return _generated(request, body, usage, [body])


def _generation(request: Json, draw: Draw, told: Json | None) -> tuple[Json, Json]:
    """What is generated, and the counts, which are told where the caller asks for details, and in streams."""
    parameters: Json = request.get("parameters") or {}
    output, _, full = draw.output_tokens(False, parameters.get("max_new_tokens"))
    usage = {"generated_tokens": output, "input_length": draw.prompt_tokens()[0]} if told is None else told
    text = draw.prose()
    listed = [{"id": i, "text": piece, "logprob": -0.25, "special": False} for i, piece in enumerate(pieces(text))]
    details = {"finish_reason": "eos_token" if full else "length", "prefill": [], "tokens": listed, "seed": None}
    counted = {key: value for key, value in usage.items() if key != "input_length"}
    return {"generated_text": text, "details": details | counted}, usage


def _generated(request: Json, body: Json, usage: Json, shown: Any) -> Answer:
    events = sse_events(_tokens(body, usage))
    if not (request.get("parameters") or {}).get("details"):
        plain = {"generated_text": body["generated_text"]}
        return Answer(None, None, [plain] if shown is not body else plain, None, events, sse(_FAILED))
    counted = {key: value for key, value in usage.items() if key != "input_length"}
    return Answer(None, None, shown, counted, events, sse(_FAILED))


def _tokens(body: Json, usage: Json) -> Iterator[Step]:
    *listed, last = body["details"]["tokens"]
    for index, token in enumerate(listed):
        yield {"index": index, "token": token, "generated_text": None, "details": None}, None
    details = {"finish_reason": body["details"]["finish_reason"], "seed": None, **usage}
    yield (
        {
            "index": len(listed),
            "token": last,
            "generated_text": body["generated_text"],
            "details": details,
        },
        usage,
    )


def _extract(request: Json, draw: Draw, _told: Json | None) -> Answer:
    asked = request.get("inputs")
    vectors = [draw.vector(f"embedding {i}", _DIMENSIONS) for i in range(len(texts(asked)))]
    return Answer(None, None, vectors if isinstance(asked, list) else vectors[0], None)


CHAT: Final = Wire(HUGGINGFACE, _chat, chat_completions.DRAWN_FROM, tokens.OPENAI_CHAT)
GENERATE: Final = Wire(HUGGINGFACE, _generate, _DRAWN_FROM, tokens.NONE)
GENERATE_LIST: Final = Wire(HUGGINGFACE, _generate_list, _DRAWN_FROM, tokens.NONE)
FEATURES: Final = Wire(HUGGINGFACE, _extract, ("model", "inputs"), tokens.NONE)
