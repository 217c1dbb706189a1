"""The HTTP libraries that are hooked. Add one: a file beside this one with `instrument(exchanges)`, a row here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from ..exchange import Exchanges

#: Library -> module of its hook.
TRANSPORTS: Final[Mapping[str, str]] = {
    "aiohttp": "otel_llm.transports.aiohttp",
    "botocore": "otel_llm.transports.botocore",
    "httpx": "otel_llm.transports.httpx",
    "lm15": "otel_llm.transports.lm15",
    "requests": "otel_llm.transports.requests",
    "websockets": "otel_llm.transports.websockets",
}


def instrument_all(exchanges: Exchanges) -> None:
    """Hook each library as soon as the app has imported it."""
    for module in TRANSPORTS.values():
        import_module(module).instrument(exchanges)
