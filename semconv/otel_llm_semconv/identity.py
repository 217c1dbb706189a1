"""The identity of a row: the same on every replay, and short, since random bytes do not compress."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")


def row_key(trace_id: bytes, span_id: bytes) -> int:
    """64-bit identity of a span, from its 16-byte trace id and 8-byte span id.

    Three words mixed with the finaliser of splitmix64 (Steele, Lea, Flood 2014): cheap one by one and in columns.
    Rows are compared within one date: of ten million spans a day, one meets another's key about once in 370,000 days.
    """
    key = _mix(int.from_bytes(trace_id[:8], "big"))
    key = _mix(key ^ int.from_bytes(trace_id[8:], "big"))
    return _mix(key ^ int.from_bytes(span_id, "big"))


def content_key(same: Counter[int], *parts: bytes) -> int:
    """64-bit identity of what has no id of its own: a hash of all that was sent of it.

    `same` belongs to one request and tells equal items in it apart by their order; sent again, they get the same keys.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    first = int.from_bytes(digest.digest(), "big")
    place = same[first]
    same[first] += 1
    return _mix(first ^ place) if place else first


def row_id(key: int) -> str:
    """The key as it stands in the tables: 16 lower-case hex digits."""
    return f"{key:016x}"


def trace_id_of(text: str) -> bytes:
    """The trace id of what another system names by this text: itself where it is one or a UUID, else a hash of it."""
    plain = text.replace("-", "").lower()
    return bytes.fromhex(plain) if _TRACE_ID.fullmatch(plain) and int(plain, 16) else _hash(text, 16)


def span_id_of(text: str) -> bytes:
    """The span id of what another system names by this text: itself where it is one, else a hash of it."""
    return bytes.fromhex(text) if _SPAN_ID.fullmatch(text.lower()) and int(text, 16) else _hash(text, 8)


def _hash(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def _mix(word: int) -> int:
    word = (word + _GOLDEN) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
