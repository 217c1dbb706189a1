"""Bedrock InvokeModel: `POST /model/ID/invoke`, `/invoke-with-response-stream`, each family in a JSON of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..event_stream import EVENT_STREAM, frame_event, frame_exception
from ..wire import JSON, OVERLOADED, Answer, Event, Json, Step, Wire, compact
from . import converse, messages
from .providers import BEDROCK

_DRAWN_FROM: Final = (
    *messages.DRAWN_FROM,
    *converse.DRAWN_FROM[3:],
    "prompt",
    "max_gen_len",
    "inputText",
    "dimensions",
)
_HEADER: Final = "x-amzn-bedrock-{}-token-count"


@dataclass(frozen=True, slots=True)
class _Family:
    """How the models of a maker answer."""

    compose: Callable[[Json, Draw, Json | None], Json]
    steps: Callable[[Json], Iterator[Step]] | None  # of a stream
    usage_keys: tuple[str, ...] = ()  # of a body that has them beside everything else, not in `usage`


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    family = next((family for mark, family in _FAMILIES if mark in request["model"]), _ANTHROPIC)
    body = family.compose(request, draw, told)
    usage = {key: body[key] for key in family.usage_keys if key in body} if family.usage_keys else body["usage"]
    events = tuple(_events(family, body, usage)) if family.steps else ()
    error = frame_exception("modelStreamErrorException", OVERLOADED)
    headers = {"x-amzn-bedrock-invocation-latency": str(100 + draw.below("latency", 2000))}
    headers |= {} if request.get("stream") else {_HEADER.format(k): str(n) for k, n in _counts(usage).items()}
    headers |= {"x-amzn-bedrock-content-type": JSON} if request.get("stream") else {}
    return Answer(body.get("id"), body.get("model"), body, usage, events, error, headers, stream_type=EVENT_STREAM)


def _counts(usage: Json) -> dict[str, int]:
    """Bedrock's own count, the same for all families: input is without the cache."""
    counted = tokens.count(usage, tokens.BEDROCK_INVOKE) or {}
    read, written = counted.get("cache_read"), counted.get("cache_write")
    own = {"cache-read-input": read, "cache-write-input": written}
    if "input" in counted:
        own["input"] = counted["input"] - (read or 0) - (written or 0)
    own["output"] = counted.get("output")
    return {name: number for name, number in own.items() if number is not None}


def _events(family: _Family, body: Json, usage: Json) -> Iterator[Event]:
    """Each event carries a piece of the family's own stream; the last one has Bedrock's count as well."""
    counts = _counts(usage)
    names = {"input": "inputTokenCount", "output": "outputTokenCount"}
    names |= {"cache-read-input": "cacheReadInputTokenCount", "cache-write-input": "cacheWriteInputTokenCount"}
    metrics = {names[key]: number for key, number in counts.items()}
    metrics |= {"invocationLatency": 900, "firstByteLatency": 300}
    steps = list(family.steps(body)) if family.steps else []
    for payload, told in steps[:-1]:
        yield _event(payload, told)
    yield _event(steps[-1][0] | {"amazon-bedrock-invocationMetrics": metrics}, usage)


def _event(payload: Json, told: Json | None) -> Event:
    data = base64.b64encode(compact(payload).encode()).decode()
    return Event(frame_event("chunk", {"bytes": data}), told)


# --- Anthropic ------------------------------------------------------------------------------------------------


def _compose_anthropic(request: Json, draw: Draw, told: Json | None) -> Json:
    body = messages.compose(request, draw, told, "msg_bdrk_")
    name = request["model"].rpartition("anthropic.")[2]
    return body | {"model": name.partition("-v1")[0].partition("-v2")[0]}


# --- Amazon Nova ----------------------------------------------------------------------------------------------


def _compose_nova(request: Json, draw: Draw, told: Json | None) -> Json:
    """Converse's body with the older spelling of the cache alone."""
    body = converse.compose(request, draw, told)
    newer = ("cacheReadInputTokens", "cacheWriteInputTokens", "cacheDetails", "serverToolUsage")
    usage = body["usage"] if told is not None else {k: v for k, v in body["usage"].items() if k not in newer}
    return body | {"usage": usage}


# --- Meta Llama -----------------------------------------------------------------------------------------------


def _compose_llama(request: Json, draw: Draw, told: Json | None) -> Json:
    output, _, full = draw.output_tokens(False, request.get("max_gen_len"))
    usage = {"prompt_token_count": draw.prompt_tokens()[0], "generation_token_count": output}
    usage = usage if told is None else told
    return {"generation": draw.prose(), **usage, "stop_reason": "stop" if full else "length"}


def _llama_steps(body: Json) -> Iterator[Step]:
    """The first chunk tells the prompt's tokens, the last one those of the answer and why it ended."""
    told: Json = {key: body[key] for key in ("prompt_token_count",) if key in body}
    none: Json = {"prompt_token_count": None, "generation_token_count": None, "stop_reason": None}
    for i, piece in enumerate(pieces(body["generation"])):
        yield {"generation": piece} | none | ({} if i else told), told or None
    last = {key: value for key, value in body.items() if key not in ("generation", "prompt_token_count")}
    yield {"generation": ""} | none | last, told | {key: last[key] for key in last if key != "stop_reason"}


# --- Amazon Titan ---------------------------------------------------------------------------------------------


def _compose_titan_embedding(request: Json, draw: Draw, told: Json | None) -> Json:
    vector = draw.vector("embedding 0", request.get("dimensions") or 1024)
    usage: Any = {"inputTextTokenCount": draw.embedded_tokens()} if told is None else told
    return {"embedding": vector, "embeddingsByType": {"float": vector}, **usage}


_ANTHROPIC: Final = _Family(_compose_anthropic, messages.steps)
#: What a model id contains -> its family; the others answer as Anthropic does.
_FAMILIES: Final = (
    ("amazon.nova", _Family(_compose_nova, converse.steps)),
    ("amazon.titan-embed", _Family(_compose_titan_embedding, None, ("inputTextTokenCount",))),
    ("meta.llama", _Family(_compose_llama, _llama_steps, ("prompt_token_count", "generation_token_count"))),
)

WIRE: Final = Wire(BEDROCK, _answer, _DRAWN_FROM, tokens.BEDROCK_INVOKE)
