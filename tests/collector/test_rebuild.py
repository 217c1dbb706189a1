"""A span that is built again from its rows is the one that was sent, however it was read."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from rig.sent_spans import RECEIVED, requests

from otel_llm_collector import journal, rebuild
from otel_llm_collector.columns import reader
from otel_llm_collector.converter import ways
from otel_llm_collector.rows import joined
from otel_llm_semconv.pricing.contracts import Contracts


def rebuilt(payloads: list[bytes], rows_min: int) -> list[str]:
    """What comes out again of the rows of some requests, read by columns where these are so many spans."""
    frames = [(7, journal.Frame(journal.TRACES, RECEIVED, payload, 0, "")) for payload in payloads]

    def set_aside(segment: int, reason: str) -> None:
        raise AssertionError(reason)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(reader, "ROWS_MIN", rows_min)
        way, *_ = ways("c0", Contracts(), lambda rows: rows, set_aside)
        parts = list(way.read(frames))
    if not parts:
        return []
    rows = joined(parts)
    (messages,), (owner,) = rows.others, rows.owners
    content = dict(zip(owner.tolist(), messages.to_pylist(), strict=True))
    told = rows.first.to_pylist()
    return sorted(canonical(rebuild.resource_spans(row, content.get(place))) for place, row in enumerate(told))


def sent(payloads: list[bytes]) -> list[str]:
    """The spans of the requests, each in what surrounds it."""
    found = []
    for payload in payloads:
        for resource in ExportTraceServiceRequest.FromString(payload).resource_spans:
            for scope in resource.scope_spans:
                found += [canonical(alone(resource, scope, span)) for span in scope.spans]
    return sorted(found)


def alone(resource: ResourceSpans, scope: Any, span: Span) -> ResourceSpans:
    found = ResourceSpans()
    found.CopyFrom(resource)
    del found.scope_spans[:]
    around = found.scope_spans.add()
    around.CopyFrom(scope)
    del around.spans[:]
    around.spans.append(span)
    return found


def canonical(message: ResourceSpans) -> str:
    """As text, in which a NaN is a NaN whatever its sign. Attributes by key; those of one key as they came."""
    span = message.scope_spans[0].spans[0]
    pairs = sorted(span.attributes, key=lambda pair: pair.key)
    copies = [type(pair).FromString(pair.SerializeToString()) for pair in pairs]
    del span.attributes[:]
    span.attributes.extend(copies)
    return text_format.MessageToString(message, print_unknown_fields=True)


@pytest.mark.parametrize("rows_min", [0, 1_000_000], ids=["by columns", "one by one"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests(), min_size=1, max_size=3))
def test_every_span_comes_back(rows_min: int, payloads: list[bytes]) -> None:
    assert rebuilt(payloads, rows_min) == sent(payloads)
