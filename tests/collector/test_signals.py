"""Logs, metrics and scores: from any sender into their tables, once, and back as they were sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
    Summary,
    SummaryDataPoint,
)
from rig import otlp
from rig.lake import count, store
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.query import connect
from otel_llm_collector.signals import SIGNALS
from otel_llm_semconv import attributes as a

JSON = {"content-type": "application/json"}
LOGS, METRICS = (signal for signal in SIGNALS.values() if signal.name != "traces")
TRACE, SPAN = b"\x01" * 16, b"\x02" * 8
NOW = 1_760_000_000_000_000_000


def points() -> list[Metric]:
    """A metric of each type, with all that the protocol knows."""
    about: dict[str, Any] = {
        "attributes": [KeyValue(key="gen_ai.token.type", value=otlp.any_value("input"))],
        "time_unix_nano": time.time_ns(),
        "start_time_unix_nano": 5,
    }
    buckets = ExponentialHistogramDataPoint.Buckets(offset=-1, bucket_counts=[1, 2])
    quantile = SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=2.0)
    return [
        Metric(name="g", unit="1", gauge=Gauge(data_points=[NumberDataPoint(as_double=1.5, **about)])),
        Metric(name="none", gauge=Gauge(data_points=[NumberDataPoint(flags=1, **about)])),
        Metric(
            name="s",
            description="a sum",
            sum=Sum(
                aggregation_temporality=2, is_monotonic=True, data_points=[NumberDataPoint(as_int=2**53 + 1, **about)]
            ),
        ),
        Metric(
            name="h",
            histogram=Histogram(
                aggregation_temporality=1,
                data_points=[
                    HistogramDataPoint(count=3, sum=0.0, min=0.0, bucket_counts=[1, 2], explicit_bounds=[0.5], **about)
                ],
            ),
        ),
        Metric(
            name="e",
            exponential_histogram=ExponentialHistogram(
                aggregation_temporality=2,
                data_points=[ExponentialHistogramDataPoint(count=3, scale=2, positive=buckets, **about)],
            ),
        ),
        Metric(
            name="q",
            summary=Summary(data_points=[SummaryDataPoint(count=2, sum=4.0, quantile_values=[quantile], **about)]),
        ),
    ]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collector(tmp_path_factory.mktemp("signals") / "data") as process:
        yield process


@pytest.mark.parametrize("way", ["protobuf", "json", "grpc"])
def test_logs_and_metrics_arrive_by_every_door(running: CollectorProcess, way: str) -> None:
    requests = {
        LOGS: otlp.logs(otlp.record(event_name=f"by {way}", trace_id=TRACE, span_id=SPAN)),
        METRICS: otlp.metrics(
            Metric(name=f"by {way}", gauge=Gauge(data_points=[NumberDataPoint(as_int=1, time_unix_nano=NOW)]))
        ),
    }
    for signal, request in requests.items():
        send(running, signal, request, way)
    wait_for(lambda: otlp.rows(running.data, f"SELECT 1 FROM t WHERE name = 'by {way}'", "metrics"))
    (row,) = wait_for(lambda: otlp.rows(running.data, f"FROM t WHERE event_name = 'by {way}'", "logs"))
    assert (row["trace_id"], row["span_id"], row["service_name"]) == (TRACE.hex(), SPAN.hex(), "test")


def send(running: CollectorProcess, signal: Any, request: Any, way: str) -> None:
    if way == "grpc":
        with grpc.insecure_channel(running.grpc) as channel:
            assert channel.unary_unary(signal.method, None, None)(request.SerializeToString(), timeout=20) == b""
        return
    body, headers = request.SerializeToString(), {}
    if way == "json":
        document = json_format.MessageToDict(request)
        for resource in document.get("resourceLogs", ()):
            resource["scopeLogs"][0]["logRecords"][0] |= {"traceId": TRACE.hex().upper(), "spanId": SPAN.hex()}
        body, headers = json.dumps(document).encode(), JSON
    answer = otlp.post(f"http://{running.http}{signal.path}", body, headers)
    assert (answer.status, answer.data) == (200, b"{}" if way == "json" else b"")


def test_items_that_nothing_could_find_are_refused_alone(running: CollectorProcess) -> None:
    nameless = Metric(gauge=Gauge(data_points=[NumberDataPoint(as_int=1, time_unix_nano=NOW)] * 3))
    answer = otlp.post(f"http://{running.http}/v1/metrics", otlp.metrics(nameless, *points()).SerializeToString())
    partial = ExportMetricsServiceResponse.FromString(answer.data).partial_success
    assert (answer.status, partial.rejected_data_points) == (200, 3)
    assert "3 of 9 data points" in partial.error_message
    timeless = LogRecord(trace_id=b"short", body=otlp.any_value("x"))
    body = otlp.logs(timeless, otlp.record()).SerializeToString()
    partial = ExportLogsServiceResponse.FromString(
        otlp.post(f"http://{running.http}/v1/logs", body).data
    ).partial_success
    assert partial.rejected_log_records == 1


@pytest.mark.parametrize(
    ("path", "request_", "way_out"),
    [
        ("/v1/logs", otlp.request(otlp.span(name="")), "/v1/traces"),
        ("/v1/traces", otlp.logs(otlp.record()), "/v1/logs"),
        ("/v1/metrics", otlp.logs(otlp.record()), "/v1/logs"),
        ("/v1/logs", otlp.metrics(*points()), "ExportLogsServiceRequest"),
    ],
    ids=["spans as logs", "logs as spans", "logs as metrics", "metrics as logs"],
)
def test_a_body_of_another_signal_is_refused(running: CollectorProcess, path: str, request_: Any, way_out: str) -> None:
    answer = otlp.post(f"http://{running.http}{path}", request_.SerializeToString())
    assert answer.status == 400
    assert way_out in Status.FromString(answer.data).message


SCORING = """
import otel_llm
otel_llm.init()
assert otel_llm.score("helpful", True, response_id="resp-7", explanation="because")
"""


def test_a_score_of_an_app_becomes_a_row(running: CollectorProcess) -> None:
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}", "OTEL_SERVICE_NAME": "clinic"}
    ran = subprocess.run([sys.executable, "-c", SCORING], env=environment, capture_output=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    (row,) = wait_for(lambda: otlp.rows(running.data, "FROM t WHERE response_id = 'resp-7'", "scores"))
    assert (row["name"], row["value"], row["explanation"]) == ("helpful", 1.0, "because")
    assert row["service_name"] == "clinic"


def test_what_is_sent_again_is_one_row_and_equal_items_are_two(tmp_path: Path) -> None:
    twin = otlp.record(time_unix_nano=NOW, event_name="twin")
    requests = otlp.logs(twin, twin, otlp.record()), otlp.metrics(*points())
    store(tmp_path, *requests)
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, *requests)
    assert converter.convert_some()
    store(tmp_path, *requests)
    assert Converter(tmp_path).convert_some()
    assert (count(tmp_path, "logs"), count(tmp_path, "metrics")) == (3, 6)


@pytest.mark.parametrize("table", ["logs", "scores", "metrics"])
def test_a_crash_after_a_commit_loses_and_doubles_nothing(
    tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = otlp.record({a.EVALUATION_NAME: "helpful"}, event_name=a.EVALUATION_RESULT)
    store(tmp_path, otlp.request(otlp.span(otlp.chat())), otlp.logs(score, otlp.record()), otlp.metrics(*points()))
    append = LakeTable.append

    def crashing(self: LakeTable, *args: Any) -> bool:
        done = append(self, *args)
        if self.name == table:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patched:
        patched.setattr(LakeTable, "append", crashing)
        with pytest.raises(KeyboardInterrupt):
            Converter(tmp_path).convert_some()
    Converter(tmp_path).convert_some()
    assert [count(tmp_path, name) for name in ("spans", "logs", "scores", "metrics")] == [1, 2, 1, 6]


def test_a_score_is_a_row_and_finds_its_call(tmp_path: Path) -> None:
    by_span = otlp.record(
        {a.EVALUATION_NAME: "helpful", a.EVALUATION_SCORE_VALUE: 1, a.PROPERTY_PREFIX + "team": "x"},
        event_name=a.EVALUATION_RESULT,
        trace_id=TRACE,
        span_id=SPAN,
    )
    by_response = otlp.record(
        {
            a.EVALUATION_NAME: "solved",
            a.EVALUATION_SCORE_VALUE: 0.8,
            a.EVALUATION_SCORE_LABEL: "mostly",
            a.EVALUATION_EXPLANATION: "two of three",
            a.RESPONSE_ID: "resp-1",
            a.USER_ID: "u",
        },
        event_name=a.EVALUATION_RESULT,
    )
    call = otlp.span(otlp.chat(**{a.RESPONSE_ID: "resp-1"}), trace_id=TRACE, span_id=SPAN)
    store(tmp_path, otlp.request(call), otlp.logs(by_span, by_response, otlp.record(body=otlp.any_value("a line"))))
    Converter(tmp_path).convert_some()
    first, second = otlp.rows(tmp_path, "FROM t ORDER BY name", "scores")
    assert (first["value"], first["span_id"], dict(first["properties"])) == (1.0, SPAN.hex(), {"team": "x"})
    assert (second["value"], second["label"], second["explanation"]) == (0.8, "mostly", "two of three")
    assert (second["response_id"], second["user_id"], second["trace_id"]) == ("resp-1", "u", None)
    with connect(tmp_path) as lake:
        found = lake.sql("SELECT score_name, model, cost_usd > 0 FROM scored_calls ORDER BY 1").fetchall()
        assert lake.sql("SELECT count(*) FROM logs").fetchall() == [(3,)]
    assert found == [("helpful", "gpt-4o-mini-2024-07-18", True), ("solved", "gpt-4o-mini-2024-07-18", True)]


def test_a_lake_of_logs_alone_can_be_asked(tmp_path: Path) -> None:
    store(tmp_path, otlp.logs(otlp.record(body=otlp.any_value("hello"))), tenant="north")
    Converter(tmp_path).convert_some()
    with connect(tmp_path) as lake:
        assert lake.sql("SELECT body, tenant FROM logs").fetchall() == [("hello", "north")]
        assert lake.sql("SELECT count(*) FROM llm_calls").fetchall() == [(0,)]


def test_points_have_their_numbers_in_columns(tmp_path: Path) -> None:
    store(tmp_path, otlp.metrics(*points()))
    Converter(tmp_path).convert_some()
    rows = {row["name"]: row for row in otlp.rows(tmp_path, "FROM t", "metrics")}
    assert (rows["g"]["value"], rows["g"]["value_int"], rows["g"]["unit"]) == (1.5, None, "1")
    assert (rows["none"]["value"], rows["none"]["type"]) == (None, "gauge")
    assert (rows["s"]["value_int"], rows["s"]["temporality"], rows["s"]["is_monotonic"]) == (
        2**53 + 1,
        "cumulative",
        True,
    )
    histogram = rows["h"]
    assert [histogram[name] for name in ("count", "sum", "min", "max")] == [3, 0.0, 0.0, None]
    assert (histogram["bucket_counts"], histogram["bucket_bounds"]) == ([1, 2], [0.5])
    assert (rows["e"]["count"], rows["q"]["sum"]) == (3, 4.0)
    assert dict(rows["q"]["attributes"]) == {"gen_ai.token.type": "input"}
