"""Whoever watches the start of a call's span sees what the conventions want to be known there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx2
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

import otel_llm
from otel_llm_semconv import attributes as a

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.5, "seed": 7}
ANSWER = {
    "id": "1",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
#: What a sampler is to be told, by the conventions.
EARLY = {
    a.OPERATION: "chat",
    a.PROVIDER: "openai",
    a.REQUEST_MODEL: "gpt-4o",
    a.SERVER_ADDRESS: "llm.test",
    a.SERVER_PORT: 443,
}
SAID = {a.REQUEST_TEMPERATURE: 0.5, a.REQUEST_SEED: 7}


class Watching(SpanProcessor):
    """Keeps what a span says when it starts."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.seen.append(dict(span.attributes or {}))


class Choosing(Sampler):
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Any] | None = None,
    ) -> SamplingResult:
        self.seen.append(dict(attributes or {}))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

    def get_description(self) -> str:
        return "Choosing"


Made = Callable[..., tuple[TracerProvider, InMemorySpanExporter]]


@pytest.fixture
def made() -> Iterator[Made]:
    """Makes a provider that is instrumented."""

    def make(**options: Any) -> tuple[TracerProvider, InMemorySpanExporter]:
        provider, exporter = TracerProvider(shutdown_on_exit=False, **options), InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        otel_llm.instrument(tracer_provider=provider)
        return provider, exporter

    yield make
    otel_llm.uninstrument()


def call() -> None:
    with httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER))) as client:
        client.post("https://llm.test/v1/chat/completions", json=ASKED)


def ended(provider: TracerProvider, exporter: InMemorySpanExporter) -> ReadableSpan:
    provider.force_flush()
    return exporter.get_finished_spans()[-1]


def test_a_processor_that_comes_later_sees_the_start(made: Made) -> None:
    provider, exporter = made()
    call()
    assert EARLY.items() | SAID.items() <= dict(ended(provider, exporter).attributes or {}).items()
    watching = Watching()
    provider.add_span_processor(watching)
    call()
    assert watching.seen == [EARLY]
    assert EARLY.items() | SAID.items() <= dict(ended(provider, exporter).attributes or {}).items()


def test_a_sampler_is_told(made: Made) -> None:
    for choosing, sampler in ((first := Choosing(), first), (second := Choosing(), ParentBased(second))):
        provider, exporter = made(sampler=sampler)
        call()
        assert choosing.seen == [EARLY]
        assert EARLY.items() | SAID.items() <= dict(ended(provider, exporter).attributes or {}).items()
        otel_llm.uninstrument()


@pytest.mark.parametrize("sampler", [ALWAYS_ON, TraceIdRatioBased(1.0), ParentBasedTraceIdRatio(1.0)])
def test_with_a_sampler_of_the_sdk_a_span_says_the_same(made: Made, sampler: Sampler) -> None:
    provider, exporter = made(sampler=sampler)
    call()
    plain = dict(ended(provider, exporter).attributes or {})
    provider.add_span_processor(Watching())
    call()
    assert dict(ended(provider, exporter).attributes or {}) == plain


def test_what_a_limit_drops_is_counted(made: Made) -> None:
    provider, exporter = made(span_limits=SpanLimits(max_span_attributes=3))
    call()
    span = ended(provider, exporter)
    assert len(span.attributes or {}) == 3
    assert span.dropped_attributes > 10


def test_an_unsampled_call_is_not_recorded(made: Made) -> None:
    provider, exporter = made(sampler=TraceIdRatioBased(0.0))
    call()
    provider.force_flush()
    assert exporter.get_finished_spans() == ()
