"""What a request of spans looks like, told to the native wheel out of protobuf's own description of the messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ..native import native

_Rule = tuple[int, str, int]
_KINDS: Final = {
    FieldDescriptor.TYPE_BOOL: "varint",
    FieldDescriptor.TYPE_ENUM: "varint",
    FieldDescriptor.TYPE_INT32: "varint",
    FieldDescriptor.TYPE_INT64: "varint",
    FieldDescriptor.TYPE_UINT32: "varint",
    FieldDescriptor.TYPE_UINT64: "varint",
    FieldDescriptor.TYPE_DOUBLE: "fixed64",
    FieldDescriptor.TYPE_FIXED64: "fixed64",
    FieldDescriptor.TYPE_FIXED32: "fixed32",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
#: Fields that a span needs, and how many bytes they have.
_IDS: Final = {"trace_id": 16, "span_id": 8}


def _messages(outermost: Descriptor) -> list[Descriptor]:
    """A message and all that are in it, each once."""
    found = [outermost]
    for message in found:
        inner = dict.fromkeys(field.message_type for field in message.fields)
        found += [one for one in inner if one and one not in found]
    return found


def _rules(message: Descriptor, messages: list[Descriptor]) -> list[_Rule]:
    """Numbers in a list are left to protobuf: they may be packed."""
    is_span = message is Span.DESCRIPTOR
    rules: list[_Rule] = []
    for field in message.fields:
        kind, argument = _KINDS.get(field.type, ""), 0
        if field.message_type:
            argument = messages.index(field.message_type)
        elif is_span and field.name in _IDS:
            kind, argument = "id", _IDS[field.name]
        elif field.is_repeated and kind not in ("text", "bytes"):
            continue
        if kind:
            rules.append((field.number, kind, argument))
    return rules


def _counter() -> Callable[[bytes], int | None] | None:
    if native is None:
        return None
    messages = _messages(ExportTraceServiceRequest.DESCRIPTOR)
    rules = [_rules(message, messages) for message in messages]
    shape: Any = native.Shape(rules, messages.index(Span.DESCRIPTOR))
    return shape.count  # type: ignore[no-any-return]


#: How many spans a request has all of which are sound; None where that is for protobuf to tell. None without the wheel.
count_spans: Final = _counter()
