"""Bedrock Converse: `POST /model/ID/converse`, and `/converse-stream` as a binary event stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .. import tokens
from ..drawing import Draw, pieces
from ..event_stream import EVENT_STREAM, frame_event, frame_exception
from ..tools import AUTO, Tool, pick
from ..wire import OVERLOADED, Answer, Event, Json, Step, Wire
from .providers import BEDROCK

DRAWN_FROM: Final = ("model", "messages", "system", "toolConfig", "inferenceConfig", "additionalModelRequestFields")
_CACHING_MODELS: Final = ("anthropic.", "nova")


def _answer(request: Json, draw: Draw, told: Json | None) -> Answer:
    body = compose(request, draw, told)
    body["metrics"] = {"latencyMs": 100 + draw.below("latency", 2000)}
    events = tuple(
        Event(frame_event(kind, value), usage) for step, usage in steps(body) for kind, value in step.items()
    )
    error = frame_exception("modelStreamErrorException", OVERLOADED)
    return Answer(None, None, body, body["usage"], events, error, stream_type=EVENT_STREAM)


def compose(request: Json, draw: Draw, told: Json | None) -> Json:
    """The body of an answer, without its metrics."""
    usage, full = _usage(request, draw)
    content, reason = _content(request, draw)
    return {
        "output": {"message": {"content": content, "role": "assistant"}},
        "stopReason": reason if full else "max_tokens",
        "usage": usage if told is None else told,
    }


def _usage(request: Json, draw: Draw) -> tuple[Json, bool]:
    """Usage as AWS has it: input without the cache, which only some models have."""
    ttls = set(_ttls([request.get(key) for key in ("messages", "system", "toolConfig")]))
    limit = (request.get("inferenceConfig") or {}).get("maxTokens")
    output, _, full = draw.output_tokens(_thinks(request), limit)
    prompt, _ = draw.prompt_tokens()
    usage: Json = {"inputTokens": prompt, "outputTokens": output, "totalTokens": prompt + output}
    if any(name in request["model"] for name in _CACHING_MODELS):
        read = 512 * draw.below("cache read", 12) if ttls else 0
        writes = {ttl: 64 * draw.below(f"cache write {ttl}", 40) for ttl in sorted(ttls)}
        written = sum(writes.values())
        usage["totalTokens"] += read + written
        usage |= {"cacheReadInputTokens": read, "cacheReadInputTokenCount": read}
        usage |= {"cacheWriteInputTokens": written, "cacheWriteInputTokenCount": written}
        if written:
            usage["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in writes.items()]
    return usage | {"serverToolUsage": {}}, full


def _ttls(part: Any) -> Iterator[str]:
    """The time to live of each cache point in a request; without one it is five minutes."""
    if isinstance(part, dict):
        if isinstance(point := part.get("cachePoint"), dict):
            yield point.get("ttl", "5m")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _ttls(each)


def _thinks(request: Json) -> bool:
    more = request.get("additionalModelRequestFields") or {}
    return (more.get("thinking") or more.get("reasoning_config") or {}).get("type") in ("enabled", "adaptive")


def _content(request: Json, draw: Draw) -> tuple[list[Json], str]:
    blocks: list[Json] = []
    if _thinks(request):
        thought = {"text": draw.prose(), "signature": "c3RhbmQtaW4="}
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    if tool := _pick_tool(request):
        use = {
            "toolUseId": f"tooluse_{draw.below('call id', 1 << 88):022x}",
            "name": tool.name,
            "input": draw.value(tool.schema, tool.name),
        }
        return [*blocks, {"toolUse": use}], "tool_use"
    return [*blocks, {"text": draw.prose()}], "end_turn"


def _pick_tool(request: Json) -> Tool | None:
    config: Json = request.get("toolConfig") or {}
    specs = [each["toolSpec"] for each in config.get("tools") or () if "toolSpec" in each]
    tools = [Tool(each["name"], (each.get("inputSchema") or {}).get("json") or {}) for each in specs]
    choice: Json = config.get("toolChoice") or {AUTO: {}}
    last = (request.get("messages") or [{}])[-1].get("content") or []
    answered = any("toolResult" in block for block in last)
    return pick(tools, next(iter(choice)), answered, choice["tool"]["name"] if "tool" in choice else None)


def steps(body: Json) -> Iterator[Step]:
    """The body as the events of a stream, each an object with the event's name; the last one tells the usage."""
    yield {"messageStart": {"role": "assistant"}}, None
    for index, block in enumerate(body["output"]["message"]["content"]):
        place = {"contentBlockIndex": index}
        if use := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            yield {"contentBlockStart": {"start": start, **place}}, None
        for delta in _deltas(block):
            yield {"contentBlockDelta": {"delta": delta, **place}}, None
        yield {"contentBlockStop": place}, None
    yield {"messageStop": {"stopReason": body["stopReason"]}}, None
    yield {"metadata": {"usage": body["usage"], "metrics": body.get("metrics", {})}}, body["usage"]


def _deltas(block: Json) -> Iterator[Json]:
    if use := block.get("toolUse"):
        yield from ({"toolUse": {"input": piece}} for piece in pieces(json.dumps(use["input"])))
    elif thought := block.get("reasoningContent"):
        told = thought["reasoningText"]
        yield from ({"reasoningContent": {"text": piece}} for piece in pieces(told["text"]))
        yield {"reasoningContent": {"signature": told["signature"]}}
    else:
        yield from ({"text": piece} for piece in pieces(block["text"]))


WIRE: Final = Wire(BEDROCK, _answer, DRAWN_FROM, tokens.BEDROCK)
