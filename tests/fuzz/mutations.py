"""Requests that are nearly right: bytes of a good one changed, removed, repeated, or put where others stood.

A length that no longer fits makes a request of protobuf no request at all, so half of them are changed inside one span
and wrapped anew, some with fields that no version of OTLP has.
"""

from __future__ import annotations

import base64
import random
import re
from typing import Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rig import otlp
from rig.sent_spans import RECEIVED

from otel_llm_collector import journal
from otel_llm_collector.signals import SIGNALS, Signal
from otel_llm_semconv import attributes as a

_CHANGES: Final = (1, 1, 1, 2, 4)
_ODD_BYTES: Final = (b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff" * 9 + b"\x01", b"\x0a\x00", b"\xed\xa0\x80")
_NUMBERS: Final = (1, 2, 3, 5, 7, 9, 11, 15, 16, 99, 536_870_911)
_START_GROUP: Final = 3
_END_GROUP: Final = 4
#: Wire type of protobuf -> values of it.
_VALUES: Final[dict[int, tuple[bytes, ...]]] = {
    0: (b"\x00", b"\x7f", b"\xff" * 9 + b"\x01"),
    1: (b"12345678", bytes(8)),
    2: (b"\x00", b"\x03abc", b"\x02\xff\xfe", b"\x04\x0a\x02hi"),
    _START_GROUP: (b"", b"\x08\x01"),
    5: (b"1234", bytes(4)),
}
TRACE_IDS: Final = tuple(b"trace of fuzz %02d" % number for number in range(4))
SPAN_IDS: Final = tuple(b"span  %02d" % number for number in range(4))
_ID: Final = re.compile(r'("(?:trace|span|parentSpan)Id":\s*)"([^"]*)"')
_CONTENT: Final = '[{"role":"user","parts":[{"type":"text","content":"h\\u00e9llo \\ud83d\\ude00"}]}]'


def good_traces() -> list[bytes]:
    """Requests as they should be, of several kinds; their spans have the ids of TRACE_IDS and SPAN_IDS."""
    told = {
        a.INPUT_MESSAGES: _CONTENT,
        "gen_ai.response.finish_reasons": ["stop", ""],
        "gen_ai.request.temperature": 0.7,
        "session.id": "s",
    }
    old = {"llm.model_name": "gpt-4o", "llm.token_count.prompt": 7, "openinference.span.kind": "LLM"}
    other = {"http.request.method": "GET", "otel_llm.property.ward": "3"}
    odd = {"deep": [1, [2.5, ["x", b"\x00"]], True], "text": "é" * 40}
    spans = [
        otlp.span(kind, trace_id=trace_id, span_id=span_id, start_ns=RECEIVED)
        for kind, trace_id, span_id in zip((otlp.chat(**told), other, old, odd), TRACE_IDS, SPAN_IDS, strict=True)
    ]
    spans[0].attributes.add(key="none", value=AnyValue())
    spans[1].events.add(name="exception", time_unix_nano=RECEIVED).attributes.add(key="k", value=otlp.any_value("v"))
    spans[1].links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    spans[2].status.message, spans[2].flags, spans[2].trace_state = "boom", 257, "a=b"
    spans[3].start_time_unix_nano = spans[3].end_time_unix_nano = 0
    scopes = ("otel_llm", "openinference.instrumentation.openai", "by-hand")
    found = [otlp.request(*some, scope=scope) for scope in scopes for some in (spans[:1], spans[1:3], spans)]
    found[-1].resource_spans.add().scope_spans.add(schema_url="x").spans.add().CopyFrom(spans[0])
    return [message.SerializeToString() for message in found]


def good_signals() -> list[tuple[Signal, bytes]]:
    """Requests of each signal, in protobuf."""
    logs = otlp.logs(otlp.record({"event.name": "x", "n": 1}, body=otlp.any_value("said")))
    metrics = otlp.metrics(Metric(name="g", unit="s"))
    point = metrics.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points.add(as_double=1.5)
    point.time_unix_nano = RECEIVED
    return [
        *((SIGNALS[journal.TRACES], body) for body in good_traces()),
        (SIGNALS[journal.LOGS], logs.SerializeToString()),
        (SIGNALS[journal.METRICS], metrics.SerializeToString()),
    ]


def as_json(signal: Signal, body: bytes) -> bytes:
    """A request in OTLP's JSON, with ids in hex."""
    text = json_format.MessageToJson(signal.request.FromString(body), use_integers_for_enums=True, indent=None)
    return _ID.sub(lambda found: f'{found[1]}"{base64.b64decode(found[2]).hex()}"', text).encode()


class Mutator:
    """Random changes, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, good: list[bytes]) -> bytes:
        """One of these requests, changed."""
        body = self._random.choice(good)
        if self._random.random() < 0.3:
            return self.change(body, good)
        return self._change_span(body)

    def change(self, body: bytes, others: list[bytes]) -> bytes:
        """Some bytes changed, wherever they stand."""
        octets = bytearray(body)
        for _ in range(self._random.choice(_CHANGES)):
            place = self._random.randrange(len(octets) + 1)
            size = self._random.choice((0, 0, 1, 1, 2, 8))
            octets[place : place + size] = self._piece(octets, others)
        return bytes(octets)

    def _piece(self, octets: bytearray, others: list[bytes]) -> bytes:
        kind, random_ = self._random.randrange(5), self._random
        if kind == 0:
            return b""
        if kind == 1:
            return random_.randbytes(random_.randint(1, 4))
        if kind == 2:
            return random_.choice(_ODD_BYTES)
        source = bytes(octets) if kind == 3 else random_.choice(others)
        start = random_.randrange(len(source) + 1)
        return source[start : start + random_.randint(1, 60)]

    def _change_span(self, body: bytes) -> bytes:
        message = ExportTraceServiceRequest.FromString(body)
        spans = message.resource_spans[0].scope_spans[0].spans
        place = self._random.randrange(len(spans))
        changed = spans[place].SerializeToString()
        changed = self.change(changed, [changed]) if self._random.random() < 0.4 else changed + self._unknown_field()
        try:
            spans[place].CopyFrom(Span.FromString(changed))
        except Exception:
            return _wrapped(changed)
        if self._random.random() < 0.3 and (attributes := spans[place].attributes):
            value = attributes[self._random.randrange(len(attributes))].value
            self._merge_unknown(value)
        return message.SerializeToString()

    def _merge_unknown(self, value: AnyValue) -> None:
        try:
            value.MergeFromString(self._unknown_field())
        except Exception:
            value.Clear()

    def _unknown_field(self) -> bytes:
        """A field of a number that nobody has given, or of a known number with a type that it does not have."""
        number, wire_type = self._random.choice(_NUMBERS), self._random.choice(list(_VALUES))
        end = _varint(number << 3 | _END_GROUP) if wire_type == _START_GROUP else b""
        return _varint(number << 3 | wire_type) + self._random.choice(_VALUES[wire_type]) + end


def _wrapped(span: bytes) -> bytes:
    """A request with one span of these bytes, whatever they are."""
    for tag in (0x12, 0x12, 0x0A):
        span = bytes([tag]) + _varint(len(span)) + span
    return span


def _varint(number: int) -> bytes:
    octets = bytearray()
    while number > 127:
        octets.append(number & 127 | 128)
        number >>= 7
    return bytes([*octets, number])
