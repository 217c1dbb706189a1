"""JSON, read and written by pydantic as soon as the price data has brought it along: in half of the usual time.

What it refuses (a byte order mark, half a surrogate pair, what is no JSON) is left to `json`, whose word counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from .failures import swallow

_raw_decode: Final = json.JSONDecoder().raw_decode


def loads(data: bytes) -> Any:
    """As `json.loads`: raises ValueError for what is no JSON, RecursionError for what is too deep."""
    try:
        return _parse(data)
    except ValueError:
        return json.loads(data)


def written(value: Any) -> str | None:
    """What has come from JSON, as compact JSON; None where there is no quick way to write it."""
    try:
        return None if _write is None else _write(value, inf_nan_mode="null").decode()
    except ValueError:
        return None


def quicken() -> None:
    """Use the quick parser from now on. Called where pydantic has been imported anyway, on a thread of ours."""
    global _parse, _write
    try:
        from pydantic_core import from_json, to_json

        _parse, _write = from_json, to_json
    except Exception as error:
        swallow("quick JSON", error)


def _plain(data: bytes) -> Any:
    """What `json.loads` does, without its search for an encoding and white space: half of its time for a small text."""
    text = data.decode()
    parsed, end = _raw_decode(text)
    if end == len(text) or text[end:].isspace():
        return parsed
    raise ValueError("more than one value")


_parse: Callable[[bytes], Any] = _plain
_write: Callable[..., bytes] | None = None
