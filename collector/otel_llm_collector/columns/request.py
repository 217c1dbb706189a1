"""Where the spans stand in the requests of a batch, and what surrounds them.

The levels above the spans hold few messages: a loop over them is quick. What they say beside their spans is the same in
request after request, and is looked at once.
"""

from __future__ import annotations

import functools
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from .. import decode, journal
from ..direct import BLOCK
from ..native import native
from .arrays import Octets
from .wire import PADDING

#: Tag of the repeated field at each level: resource_spans, scope_spans, spans.
_INNER: Final = (0x0A, 0x12, 0x12)
#: Octets of a tag or a length at most, as protobuf has it.
_SHORT: Final = 5
#: Arrow's views count in so many places.
_PLACES_MAX: Final = 2**31 - 1
#: What is remembered at most, in messages and in bytes of one.
_KNOWN_MAX: Final = 1024
_KNOWN_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Resource:
    """What stands around scopes: `blob` is ResourceSpans without them."""

    attributes: Mapping[str, AnyValue]
    blob: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """What stands around spans: `blob` is ScopeSpans without them."""

    name: str
    version: str
    blob: bytes


class Around(NamedTuple):
    """What is around a span: the segment that it is stored in, when it came and from whom, its resource and scope."""

    segment: int
    received_ns: int
    tenant: str
    resource: Resource
    scope: Scope


class OddRequestError(Exception):
    """A request that is spelled in a way that only the reference reads."""


def room(size: int) -> Octets:
    """Where so many bytes of requests can be read to, as `Wire` wants it: in large pages where there are some.

    It begins where a block does.
    """
    octets = np.empty(BLOCK + size + PADDING, np.uint8)
    octets = octets[-_address(octets) % BLOCK :][: size + PADDING]
    octets[size:] = 0
    return octets


