"""The zero-code way, end to end in processes of their own; and a collector that is down, hangs or refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from app.otlpserver import OtlpServer
from app.rawserver import Connection, RawServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_llm.export import EXPORT, QUEUE, SHUTDOWN, BoundedLogProcessor, BoundedSpanProcessor, Drops, drops, log_drops
from otel_llm.run import environment
from otel_llm_collector.demo.standin.server import Standin

BIN = Path(sys.executable).parent
APP = """
import openai, sys, time
client = openai.OpenAI()
for _ in range(3):
    print(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}]).model)
print(sorted(name for name in ("grpc", "duckdb", "pyarrow", "typer") if name in sys.modules))
print(time.time(), flush=True)
"""


def take(connection: Connection) -> None:
    connection.head(200, content_length="0")


def refuse(connection: Connection) -> None:
    connection.head(503, content_length="0")


def spans_of(server: RawServer) -> list[tuple[str, str]]:
    """(service, span name) of all that was exported."""
    found = []
    for request in server.requests:
        for resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            values = {one.key: one.value.string_value for one in resource.resource.attributes}
            found += [(values["service.name"], span.name) for scope in resource.scope_spans for span in scope.spans]
    return found


def clean(standin: Standin, **more: str) -> dict[str, str]:
    """The environment without anything of OpenTelemetry's, and both SDKs sent to the stand-in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**kept, **standin.env, **more}


def run(command: list[str], env: dict[str, str], tmp_path: Path) -> tuple[str, str, float]:
    """Output, errors, and the seconds between the program's last line and the end of its process."""
    app = tmp_path / "shop.py"
    app.write_text(APP)
    done = subprocess.run([*command, str(app)], env=env, capture_output=True, text=True, timeout=60, check=True)
    ended = time.time()
    lines = done.stdout.splitlines()
    return "\n".join(lines[:-1]), done.stderr, ended - float(lines[-1])


#: The promise is 2 s, which `make bench-app` measures; without our bound it takes 7 to 10 s.
EXIT_S_MAX = 6.5
#: How long a late exporter takes for a batch.
LATE_S = 15
EXPECTED = "gpt-4o-2024-08-06\n" * 3 + "[]"
INSTRUMENT = [str(BIN / "opentelemetry-instrument"), sys.executable]
RUN = [str(BIN / "otel-llm"), "run", "--", "python"]


@pytest.mark.parametrize("exporter", [{}, {"OTEL_TRACES_EXPORTER": "otlp"}])
def test_opentelemetry_instrument_needs_only_an_endpoint(
    standin: Standin, tmp_path: Path, exporter: dict[str, str]
) -> None:
    with RawServer(take) as collector:
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="shop", **exporter)
        output, errors, _ = run(INSTRUMENT, env, tmp_path)
        assert (output, errors) == (EXPECTED, "")
        assert spans_of(collector) == [("shop", "chat gpt-4o")] * 3


def test_run_does_the_same_with_defaults(standin: Standin, tmp_path: Path) -> None:
    with RawServer(take) as collector:
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, PATH="/usr/bin:/bin")
        output, errors, _ = run(RUN, env, tmp_path)
        assert (output, errors) == (EXPECTED, "")
        assert spans_of(collector) == [("shop", "chat gpt-4o")] * 3


def test_init_does_the_same_in_one_line(standin: Standin, tmp_path: Path) -> None:
    with RawServer(take) as collector:
        start = f"import otel_llm; otel_llm.init(endpoint={collector.url!r}, service_name='shop')\n"
        command = [sys.executable, "-c", start + APP]
        output, errors, _ = run(command, clean(standin), tmp_path)
        assert (output, errors) == (EXPECTED, "")
        assert spans_of(collector) == [("shop", "chat gpt-4o")] * 3


