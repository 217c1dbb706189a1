"""What a request to `/v1/sql` asks: a statement or a named question, and in which form the answer is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from otel_llm.errors import UsageError

from ..query.statements import Parameters
from .formats import Form
from .wire import Asked

_KEYS: Final = ("query", "parameters", "question", "arguments", "tz", "format")
_PLAIN: Final = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Request:
    """`query` with its `parameters`, or `question` with its `arguments`."""

    form: Form
    query: str = ""
    parameters: Parameters = field(default_factory=dict)
    question: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tz: str = "UTC"


def read(asked: Asked) -> Request:
    """The request of a body. Raises UsageError for what it does not say, or says wrongly."""
    try:
        text = asked.body.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"the body is no UTF-8 (byte {error.start})") from error
    if asked.media_type != "application/json":
        return Request(Form.accepted(asked.accept), query=text)
    try:
        given = json.loads(text)
    except ValueError as error:
        raise UsageError(f'the body is no JSON ({error}): send {{"query": "SELECT ..."}}') from error
    if not isinstance(given, dict):
        raise UsageError('the body is no JSON object: send {"query": "SELECT ..."}')
    return _read_object(given, asked.accept)


def _read_object(given: Mapping[str, Any], accept: str) -> Request:
    if unknown := [name for name in given if name not in _KEYS]:
        raise UsageError(f"unknown key {unknown[0]!r} in the body: {', '.join(_KEYS)}")
    if ("query" in given) == ("question" in given):
        raise UsageError('send one of "query", a statement, and "question", such as "cost"')
    for name in ("query", "question", "tz", "format"):
        if not isinstance(given.get(name, ""), str):
            raise UsageError(f'"{name}" is no text')
    form = Form.named(given["format"]) if "format" in given else Form.accepted(accept)
    return Request(
        form,
        query=given.get("query", ""),
        parameters=_parameters(given.get("parameters", {})),
        question=given.get("question", ""),
        arguments=_arguments(given.get("arguments", {})),
        tz=given.get("tz", "UTC"),
    )


def _parameters(given: Any) -> Parameters:
    """Values by name or in order."""
    values = given.values() if isinstance(given, dict) else given
    if not isinstance(given, dict | list) or not all(map(_is_value, values)):
        raise UsageError('"parameters" is no object or list of texts, numbers, true, false, null, and lists of these')
    return given


def _arguments(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict) or not all(map(_is_value, given.values())):
        raise UsageError('"arguments" is no object of texts, numbers, true, false, null, and lists of these')
    return given


def _is_value(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list) and all(isinstance(one, _PLAIN) for one in value))
