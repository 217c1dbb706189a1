"""Attribute values as columns take them: a number that came as text is one, what does not fit says nothing."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from .. import tables
from ..usage import count, sum_known
from .dialect import Attributes, Part, Plus, Scaled, Source, Values

_TYPES = {column.name: column.type for column in tables.TABLES["spans"]}
#: What a price depends on has no column.
_TYPES |= {"place": tables.TEXT, "service_tier": tables.TEXT}


def value_of(source: Source, attributes: Attributes) -> Any:
    """What a source says of a span; None where it says nothing."""
    if isinstance(source, str):
        return attributes.get(source)
    value = attributes.get(source.attribute)
    if value is None:
        return None
    if isinstance(source, Values):
        return source.words.get(str(value))
    if isinstance(source, Plus):
        parts = whole(value), whole(attributes.get(source.other))
        return None if None in parts else sum_known(*parts)
    if isinstance(source, Scaled):
        number = number_of(value)
        return None if number is None else round(number * source.factor)
    return part_of(value, source)


def part_of(value: Any, source: Part) -> Any:
    """A member of a JSON object, by its path of keys with dots; a number in it is a place in a list."""
    found = json_of(value)
    for key in source.key.split("."):
        if isinstance(found, list) and key.isdecimal():
            found = found[int(key)] if int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, Mapping) else None
    return found


def json_of(value: Any) -> Any:
    """The JSON in a text, which nobody may change, or the value where it is none."""
    return _parsed(value) if isinstance(value, str) else value


@lru_cache(maxsize=8)  # several columns of a span come from the same text
def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def python_of(value: Any) -> Any:
    """What Python's `str` of a mapping or a list says, which some take for JSON."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return json_of(value)


def number_of(value: Any) -> float | int | None:
    """A number, also one that came as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, float) and abs(value) < 1e18 else None


def fitting(column: str, value: Any) -> Any:
    """The value as the column takes it, or None."""
    match _TYPES.get(column):
        case tables.LONG | tables.INT:
            return whole(value)
        case tables.BOOL:
            return truth(value)
        case tables.TEXTS:
            return texts(value)
        case tables.TEXT:
            return text(value)
    return value


def whole(value: Any) -> int | None:
    """A count."""
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() else None
    return count(value)


def truth(value: Any) -> bool | None:
    """True or false, also as a word."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def text(value: Any) -> str | None:
    """A text that says something."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> list[str] | None:
    """Several texts, also one alone, or in JSON."""
    if isinstance(value, str) and value.startswith("["):
        value = json_of(value)
    if isinstance(value, str):
        return [value] if value else None
    if not isinstance(value, list | tuple):
        return None
    found = [one for one in value if isinstance(one, str)]
    return found or None