CHILDREN = """
import multiprocessing, openai, sys
def work():
    openai.OpenAI().chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
if __name__ == "__main__":
    work()
    children = [multiprocessing.get_context(sys.argv[1]).Process(target=work) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_children_of_multiprocessing_export_too(standin: Standin, tmp_path: Path, method: str) -> None:
    app = tmp_path / "shop.py"
    app.write_text(CHILDREN)
    with RawServer(take) as collector:
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="shop")
        done = subprocess.run(
            [*INSTRUMENT, str(app), method], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr == ""
        assert spans_of(collector) == [("shop", "chat gpt-4o")] * 4


def hang(server: RawServer) -> Callable[[Connection], None]:
    def silent(connection: Connection) -> None:
        server.stopping.wait(30)

    return silent


@pytest.mark.parametrize("state", ["down", "hung", "refusing"])
def test_a_collector_in_trouble_costs_nothing_but_spans(standin: Standin, tmp_path: Path, state: str) -> None:
    with RawServer(refuse) as collector:
        if state == "hung":
            collector.replies = [hang(collector)]
        url = "http://127.0.0.1:1" if state == "down" else collector.url
        output, errors, exit_s = run(INSTRUMENT, clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=url), tmp_path)
    assert output == EXPECTED
    assert exit_s < EXIT_S_MAX
    (line,) = errors.splitlines()
    assert line.startswith("otel-llm dropped 3 span(s): the process ended first. Is a collector listening at " + url)


ALL_SIGNALS = """
import logging, sys, time
from opentelemetry import metrics, trace
from otel_llm.score import score
metrics.get_meter("t").create_counter("calls").add(1)
with trace.get_tracer("t").start_as_current_span("call"):
    score("helpful", True)
print(time.time(), flush=True)
"""


def run_all_signals(env: dict[str, str], tmp_path: Path) -> tuple[list[str], float]:
    """What it said, and the seconds between the program's last line and the end of its process."""
    app = tmp_path / "shop.py"
    app.write_text(ALL_SIGNALS)
    done = subprocess.run([*INSTRUMENT, str(app)], env=env, capture_output=True, text=True, timeout=60, check=True)
    return sorted(done.stderr.splitlines()), time.time() - float(done.stdout)


@pytest.mark.parametrize("state", ["down", "hung", "refusing"])
def test_spans_scores_and_metrics_share_one_deadline(standin: Standin, tmp_path: Path, state: str) -> None:
    with RawServer(refuse) as collector:
        if state == "hung":
            collector.replies = [hang(collector)]
        url = "http://127.0.0.1:1" if state == "down" else collector.url
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_METRICS_EXPORTER="otlp")
        errors, exit_s = run_all_signals(env, tmp_path)
    assert exit_s < EXIT_S_MAX
    assert [line.partition(". Is a collector listening at ")[0] for line in errors] == [
        "otel-llm dropped 1 export(s) of metrics: the process ended first",
        "otel-llm dropped 1 log record(s) or score(s): the process ended first",
        "otel-llm dropped 1 span(s): the process ended first",
    ]
    assert f"{url}/v1/metrics?" in errors[0]


def test_metrics_that_hang_leave_time_for_spans_and_scores(standin: Standin, tmp_path: Path) -> None:
    with OtlpServer("/v1/metrics") as collector:
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRICS_EXPORTER="otlp")
        errors, exit_s = run_all_signals(env, tmp_path)
        assert collector.span_names() == ["call"]
        assert len(collector.logs()) == 1
    assert exit_s < EXIT_S_MAX
    assert [line[:40] for line in errors] == ["otel-llm dropped 1 export(s) of metrics:"]


def test_a_collector_without_metrics_is_said_once(standin: Standin, tmp_path: Path) -> None:
    with OtlpServer() as collector:
        env = clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_METRICS_EXPORTER="otlp")
        env |= {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"{collector.url}/nowhere", "OTEL_METRIC_EXPORT_INTERVAL": "50"}
        errors, _ = run_all_signals(env, tmp_path)
    (line,) = errors
    assert line.startswith("otel-llm dropped 1 export(s) of metrics: the collector did not take them. Is a collector")


MANY = """
import anthropic, asyncio, openai
one = openai.OpenAI(max_retries=0)
two = anthropic.Anthropic(max_retries=0)
ask = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}

def refused():
    return one.chat.completions.create(**ask, extra_headers={"x-standin-fault": "401"})

def streamed():
    return "".join(part.choices[0].delta.content or "" for part in one.chat.completions.create(**ask, stream=True))

def message():
    return two.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=ask["messages"]).content[0].text

def cut():
    return list(one.chat.completions.create(**ask, stream=True, extra_headers={"x-standin-fault": "cut"}))

async def asynchronous():
    async with openai.AsyncOpenAI() as client:
        return (await client.chat.completions.create(**ask)).choices[0].message.content

def plain():
    return one.chat.completions.create(**ask).choices[0].message.content

for n in range(5):
    for work in (plain, streamed, message, refused, cut, lambda: asyncio.run(asynchronous())):
        try:
            print("result", repr(work()))
        except Exception as error:
            print("raised", type(error).__name__, error)
"""


def slow(server: RawServer) -> Callable[[Connection], None]:
    def late(connection: Connection) -> None:
        server.stopping.wait(2)
        take(connection)

    return late


