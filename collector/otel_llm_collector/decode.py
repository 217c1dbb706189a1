"""From a stored request to span records, losing nothing: what has no column of its own goes into blobs and letters."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

#: Fields of a span that have columns; all others stay in its `side`.
_CORE_FIELDS: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "attributes",
)

#: Value field -> its letter, and how it is spelled as text.
_SCALARS: Final[dict[str | None, tuple[str, Callable[[Any], str]]]] = {
    "string_value": ("s", str),
    "int_value": ("i", str),
    "double_value": ("d", repr),
    "bool_value": ("b", lambda flag: "true" if flag else "false"),
    "bytes_value": ("y", lambda data: base64.b64encode(data).decode()),
    None: ("n", lambda _: ""),
}


@dataclass(slots=True)
class SpanRecord:
    """One span of a request with what surrounds it.

    `attributes` holds the first value of each key, `resource` and `scope` the enclosing messages without their spans,
    `resource_attributes` the resource's, `side` the rest of the span's protobuf.
    """

    span: Span
    attributes: dict[str, AnyValue]
    side: bytes
    resource_attributes: Mapping[str, AnyValue]
    resource: bytes
    scope_name: str
    scope: bytes
    scope_version: str = ""


def read_spans(payload: bytes) -> Iterator[SpanRecord]:
    """The spans of a stored request, in their order there."""
    return spans_of(ExportTraceServiceRequest.FromString(payload))


def spans_of(request: ExportTraceServiceRequest) -> Iterator[SpanRecord]:
    """The spans of a request, in their order there."""
    for resource_spans in request.resource_spans:
        resource_attributes = first_values(resource_spans.resource.attributes)[0]
        resource = without(resource_spans, "scope_spans")
        for scope_spans in resource_spans.scope_spans:
            scope = without(scope_spans, "spans")
            around = {"scope_name": scope_spans.scope.name, "scope_version": scope_spans.scope.version}
            for span in scope_spans.spans:
                yield record_of(span, resource_attributes, resource, scope=scope, **around)


def record_of(
    span: Span,
    resource_attributes: Mapping[str, AnyValue],
    resource: bytes,
    *,
    scope_name: str,
    scope: bytes,
    scope_version: str,
) -> SpanRecord:
    """A span with what surrounds it."""
    attributes, repeated = attributes_of(span)
    side = _side(span, repeated)
    return SpanRecord(span, attributes, side, resource_attributes, resource, scope_name, scope, scope_version)


def text_of(value: AnyValue) -> tuple[str, str]:
    """An attribute value as people read it, and the letter that gives it its type back.

    s string, i int, d double, b bool, n unset, y bytes (base64), j array of strings (JSON),
    o anything else (OTLP/JSON).
    """
    kind = value.WhichOneof("value")
    if kind in _SCALARS:
        letter, spell = _SCALARS[kind]
        return spell(getattr(value, kind) if kind else None), letter
    texts = strings_of(value)
    if texts is not None:
        return json.dumps(texts, ensure_ascii=False), "j"
    return json_format.MessageToJson(value, indent=None, ensure_ascii=False), "o"


def strings_of(value: AnyValue) -> list[str] | None:
    """The strings of an array of nothing but strings, else None."""
    items = value.array_value.values
    if value.WhichOneof("value") != "array_value" or any(i.WhichOneof("value") != "string_value" for i in items):
        return None
    return [item.string_value for item in items]


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds the items of a scope: the resource's attributes, and both without what they hold."""

    resource_attributes: Mapping[str, AnyValue]
    resource: bytes
    scope_name: str
    scope: bytes


def surrounded(resources: Iterable[Any], scopes: str, items: str) -> Iterator[tuple[Around, Any]]:
    """The items of each scope of a request with what surrounds them; `scopes` and `items` name the fields."""
    for outer in resources:
        attributes, resource = first_values(outer.resource.attributes)[0], without(outer, scopes)
        for inner in getattr(outer, scopes):
            yield Around(attributes, resource, inner.scope.name, without(inner, items)), getattr(inner, items)


def first_values(pairs: Iterable[KeyValue]) -> tuple[dict[str, AnyValue], list[KeyValue]]:
    """The first value of each key, and the pairs that repeat a key (they occur, and DuckDB refuses such a MAP)."""
    first: dict[str, AnyValue] = {}
    repeated: list[KeyValue] = []
    for pair in pairs:
        if pair.key in first:
            repeated.append(pair)
        else:
            first[pair.key] = pair.value
    return first, repeated


def attributes_of(message: Any) -> tuple[dict[str, AnyValue], list[KeyValue]]:
    """The attributes of a message as `first_values` has them, and the pairs that stay as they are.

    Beside those that repeat a key these are all of a key with a pair that no text tells: one without a value, or with
    fields that are not known here, as those of a later version of the protocol.
    """
    has_unknown = holds_unknown(message)
    untold = {
        pair.key for pair in message.attributes if not pair.HasField("value") or (has_unknown and holds_unknown(pair))
    }
    first, repeated = first_values(pair for pair in message.attributes if pair.key not in untold)
    return first, repeated + [pair for pair in message.attributes if pair.key in untold] if untold else repeated


def holds_unknown(message: Any) -> bool:
    """True where a message, or what is inside it, has fields that are not known here."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != message.ByteSize())


def _side(span: Span, repeated: list[KeyValue]) -> bytes:
    """Copy and clear, so that unknown fields survive; `status` and `kind` leave only if a column says all of them."""
    rest = Span()
    rest.CopyFrom(span)
    for field in _CORE_FIELDS:
        rest.ClearField(field)
    rest.attributes.extend(repeated)
    if rest.kind in Span.SpanKind.values():
        rest.ClearField("kind")
    rest.status.ClearField("message")
    if rest.status.code in (0, 1, 2):
        rest.status.ClearField("code")
    if rest.status.ByteSize() == 0 and not span.HasField("status"):
        rest.ClearField("status")
    return rest.SerializeToString()


def without(message: Any, field: str) -> bytes:
    """The protobuf of a message but for one field; what surrounds items is kept like this, unknown fields too."""
    rest = type(message)()
    rest.CopyFrom(message)
    rest.ClearField(field)
    return bytes(rest.SerializeToString())
