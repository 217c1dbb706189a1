"""What all wire formats have in common: an answer, its events, and the row that describes a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import uuid4

from .drawing import Draw
from .tokens import Spelling

Json = dict[str, Any]
#: A message of a stream, and the usage that a client which read so far has been told.
Step = tuple[Json, Json | None]

JSON: Final = "application/json"
SSE: Final = "text/event-stream; charset=utf-8"
OVERLOADED: Final = "Overloaded"  # what a stream says that fails on demand

#: Model asked for -> dated snapshot that the provider says answered. Other names are answered as they are.
SNAPSHOTS: Final[Mapping[str, str]] = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of a stream as bytes, and the usage that a client which read so far has been told."""

    data: bytes
    usage: Json | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer in both shapes: a body, and a stream of events, empty where a format has none."""

    id: str | None
    model: str | None
    body: Json | list[Any] | bytes  # bytes are sent as they are
    usage: Json | None  # as the body reports it
    events: tuple[Event, ...] = ()
    error: bytes = b""  # the event that ends a stream which fails
    headers: Mapping[str, str] = field(default_factory=dict)
    body_type: str = JSON
    stream_type: str = SSE
    kept: bool = False  # whether it can be fetched again by its id


class Session(Protocol):
    """A conversation over a socket, from the fields of the request that opened it."""

    def __init__(self, request: Json) -> None: ...

    def greet(self) -> list[Json]:
        """What is said first."""

    def hear(self, message: Json) -> tuple[list[Json], Json | None]:
        """What is said at once to a message, and the request for an answer, if it is one."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What is the same on all endpoints of a provider."""

    name: str  # as the GenAI conventions of OpenTelemetry spell it
    request_id_header: str
    error: Callable[[int, str, str], Json]  # status, message, request id
    headers: Callable[[int], dict[str, str]]  # status


def wants_stream(request: Json) -> bool:
    """Whether a request asks for a stream, in its body, its path or its query."""
    return request.get("stream") not in (None, False, "", "false")


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire format. `answer` takes the request, its draw and the usage to report instead of a drawn one."""

    provider: Provider
    answer: Callable[[Json, Draw, Json | None], Answer]
    drawn_from: tuple[str, ...]  # the fields that the usage depends on
    tokens: Spelling  # of its usage
    defaults: Json = field(default_factory=dict)  # of fields that the request leaves out
    streams: Callable[[Json], bool] = wants_stream
    session: type[Session] | None = None  # where it is spoken over a socket


def snapshot(model: str) -> str:
    """The model that says it answered."""
    return SNAPSHOTS.get(model, model)


def new_id(prefix: str) -> str:
    """An id that is unique across runs, in the length that providers use."""
    return prefix + uuid4().hex[:24]


def sse(payload: Json | str, event: str | None = None) -> bytes:
    """One server-sent event as bytes."""
    data = payload if isinstance(payload, str) else compact(payload)
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data}\n\n".encode()


def sse_events(steps: Iterable[Step], name: str | None = None) -> tuple[Event, ...]:
    """The steps as server-sent events; the field called `name` is the event's name too."""
    return tuple(Event(sse(payload, payload[name] if name else None), usage) for payload, usage in steps)


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))