class Room:
    """A room that is used again unless somebody still reads in it: new memory has to be cleared by the system first.

    `bytes_max` bounds what is kept.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._octets = room(0)
        self._references = sys.getrefcount(self._octets.base)

    def take(self, size: int) -> Octets:
        """As `room`; what was read to the one before may be gone."""
        if size > self._bytes_max:
            return room(size)
        is_in_use = sys.getrefcount(self._octets.base) > self._references  # what is cut out of it refers to that, too
        if is_in_use or len(self._octets) < size + PADDING:
            self._octets = room(size)
        octets = self._octets[: size + PADDING]
        octets[size:] = 0
        return octets


def whole_of(payload: journal.Payload) -> Octets | None:
    """The room that a request was read to, if it was."""
    return payload.obj if isinstance(payload, memoryview) and isinstance(payload.obj, np.ndarray) else None


def _address(octets: Octets) -> int:
    return int(octets.__array_interface__["data"][0])


@dataclass(slots=True)
class Requests:
    """Requests end to end, or in the room where they were read to; of each span its place, and what surrounds it."""

    whole: Octets | None = None
    size: int = 0
    starts: array[int] = field(default_factory=lambda: array("q"))
    ends: array[int] = field(default_factory=lambda: array("q"))
    #: Of each run of spans how many they are, and what is around them.
    runs: list[tuple[int, Around]] = field(default_factory=list)
    #: Requests that cannot be read here, with the number of their segment.
    odd: list[tuple[int, journal.Frame]] = field(default_factory=list)
    _payloads: list[journal.Payload] = field(default_factory=list)

    def add(self, segment: int, frame: journal.Frame) -> None:
        """Find the spans of one more request, which is stored in this segment."""
        kept = len(self.starts), len(self.runs)
        try:
            self._read(segment, frame)
        except (OddRequestError, IndexError, DecodeError):
            del self.starts[kept[0] :], self.ends[kept[0] :], self.runs[kept[1] :]
            self.odd.append((segment, frame))
        else:
            if self.whole is None:
                self._payloads.append(frame.payload)
            self.size += len(frame.payload)

    def taken(self) -> Octets:
        """All of them, as `Wire` wants it; they are kept no longer, and nothing can be added."""
        if self.whole is not None:
            return self.whole
        octets, at = room(self.size), 0
        for payload in self._payloads:
            octets[at : at + len(payload)] = np.frombuffer(payload, np.uint8)
            at += len(payload)
        self._payloads.clear()
        return octets

    def _begin(self, payload: journal.Payload) -> int:
        """Where it begins among all."""
        if self.whole is None:
            return self.size
        return _address(np.frombuffer(payload, np.uint8)) - _address(self.whole) if payload else 0

    def _read(self, segment: int, frame: journal.Frame) -> None:
        data, begin = frame.payload, self._begin(frame.payload)
        if begin + len(data) > _PLACES_MAX:
            raise OddRequestError
        for start, stop in _inner(data, 0, len(data), _INNER[0])[0]:
            scopes, rest = _inner(data, start, stop, _INNER[1])
            resource = _resource(rest)
            for first, last in scopes:
                before = len(self.starts)
                scope = _scope(self._spans(data, first, last, begin))
                around = Around(segment, frame.received_ns, frame.tenant, resource, scope)
                self.runs.append((len(self.starts) - before, around))

    def _spans(self, data: journal.Payload, at: int, end: int, before: int) -> bytes:
        """Note where the spans of a scope stand. Returns what else it says."""
        if native:
            return self._spans_natively(data, at, end, before)
        starts, ends, rest = self.starts, self.ends, b""
        while at < end:
            if data[at] != _INNER[2]:
                begin, (tag, _, at) = at, _skip(data, at)
                if tag == _INNER[2]:  # spelled in more octets than it needs
                    raise OddRequestError
                rest += data[begin:at]
                continue
            size = data[at + 1]
            at += 2
            if size > 0x7F:
                size, at = size & 0x7F | data[at] << 7, at + 1
                if size > 0x3FFF:  # more than two octets
                    size, at = _varint(data, at - 2, _SHORT)
            starts.append(at + before)
            at += size
            ends.append(at + before)
        if at != end:
            raise OddRequestError
        return rest

    def _spans_natively(self, data: journal.Payload, at: int, end: int, before: int) -> bytes:
        found = native.inner(np.frombuffer(data, np.uint8), at, end, _INNER[2])
        if found is None:
            raise OddRequestError
        starts, ends, rest = found
        self.starts.frombytes((starts + before).tobytes())
        self.ends.frombytes((ends + before).tobytes())
        return bytes(rest)


def _inner(data: journal.Payload, at: int, end: int, tag: int) -> tuple[list[tuple[int, int]], bytes]:
    """Where the messages of a repeated field stand in another, and the bytes of all other fields."""
    found, rest = [], b""
    while at < end:
        begin, (found_tag, start, at) = at, _skip(data, at)
        if found_tag == tag:
            found.append((start, at))
        else:
            rest += data[begin:at]
    if at != end:
        raise OddRequestError
    return found, rest


def _skip(data: journal.Payload, at: int) -> tuple[int, int, int]:
    """The tag of a field, and where its value begins and ends."""
    tag, start = _varint(data, at, _SHORT)
    match tag & 7:
        case 0:
            return tag, start, _varint(data, start)[1]
        case 1:
            return tag, start, start + 8
        case 2:
            size, start = _varint(data, start, _SHORT)
            return tag, start, start + size
        case 5:
            return tag, start, start + 4
    raise OddRequestError


def _varint(data: journal.Payload, at: int, octets_max: int = 10) -> tuple[int, int]:
    value = 0
    for place, octet in enumerate(data[at : at + octets_max]):
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return value, at + place + 1
    raise OddRequestError


def _resource(rest: bytes) -> Resource:
    return _known_resource(rest) if len(rest) < _KNOWN_BYTES_MAX else _new_resource(rest)


def _scope(rest: bytes) -> Scope:
    return _known_scope(rest) if len(rest) < _KNOWN_BYTES_MAX else _new_scope(rest)


def _new_resource(rest: bytes) -> Resource:
    message = ResourceSpans.FromString(rest)
    return Resource(decode.first_values(message.resource.attributes)[0], message.SerializeToString())


def _new_scope(rest: bytes) -> Scope:
    message = ScopeSpans.FromString(rest)
    return Scope(message.scope.name, message.scope.version, message.SerializeToString())


_known_resource = functools.lru_cache(maxsize=_KNOWN_MAX)(_new_resource)
_known_scope = functools.lru_cache(maxsize=_KNOWN_MAX)(_new_scope)
