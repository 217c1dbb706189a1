"""A receiver of all OTLP signals on loopback that keeps what it was sent, by path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint

_KINDS: dict[str, Any] = {
    "/v1/logs": ExportLogsServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/traces": ExportTraceServiceRequest,
}


class OtlpServer:
    """`silent` paths get no answer before the end; every other known path gets 200, the rest 404."""

    def __init__(self, *silent: str) -> None:
        self.requests: list[tuple[str, Any]] = []
        self._ended = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path in silent:
                    server._ended.wait(30)
                    return
                if self.path in _KINDS:
                    server.requests.append((self.path, _KINDS[self.path].FromString(body)))
                self.send_response(200 if self.path in _KINDS else 404)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()

    def span_names(self) -> list[str]:
        return [
            span.name
            for path, request in self.requests
            if path == "/v1/traces"
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def logs(self) -> list[tuple[str, LogRecord]]:
        """(service, record) of all that came."""
        return [
            (service_of(resource), record)
            for path, request in self.requests
            if path == "/v1/logs"
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def points(self, metric: str) -> Iterator[tuple[str, HistogramDataPoint]]:
        """(instance of the service, point) of every point of a histogram, in the order of arrival."""
        for path, request in self.requests:
            if path != "/v1/metrics":
                continue
            for resource in request.resource_metrics:
                process = str(attributes_of(resource.resource)["service.instance.id"])
                for scope in resource.scope_metrics:
                    for found in scope.metrics:
                        if found.name == metric:
                            yield from ((process, point) for point in found.histogram.data_points)


def attributes_of(holder: Any) -> dict[str, Any]:
    """The attributes of anything in OTLP that has some."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in holder.attributes}


def service_of(resource: Any) -> str:
    return str(attributes_of(resource.resource)["service.name"])
