"""THE registry of wire formats: which path speaks what. Add one: a file beside this one, a row in ROUTES."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from ..wire import Wire
from . import (
    audio,
    azure,
    chat_completions,
    cohere,
    complete,
    completions,
    converse,
    embeddings,
    gemini_embeddings,
    generate_content,
    huggingface,
    images,
    interactions,
    invoke_model,
    messages,
    mistral,
    moderations,
    ollama,
    realtime,
    responses,
    token_counts,
)

_GOOGLE: Final = r"/publishers/google/models/(?P<model>[^/:]+)"
_CLAUDE: Final = r"/publishers/anthropic/models/(?P<model>[^/:]+)"
_GEMINI: Final = r"/models/(?P<model>[^/:]+)"
_BEDROCK: Final = r"/model/(?P<model>[^/]+)"
_DEPLOYMENT: Final = r"/openai/deployments/(?P<model>[^/]+)"
_HUB: Final = r"/huggingface(/hf-inference)?(/models/(?P<model>.+?))?"

#: Method, end of the URL's path, format; the first match wins. Named groups become fields of the request. What is GET
#: opens a socket, or fetches an answer of the format by its id.
ROUTES: Final[tuple[tuple[str, str, Wire], ...]] = (
    # Paths that are told apart by what is before their end
    ("POST", r"/mistral/v1/chat/completions", mistral.CHAT),
    ("POST", r"/mistral/v1/fim/completions", mistral.CHAT),
    ("POST", r"/mistral/v1/embeddings", mistral.EMBEDDINGS),
    ("POST", r"/mistral/v1/conversations(/(?P<id>[^/]+)(/restart)?)?", mistral.CONVERSATIONS),
    ("POST", _HUB + r"/v1/chat/completions", huggingface.CHAT),
    ("POST", _HUB + r"/generate(?P<stream>_stream)?", huggingface.GENERATE),
    ("POST", _HUB + r"/pipeline/feature-extraction", huggingface.FEATURES),
    ("POST", _HUB + r"/?", huggingface.GENERATE_LIST),
    ("POST", _DEPLOYMENT + r"/chat/completions", azure.CHAT),
    ("POST", _DEPLOYMENT + r"/completions", azure.COMPLETIONS),
    ("POST", _DEPLOYMENT + r"/embeddings", azure.EMBEDDINGS),
    ("POST", r"/openai(/v1)?/chat/completions", azure.CHAT),
    ("POST", r"/openai(/v1)?/embeddings", azure.EMBEDDINGS),
    ("POST", r"/openai(/v1)?/responses", azure.RESPONSES),
    ("GET", r"/openai(/v1)?/responses/(?P<id>[^/]+)", azure.RESPONSES),
    ("POST", r"/api/chat", ollama.CHAT),
    ("POST", r"/api/generate", ollama.GENERATE),
    ("POST", r"/api/embed", ollama.EMBED),
    ("POST", r"/api/embeddings", ollama.EMBED_ONE),
    # OpenAI
    ("POST", r"/chat/completions", chat_completions.WIRE),
    ("POST", r"/completions", completions.WIRE),
    ("POST", r"/responses", responses.WIRE),
    ("GET", r"/responses/(?P<id>[^/]+)", responses.WIRE),
    ("POST", r"/responses/input_tokens", token_counts.OPENAI_COUNT),
    ("POST", r"/embeddings", embeddings.WIRE),
    ("POST", r"/images/(generations|edits)", images.WIRE),
    ("POST", r"/audio/speech", audio.SPEECH),
    ("POST", r"/audio/(transcriptions|translations)", audio.TRANSCRIPTION),
    ("POST", r"/moderations", moderations.WIRE),
    ("GET", r"/realtime", realtime.WIRE),
    # Anthropic
    ("POST", r"/messages", messages.WIRE),
    ("POST", r"/messages/count_tokens", token_counts.ANTHROPIC_COUNT),
    ("POST", r"/complete", complete.WIRE),
    # Google: Vertex before AI Studio, whose paths end alike
    ("POST", _GOOGLE + r":(?P<stream>stream)?[gG]enerateContent", generate_content.VERTEX_WIRE),
    ("POST", _GOOGLE + r":embedContent", gemini_embeddings.VERTEX_EMBED),
    ("POST", _GOOGLE + r":predict", gemini_embeddings.PREDICT),
    ("POST", _GOOGLE + r":countTokens", token_counts.VERTEX_COUNT),
    ("POST", r"/publishers/anthropic/models/count-tokens:rawPredict", token_counts.VERTEX_ANTHROPIC_COUNT),
    ("POST", _CLAUDE + r":(?P<stream>stream)?[rR]awPredict", messages.VERTEX_WIRE),
    ("POST", _GEMINI + r":(?P<stream>stream)?[gG]enerateContent", generate_content.WIRE),
    ("POST", _GEMINI + r":embedContent", gemini_embeddings.EMBED),
    ("POST", _GEMINI + r":batchEmbedContents", gemini_embeddings.EMBED_BATCH),
    ("POST", _GEMINI + r":countTokens", token_counts.GEMINI_COUNT),
    ("POST", r"/interactions", interactions.WIRE),
    ("GET", r"/interactions/(?P<id>[^/]+)", interactions.WIRE),
    # Bedrock
    ("POST", _BEDROCK + r"/converse(?P<stream>-stream)?", converse.WIRE),
    ("POST", _BEDROCK + r"/invoke(?P<stream>-with-response-stream)?", invoke_model.WIRE),
    ("POST", _BEDROCK + r"/count-tokens", token_counts.BEDROCK_COUNT),
    # Cohere
    ("POST", r"/v2/chat", cohere.CHAT),
    ("POST", r"/v2/embed", cohere.EMBED),
    ("POST", r"/v2/rerank", cohere.RERANK),
)
_COMPILED: Final = [(method, re.compile(f"{path}$"), wire) for method, path, wire in ROUTES]


def find(method: str, path: str) -> tuple[Wire, dict[str, str]] | None:
    """The format that is spoken at a path, and what the path says about the request."""
    for each, pattern, wire in _COMPILED:
        if each == method and (match := pattern.search(path)):
            return wire, {name: unquote(text) for name, text in match.groupdict().items() if text}
    return None


def paths() -> list[str]:
    """All paths, as patterns."""
    return [f"{method} {path}" for method, path, _ in ROUTES]
