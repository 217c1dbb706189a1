"""What both wire formats have in common: an answer, its events, and the row that describes a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from .drawing import Draw

Json = dict[str, Any]

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
    """One server-sent event, and the usage that a client which read so far has been told."""

    data: bytes
    usage: Json | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer in both shapes: a JSON body and a stream of events."""

    id: str
    model: str
    body: Json
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire format: where it is served and how it says things."""

    provider: str
    path: str  # the end of the URL's path
    request_id_header: str
    answer: Callable[[Json, Draw, Json | None], Answer]  # request, draw, usage to report instead of a drawn one
    error: Callable[[int, str, str], Json]  # status, message, request id
    error_event: Callable[[str], bytes]  # message
    headers: Callable[[], dict[str, str]]


def snapshot(model: str) -> str:
    """The model that says it answered."""
    return SNAPSHOTS.get(model, model)


def new_id(prefix: str) -> str:
    """An id that is unique across runs, in the length that providers use."""
    return prefix + uuid4().hex[:24]


def sse(payload: Json | str, event: str | None = None) -> bytes:
    """One server-sent event as bytes."""
    data = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {data}\n\n".encode()
