"""The exporters of OpenTelemetry's own SDKs, by every protocol that they offer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind
from rig import otlp
from rig.processes import CollectorProcess

from . import builds, sent

NODE_S_MAX = 60
#: Protocol of Node's exporters -> what their endpoint is.
NODE = {
    "grpc": lambda ours: f"http://{ours.grpc}",
    "json": lambda ours: ours.traces_url,
    "proto": lambda ours: ours.traces_url,
}


def grpc(ours: CollectorProcess) -> SpanExporter:
    return GrpcExporter(endpoint=ours.grpc, insecure=True)


def http(ours: CollectorProcess) -> SpanExporter:
    return HttpExporter(endpoint=ours.traces_url)


def http_gzip(ours: CollectorProcess) -> SpanExporter:
    return HttpExporter(endpoint=ours.traces_url, compression=Compression.Gzip)


@pytest.mark.parametrize("make", [grpc, http, http_gzip], ids=lambda make: make.__name__)
def test_python(ours: CollectorProcess, make: Callable[[CollectorProcess], SpanExporter]) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "python"}))
    provider.add_span_processor(BatchSpanProcessor(make(ours)))
    tracer = provider.get_tracer("interop")
    with tracer.start_as_current_span("invoke_agent planner", attributes={"gen_ai.operation.name": "invoke_agent"}):
        for number in range(sent.CALLS):
            with tracer.start_as_current_span("chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=sent.MODEL) as span:
                span.set_attribute("app.number", number)
    provider.shutdown()
    assert ours.stop() == 0
    rows = sent.assert_calls(ours.data, "python", sent.CALLS)
    assert [dict(row["attributes"])["app.number"] for row in rows] == [str(number) for number in range(sent.CALLS)]


def test_python_logs_and_metrics(ours: CollectorProcess) -> None:
    logs = LoggerProvider(resource=Resource({"service.name": "python"}))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"http://{ours.http}/v1/logs")))
    for number in range(sent.CALLS):
        logs.get_logger("interop").emit(event_name="app.said", body="hello", attributes={"app.number": number})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"http://{ours.http}/v1/metrics"))
    metrics = MeterProvider([reader], resource=Resource({"service.name": "python"}))
    metrics.get_meter("interop").create_counter("app.calls").add(sent.CALLS, {"app.flag": True})
    logs.shutdown()  # type: ignore[no-untyped-call]
    metrics.shutdown()
    assert ours.stop() == 0
    rows = otlp.rows(ours.data, "FROM t WHERE service_name = 'python'", "logs")
    assert sorted(int(dict(row["attributes"])["app.number"]) for row in rows) == list(range(sent.CALLS))
    assert {row["event_name"] for row in rows} == {"app.said"}
    (point,) = otlp.rows(ours.data, "FROM t WHERE name = 'app.calls'", "metrics")
    assert (point["value"], dict(point["attributes"])) == (float(sent.CALLS), {"app.flag": "true"})


@pytest.mark.parametrize("protocol", sorted(NODE))
def test_node(ours: CollectorProcess, protocol: str) -> None:
    program = builds.node() / "send.mjs"
    command = ["node", str(program), protocol, NODE[protocol](ours), str(sent.CALLS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=NODE_S_MAX)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ours.stop() == 0
    rows = sent.assert_calls(ours.data, f"node-{protocol}", sent.CALLS)
    assert {row["trace_id"] for row in rows} == {json.loads(done.stdout)["trace"]}
    first = dict(rows[0]["attributes"])
    assert (first["app.text"], first["app.flag"], first["app.share"]) == ("Grüße 😀", "true", "0.5")
    assert json.loads(first["app.words"]) == ["a", "b"]
    assert {row["status"] for row in rows[9::10]} == {"ERROR"}
    agent = otlp.rows(ours.data, "FROM t WHERE operation = 'invoke_agent'")
    assert {row["parent_span_id"] for row in rows} == {agent[0]["span_id"]}
