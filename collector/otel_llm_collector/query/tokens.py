"""A query in pieces: what rewrites one looks at words and brackets, not at characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otel_llm.errors import UsageError

_OPENING: Final = ("(", "[")
_CLOSING: Final = (")", "]")
_DEPTH_MAX: Final = 100


def tokens_of(query: str) -> list[str]:
    """The query in pieces: each a token and the space behind it, in which comments are blank."""
    import duckdb

    whole, tokens = query.encode(), duckdb.tokenize(query)
    starts = [position for position, _ in tokens]
    pieces = [whole[: min(starts, default=None)].decode()]
    for (start, kind), end in zip(tokens, [*starts[1:], len(whole)], strict=bool(tokens)):
        if kind == duckdb.token_type.comment:
            pieces[-1] += " "
        else:
            pieces.append(whole[start:end].decode())
    return pieces


def word(token: str) -> str:
    """The token as it is compared: without space, quotes of a name and capitals."""
    return token.strip().strip('"`').lower()


def check_brackets(tokens: Sequence[str]) -> None:
    """Raise UsageError where brackets are not closed, or are in so many others that DuckDB would refuse them, too."""
    depth = 0
    for token in tokens:
        depth += (word(token) in _OPENING) - (word(token) in _CLOSING)
        if not 0 <= depth <= _DEPTH_MAX:
            raise UsageError(f"syntax error: a bracket closes nothing, or is in {_DEPTH_MAX} others")
    if depth:
        raise UsageError("syntax error: a bracket is not closed")


def closing(tokens: Sequence[str], place: int) -> int | None:
    """Where the bracket is closed that opens here, None where none does."""
    depth = 0
    for end in range(place, len(tokens)):
        depth += (word(tokens[end]) in _OPENING) - (word(tokens[end]) in _CLOSING)
        if depth == 0:
            return end if end > place else None
    return None


def listed(tokens: Sequence[str]) -> list[Sequence[str]]:
    """The tokens cut at the commas that are in no bracket of theirs."""
    depth, begin, parts = 0, 0, list[Sequence[str]]()
    for place, token in enumerate(tokens):
        depth += (word(token) in _OPENING) - (word(token) in _CLOSING)
        if depth == 0 and word(token) == ",":
            parts.append(tokens[begin:place])
            begin = place + 1
    return [*parts, tokens[begin:]]
