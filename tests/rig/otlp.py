"""OTLP requests made by hand, and rows read back with DuckDB alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import duckdb
import urllib3
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PROTOBUF = {"content-type": "application/x-protobuf"}


def any_value(value: Any) -> AnyValue:
    """A Python value as an OTLP attribute value."""
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            array = AnyValue()
            array.array_value.values.extend(any_value(item) for item in value)
            return array
        case _:
            raise TypeError(type(value))


def span(
    attributes: dict[str, Any] | None = None,
    *,
    trace_id: bytes | None = None,
    span_id: bytes | None = None,
    parent: bytes = b"",
    name: str = "chat gpt-4o-mini",
    start_ns: int | None = None,
    duration_ns: int = 5_000_000,
) -> Span:
    """A span with these attributes; random ids and the present time unless given."""
    start = time.time_ns() if start_ns is None else start_ns
    return Span(
        trace_id=trace_id or os.urandom(16),
        span_id=span_id or os.urandom(8),
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=max(0, start + duration_ns),
        attributes=[KeyValue(key=key, value=any_value(value)) for key, value in (attributes or {}).items()],
    )


def chat(input_tokens: int = 1000, output_tokens: int = 200, **more: Any) -> dict[str, Any]:
    """The attributes of one priced call of gpt-4o-mini."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        **more,
    }


def request(*spans: Span, service: str = "test", scope: str = "by-hand") -> ExportTraceServiceRequest:
    """A request with one resource and one scope."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    _around(resource, around := resource.scope_spans.add(), service, scope)
    around.spans.extend(spans)
    return message


def _around(resource: Any, around: Any, service: str, scope: str) -> None:
    resource.resource.attributes.add(key="service.name", value=any_value(service))
    around.scope.name = scope


def record(attributes: dict[str, Any] | None = None, **fields: Any) -> LogRecord:
    """A log record of the present time with these attributes and fields."""
    pairs = [KeyValue(key=key, value=any_value(value)) for key, value in (attributes or {}).items()]
    return LogRecord(**{"time_unix_nano": time.time_ns(), "attributes": pairs, **fields})


def logs(*records: LogRecord, service: str = "test", scope: str = "by-hand") -> ExportLogsServiceRequest:
    """A request with one resource and one scope."""
    message = ExportLogsServiceRequest()
    resource = message.resource_logs.add()
    _around(resource, around := resource.scope_logs.add(), service, scope)
    around.log_records.extend(records)
    return message


def metrics(*sent: Metric, service: str = "test", scope: str = "by-hand") -> ExportMetricsServiceRequest:
    """A request with one resource and one scope."""
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    _around(resource, around := resource.scope_metrics.add(), service, scope)
    around.metrics.extend(sent)
    return message


def post(
    url: str, body: bytes, headers: dict[str, str] | None = None, method: str = "POST"
) -> urllib3.BaseHTTPResponse:
    """One HTTP request, without retries."""
    with urllib3.PoolManager(retries=False, timeout=20) as pool:
        return pool.request(method, url, body=body, headers=PROTOBUF | (headers or {}))


def rows(data: Path, query: str, table: str = "spans") -> list[dict[str, Any]]:
    """Rows of a table as a stranger reads them: plain DuckDB over the files; `query` says FROM t."""
    if not list((data / table).glob("date=*/*.parquet")):
        return []
    source = f"read_parquet('{data}/{table}/date=*/*.parquet', hive_partitioning=true, union_by_name=true)"
    with duckdb.connect() as connection:
        cursor = connection.execute(f"WITH t AS (FROM {source}) {query}")
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
