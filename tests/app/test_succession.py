"""An app that sets providers of its own after `init` has made some: whatever the order, its exporters get all spans."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from app.otlpserver import OtlpServer

SCENE = """
import json, sys
import httpx2
import otel_llm
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

ANSWER = {"id": "x", "model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def call(client):
    sent = client.post("http://llm.test/v1/chat/completions", json={"model": "gpt-4o", "messages": []})
    assert sent.status_code == 200


def client():
    return httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER)))


def seen(exporter):
    return [[span.name, span.resource.attributes["service.name"]] for span in exporter.get_finished_spans()]
"""


def run(body: str, **environment: str) -> Any:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCENE + body],
        capture_output=True,
        text=True,
        timeout=60,
        env={"OTEL_LLM_RAISE": "true", "PATH": "", **environment},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), ended.stderr


OWN_PROVIDER = """
early = trace.get_tracer("taken early")
otel_llm.init(service_name="ours")
between = trace.get_tracer("taken between")
at_first = client()
call(at_first)
trace.get_tracer_provider().force_flush()

exporter = InMemorySpanExporter()
provider = TracerProvider(resource=Resource.create({"service.name": "theirs"}))
trace.set_tracer_provider(provider)
provider.add_span_processor(SimpleSpanProcessor(exporter))
assert trace.get_tracer_provider() is provider
for tracer in (early, between, trace.get_tracer("taken late")):
    with tracer.start_as_current_span("around"), otel_llm.session("s-1"):
        call(at_first)
provider.force_flush()
sessions = [span.attributes.get("session.id", "") for span in exporter.get_finished_spans()]
print(json.dumps([seen(exporter), sessions]))
"""


def test_a_provider_that_comes_after_init_gets_every_span_and_so_does_our_exporter() -> None:
    with OtlpServer() as server:
        (seen, sessions), said = run(OWN_PROVIDER, OTEL_EXPORTER_OTLP_ENDPOINT=server.url)
    assert sorted(seen) == [["around", "theirs"]] * 3 + [["chat gpt-4o", "theirs"]] * 3
    assert sorted(sessions) == ["", "", "", "s-1", "s-1", "s-1"]
    assert sorted(server.span_names()) == ["around"] * 3 + ["chat gpt-4o"] * 4
    assert "not allowed" not in said


OPEN_STREAM = """
otel_llm.init()
body = b'data: {"id": "x", "model": "gpt-4o", "choices": []}\\n\\n' * 9
stream = httpx2.MockTransport(
    lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=httpx2.ByteStream(body))
)
opened = httpx2.Client(transport=stream)
asked = {"model": "gpt-4o", "messages": [], "stream": True}
kept = []


def begin():
    response = opened.send(opened.build_request("POST", "http://llm.test/v1/chat/completions", json=asked), stream=True)
    chunks = response.iter_bytes(16)
    next(chunks)
    kept.append(chunks)
    return chunks


before = begin()
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
list(before)
begin()
provider.shutdown()
print(json.dumps([span.name for span in exporter.get_finished_spans()]))
"""


def test_streams_that_are_open_when_the_provider_changes_and_when_it_ends() -> None:
    with OtlpServer() as server:
        seen, _ = run(OPEN_STREAM, OTEL_EXPORTER_OTLP_ENDPOINT=server.url)
    assert seen == ["chat gpt-4o"] * 2
    assert server.span_names() == ["chat gpt-4o"] * 2


OWN_METERS = """
otel_llm.init()
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
metrics.get_meter("app").create_counter("visits").add(1)
call(client())
trace.get_tracer_provider().force_flush()
data = reader.get_metrics_data()
found = [metric.name for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
print(json.dumps(found))
"""


def test_a_meter_provider_that_comes_after_init_is_the_one() -> None:
    found, said = run(OWN_METERS, OTEL_TRACES_EXPORTER="none")
    assert "visits" in found
    assert "gen_ai.client.token.usage" in found
    assert "not allowed" not in said


OWN_LOGS = """
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

otel_llm.init()
exporter = InMemoryLogRecordExporter()
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
_logs.set_logger_provider(provider)
assert otel_llm.score("helpful", 1.0, response_id="x")
print(json.dumps([item.log_record.event_name for item in exporter.get_finished_logs()]))
"""


def test_a_logger_provider_that_comes_after_init_takes_the_scores() -> None:
    found, _ = run(OWN_LOGS, OTEL_TRACES_EXPORTER="none")
    assert found == ["gen_ai.evaluation.result"]


SECOND = """
otel_llm.init()
first, second = TracerProvider(), TracerProvider()
trace.set_tracer_provider(first)
trace.set_tracer_provider(second)
assert trace.get_tracer_provider() is first
print(json.dumps("done"))
"""


def test_the_second_of_the_apps_own_is_refused_as_ever() -> None:
    _, said = run(SECOND, OTEL_TRACES_EXPORTER="none")
    assert "Overriding of current TracerProvider is not allowed" in said


@pytest.mark.parametrize("is_undone", [True, False])
def test_after_uninstrument_providers_are_opentelemetrys_business_alone(is_undone: bool) -> None:
    undo = "otel_llm.uninstrument()\n" if is_undone else ""
    code = f"""
otel_llm.init()
ours = trace.get_tracer_provider()
{undo}trace.set_tracer_provider(TracerProvider())
print(json.dumps(trace.get_tracer_provider() is ours))
"""
    found, _ = run(code, OTEL_TRACES_EXPORTER="none")
    assert found is is_undone


BEFORE = """
exporter = InMemorySpanExporter()
provider = TracerProvider(resource=Resource.create({"service.name": "theirs"}))
if "exporting" in sys.argv[1:]:
    provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
otel_llm.init(**json.loads(sys.argv[-1]))
call(client())
provider.force_flush()
print(json.dumps(seen(exporter)))
"""


@pytest.mark.parametrize(
    ("exports", "names_endpoint", "arrives"),
    [(False, False, True), (False, True, True), (True, False, False), (True, True, True)],
)
def test_a_provider_that_was_set_before_init(exports: bool, names_endpoint: bool, arrives: bool) -> None:
    with OtlpServer() as server:
        options = {"endpoint": server.url} if names_endpoint else {}
        words = [*(["exporting"] if exports else []), json.dumps(options)]
        code = BEFORE.replace("sys.argv[1:]", repr(words)).replace("sys.argv[-1]", repr(words[-1]))
        seen, said = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=server.url)
    assert seen == ([["chat gpt-4o", "theirs"]] if exports else [])
    assert server.span_names() == (["chat gpt-4o"] if arrives else [])
    assert said == ""


TWICE = """
otel_llm.init()
otel_llm.init(service_name="other")
print(json.dumps("done"))
"""


def test_a_second_init_says_that_it_changes_nothing() -> None:
    _, said = run(TWICE, OTEL_TRACES_EXPORTER="none")
    assert "what this init() says is not used" in said
