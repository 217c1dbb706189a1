"""The three signals of OTLP: their names on the way in and out, their messages, and how an answer says what is refused.

One row each. The receiver takes them, the journal keeps them by `kind`, the forwarder hands them on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from . import journal


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal: the kind of its frames, its name, what its items are called, the class of its request and answer.

    `rejected` is the field of the answer's partial success that counts refused items.
    """

    kind: int
    name: str
    items: str
    service: str
    request: type[Any]
    answer: type[Any]
    rejected: str

    @property
    def path(self) -> str:
        """Where OTLP/HTTP takes it."""
        return f"/v1/{self.name}"

    @property
    def holder(self) -> str:
        """The field that holds all of a request, as OTLP/JSON spells it."""
        return str(self.request.DESCRIPTOR.fields[0].json_name)

    @property
    def method(self) -> str:
        """The method that OTLP/gRPC takes it by."""
        return f"/{self.service}/Export"


_PACKAGE: Final = "opentelemetry.proto.collector."
SIGNALS: Final[Mapping[int, Signal]] = {
    signal.kind: signal
    for signal in (
        Signal(
            journal.TRACES,
            "traces",
            "spans",
            _PACKAGE + "trace.v1.TraceService",
            ExportTraceServiceRequest,
            ExportTraceServiceResponse,
            "rejected_spans",
        ),
        Signal(
            journal.LOGS,
            "logs",
            "log records",
            _PACKAGE + "logs.v1.LogsService",
            ExportLogsServiceRequest,
            ExportLogsServiceResponse,
            "rejected_log_records",
        ),
        Signal(
            journal.METRICS,
            "metrics",
            "data points",
            _PACKAGE + "metrics.v1.MetricsService",
            ExportMetricsServiceRequest,
            ExportMetricsServiceResponse,
            "rejected_data_points",
        ),
    )
}
