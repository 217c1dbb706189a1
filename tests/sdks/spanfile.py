"""The spans of another process: written there to a file as JSON, a line each, read here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

import otel_llm


class FileExporter(SpanExporter):
    """Appends each span to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._path.open("a") as file:
            file.writelines(span.to_json(indent=None) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


@contextmanager
def instrumented(path: str) -> Iterator[None]:
    """This process, its spans going to the file."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(FileExporter(Path(path))))
    otel_llm.instrument(tracer_provider=provider)
    yield
    provider.shutdown()


def read(path: Path) -> list[dict[str, Any]]:
    """The spans, in the order in which they ended."""
    return [json.loads(line) for line in path.read_text().splitlines()]
