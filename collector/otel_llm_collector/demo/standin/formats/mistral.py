"""Mistral: `POST /v1/chat/completions`, `/v1/fim/completions`, `/v1/embeddings`, alike to OpenAI's but not the same;
and `/v1/conversations`, which are its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

from .. import tokens
from ..drawing import Draw, pieces
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire, new_id, sse, sse_events
from . import chat_completions, embeddings
from .providers import MISTRAL, mistral_error

_DRAWN_FROM: Final = ("model", "messages", "tools", "prompt", "suffix", "max_tokens")
_OF_AGENTS: Final = "mistral-medium-latest"
_PADDING: Final = "abcdefghijklmnopqrstuvwxyz012345"


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    prompt, cached = draw.prompt_tokens()
    output, _, full = draw.output_tokens(False, request.get("max_tokens"))
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    message, reason = _message(request, draw)
    body: Json = {
        "id": uuid4().hex,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reason if full else "length"}],
        "usage": usage if told is None else told,
    }
    events = sse_events(_chunks(body))
    error = sse(mistral_error(500, OVERLOADED, ""))
    return Answer(body["id"], body["model"], body, body["usage"], (*events, Event(sse("[DONE]"), body["usage"])), error)


def _message(request: Json, draw: Draw) -> tuple[Json, str]:
    message, reason = chat_completions.draw_message(request, draw)
    calls = message.get("tool_calls")
    for index, call in enumerate(calls or ()):
        call |= {"id": call["id"][-9:], "index": index}
        del call["type"]
    return {"role": "assistant", "content": message["content"] or "", "tool_calls": calls}, reason


def _chunks(body: Json) -> Iterator[Step]:
    """A call of a tool comes whole; usage comes with the reason, nobody has to ask for it."""
    head = {key: value for key, value in body.items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    [choice] = body["choices"]
    message = choice["message"]
    texts = pieces(message["content"]) if message["content"] else []
    last: Json = {"content": "", "tool_calls": message["tool_calls"]} if message["tool_calls"] else {"content": ""}
    for i, delta in enumerate([{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]):
        part = {"index": 0, "delta": delta, "finish_reason": None}
        yield head | {"choices": [part], "p": _PADDING[: 2 + i % 30]}, None
    end = {"index": 0, "delta": last, "finish_reason": choice["finish_reason"]}
    yield head | {"choices": [end], "usage": body["usage"]}, body["usage"]


def _embed(request: Json, draw: Draw, told: Json | None) -> Answer:
    asked = request | {"encoding_format": "float", "dimensions": request.get("output_dimension")}
    body = embeddings.compose(asked, draw, told) | {"id": uuid4().hex}
    if told is None:
        body["usage"] |= {"completion_tokens": 0}
    return Answer(body["id"], body["model"], body, body["usage"])


def _converse(request: Json, draw: Draw, told: Json | None) -> Answer:
    """An answer of a conversation: of the model that is asked, or of the one that an agent has."""
    prompt, _ = draw.prompt_tokens()
    output, _, _ = draw.output_tokens(False, (request.get("completion_args") or {}).get("max_tokens"))
    usage = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    body: Json = {
        "object": "conversation.response",
        "conversation_id": request.get("id") or new_id("conv_"),
        "outputs": [
            {
                "object": "entry",
                "type": "message.output",
                "id": new_id("msg_"),
                "role": "assistant",
                "model": request.get("model") or _OF_AGENTS,
                "content": draw.prose(),
            }
        ],
        "usage": usage if told is None else told,
    }
    error = {"type": "conversation.response.error", "message": OVERLOADED, "code": 3700}
    [entry] = body["outputs"]
    events = sse_events(_entries(body), "type")
    return Answer(entry["id"], entry["model"], body, body["usage"], events, sse(error, str(error["type"])))


def _entries(body: Json) -> Iterator[Step]:
    yield {"type": "conversation.response.started", "conversation_id": body["conversation_id"]}, None
    [entry] = body["outputs"]
    head = {key: entry[key] for key in ("id", "model", "role")} | {"type": "message.output.delta", "output_index": 0}
    for text in pieces(entry["content"]):
        yield head | {"content": text}, None
    yield {"type": "conversation.response.done", "usage": body["usage"]}, body["usage"]


CHAT: Final = Wire(MISTRAL, _answer, _DRAWN_FROM, tokens.OPENAI_CHAT)
EMBEDDINGS: Final = Wire(MISTRAL, _embed, ("model", "input", "output_dimension"), tokens.OPENAI_CHAT)
CONVERSATIONS: Final = Wire(MISTRAL, _converse, ("model", "agent_id", "inputs"), tokens.OPENAI_CHAT)
