"""THE registry of what is recognised on the wire.

Add a wire format: one file beside this one, one row in PROVIDERS and one in PATHS, one fixture. Add a vendor that
speaks a known format: one row in HOSTS, one fixture. Add an SDK that retries inside one call: one row in SDK_CALLS.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from ..wire import Reader

#: Wire format -> module of its reader, imported when the first such call is seen.
PROVIDERS: Final[Mapping[str, str]] = {
    "anthropic_messages": "otel_llm.providers.anthropic_messages",
    "openai_chat": "otel_llm.providers.openai_chat",
}

#: Last segment of a URL's path -> wire format. Everything else is passed on after this one look-up.
PATHS: Final[Mapping[str, str]] = {
    "completions": "openai_chat",
    "messages": "anthropic_messages",
}

#: Host -> provider, by its name in the GenAI conventions. A key that starts with a dot stands for all hosts below.
HOSTS: Final[Mapping[str, str]] = {
    "api.anthropic.com": "anthropic",
    "api.openai.com": "openai",
}

#: Wire format -> (header, text in its value) pairs, all of which an official SDK leaves on its requests.
MARKERS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "anthropic_messages": (("anthropic-version", ""),),
    "openai_chat": (("x-stainless-lang", ""), ("user-agent", "OpenAI/")),
}

#: Methods (module:Class.method) inside which an SDK retries: one span covers all attempts of one such call.
SDK_CALLS: Final = (
    "anthropic._base_client:AsyncAPIClient.request",
    "anthropic._base_client:SyncAPIClient.request",
    "openai._base_client:AsyncAPIClient.request",
    "openai._base_client:SyncAPIClient.request",
)


@functools.cache
def find_reader(wire_format: str) -> Reader:
    """The reader of a wire format that PROVIDERS names."""
    return cast(Reader, import_module(PROVIDERS[wire_format]))
