"""From rows back to what was sent: a span is in the tables whole, and this is how it comes out again.

Source: `decode.py` and `normalise.py`, read backwards. Equal but for the order of attributes with different keys.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables

from .normalise import CONTENT, KINDS, PROMOTED, STATUSES

Row = Mapping[str, Any]

_PROPERTIES: Final = "properties"
_KIND_OF: Final = {name: number for number, name in KINDS.items()}
_STATUS_OF: Final = {name: number for number, name in STATUSES.items()}
#: Letter of `attribute_types` -> the value that a text stands for: see `decode.text_of`.
VALUE_OF: Final[Mapping[str, Callable[[str], AnyValue]]] = {
    "s": lambda text: AnyValue(string_value=text),
    "i": lambda text: AnyValue(int_value=int(text)),
    "d": lambda text: AnyValue(double_value=float(text)),
    "b": lambda text: AnyValue(bool_value=text == "true"),
    "y": lambda text: AnyValue(bytes_value=base64.b64decode(text)),
    "n": lambda _: AnyValue(),
    "j": lambda text: _texts(json.loads(text)),
    "o": lambda text: json_format.Parse(text, AnyValue()),
}


def resource_spans(row: Row, message: Row | None = None) -> ResourceSpans:
    """The span of a row of `spans`, inside its scope and resource; `message` is its row of `messages`, if it has one.

    Maps may be dicts or lists of pairs.
    """
    found = ResourceSpans.FromString(row["resource"])
    scope = found.scope_spans.add()
    scope.CopyFrom(ScopeSpans.FromString(row["scope"]))
    scope.spans.append(span(row, message))
    return found


def span(row: Row, message: Row | None = None) -> Span:
    """The span of a row of `spans`, with the content of its row of `messages`."""
    found = Span.FromString(row["side"])
    start_ns = row["start_time_ns"] % 2**64
    found.trace_id, found.span_id = bytes.fromhex(row["trace_id"]), bytes.fromhex(row["span_id"])
    found.parent_span_id = bytes.fromhex(row["parent_span_id"] or "")
    found.name = row["name"]
    found.start_time_unix_nano, found.end_time_unix_nano = start_ns, (start_ns + row["duration_ns"]) % 2**64
    if kind := _KIND_OF.get(row["kind"]):
        found.kind = kind
    if status := _STATUS_OF.get(row["status"]):
        found.status.code = status
    if row["status_message"]:
        found.status.message = row["status_message"]
    repeated = [KeyValue.FromString(pair.SerializeToString()) for pair in found.attributes]
    del found.attributes[:]
    for key, value in _attributes(row, message or {}).items():
        found.attributes.add(key=key, value=value)
    found.attributes.extend(repeated)
    return found


def _attributes(row: Row, message: Row) -> dict[str, AnyValue]:
    """All attributes: those that stayed, those that have a column, content, properties."""
    found = _lettered(row) | _lettered(message)
    derived = frozenset(row.get("derived") or ())
    for columns, told in ((PROMOTED, row), (CONTENT, message)):
        for column in columns:
            value = told.get(column.name)
            if value is not None and column.name not in derived and column.attribute is not None:
                found.setdefault(column.attribute, _of_column(column.type, value))
    if _PROPERTIES not in derived:
        for key, text in dict(row.get(_PROPERTIES) or ()).items():
            found.setdefault(a.PROPERTY_PREFIX + key, AnyValue(string_value=text))
    return found


def _lettered(row: Row) -> dict[str, AnyValue]:
    pairs: Iterable[tuple[str, str]] = dict(row.get("attributes") or ()).items()
    letters = row.get("attribute_types") or ""
    return {key: VALUE_OF[letter](text) for (key, text), letter in zip(pairs, letters, strict=True)}


def _of_column(type: str, value: Any) -> AnyValue:
    match type:
        case tables.BOOL:
            return AnyValue(bool_value=value)
        case tables.LONG | tables.INT:
            return AnyValue(int_value=value)
        case tables.TEXTS:
            return _texts(value)
    return AnyValue(string_value=value)


def _texts(values: Iterable[str]) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in values]))
