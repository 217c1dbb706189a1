"""What a dialect is: one table of how an emitter spells what the columns hold.

A table names, for each column, the attributes to look at, the likeliest first. What every emitter shares, the GenAI
conventions in their old and new spellings, is the table `genai.py`, which is asked after the dialect's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, NamedTuple

Attributes = Mapping[str, Any]


class Event(NamedTuple):
    """An event of a span."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Span:
    """A span, or a log record that stands for one, in plain values: text, numbers, bytes, lists, mappings.

    Of a log record `name` is the event's. Times are nanoseconds since 1970.
    """

    name: str = ""
    scope: str = ""
    scope_version: str = ""
    attributes: Attributes = field(default_factory=dict)
    resource: Attributes = field(default_factory=dict)
    events: Sequence[Event] = ()
    start_ns: int = 0
    end_ns: int = 0


class Accounting(Enum):
    """How a dialect's count of input tokens stands to those that were read from and written to a cache."""

    INCLUSIVE = "they are part of it"
    EXCLUSIVE = "they come on top of it"
    MIXED = "by version or provider: they are part of it where they fit into it"
    BUCKETS = "each count leaves the others out; the dialect adds them up"
    BY_PROVIDER = "they are part of it, unless they do not fit and the provider's own count leaves them out"


class Values(NamedTuple):
    """An attribute whose values are words of the dialect's own; a word that is not there says nothing."""

    attribute: str
    words: Mapping[str, str | None]


class Scaled(NamedTuple):
    """An attribute in another unit: so many nanoseconds, or whatever the column counts, in one of it."""

    attribute: str
    factor: int


class Part(NamedTuple):
    """A member of an attribute that holds a JSON object, as text or as it is."""

    attribute: str
    key: str


class Plus(NamedTuple):
    """A count that an emitter leaves out of another one, and that other one: what both say together."""

    attribute: str
    other: str


Source = str | Values | Scaled | Part | Plus


class Logs(NamedTuple):
    """The events by which an emitter logs what others make a span of, and the attribute that tells how long it took."""

    events: tuple[str, ...]
    duration: Source


@dataclass(slots=True)
class Reading:
    """What a span says, by the names of the columns of `spans`; `emitted_cost_usd` is a decimal's text or a number.

    A column that is None is one whose attribute says nothing, such as the counts of a call that failed.

    `content` names the attributes that hold prompts and answers, `messages` is what they say in the schema of the
    conventions, by the columns of `messages`. `reason` is why a row that looks like a call is not counted.
    """

    dialect: str
    columns: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)
    content: set[str] = field(default_factory=set)
    reason: str | None = None


#: Completes a reading by what no table can say.
Completion = Callable[[Span, Reading], None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One table. It is spoken by spans of its scopes, and by others that carry one of its marks.

    `among` are prefixes one of which some attribute has to have, too. `accounting` may depend on the span and on what
    was read of it; it is exclusive where the scope's name has one of `exclusive_scopes` in it. `properties` are
    prefixes of attributes that are the user's own, `tags` attributes with words of theirs, which become the property
    `tags`. `content` are attributes that hold prompts and answers, as `names.py` has them
    written: one that ends with a dot is itself and all below it.
    """

    id: str
    source: str
    scopes: tuple[str, ...] = ()
    scope_prefixes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    mark_prefixes: tuple[str, ...] = ()
    among: tuple[str, ...] = ()
    columns: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    exclusive_scopes: tuple[str, ...] = ()
    accounting: Accounting | Callable[[Span, Mapping[str, Any]], Accounting] = Accounting.INCLUSIVE
    output_excludes_reasoning: bool = False
    providers: Mapping[str, str] = field(default_factory=dict)
    properties: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    logs: Logs | None = None
    complete: tuple[Completion, ...] = ()


NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
