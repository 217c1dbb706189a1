"""What a record of an export tells, in the shape of OTLP, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..scores import Score

Record = Mapping[str, Any]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64_END: Final = 1 << 63


class UnreadableError(Exception):
    """A record that tells nothing that could become a row. Its text says why."""


@dataclass(slots=True)
class Told:
    """The spans and scores of one record, and what surrounds them: attributes of the resource, name of the scope."""

    scope: str
    resource: Mapping[str, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Attributes as OTLP has them; those that are None are left out. A structure becomes JSON."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items() if value is not None]


def any_value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int() if -_INT64_END <= value < _INT64_END:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=whole_text(value))
        case list() if all(isinstance(one, str) for one in value):
            return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
    return AnyValue(string_value=whole_text(json.dumps(value, ensure_ascii=False, default=str)))


def whole_text(text: str) -> str:
    """The text with U+FFFD for half of a surrogate pair, which no protobuf takes."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def moment_ns(value: Any) -> int | None:
    """Nanoseconds since 1970 of a time in ISO 8601 or as databases write it, in UTC unless it says otherwise."""
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(value.strip())
        except (AttributeError, ValueError):
            return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return since // timedelta(microseconds=1) * 1000 + _nanoseconds(value)


def _nanoseconds(value: Any) -> int:
    """The digits of a time behind its microseconds, which `datetime` cuts off."""
    if not isinstance(value, str):
        return 0
    fraction = value.partition(".")[2]
    digits = fraction[: next((place for place, sign in enumerate(fraction) if not sign.isdecimal()), len(fraction))]
    return int(digits[6:9].ljust(3, "0")) if len(digits) > 6 else 0


def json_in(value: Any) -> Any:
    """The structure in a text, as a CSV file has it, or the value where it is none.

    One exporter doubles the quotes in it once more than CSV does.
    """
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    for text in (value, value.replace('""', '"')):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return value


def mapping_in(value: Any) -> Mapping[str, Any]:
    """The object in a value, else an empty one."""
    found = json_in(value)
    return found if isinstance(found, Mapping) else {}


def text_in(value: Any) -> str | None:
    """The text of a value that says something; of a number what it is written as."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def number_in(value: Any) -> float | int | None:
    """A finite number, also one that a CSV file has."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value) if any(sign in value for sign in ".eE") else int(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e18 else None


def count_in(value: Any) -> int | None:
    """A whole number."""
    found = number_in(value)
    return int(found) if found is not None and found == int(found) else None
