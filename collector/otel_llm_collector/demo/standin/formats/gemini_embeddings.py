"""Gemini's embeddings: `models/M:embedContent`, `:batchEmbedContents`, on Vertex also `:predict`."""

from __future__ import annotations

from typing import Final

from .. import tokens
from ..drawing import Draw
from ..wire import Answer, Json, Wire
from .providers import GEMINI, VERTEX

_DIMENSIONS: Final = 3072
_VERTEX_DIMENSIONS: Final = 768
#: Models of AI Studio that report no usage.
_SILENT: Final = ("gemini-embedding-001", "text-embedding-004", "embedding-001")


def _embed_on_vertex(request: Json, draw: Draw, told: Json | None) -> Answer:
    """As on AI Studio, but for one letter in the usage, and its sum."""
    count = draw.embedded_tokens()
    details = [{"modality": "TEXT", "tokenCount": count}]
    usage = {"promptTokenCount": count, "promptTokensDetails": details, "totalTokenCount": count}
    return _embed(request, draw, usage if told is None else told)


def _embed(request: Json, draw: Draw, told: Json | None) -> Answer:
    wished = request.get("outputDimensionality") or (request.get("embedContentConfig") or {}).get(
        "outputDimensionality"
    )
    vector = {"values": draw.vector("embedding 0", wished or _DIMENSIONS)}
    return _answer(request, {"embedding": vector}, _usage(request, draw, told))


def _embed_batch(request: Json, draw: Draw, told: Json | None) -> Answer:
    sizes = [each.get("outputDimensionality") or _DIMENSIONS for each in request.get("requests") or ()]
    vectors = [{"values": draw.vector(f"embedding {i}", size)} for i, size in enumerate(sizes)]
    return _answer(request, {"embeddings": vectors}, _usage(request, draw, told))


def _answer(request: Json, body: Json, usage: Json | None) -> Answer:
    return Answer(None, None, body if usage is None else body | {"usageMetadata": usage}, usage)


def _usage(request: Json, draw: Draw, told: Json | None) -> Json | None:
    if told is not None or str(request.get("model")) in _SILENT:
        return told
    count = draw.embedded_tokens()
    return {"promptTokenCount": count, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": count}]}


def _predict(request: Json, draw: Draw, told: Json | None) -> Answer:
    """Each text has its own count. The log has their sum, which is what a dictated usage sets for the first text."""
    instances = request.get("instances") or []
    size = (request.get("parameters") or {}).get("outputDimensionality") or _VERTEX_DIMENSIONS
    counts = [2 + len(str(each.get("content"))) // 5 + draw.below(f"text {i}", 20) for i, each in enumerate(instances)]
    if told is not None:
        counts = [told.get("token_count", 0), *([0] * (len(instances) - 1))]
    predictions = [
        {"embeddings": {"statistics": {"truncated": False, "token_count": n}, "values": draw.vector(f"text {i}", size)}}
        for i, n in enumerate(counts)
    ]
    billed = sum(len(str(each.get("content"))) for each in instances)
    body = {"predictions": predictions, "metadata": {"billableCharacterCount": billed}}
    return Answer(None, None, body, {"token_count": sum(counts)})


_EMBED_FROM: Final = ("model", "content", "outputDimensionality")
EMBED: Final = Wire(GEMINI, _embed, _EMBED_FROM, tokens.GEMINI)
EMBED_BATCH: Final = Wire(GEMINI, _embed_batch, ("model", "requests"), tokens.GEMINI)
VERTEX_EMBED: Final = Wire(VERTEX, _embed_on_vertex, _EMBED_FROM, tokens.GEMINI)
PREDICT: Final = Wire(VERTEX, _predict, ("model", "instances", "parameters"), tokens.VERTEX_PREDICT)
