"""What a wire format says about a call, in one shape: the contract between provider readers and the rest.

A reader is a module without I/O, spans or patching that has the members of `Reader`. It is given parsed JSON and
tolerates anything in it: a provider may send what its documentation does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv.usage import Usage

Json = Mapping[str, Any]
#: Where a caller may set a property of the call by the request's own `metadata`.
PROMPT_NAME_KEY: Final = "prompt_name"
PROMPT_VERSION_KEY: Final = "prompt_version"
SESSION_ID_KEY: Final = "session_id"
USER_ID_KEY: Final = "user_id"


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it was asked for. `attributes` holds only what the caller sent, by the names of the conventions."""

    operation: str
    model: str | None
    stream: bool
    attributes: dict[str, AttributeValue]


@dataclass(slots=True)
class Answer:
    """What came back, whole or so far: `read_response` fills it at once, `fold_event` event by event.

    `usage` is the provider's own object; cumulative counts overwrite. `error_type` is the provider's, None where
    it did not say. `parts` collects content by choice or block, only when content is captured.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: dict[int, str] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    service_tier: str | None = None
    fingerprint: str | None = None
    failed: bool = False
    error_type: str | None = None
    error_message: str | None = None
    parts: dict[int, Any] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """Messages in the schema of the conventions, ready for JSON; None where there are none."""

    input_messages: list[Any] | None = None
    output_messages: list[Any] | None = None
    system_instructions: list[Any] | None = None
    tool_definitions: list[Any] | None = None


class Reader(Protocol):
    """The members of a provider reader; see `providers/openai_chat.py` for the plainest one."""

    PROVIDER: str  # provider of a host that no table names
    PATH_SUFFIX: str  # how the URL's path ends
    END_MARK: bytes  # stands in the last event of a stream: time to read; `is_last` decides
    MARKS: tuple[bytes, ...]  # one of them stands in every SSE event that is more than a piece of content

    def is_request(self, body: Json) -> bool:
        """True where the body has the shape of this format's request: the last resort of recognition."""

    def read_request(self, body: Json) -> Request:
        """The call that a request's body asks for."""

    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        """Fill the answer from the body of a whole response, an error's body included."""

    def is_update(self, block: bytes) -> bool:
        """True where the event is one that the model generated: the first of them ends the time to first chunk."""

    def is_last(self, data: bytes, event: Json) -> bool:
        """True where the stream ends with this event: its whole data, and the JSON object in it (empty if none)."""

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        """Add one parsed SSE event to the answer."""

    def read_usage(self, usage: Json) -> Usage:
        """Token counts in our convention from the provider's usage object; no counts from an empty one."""

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        """Attributes of the answer that only this format has."""

    def read_content(self, body: Json, answer: Answer) -> Content:
        """Messages of the request and of the answer."""


def text(value: Any) -> str | None:
    """The value where it is a string that says something."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Json:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> list[Json]:
    """The objects of a list, or none."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def number(value: Any) -> int | float | None:
    """The value where it is a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
