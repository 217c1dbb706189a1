"""Answers of the receiver, as the OTLP specification prescribes them."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import zstandard
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector import journal
from otel_llm_collector.receiver.otlp_json import request_from_json
from otel_llm_collector.receiver.refusals import BadDataError
from otel_llm_collector.signals import SIGNALS

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collector(tmp_path_factory.mktemp("receiver") / "data") as process:
        yield process


def stored(running: CollectorProcess, name: str) -> int:
    return len(otlp.rows(running.data, f"SELECT 1 FROM t WHERE name = '{name}'"))


def export(running: CollectorProcess, body: bytes, **more: object) -> bytes:
    with grpc.insecure_channel(running.grpc) as channel:
        return channel.unary_unary(EXPORT, None, None)(body, timeout=20, **more)


def test_more_than_grpc_handles_at_once_is_told_when_to_come_again(running: CollectorProcess) -> None:
    (receiver,) = [process for process in running.tree() if any("receiver.app" in word for word in process.cmdline())]
    body = otlp.request(otlp.span(otlp.chat(), name="one of many")).SerializeToString()
    with grpc.insecure_channel(running.grpc) as channel:
        call = channel.unary_unary(EXPORT, None, None)
        assert call(b"", timeout=20) == b""
        receiver.suspend()
        try:
            answers = [call.future(body, timeout=60) for _ in range(3000)]
            time.sleep(0.2)  # they come in as one, mostly
        finally:
            receiver.resume()
        refused = [answer for answer in answers if answer.exception()]
        codes = {answer.code() for answer in refused}
        details = [dict(answer.trailing_metadata())["grpc-status-details-bin"] for answer in refused]
    assert codes <= {grpc.StatusCode.UNAVAILABLE}
    assert all(b"RetryInfo" in detail for detail in details)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate", "two gzip members", "zstd", "two zstd frames"])
def test_protobuf_is_stored(running: CollectorProcess, encoding: str) -> None:
    name = f"protobuf {encoding}"
    body = otlp.request(otlp.span(otlp.chat(), name=name)).SerializeToString()
    packed, header = body, encoding
    if encoding == "gzip":
        packed = gzip.compress(body)
    elif encoding == "deflate":
        packed = zlib.compress(body)
    elif encoding == "two gzip members":
        packed, header = gzip.compress(body[:20]) + gzip.compress(body[20:]), "gzip"
    elif encoding == "zstd":
        packed = zstandard.compress(body)
    elif encoding == "two zstd frames":
        packed, header = zstandard.compress(body[:20]) + zstandard.compress(body[20:]), "zstd"
    answer = otlp.post(running.traces_url, packed, {"content-encoding": header})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert ExportTraceServiceResponse.FromString(answer.data) == ExportTraceServiceResponse()
    wait_for(lambda: stored(running, name) == 1)


def test_half_of_a_surrogate_pair_in_json_costs_one_sign(running: CollectorProcess) -> None:
    """As JavaScript writes a text that was cut in the middle of an emoji; or not even escaped."""
    attributes = '[{"key": "half\\udc00", "value": {"stringValue": "whole \\ud83d\\ude00"}}]'
    span = f'{{"traceId": "{"ab" * 16}", "spanId": "{"cd" * 8}", "name": "cut \\ud83d", "attributes": {attributes}}}'
    body = f'{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{span}]}}]}}]}}'.encode()
    for sent in (body, body.replace(b'\\ud83d"', b'\xed\xa0\xbd"').replace(b"cd", b"ce")):
        assert otlp.post(running.traces_url, sent, JSON).status == 200
    wait_for(lambda: stored(running, "cut \ufffd") == 2)
    rows = otlp.rows(running.data, "SELECT attributes FROM t WHERE name LIKE 'cut %'")
    assert [row["attributes"] for row in rows] == [{"half\ufffd": "whole \U0001f600"}] * 2


def test_json_is_stored_with_hex_ids(running: CollectorProcess) -> None:
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "EEE19B7EC3C1B173",
        "name": "from json",
        "startTimeUnixNano": "1760000000000000000",
        "endTimeUnixNano": 1760000001000000000,
        "kind": 3,
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
        "unknownField": {"ignored": True},
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = otlp.post(running.traces_url, body, JSON)
    assert (answer.status, answer.data, answer.headers["content-type"]) == (200, b"{}", "application/json")
    wait_for(lambda: stored(running, "from json") == 1)
    (row,) = otlp.rows(running.data, "SELECT * FROM t WHERE name = 'from json'")
    assert row["trace_id"] == "5b8efff798038103d269b633813fc60c"
    assert row["parent_span_id"] == "eee19b7ec3c1b173"
    assert (row["kind"], row["operation"], row["duration_ns"]) == ("CLIENT", "chat", 1_000_000_000)


def test_grpc_is_stored(running: CollectorProcess) -> None:
    body = otlp.request(otlp.span(otlp.chat(), name="over grpc")).SerializeToString()
    assert export(running, body) == b""
    assert export(running, body, compression=grpc.Compression.Gzip) == b""
    wait_for(lambda: stored(running, "over grpc") == 1)


def test_an_empty_request_is_a_success(running: CollectorProcess) -> None:
    assert otlp.post(running.traces_url, b"").status == 200
    assert otlp.post(running.traces_url, b"{}", JSON).status == 200
    assert export(running, b"") == b""


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"\x0a\xff\xff", {}, 400, "cut short"),
        (b"not json", JSON, 400, "OTLP/JSON"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}', JSON, 400, "OTLP/JSON"),
        (b'{"resourceSpans": 7}', JSON, 400, "OTLP/JSON"),
        (b'{"resourceLogs": []}', JSON, 400, "one of logs; send it to /v1/logs"),
        (b"[" * 100_000, JSON, 400, "OTLP/JSON"),
        (b"plain", {"content-encoding": "gzip"}, 400, "gzip"),
        (gzip.compress(b"x" * 100)[:-9], {"content-encoding": "gzip"}, 400, "cut short"),
        (b"plain", {"content-encoding": "zstd"}, 400, "zstd"),
        (zstandard.compress(b"x" * 100)[:-3], {"content-encoding": "zstd"}, 400, "cut short"),
        (gzip.compress(b"") + b"junk", {"content-encoding": "gzip"}, 400, "4 bytes that are no gzip"),
        (b"", {"content-encoding": "br"}, 415, "send gzip, x-gzip, deflate, zstd as Content-Encoding"),
        (b"", {"content-type": "text/plain"}, 415, "Content-Type"),
    ],
    ids=[
        "cut",
        "no json",
        "bad id",
        "wrong shape",
        "another signal",
        "deep json",
        "no gzip",
        "cut gzip",
        "no zstd",
        "cut zstd",
        "junk behind",
        "encoding",
        "type",
    ],
)
def test_bad_data_is_refused_readably(
    running: CollectorProcess, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    answer = otlp.post(running.traces_url, body, headers)
    assert answer.status == status
    text = answer.json()["message"] if headers == JSON else Status.FromString(answer.data).message
    assert words in text


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        ({"intValue": "99999999999999999999"}, "value.intValue: Value out of range: 99999999999999999999"),
        ({"intValue": 5, "stringValue": "x"}, 'should not have multiple "value" oneof fields'),
        ({"intValue": "x" * 9999}, "invalid literal for int()"),
    ],
)
def test_what_is_wrong_in_json_is_told_to_its_end(value: dict[str, object], cause: str) -> None:
    span = {"attributes": [{"key": "a", "value": value}]}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    with pytest.raises(BadDataError) as caught:
        request_from_json(SIGNALS[journal.TRACES], body)
    assert "resourceSpans.scopeSpans.spans.attributes." in caught.value.reason
    assert cause in caught.value.reason
    assert len(caught.value.reason) < 500


def test_a_real_request_cut_anywhere_is_refused_or_whole(running: CollectorProcess) -> None:
    body = otlp.request(otlp.span(otlp.chat(), name="cut")).SerializeToString()
    statuses = {otlp.post(running.traces_url, body[:end]).status for end in range(1, len(body), 7)}
    assert statuses == {400}
    assert stored(running, "cut") == 0


def test_a_logs_body_is_refused_with_the_way_out(running: CollectorProcess) -> None:
    logs = ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=5)
    record.body.string_value = "a log line"
    answer = otlp.post(running.traces_url, logs.SerializeToString())
    assert answer.status == 400
    assert "/v1/logs" in Status.FromString(answer.data).message
    with pytest.raises(grpc.RpcError) as caught:
        export(running, logs.SerializeToString())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_spans_without_ids_are_rejected_and_the_others_kept(running: CollectorProcess) -> None:
    good = otlp.span(otlp.chat(), name="beside a bad one")
    bad = otlp.span(otlp.chat(), name="no id", span_id=b"\0" * 8)
    with pytest.raises(grpc.RpcError, match="send it to LogsService or MetricsService"):
        export(running, otlp.request(bad).SerializeToString())
    answer = otlp.post(running.traces_url, otlp.request(bad, good).SerializeToString())
    partial = ExportTraceServiceResponse.FromString(answer.data).partial_success
    assert (answer.status, partial.rejected_spans) == (200, 1)
    assert "span id" in partial.error_message
    wait_for(lambda: stored(running, "beside a bad one") == 1)
    assert stored(running, "no id") == 0


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_and_costs_no_memory(running: CollectorProcess, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "zstd": zstandard.compress}[encoding]
    bomb = pack(b"\0" * (300 * 1024 * 1024), 9)
    before = running.tree()[1].memory_info().rss
    answer = otlp.post(running.traces_url, bomb, {"content-encoding": encoding})
    assert answer.status == 413
    assert Status.FromString(answer.data).code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    with pytest.raises(grpc.RpcError) as caught:
        export(running, b"\0" * (300 * 1024 * 1024), compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert all(process.is_running() for process in running.tree())
    assert running.tree()[1].memory_info().rss < before + 200 * 1024 * 1024


def test_a_large_body_is_refused_before_it_is_read(running: CollectorProcess) -> None:
    answer = otlp.post(running.traces_url, b"", {"content-length": str(1 << 40)})
    assert answer.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/traces", 405), ("GET", "/v1/logs", 405), ("POST", "/v1/profiles", 404), ("POST", "/", 404)],
)
def test_other_routes_say_what_there_is(running: CollectorProcess, method: str, path: str, status: int) -> None:
    answer = otlp.post(f"http://{running.http}{path}", b"", method=method)
    assert answer.status == status
    assert "/v1/" in Status.FromString(answer.data).message


def test_two_collectors_on_one_directory_is_an_error_that_names_the_holder(
    running: CollectorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from otel_llm_collector import process

    monkeypatch.setattr(process, "LOCK_WAIT_S", 0.2)
    with (
        pytest.raises(process.LockedError, match=r"pid \d+ \(receiver\)"),
        process.lock(running.data / "journal" / "receiver.lock", "receiver"),
    ):
        pass
