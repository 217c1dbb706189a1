"""For frameworks that trace themselves: they take the global provider, once, so all their tests share one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from app.recording import Recorded
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm
from otel_llm.finisher import finisher

_shared: list[tuple[TracerProvider, InMemorySpanExporter]] = []


class GloballyRecorded(Recorded):
    """What the global provider has exported since it was made."""

    def __init__(self) -> None:
        if not _shared:
            _shared.append((TracerProvider(shutdown_on_exit=False), InMemorySpanExporter()))
            _shared[0][0].add_span_processor(SimpleSpanProcessor(_shared[0][1]))
            trace.set_tracer_provider(_shared[0][0])
        self.provider, self.exporter = _shared[0]
        self.exporter.clear()
        self.tracer = self.provider.get_tracer("tests")
        otel_llm.instrument()


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Instrumented with the defaults, on the global provider, with prices at hand; restored afterwards."""
    finisher.start()
    recorded = GloballyRecorded()
    yield recorded
    otel_llm.uninstrument()