@pytest.mark.slow
def test_thirty_calls_come_out_the_same_whatever_state_the_collector_is_in(standin: Standin, tmp_path: Path) -> None:
    app = tmp_path / "shop.py"
    app.write_text(MANY)
    with RawServer(take) as healthy, RawServer(refuse) as refusing, RawServer() as hung, RawServer() as late:
        hung.replies, late.replies = [hang(hung)], [slow(late)]
        urls = [healthy.url, refusing.url, hung.url, late.url, "http://127.0.0.1:1"]
        environments = [clean(standin, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="50") for url in urls]
        command = [*INSTRUMENT, str(app)]
        running = [
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for env in environments
        ]
        outputs = [one.communicate(timeout=60)[0].splitlines() for one in running]
    assert [one.returncode for one in running] == [0] * len(urls)
    kinds = [line.split()[0] for line in outputs[0]]
    assert (kinds.count("result"), kinds.count("raised")) == (20, 10)
    assert outputs == [outputs[0]] * len(urls)
    assert len(spans_of(healthy)) == 30


def test_the_users_own_variables_win() -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://mine:1", "OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}
    made = environment(["python", "shop.py"], given)
    assert made["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://mine:1"
    assert "OTEL_SERVICE_NAME" not in made
    assert made["OTEL_PYTHON_DISTRO"] == made["OTEL_PYTHON_CONFIGURATOR"] == "otel_llm"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["python", "shop.py"], "shop"),
        (["python3", "-m", "shop.web"], "shop.web"),
        (["python", "-u", "a/shop.py", "-m"], "shop"),
        (["uvicorn", "web:app"], "uvicorn"),
    ],
)
def test_a_service_is_named_after_its_command(words: list[str], name: str) -> None:
    assert environment(words, {})["OTEL_SERVICE_NAME"] == name


class Stub(SpanExporter):
    """Answers as told; `blocked` seconds late."""

    def __init__(self, result: SpanExportResult, blocked: float = 0.0) -> None:
        self.result = result
        self.blocked = blocked

    def export(self, spans: object) -> SpanExportResult:
        time.sleep(self.blocked)
        return self.result


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Drops:
    """Nothing dropped yet, nothing said yet."""
    drops.counts.clear()
    monkeypatch.setattr(drops, "_told", False)
    return drops


def test_a_failed_export_is_counted_and_said_once(fresh: Drops, caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(Stub(SpanExportResult.FAILURE)))
    for _ in range(3):
        provider.get_tracer("t").start_span("x").end()
        provider.force_flush()
    provider.shutdown()
    assert dict(fresh.counts) == {EXPORT: 3}
    assert [record.getMessage()[:28] for record in caplog.records] == ["otel-llm dropped 1 span(s): "]


def test_a_full_queue_drops_without_waiting(
    fresh: Drops, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(Stub(SpanExportResult.SUCCESS, LATE_S), exit_ms_max=100))
    started = time.monotonic()
    for _ in range(100):
        provider.get_tracer("t").start_span("x").end()
    assert time.monotonic() - started < LATE_S / 2
    assert fresh.counts[QUEUE] >= 80
    assert provider.force_flush(100) is False
    provider.shutdown()
    assert time.monotonic() - started < LATE_S / 2
    assert fresh.counts[QUEUE] + fresh.counts[SHUTDOWN] == 100
    assert len(caplog.records) == 1


class LogStub(LogRecordExporter):
    """Takes every batch, late."""

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        time.sleep(LATE_S)
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def shutdown(self) -> None:
        pass


def test_a_full_queue_of_logs_drops_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "5")
    log_drops.counts.clear()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BoundedLogProcessor(LogStub(), exit_ms_max=100))
    started = time.monotonic()
    for _ in range(100):
        provider.get_logger("t").emit(body="x")
    assert time.monotonic() - started < LATE_S / 2
    assert log_drops.counts[QUEUE] >= 80
    assert provider.force_flush(100) is False
    provider.shutdown()
    assert time.monotonic() - started < LATE_S / 2
    assert log_drops.counts[QUEUE] + log_drops.counts[SHUTDOWN] == 100


def test_a_provider_that_the_app_ends_itself_has_all_the_time(fresh: Drops) -> None:
    """Only the end of the process is shared: one signal's end says nothing about the others."""
    others = [BoundedSpanProcessor(Stub(SpanExportResult.SUCCESS)) for _ in range(5)]
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedSpanProcessor(Stub(SpanExportResult.SUCCESS, 0.8), exit_ms_max=5_000))
    provider.get_tracer("t").start_span("x").end()
    provider.shutdown()
    assert not fresh.counts
    for other in others:
        other.shutdown()
