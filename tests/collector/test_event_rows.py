"""Calls that a sender tells of in its log become rows of `spans`, once, also where a span tells of them as well."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from rig import otlp
from rig.lake import store
from rig.told import NOW

from otel_llm_collector import query
from otel_llm_collector.converter import Converter
from otel_llm_collector.event_rows import event_rows, read_events
from otel_llm_semconv.dialects import DIALECTS

SCOPE = "com.anthropic.claude_code.events"
REQUEST = {
    "event.name": "api_request", "session.id": "s", "request_id": "req_1", "model": "claude-haiku-4-5",
    "input_tokens": "6", "output_tokens": "60", "cache_read_tokens": "5000", "cache_creation_tokens": "0",
    "duration_ms": "40", "cost_usd": "0.1",
}  # fmt: skip


def logged(
    *records: dict[str, Any], scope: str = SCOPE, trace: bytes = b"", span: bytes = b""
) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    resource_logs.resource.attributes.add(key="service.name", value=otlp.any_value("claude-code"))
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.name = scope
    for attributes in records:
        scope_logs.log_records.add(
            time_unix_nano=NOW,
            trace_id=trace,
            span_id=span,
            body=AnyValue(string_value="claude_code"),
            attributes=[KeyValue(key=key, value=otlp.any_value(value)) for key, value in attributes.items()],
        )
    return request


def rows(request: ExportLogsServiceRequest) -> list[dict[str, Any]]:
    return [event_rows(event, NOW).row for event in read_events(request.SerializeToString())]


def test_an_event_is_a_row_that_ends_when_it_is_told() -> None:
    (row,) = rows(logged(REQUEST))
    assert (row["start_time_ns"], row["duration_ns"]) == (NOW - 40_000_000, 40_000_000)
    assert (row["trace_id"], row["span_id"], row["parent_span_id"], row["kind"]) == (None, None, None, None)
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (5006, 5000, 60)
    assert (row["response_id"], row["session_id"], row["provider"]) == ("req_1", "s", "anthropic")
    assert (row["cost_usd"], row["cost_status"]) == (Decimal("0.000806"), "exact")
    assert row["emitted_cost_usd"] == Decimal("0.1")
    assert row["is_llm_call"]


def test_an_event_inside_a_span_belongs_to_it() -> None:
    (row,) = rows(logged(REQUEST, trace=b"\x01" * 16, span=b"\x02" * 8))
    assert (row["trace_id"], row["span_id"], row["parent_span_id"]) == ("01" * 16, None, "02" * 8)


def test_a_failed_call_has_an_error_and_no_usage() -> None:
    failed = {"event.name": "api_error", "model": "claude-haiku-4-5", "error": "Overloaded", "status_code": "529"}
    (row,) = rows(logged(failed))
    assert (row["status"], row["error_type"], row["http_status"]) == ("ERROR", "Overloaded", 529)
    assert (row["cost_usd"], row["cost_status"], row["duration_ns"]) == (None, "missing_usage", None)


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        (SCOPE, {"event.name": "user_prompt", "prompt": "hello"}),
        (SCOPE, {"prompt": "a plain line"}),
        (
            "codex_otel.log_only",
            {"event.name": "codex.sse_event", "event.kind": "response.completed", "model": "gpt-5"},
        ),
        ("gemini-cli", {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.operation.name": "chat"}),
        ("otel_llm", {"event.name": "gen_ai.client.inference.operation.details", "gen_ai.operation.name": "chat"}),
        ("app", {"event.name": "api_request"}),
    ],
)
def test_what_tells_of_no_call_is_no_row(scope: str, attributes: dict[str, Any]) -> None:
    assert rows(logged(attributes, scope=scope)) == []


def test_each_dialect_that_logs_names_events_of_its_own() -> None:
    logging = [dialect for dialect in DIALECTS if dialect.logs]
    assert [dialect.id for dialect in logging] == ["claude_code", "gemini_cli", "codex"]
    names = [name for dialect in logging if dialect.logs for name in dialect.logs.events]
    assert len(names) == len(set(names))


def converted(data: Path, *requests: Any) -> None:
    """Each in a segment of its own."""
    for request in requests:
        store(data, request)
        converter = Converter(data)
        assert converter.convert_some()
        while converter.recount_some():
            pass
        converter.close()


def test_an_event_is_in_both_tables_under_one_id_and_once(tmp_path: Path) -> None:
    request = logged(REQUEST, REQUEST | {"request_id": "req_2"}, {"event.name": "user_prompt"})
    converted(tmp_path, request, request)
    spans, logs = otlp.rows(tmp_path, "FROM t"), otlp.rows(tmp_path, "FROM t", "logs")
    assert (len(spans), len(logs)) == (2, 3)
    assert {row["row_id"] for row in spans} < {row["row_id"] for row in logs}


@pytest.mark.parametrize("first", ["span", "event"])
def test_a_call_that_a_span_and_an_event_tell_of_is_counted_once(tmp_path: Path, first: str) -> None:
    told = {
        "span.type": "llm_request", "model": "claude-haiku-4-5", "gen_ai.response.id": "req_1", "session.id": "s",
        "input_tokens": 6, "output_tokens": 60, "cache_read_tokens": 5000, "cache_creation_tokens": 0,
    }  # fmt: skip
    span = otlp.span(told, name="claude_code.llm_request", start_ns=NOW - 41_000_000, duration_ns=41_000_000)
    traces = otlp.request(span, service="claude-code", scope="com.anthropic.claude_code.tracing")
    sent = [traces, logged(REQUEST)]
    converted(tmp_path, *(sent if first == "span" else reversed(sent)))
    with query.connect(tmp_path) as connection:
        found = connection.execute(
            "SELECT span_id IS NULL, cost_usd, not_counted_reason FROM spans ORDER BY 1"
        ).fetchall()
        assert found == [(False, Decimal("0.000806"), None), (True, None, "duplicate")]
        assert connection.execute("SELECT calls, cost_usd FROM sessions").fetchall() == [(1, Decimal("0.000806"))]
        assert connection.execute("SELECT count(*) FROM traces").fetchall() == [(1,)]


def test_a_file_of_events_alone_tells_no_bounds_of_their_traces(tmp_path: Path) -> None:
    converted(tmp_path, logged(REQUEST))
    (commit,) = (path for path in (tmp_path / "spans/_delta_log").glob("*.json") if '"add"' in path.read_text())
    (added,) = (json.loads(line)["add"] for line in commit.read_text().splitlines() if '"add"' in line)
    stats = json.loads(added["stats"])
    assert (stats["minValues"].keys(), stats["nullCount"]["trace_id"]) == ({"start_time_ns"}, 1)
    with query.connect(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM llm_calls").fetchall() == [(1,)]
        assert connection.execute("SELECT count(*) FROM traces").fetchall() == [(0,)]
