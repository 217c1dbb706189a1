"""Rows by which several emitters tell of calls, and which of them are counted."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_llm_collector.decode import spans_of
from otel_llm_collector.lake import files
from otel_llm_collector.normalise import normalise
from rig import otlp

OURS = "otel_llm"
PEER = "opentelemetry.instrumentation.openai"
NATIVE = "com.anthropic.sdk.python"
GATEWAY = "agentgateway"
NOW = time.time_ns() // 10**9 * 10**9
_MS = 1_000_000


@dataclass
class Told:
    """A span: who tells it, its name, where it stands in a tree, from when to when (in milliseconds), what it says."""

    name: str
    scope: str = OURS
    service: str = "app"
    trace: int = 1
    parent: str | None = None
    at: tuple[float, float] = (0, 100)
    attributes: dict[str, Any] = field(default_factory=otlp.chat)
    failed: bool = False
    kind: int = 3

    def request(self) -> ExportTraceServiceRequest:
        """The request that brings it alone."""
        start, end = (NOW + int(moment * _MS) for moment in self.at)
        span = otlp.span(
            self.attributes,
            trace_id=self.trace.to_bytes(16),
            span_id=_id(self.name),
            parent=_id(self.parent) if self.parent else b"",
            name=self.name,
            start_ns=start,
            duration_ns=end - start,
        )
        span.kind = self.kind  # type: ignore[assignment]
        if self.failed:
            span.status.code = 2  # type: ignore[assignment]
        return otlp.request(span, service=self.service, scope=self.scope)


def rows(told: Iterable[Told]) -> pa.Table:
    """The rows of some spans, before it is decided which of them count."""
    found = [normalise(record, NOW).row for one in told for record in spans_of(one.request())]
    return files.as_table("spans", found)


def counted(settled: pa.Table) -> dict[str, str | None]:
    """Of each row that looks like a call, by its name, why it is not counted."""
    return {
        row["name"]: row["not_counted_reason"]
        for row in settled.to_pylist()
        if row["is_llm_call"] or row["not_counted_reason"]
    }


def _id(name: str) -> bytes:
    return name.encode().rjust(8, b"\0")[-8:]
