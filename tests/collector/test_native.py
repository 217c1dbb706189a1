"""The native wheel says yes only where protobuf does, knows all that OTLP has, and is the one that belongs to us."""

from __future__ import annotations

import logging
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rig import otlp
from rig.sent_spans import RECEIVED, requests

from otel_llm_collector import journal, native
from otel_llm_collector.columns import texts
from otel_llm_collector.columns.wire import PADDING, Wire
from otel_llm_collector.receiver import shape, soundness
from otel_llm_collector.signals import SIGNALS
from otel_llm_semconv.dialects import messages

TRACES = SIGNALS[journal.TRACES]
ROOT = Path(__file__).parents[2]
installed = pytest.mark.skipif(
    native.native is None, reason="otel-llm-native is not installed (pip install ./native, with Rust)"
)


def judged_by_protobuf(payload: bytes) -> int | None:
    """How many spans there are, all of them sound; None where they are not."""
    try:
        kept, accepted = soundness.check_by_parsing(TRACES, payload)
    except soundness.BadDataError:
        return None
    return None if accepted.rejected else accepted.stored if kept else 0


def with_everything() -> ExportTraceServiceRequest:
    """A request in which every field of every message is set."""
    value = otlp.any_value(["x", 1, -1, 0.5, True, b"\xff", ["x", [1]]])
    value.array_value.values.add().kvlist_value.values.add(key="l", key_strindex=1, value=otlp.any_value("m"))
    value.array_value.values.add(string_value_strindex=2)
    span = otlp.span({"é": "ü" * 300}, start_ns=RECEIVED)
    span.attributes.add(key="k", value=value)
    span.parent_span_id, span.trace_state, span.flags, span.kind = b"p" * 8, "a=b", 257, 3
    span.status.message, span.status.code = "boom", 2
    span.dropped_attributes_count = span.dropped_events_count = span.dropped_links_count = 1 << 31
    span.events.add(name="e", time_unix_nano=1, dropped_attributes_count=1).attributes.add(key="k", value=value)
    link = span.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, trace_state="c=d", flags=1, dropped_attributes_count=1)
    link.attributes.add(key="k", value=value)
    request = otlp.request(span, span, scope="by-hand")
    (resource,) = request.resource_spans
    resource.schema_url = resource.scope_spans[0].schema_url = "https://example.com/é"
    resource.resource.dropped_attributes_count = 7
    resource.resource.entity_refs.add(type="service", id_keys=["a", "é"], description_keys=["b"], schema_url="s")
    resource.scope_spans[0].scope.version, resource.scope_spans[0].scope.dropped_attributes_count = "1", 7
    resource.scope_spans[0].scope.attributes.add(key="k", value=value)
    return request


def names_set(message: Any, found: dict[str, set[str]]) -> None:
    """The fields that are set in a message and those inside it, by the kind of message."""
    for field, value in message.ListFields():
        found.setdefault(message.DESCRIPTOR.full_name, set()).add(field.name)
        for inner in (value if field.is_repeated else [value]) if field.message_type else ():
            names_set(inner, found)


@installed
def test_it_knows_every_field_that_otlp_has() -> None:
    request, found = with_everything(), dict[str, set[str]]()
    names_set(request, found)
    for message in shape._messages(request.DESCRIPTOR):
        assert {field.name for field in message.fields} == found[message.full_name], message.full_name
    assert shape.count_spans is not None
    assert shape.count_spans(request.SerializeToString()) == 2


@installed
@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [(bytes(16), b"s" * 8), (b"t" * 16, bytes(8)), (b"t" * 15, b"s" * 8), (b"t" * 16, b"s" * 9), (b"", b"")],
)
def test_spans_without_ids_are_left_to_protobuf(trace_id: bytes, span_id: bytes) -> None:
    assert shape.count_spans is not None
    span = otlp.span({})
    span.trace_id, span.span_id = trace_id, span_id
    assert shape.count_spans(otlp.request(otlp.span({}), span).SerializeToString()) is None


@installed
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(requests(), st.data())
def test_it_says_yes_only_where_protobuf_does(payload: bytes, data: st.DataObject) -> None:
    assert shape.count_spans is not None
    octets = bytearray(payload)
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, max(0, len(octets) - 1)))
        octets[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    spans = shape.count_spans(bytes(octets))
    assert spans is None or spans == judged_by_protobuf(bytes(octets))


@installed
@pytest.mark.parametrize(
    "rules", [[[(1, "message", 1)]], [[(1, "float", 0)]], [[(1 << 40, "varint", 0)]]], ids=["index", "kind", "number"]
)
def test_a_shape_that_is_none_is_refused(rules: list[list[tuple[int, str, int]]]) -> None:
    with pytest.raises(ValueError, match="field"):
        native.native.Shape(rules, 0)


PIECES = ("", "a", "é", '"', '"parts"', '"parts": []', '"content":[', '"text":', '"finish_reason": ""', "x" * 40)


@installed
@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), max_size=20))
def test_it_finds_what_arrow_finds(said: list[str]) -> None:
    octets = "".join(said).encode()
    wire = Wire(np.frombuffer(octets + bytes(PADDING), np.uint8))
    sizes = np.array([len(text.encode()) for text in said], np.int64)
    found = texts.views(wire, np.cumsum(sizes) - sizes, sizes)
    patterns = (messages.IN_SCHEMA, messages.ODD)
    bits = native.native.Patterns(patterns).search(wire.octets, found)
    for place, pattern in enumerate(patterns):
        expected: Any = pc.match_substring_regex(pa.array(said, pa.string()), pattern)
        assert (bits & (1 << place) != 0).tolist() == expected.to_pylist()


@installed
def test_a_search_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(ValueError, match="unclosed group"):
        native.native.Patterns(["("])
    with pytest.raises(ValueError, match="eight"):
        native.native.Patterns(["a"] * 9)
    search, octets = native.native.Patterns(["a"]).search, np.zeros(20, np.uint8)
    assert search(octets, np.zeros((0, 2), np.uint64)).tolist() == []
    with pytest.raises(ValueError, match="two words"):
        search(octets, np.zeros((2, 3), np.uint64))
    for view in ([13, 8 << 32], [(1 << 32) - 1, ((1 << 64) - 1)]):
        with pytest.raises(ValueError, match="out of the octets"):
            search(octets, np.array([view], np.uint64))


def test_the_two_are_of_one_version() -> None:
    rust = tomllib.loads((ROOT / "native/Cargo.toml").read_text())["package"]
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert rust["version"] == ours["version"] == native.VERSION
    assert f"INTERFACE: u32 = {native.INTERFACE};" in (ROOT / "native/src/lib.rs").read_text()


def test_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "otel_llm_native", SimpleNamespace(__version__="0.0.1"))
    with caplog.at_level(logging.WARNING):
        assert native._installed() is None
    assert f"otel-llm-native is 0.0.1 and not used: this is made for {native.VERSION}" in caplog.text
    of_another_checkout = SimpleNamespace(__version__=native.VERSION, INTERFACE=native.INTERFACE - 1)
    monkeypatch.setitem(sys.modules, "otel_llm_native", of_another_checkout)
    with caplog.at_level(logging.WARNING):
        assert native._installed() is None
    assert "build it again, pip install ./native" in caplog.text
    monkeypatch.setitem(sys.modules, "otel_llm_native", None)
    assert native._installed() is None
