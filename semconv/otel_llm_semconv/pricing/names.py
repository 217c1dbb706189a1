"""How providers and models are called: on the wire, by the conventions, and in the price data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ..models import maker_of
from . import source

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
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
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
    "voyage": "voyageai",
    "x_ai": "x-ai",
    "xai": "x-ai",
}
#: Clouds that sell the models of several makers, whose names may stand beside theirs: `vertex_ai-anthropic_models`,
#: `AnthropicBedrock`. A word in a provider's name -> the cloud in the price data.
_CLOUDS: Final[Mapping[str, str]] = {"azure": "azure", "bedrock": "aws", "vertex": "google"}
#: Frameworks and proxies that give their own name for the provider's: the model's tells whose it is.
_NO_PROVIDERS: Final = frozenset({"gcp.vertex.agent", "litellm", "litellm_proxy", "strands-agents"})
_FIREWORKS: Final = "accounts/fireworks/models/"
#: What stands before a model's name in the places that name it: paths and resource names.
_PREFIX: Final = re.compile(
    r"^(?:.*/)?publishers/[^/]+/models/"  # Vertex AI: projects/P/locations/L/publishers/google/models/M
    r"|^models/"  # Gemini
    rf"|^{_FIREWORKS}"
    r"|^arn:[^/]*:(?:foundation-model|inference-profile)/"  # Bedrock
)
#: How Azure spells OpenAI's 3.5.
_UNDOTTED: Final = ("gpt-35-", "gpt-3.5-")
#: A fine-tune on Azure: its model, and an id.
_TUNED: Final = re.compile(r"^(?P<base>.+)\.ft-[^.]+$")
#: A version that the price data leaves out where all of a model's versions cost the same.
_VERSION: Final = re.compile(r"@(?:default|latest)$|(?<=[a-z])-00\d$")


def provider_id(provider: str) -> str:
    """The provider's name in the price data."""
    name = provider.lower()
    if (known := PROVIDER_IDS.get(name)) is not None:
        return known
    return next((cloud for word, cloud in _CLOUDS.items() if word in name), name)


def seller_of(provider: str, model: str) -> tuple[str, str]:
    """Who sells a model, and its name there: by the model, where somebody is named who sells none."""
    if provider.lower() not in _NO_PROVIDERS:
        return provider, model
    model = model.removeprefix("litellm_proxy/")
    seller, slash, name = model.partition("/")
    if slash and provider_id(seller) in source.provider_ids():
        return seller, name
    return maker_of(model) or provider, model


def model_names(provider: str, model: str) -> Iterator[str]:
    """The names by which a model may be in the price data of a provider (as `provider_id` has it), the likeliest first.

    Litellm and others put the provider's own name in front of the model's.
    """
    own = _without_seller(provider, model)
    for name in dict.fromkeys((_PREFIX.sub("", model), model, _PREFIX.sub("", own), own)):
        yield name
        if tuned := _TUNED.match(name):
            yield f"ft:{tuned['base'].replace(*_UNDOTTED)}"
        elif _UNDOTTED[0] in name:
            yield name.replace(*_UNDOTTED)
        if (bare := _VERSION.sub("", name)) != name:
            yield bare
    if provider == "fireworks":
        yield f"{_FIREWORKS}{own}"


def _without_seller(provider: str, model: str) -> str:
    publisher, slash, name = model.partition("/")
    while slash and provider_id(publisher) == provider:
        model = name
        publisher, slash, name = model.partition("/")
    return model
