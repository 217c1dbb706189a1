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

#: Longer bodies are not parsed: the call is still a span, without what the request says.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
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
        if provider is None and not reader.is_request(body) and not _is_marked(headers, wire_format):
            return None
        return Target(provider or reader.PROVIDER, reader, body)


def _is_marked(headers: Mapping[str, str], wire_format: str) -> bool:
    return all(name in headers and part in headers[name] for name, part in MARKERS[wire_format])


def _parse(content: bytes | None) -> Json:
    if not content or len(content) > BODY_BYTES_MAX:
        return _NOTHING
    try:
        body: Any = json.loads(content)
    except ValueError:
        return _NOTHING
    return body if isinstance(body, Mapping) else _NOTHING
