"""What a wire format says about a call, in one shape: the contract between provider readers and the rest.

A reader has no I/O, no span and patches nothing. It is given parsed JSON and tolerates anything in it: a provider
may send what its documentation does not know.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv.usage import Usage

from .codec import loads

Json = Mapping[str, Any]
#: Where a caller may set a property of the call by the request's own `metadata`.
PROMPT_NAME_KEY: Final = "prompt_name"
PROMPT_VERSION_KEY: Final = "prompt_version"
SESSION_ID_KEY: Final = "session_id"
USER_ID_KEY: Final = "user_id"
_MILLISECONDS: Final = re.compile(r"(?:^|dur=)(\d{1,9}(?:\.\d{1,9})?)(?=$|[,; ])")
_HEAD_BYTES: Final = 8  # a byte order mark and the first sign behind it, in any encoding that JSON may come in
#: How a stream is cut into events: server-sent events, one JSON text a line, the binary frames of AWS.
EVENTS: Final = "events"
LINES: Final = "lines"
FRAMES: Final = "frames"


@dataclass(slots=True)
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
    it did not say. `place` is the geography that inference was kept to, `declared_cost_usd` what the provider says that
    it charges, `provider_time_s` how long it says it took until it began to answer, `conversation` the id of
    what the answer is a part of. `parts` collects content by choice
    or block, only when content is captured.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: dict[int, str] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    service_tier: str | None = None
    place: str | None = None
    fingerprint: str | None = None
    failed: bool = False
    error_type: str | None = None
    error_message: str | None = None
    declared_cost_usd: str | float | None = None
    provider_time_s: float | None = None
    conversation: str | None = None
    parts: dict[int, Any] = field(default_factory=dict)
    roles: dict[int, str] = field(default_factory=dict)

    def say(self, body: Json) -> None:
        """Take over what most formats say by these keys: the answer's id, its model, its service tier."""
        if (id := body.get("id")) and isinstance(id, str):
            self.id = id
        if (model := body.get("model")) and isinstance(model, str):
            self.model = model
        if (tier := body.get("service_tier")) and isinstance(tier, str):
            self.service_tier = tier

    def overlay(self, later: Answer) -> None:
        """Take over all that another part of the same answer says, which came later."""
        for name in _SAID:
            if (said := getattr(later, name)) is not None:
                setattr(self, name, said)
        for name in _GATHERED:
            getattr(self, name).update(getattr(later, name))
        self.failed = self.failed or later.failed


_SAID: Final = (
    "id", "model", "service_tier", "place", "fingerprint", "error_type", "error_message", "declared_cost_usd",
    "conversation",
)  # fmt: skip
_GATHERED: Final = ("finish_reasons", "usage", "parts", "roles")


@dataclass(frozen=True, slots=True)
class Content:
    """Messages in the schema of the conventions, ready for JSON; None where there are none."""

    input_messages: list[Any] | None = None
    output_messages: list[Any] | None = None
    system_instructions: list[Any] | None = None
    tool_definitions: list[Any] | None = None


class Plain(NamedTuple):
    """Chunks of a stream that surely do not end it: of more than `above` bytes, not more than `bytes_max`, with this
    byte in that place. The app's thread gets hundreds of them a call, so no function is called for one.
    """

    above: int
    bytes_max: int
    place: int = 0
    byte: int = 0

    @property
    def is_head(self) -> bool:
        """True where the place is one at the beginning of a chunk: what is not plain is no piece of text then."""
        return self.place > 0


NONE: Final = Plain(-1, -1)
#: A chunk with a piece of text is shorter; one that ends a stream as well has 340 bytes or more.
PIECE_BYTES_MAX: Final = 330


