"""How providers and models are called: on the wire, by the conventions, and in the price data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

#: Provider names (of the GenAI conventions, old ones, and those of other tools) -> those of the price data, where they
#: differ.
PROVIDER_IDS: Final[Mapping[str, str]] = {
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "fireworks_ai": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "grok": "x-ai",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot_ai": "moonshotai",
    "perplexity_ai": "perplexity",
    "together_ai": "together",
    "togetherai": "together",
    "vertex_ai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
#: What stands before a model's name in the places that name it: paths and resource names.
_PREFIX: Final = re.compile(
    r"^(?:.*/)?publishers/[^/]+/models/"  # Vertex AI: projects/P/locations/L/publishers/google/models/M
    r"|^models/"  # Gemini
    r"|^accounts/fireworks/models/"
    r"|^arn:[^/]*:(?:foundation-model|inference-profile)/"  # Bedrock
)
#: How Azure spells OpenAI's 3.5.
_UNDOTTED: Final = ("gpt-35-", "gpt-3.5-")
#: A fine-tune on Azure: its model, and an id.
_TUNED: Final = re.compile(r"^(?P<base>.+)\.ft-[^.]+$")
#: Where the models of others are sold under the provider's own prices.
_PUBLISHER: Final = re.compile(r"^[a-z0-9-]+/")


def provider_id(provider: str) -> str:
    """The provider's name in the price data."""
    name = provider.lower()
    return PROVIDER_IDS.get(name, name)


def model_names(provider: str, model: str) -> Iterator[str]:
    """The names by which a model may be in the price data of a provider (as `provider_id` has it), the likeliest first.

    Litellm and others put the provider's own name in front of the model's.
    """
    plain = _PREFIX.sub("", model)
    yield plain
    if plain != model:
        yield model
    if tuned := _TUNED.match(plain):
        yield f"ft:{tuned['base'].replace(*_UNDOTTED)}"
    elif _UNDOTTED[0] in plain:
        yield plain.replace(*_UNDOTTED)
    if (short := _PUBLISHER.sub("", plain)) != plain:
        publisher = plain[: -len(short) - 1]
        if provider_id(publisher) == provider:
            yield short
