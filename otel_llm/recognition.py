"""Is this request a call of a model, and in which wire format? One dictionary look-up for everything that is not.

Then, in this order: a host that the settings name, a host row, the mark of an official SDK, the shape of the body.
A host that nobody names takes the provider of its wire format, so a server on 127.0.0.1 is seen and priced.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from .codec import loads
from .providers import HOSTS, MARKERS, find_reader, pattern
from .wire import Json, Reader

#: Longer bodies are not parsed: of them only the model's name and whether to stream are read, where they stand near
#: an end. No provider takes much more. A MB of an image takes 0.1 ms to parse and one of many texts 4, less than half
#: of what the app spent on writing it.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024
_END_BYTES: Final = 4096
_MODEL: Final = re.compile(rb'"model"\s*:\s*"([^"\\]{1,256})"')
_STREAM: Final = re.compile(rb'"stream"\s*:\s*true')
_KEYS: Final = (b'"model"', b'"messages"')
_NOTHING: Final[Json] = {}
_HOSTS_KEPT_MAX: Final = 1024

#: A request's body: as it leaves, or as the fields of a form; None where it streams.
Body: TypeAlias = "bytes | Json | None"


@dataclass(slots=True)
class Target:
    """A recognised call: who is asked, in which format, by which path, and the request's parsed body."""

    provider: str
    wire_format: str
    reader: Reader
    body: Json
    path: str


class Recogniser:
    """Recognition with the hosts of the settings before the table's."""

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        named = {**HOSTS, **(hosts or {})}
        self._exact = {host: provider for host, provider in named.items() if not _is_pattern(host)}
        self._patterns = _compile(named)
        self.provider_of = functools.lru_cache(_HOSTS_KEPT_MAX)(self._find)

    def _find(self, host: str) -> str | None:
        """The provider of a known host."""
        found = self._exact.get(host)
        return found or next((provider for expression, provider in self._patterns if expression.match(host)), None)

    def is_provider(self, host: str, headers: Mapping[str, str]) -> bool:
        """True for any request to a provider, call of a model or not: by its host, or by an official SDK's mark."""
        return self.provider_of(host) is not None or is_marked(headers)

    def recognise(
        self, wire_format: str, path: str, host: str, headers: Mapping[str, str], written: Body
    ) -> Target | None:
        """The target of a POST request whose path looks like a wire format's; None where it is no call of a model."""
        reader = find_reader(wire_format)
        provider = self.provider_of(host)
        body = _parse(written)
        if provider is None and not is_marked(headers):
            is_call = _is_shaped(reader, body, written, path)
        else:
            is_call = not reader.is_other(body)
        if not is_call:
            return None
        return Target(provider or reader.PROVIDER, wire_format, reader, body, path)


def is_marked(headers: Mapping[str, str]) -> bool:
    """True where an official SDK has left its mark on a request."""
    return any(name in headers and hint.search(headers[name]) for name, hint in _HINTS) and _fits(headers)


def _fits(headers: Mapping[str, str]) -> bool:
    return any(all(name in headers and part in headers[name] for name, part in row) for row in MARKERS.values())


def _is_pattern(host: str) -> bool:
    return host.startswith(".") or "*" in host


def _compile(hosts: Mapping[str, str]) -> list[tuple[re.Pattern[str], str]]:
    """The patterns among the hosts; one that starts with a dot stands for all hosts below. The longest goes first."""
    found = [host for host in hosts if _is_pattern(host)]
    ordered = sorted(found, key=len, reverse=True)
    return [(pattern("*" + host if host.startswith(".") else host), hosts[host]) for host in ordered]


def _is_shaped(reader: Reader, body: Json, written: Body, path: str) -> bool:
    if isinstance(written, bytes) and len(written) > BODY_BYTES_MAX:
        return all(key in written for key in _KEYS)
    return reader.is_request(body, path)


def _parse(written: Body) -> Json:
    if not isinstance(written, bytes):
        return written or _NOTHING
    if not written:
        return _NOTHING
    if len(written) > BODY_BYTES_MAX:
        return _skim(written)
    try:
        body = loads(written)
    except (ValueError, RecursionError):
        return _NOTHING
    return body if isinstance(body, dict) else _NOTHING


def _skim(written: bytes) -> Json:
    ends = written[-_END_BYTES:], written[:_END_BYTES]
    model = next((match[1].decode("utf-8", "replace") for end in ends if (match := _MODEL.search(end))), None)
    return {"model": model, "stream": any(_STREAM.search(end) for end in ends)}


def _hints() -> list[tuple[str, re.Pattern[str]]]:
    """One header of each row with what may stand in it, those of one name together: most requests end here."""
    parts: dict[str, list[str]] = {}
    for row in MARKERS.values():
        asked = dict(row)
        name = "user-agent" if "user-agent" in asked else row[0][0]
        parts.setdefault(name, []).append(asked[name])
    return [(name, re.compile("|".join(map(re.escape, found)))) for name, found in parts.items()]


_HINTS: Final = _hints()
