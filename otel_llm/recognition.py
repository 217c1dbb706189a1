"""Is this request a call of a model, and in which wire format? One dictionary look-up for everything that is not.

Then, in this order: a host that the settings name, a host row, the mark of an official SDK, the shape of the body.
A host that nobody names takes the provider of its wire format, so a server on 127.0.0.1 is seen and priced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .providers import HOSTS, MARKERS, PATHS, find_reader
from .wire import Json, Reader

#: Longer bodies are not parsed, which takes 5 ms a MB of the app's thread: the call is still a span, named by the
#: model that answers, without what only the request says.
BODY_BYTES_MAX: Final = 1024 * 1024
_KEYS: Final = (b'"model"', b'"messages"')
_NOTHING: Final[Json] = {}


@dataclass(frozen=True, slots=True)
class Target:
    """A recognised call: who is asked, in which format, and the request's parsed body."""

    provider: str
    reader: Reader
    body: Json


class Recogniser:
    """Recognition with the hosts of the settings before the table's."""

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._hosts = {**HOSTS, **(hosts or {})}
        self._has_suffixes = any(host.startswith(".") for host in self._hosts)

    def provider_of(self, host: str) -> str | None:
        """The provider of a known host."""
        found = self._hosts.get(host)
        if found is None and self._has_suffixes:
            while found is None and "." in host:
                host = host.partition(".")[2]
                found = self._hosts.get("." + host)
        return found

    def is_provider(self, host: str, headers: Mapping[str, str]) -> bool:
        """True for any request to a provider, call of a model or not: by its host, or by an official SDK's mark."""
        return self.provider_of(host) is not None or any(_is_marked(headers, wire_format) for wire_format in MARKERS)

    def recognise(self, path: str, host: str, headers: Mapping[str, str], content: bytes | None) -> Target | None:
        """The target of a POST request, or None where it is no call of a model."""
        wire_format = PATHS.get(path.rsplit("/", 1)[-1])
        if wire_format is None:
            return None
        reader = find_reader(wire_format)
        if not path.endswith(reader.PATH_SUFFIX):
            return None
        provider = self.provider_of(host)
        body = _parse(content)
        if provider is None and not _is_marked(headers, wire_format) and not _is_shaped(reader, body, content):
            return None
        return Target(provider or reader.PROVIDER, reader, body)


def _is_marked(headers: Mapping[str, str], wire_format: str) -> bool:
    return all(name in headers and part in headers[name] for name, part in MARKERS[wire_format])


def _is_shaped(reader: Reader, body: Json, content: bytes | None) -> bool:
    if content and len(content) > BODY_BYTES_MAX:
        return all(key in content for key in _KEYS)
    return reader.is_request(body)


def _parse(content: bytes | None) -> Json:
    if not content or len(content) > BODY_BYTES_MAX:
        return _NOTHING
    try:
        body: Any = json.loads(content)
    except (ValueError, RecursionError):
        return _NOTHING
    return body if isinstance(body, Mapping) else _NOTHING