class Reader(ABC):
    """One wire format: the base of every provider reader; see `providers/openai_chat.py` for the plainest one.

    What most formats share stands here. A module of `providers/` ends with its one instance, `reader`.
    """

    #: Provider of a host that no table names.
    PROVIDER: ClassVar[str] = ""
    #: By what the chunk that ends a stream is known: time to read. `is_last` decides.
    END_MARK: ClassVar[bytes] = b""
    #: Chunks in which the mark need not be searched for.
    PLAIN: ClassVar[Plain] = NONE
    #: How events begin that say nothing.
    EMPTY_HEADS: ClassVar[tuple[bytes, ...]] = ()
    #: One of them stands in every streamed event that is more than a piece of content. None: every event is read.
    MARKS: ClassVar[tuple[bytes, ...]] = ()
    #: Ends right before the text, with its opening quote, in events that carry a piece of text and nothing else new:
    #: runs of them are read as one. Empty: every event is read for itself.
    PIECE: ClassVar[bytes] = b""
    #: True where the last event of a stream repeats all content: the events before it are read only if it never comes.
    REPEATS: ClassVar[bool] = False
    #: True where what the first event of a stream says stands in those at its end, too.
    REPEATS_HEAD: ClassVar[bool] = False
    #: Framing of a stream whose content type does not tell it.
    FRAMING: ClassVar[str] = EVENTS
    #: The response's header in which the provider says how many milliseconds it took until it began to answer.
    TIME_HEADER: ClassVar[str] = ""

    def is_request(self, body: Json, path: str) -> bool:
        """True where the body has the shape of this format's request: the last resort of recognition."""
        return False

    def is_other(self, body: Json) -> bool:
        """True where a provider that is known, or its SDK, asks for something else at this format's path."""
        return False

    @abstractmethod
    def read_request(self, body: Json, path: str) -> Request:
        """The call that a request's body and the path of its URL ask for. The body is empty where it is not known."""

    def read_headers(self, headers: Mapping[str, str], answer: Answer) -> None:
        """What the response's headers say of the answer; called first, for every status."""
        if self.TIME_HEADER and (written := headers.get(self.TIME_HEADER)):
            answer.provider_time_s = _seconds(written)

    def parse_response(self, content: bytes, captures: bool) -> Json:
        """The JSON object of a whole response, as much of it as `read_response` needs; empty where it is none."""
        return parse(content)

    @abstractmethod
    def read_response(self, body: Json, answer: Answer, content: bool) -> None:
        """Fill the answer from the body of a whole response, an error's body included."""

    def is_update(self, block: bytes) -> bool:
        """True where the event is one that the model generated: the first of them ends the time to first chunk."""
        return True

    def is_last(self, data: bytes, event: Json) -> bool:
        """True where the stream ends with this event: its whole data, and the JSON object in it (empty if none)."""
        return False

    def fold_event(self, event: Json, answer: Answer, content: bool) -> None:
        """Add one parsed event of a stream to the answer."""
        self.read_response(event, answer, content)

    @abstractmethod
    def read_usage(self, usage: Json) -> Usage:
        """Token counts in our convention from the provider's usage object; no counts from an empty one."""

    def response_attributes(self, answer: Answer) -> dict[str, AttributeValue]:
        """Attributes of the answer that only this format has."""
        return {}

    def read_content(self, body: Json, answer: Answer) -> Content:
        """Messages of the request and of the answer."""
        return Content()


def _seconds(written: str) -> float | None:
    """`245`, or `gfet4t7; dur=245` as Server-Timing has it: milliseconds."""
    found = _MILLISECONDS.search(written)
    return None if found is None else float(found[1]) / 1000


def parse(data: bytes) -> Json:
    """A JSON object; an empty one where it is nothing of the kind, as the end mark of a stream."""
    if not data.startswith(b"{") and b"{" not in data.lstrip()[:_HEAD_BYTES]:
        return {}
    try:
        parsed = loads(data)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def text(value: Any) -> str | None:
    """The value where it is a string that says something."""
    return value if isinstance(value, str) and value else None


def mapping(value: Any) -> Json:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Json]:
    """The objects of a list, or none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def read_numbers(body: Json, names: Mapping[str, str], found: dict[str, AttributeValue]) -> None:
    """Those of these keys whose values are numbers, by the names of their attributes."""
    for key in filter(body.__contains__, names):
        value = body[key]
        if type(value) is int or type(value) is float:
            found[names[key]] = value


def number(value: Any) -> int | float | None:
    """The value where it is a number."""
    return value if type(value) is int or type(value) is float else None
