"""Token counts in one convention: what every reader and dialect is normalised to, once, here.

The rules (DESIGN of the project, GenAI conventions): `input_tokens` includes cache reads and writes,
`output_tokens` includes reasoning, sub-counts are never added on top, and absent is not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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


@dataclass(frozen=True, slots=True)
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

    def is_empty(self) -> bool:
        """True when neither an input nor an output count is known: such a call has no cost."""
        return self.input_tokens is None and self.output_tokens is None

    def completed(self) -> Usage:
        """The same counts with what a part alone implies: tokens that are written for an hour are written."""
        if self.cache_write_tokens is not None or self.cache_write_1h_tokens is None:
            return self
        return replace(self, cache_write_tokens=self.cache_write_1h_tokens)

    def is_consistent(self) -> bool:
        """False where a count is negative or a part exceeds its whole: such usage is reported, but has no price."""
        cached = sum_known(self.cache_read_tokens, self.completed().cache_write_tokens)
        return (
            all(_is_count(getattr(self, name)) for name in FIELDS)
            and _within(cached, self.input_tokens)
            and _within(self.audio_input_tokens, self.input_tokens)
            and _within(self.cache_write_1h_tokens, self.cache_write_tokens)
            and _within(self.reasoning_tokens, self.output_tokens)
            and _within(self.audio_output_tokens, self.output_tokens)
        )


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
}
FIELDS: Final = tuple(field.name for field in fields(Usage))


def count(value: Any) -> int | None:
    """A token count as a provider or a span reports it, or None where it is no whole number of 64 bits.

    A negative one is kept: it makes the usage inconsistent, which an absent one would not.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and -_INT64_END <= value < _INT64_END else None


def inclusive_input(uncached: int | None, cache_read: int | None, cache_write: int | None) -> int | None:
    """The inclusive input count of a format whose own number excludes the cache (Anthropic, Bedrock Converse)."""
    return None if uncached is None else count(uncached + (cache_read or 0) + (cache_write or 0))


def sum_known(*counts: int | None) -> int | None:
    """The sum of the counts that are known; None where none is."""
    known = [number for number in counts if number is not None]
    return sum(known) if known else None


def to_attributes(usage: Usage) -> dict[str, int]:
    """The span attributes of the counts that are known."""
    known = ((name, getattr(usage, name)) for name in FIELDS)
    return {ATTRIBUTE_OF[name]: value for name, value in known if value is not None}


def from_attributes(attributes: Mapping[str, Any]) -> Usage:
    """The counts of a span that spells usage as the GenAI conventions do, old spelling of cache writes included."""
    found = {name: count(attributes.get(ATTRIBUTE_OF[name])) for name in FIELDS}
    if found["cache_write_tokens"] is None:
        found["cache_write_tokens"] = count(attributes.get(a.USAGE_CACHE_CREATION_TOKENS))
    return Usage(**found)


def _is_count(number: int | None) -> bool:
    return number is None or 0 <= number < _INT64_END


def _within(part: int | None, whole: int | None) -> bool:
    return part is None or whole is None or part <= whole
