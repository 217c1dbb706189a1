"""What was recorded: a provider of its own for each test, instrumented."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_llm


class Recorded:
    """A provider and what it has exported."""

    def __init__(self, **settings: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        otel_llm.instrument(tracer_provider=self.provider, **settings)
        self.tracer = self.provider.get_tracer("tests")

    def spans(self) -> list[ReadableSpan]:
        """All spans that ended, once the calls that wait for prices have been ended."""
        self.provider.force_flush()
        return list(self.exporter.get_finished_spans())

    def call(self) -> ReadableSpan:
        """The one call of a model that was recorded."""
        (span,) = [span for span in self.spans() if span.name.startswith("chat")]
        return span

    def attributes(self) -> dict[str, Any]:
        """The attributes of the one call."""
        return dict(self.call().attributes or {})
