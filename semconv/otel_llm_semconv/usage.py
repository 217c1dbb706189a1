"""Token counts in one convention: what every reader and dialect is normalised to, once, here.

The rules (DESIGN of the project, GenAI conventions): `input_tokens` includes cache reads and writes,
`output_tokens` includes reasoning, sub-counts are never added on top, and absent is not zero.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress, repeat
from typing import Any, Final

from . import attributes as a

#: How the counts came to be: the provider said so; a stream ended early; nothing was said; we estimated (opt-in).
REPORTED: Final = "reported"
PARTIAL: Final = "partial"
MISSING: Final = "missing"
ESTIMATED: Final = "estimated"
STATUSES: Final = (REPORTED, PARTIAL, MISSING, ESTIMATED)
#: Counts are kept as signed 64-bit integers, on the wire and in the tables.
_INT64_END: Final = 1 << 63


@dataclass(slots=True)
class Usage:
    """Token counts of one call. `None` means that the provider did not report the count; 0 means it reported 0."""

    input_tokens: int | None = None  # includes cache reads and cache writes
    output_tokens: int | None = None  # includes reasoning
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None  # all TTLs together
    cache_write_1h_tokens: int | None = None  # the part of cache_write_tokens kept for an hour
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    tool_use_prompt_tokens: int | None = None  # the part of input_tokens that tools brought (Gemini)
    web_searches: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    cache_read_audio_tokens: int | None = None  # the part of cache_read_tokens that is audio
    cache_read_image_tokens: int | None = None
    unpriced_units: int | None = (
        None  # what else the provider bills: calls of hosted tools, an unknown adviser's tokens
    )
    advisor_input_tokens: int | None = None  # of another model, which advised this one: no part of input_tokens
    advisor_output_tokens: int | None = None  # nor of output_tokens

    def is_empty(self) -> bool:
        """True when neither an input nor an output count is known: such a call has no cost."""
        return self.input_tokens is None and self.output_tokens is None

    def is_advised(self) -> bool:
        """True where another model took tokens for it."""
        return bool(self.advisor_input_tokens or self.advisor_output_tokens)

    def completed(self) -> Usage:
        """The same counts with what a part alone implies: tokens that are written for an hour are written."""
        if self.cache_write_tokens is not None or self.cache_write_1h_tokens is None:
            return self
        return replace(self, cache_write_tokens=self.cache_write_1h_tokens)

    def is_consistent(self) -> bool:
        """False where a count is negative or a part exceeds its whole: such usage is reported, but has no price."""
        known = [*filter(None, _COUNTS(self))]
        if known and not (min(known) > 0 and max(known) < _INT64_END):
            return False
        whole_in, whole_out, written = self.input_tokens, self.output_tokens, self.cache_write_tokens
        if (written_1h := self.cache_write_1h_tokens) is not None:
            if written is None:
                written = written_1h
            elif written_1h > written:
                return False
        if whole_in is not None:
            cached = (self.cache_read_tokens or 0) + (written or 0)
            if cached > whole_in or (self.audio_input_tokens or 0) > whole_in:
                return False
        if whole_out is not None:  # noqa: SIM102 - as above
            if (self.reasoning_tokens or 0) > whole_out or (self.audio_output_tokens or 0) > whole_out:
                return False
        return not self.names_media() or self._media_fit()

    def names_media(self) -> bool:
        """True where pictures are counted apart, or what of a cache read was audio or pictures."""
        return _MEDIA(self) != _NO_MEDIA

    def _media_fit(self) -> bool:
        """Whether no medium exceeds what it is a part of, nor the media together."""
        heard, seen = self.audio_input_tokens, self.image_input_tokens
        heard_again, seen_again = self.cache_read_audio_tokens, self.cache_read_image_tokens
        parts = (
            (self.input_tokens, heard, seen),
            (self.output_tokens, self.audio_output_tokens, self.image_output_tokens),
            (self.input_tokens, heard_again, seen_again),
            (self.cache_read_tokens, heard_again, seen_again),
            (heard, heard_again),
            (seen, seen_again),
        )
        return all(whole is None or sum(part or 0 for part in of) <= whole for whole, *of in parts)


#: Usage field -> span attribute. The field is also the column of `spans`.
ATTRIBUTE_OF: Final[Mapping[str, str]] = {
    "input_tokens": a.USAGE_INPUT_TOKENS,
    "output_tokens": a.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": a.USAGE_CACHE_READ_TOKENS,
    "cache_write_tokens": a.USAGE_CACHE_WRITE_TOKENS,
    "cache_write_1h_tokens": a.USAGE_CACHE_WRITE_1H_TOKENS,
    "reasoning_tokens": a.USAGE_REASONING_TOKENS,
    "audio_input_tokens": a.USAGE_AUDIO_INPUT_TOKENS,
    "audio_output_tokens": a.USAGE_AUDIO_OUTPUT_TOKENS,
    "tool_use_prompt_tokens": a.USAGE_TOOL_USE_PROMPT_TOKENS,
    "web_searches": a.USAGE_WEB_SEARCHES,
    "image_input_tokens": a.USAGE_IMAGE_INPUT_TOKENS,
    "image_output_tokens": a.USAGE_IMAGE_OUTPUT_TOKENS,
    "cache_read_audio_tokens": a.USAGE_CACHE_READ_AUDIO_TOKENS,
    "cache_read_image_tokens": a.USAGE_CACHE_READ_IMAGE_TOKENS,
    "unpriced_units": a.USAGE_UNPRICED_UNITS,
    "advisor_input_tokens": a.USAGE_ADVISOR_INPUT_TOKENS,
    "advisor_output_tokens": a.USAGE_ADVISOR_OUTPUT_TOKENS,
}
FIELDS: Final = tuple(field.name for field in fields(Usage))
_COUNTS: Final = operator.attrgetter(*FIELDS)
_MEDIA: Final = operator.attrgetter(
    "image_input_tokens", "image_output_tokens", "cache_read_audio_tokens", "cache_read_image_tokens"
)
_NO_MEDIA: Final = (None,) * 4
_PLAIN: Final = frozenset({int, type(None)})
_ATTRIBUTES: Final = tuple(ATTRIBUTE_OF[name] for name in FIELDS)


def count(value: Any) -> int | None:
    """A token count as a provider or a span reports it, or None where it is no whole number of 64 bits.

    A negative one is kept: it makes the usage inconsistent, which an absent one would not.
    """
    if type(value) is int:
        return value if -_INT64_END <= value < _INT64_END else None
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and -_INT64_END <= value < _INT64_END else None


def counts(*values: Any) -> Sequence[int | None]:
    """Each as `count` has it, in one go: nearly always all of them are plain."""
    if _PLAIN.issuperset(map(type, values)):
        known = [*filter(None, values)]
        if not known or (min(known) >= -_INT64_END and max(known) < _INT64_END):
            return values
    return [value if value is None else count(value) for value in values]


def inclusive_input(uncached: int | None, cache_read: int | None, cache_write: int | None) -> int | None:
    """The inclusive input count of a format whose own number excludes the cache (Anthropic, Bedrock Converse)."""
    return None if uncached is None else count(uncached + (cache_read or 0) + (cache_write or 0))


def sum_known(*counts: int | None) -> int | None:
    """The sum of the counts that are known; None where none is."""
    total = None
    for number in counts:
        if number is not None:
            total = number if total is None else total + number
    return total


def added(one: Usage, other: Usage) -> Usage:
    """The counts of two attempts together."""
    return Usage(**{name: sum_known(getattr(one, name), getattr(other, name)) for name in FIELDS})


def to_attributes(usage: Usage) -> dict[str, int]:
    """The span attributes of the counts that are known."""
    found = _COUNTS(usage)
    return dict(compress(zip(_ATTRIBUTES, found, strict=True), map(operator.is_not, found, repeat(None))))


def from_attributes(attributes: Mapping[str, Any]) -> Usage:
    """The counts of a span that spells usage as the GenAI conventions do, old spelling of cache writes included."""
    found = {name: count(attributes.get(ATTRIBUTE_OF[name])) for name in FIELDS}
    if found["cache_write_tokens"] is None:
        found["cache_write_tokens"] = count(attributes.get(a.USAGE_CACHE_CREATION_TOKENS))
    return Usage(**found)
