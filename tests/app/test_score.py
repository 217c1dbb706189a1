"""Scores: what they say, which span they name, what is refused without a sound in the app, and the way over OTLP."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from app.otlpserver import OtlpServer, attributes_of
from app.recording import Recorded
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN, Span

import otel_llm
from otel_llm.failures import counts
from otel_llm.score import score, traceparent, use

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Scored:
    """A logger provider of its own, and the scores that it was given."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))

    def one(self) -> Any:
        """The one record; its event must be the conventions'."""
        (found,) = self.exporter.get_finished_logs()
        assert found.log_record.event_name == "gen_ai.evaluation.result"
        assert found.log_record.timestamp > 1e18
        return found.log_record

    def attributes(self) -> dict[str, Any]:
        return dict(self.one().attributes)

    def judged(self) -> tuple[str, str]:
        """Trace and span id as hex; zeros where none is named."""
        record = self.one()
        return f"{record.trace_id:032x}", f"{record.span_id:016x}"


@pytest.fixture
def scored() -> Iterator[Scored]:
    scored = Scored()
    use(scored.provider)
    counts.clear()
    yield scored
    use(None)


def ids(span: Span) -> tuple[str, str]:
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


NOTHING = ("0" * 32, "0" * 16)


def test_the_current_span_is_judged(scored: Scored) -> None:
    with TRACER.start_as_current_span("agent") as span:
        assert score("helpful", 0.75, "good", explanation="short and right") is True
    assert scored.judged() == ids(span)
    assert scored.attributes() == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.score.label": "good",
        "gen_ai.evaluation.explanation": "short and right",
    }


def test_a_step_of_ours_is_judged_inside_it(recorded: Recorded, scored: Scored) -> None:
    with otel_llm.agent("triage") as span:
        assert score("safe", label="pass")
    assert scored.judged() == ids(span)
    assert [one.name for one in recorded.spans()] == ["invoke_agent triage"]


@pytest.mark.parametrize("how", ["span", "context", "traceparent", "ids"])
def test_a_span_is_judged_long_after_its_end(scored: Scored, how: str) -> None:
    with TRACER.start_as_current_span("agent") as span:
        kept = traceparent()
    trace_id, span_id = ids(span)
    given: dict[str, dict[str, Any]] = {
        "span": {"span": span},
        "context": {"span": span.get_span_context()},
        "traceparent": {"span": kept},
        "ids": {"trace_id": trace_id, "span_id": span_id},
    }
    with TRACER.start_as_current_span("the request that brings the feedback"):
        assert score("helpful", True, **given[how])
    assert scored.judged() == (trace_id, span_id)
    assert scored.attributes()["gen_ai.evaluation.score.value"] == 1.0


def test_a_whole_trace_is_judged(scored: Scored) -> None:
    assert score("solved", 0, trace_id=TRACE_ID.upper())
    assert scored.judged() == (TRACE_ID, NOTHING[1])
    assert scored.attributes()["gen_ai.evaluation.score.value"] == 0.0


def test_an_answer_is_judged_by_the_id_of_its_provider(scored: Scored) -> None:
    with TRACER.start_as_current_span("the request that brings the feedback"):
        assert score("helpful", True, response_id="chatcmpl-1")
    assert scored.judged() == NOTHING
    assert scored.attributes()["gen_ai.response.id"] == "chatcmpl-1"


def test_span_and_response_may_both_be_named(scored: Scored) -> None:
    assert score("helpful", True, response_id="chatcmpl-1", trace_id=TRACE_ID, span_id=SPAN_ID)
    assert scored.judged() == (TRACE_ID, SPAN_ID)
    assert scored.attributes()["gen_ai.response.id"] == "chatcmpl-1"


def test_a_session_is_judged_and_who_judges_goes_along(scored: Scored) -> None:
    with otel_llm.session("visit-1"), otel_llm.user("dr-okafor"), otel_llm.properties(department="cardiology"):
        assert score("solved", True)
    assert scored.judged() == NOTHING
    assert scored.attributes() == {
        "gen_ai.evaluation.name": "solved",
        "gen_ai.evaluation.score.value": 1.0,
        "session.id": "visit-1",
        "user.id": "dr-okafor",
        "otel_llm.property.department": "cardiology",
    }


def test_unsampled_spans_are_judged_too(scored: Scored) -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("tests")
    with tracer.start_as_current_span("agent") as span:
        assert score("helpful", True)
    assert scored.judged() == ids(span)


def test_an_evaluator_that_failed(scored: Scored) -> None:
    assert score("faithful", error_type="TimeoutError", trace_id=TRACE_ID, span_id=SPAN_ID)
    assert scored.attributes() == {"gen_ai.evaluation.name": "faithful", "error.type": "TimeoutError"}


@pytest.mark.parametrize(("value", "written"), [(Decimal("0.5"), 0.5), (7, 7.0), (False, 0.0), ("0.25", 0.25)])
def test_every_number_is_a_double(scored: Scored, value: Any, written: float) -> None:
    assert score("helpful", value, trace_id=TRACE_ID)
    found = scored.attributes()["gen_ai.evaluation.score.value"]
    assert (type(found), found) == (float, written)


REFUSED: dict[str, dict[str, Any]] = {
    "it has neither a value nor a label": {"trace_id": TRACE_ID},
    "its value is no number; a word is its label": {"value": "good", "trace_id": TRACE_ID},
    "its value is not finite": {"value": float("nan"), "trace_id": TRACE_ID},
    "it judges nothing": {"value": 1},
    "its span is text that traceparent() did not give": {"value": 1, "span": "yesterday"},
    "its span is no span": {"value": 1, "span": INVALID_SPAN},
    "its trace_id and span_id are not the hex text": {"value": 1, "trace_id": "the last one"},
    "its trace_id or span_id is out of range": {"value": 1, "trace_id": TRACE_ID * 2},
}


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        *REFUSED.items(),
        ("its value is no number", {"value": 10**400, "trace_id": TRACE_ID}),
        ("its span is no span", {"value": 1, "span": 17}),
        ("its trace_id and span_id are not", {"value": 1, "span_id": SPAN_ID}),
        ("its trace_id or span_id is out of range", {"value": 1, "trace_id": "0" * 32}),
    ],
)
def test_what_cannot_be_recorded_is_counted_and_said_once(
    scored: Scored, caplog: pytest.LogCaptureFixture, reason: str, given: dict[str, Any]
) -> None:
    assert [score("helpful", **given) for _ in range(3)] == [False] * 3
    assert scored.exporter.get_finished_logs() == ()
    (kind,) = counts
    assert kind.startswith("score: " + reason)
    assert counts[kind] == 3
    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage().startswith("otel-llm did not record a score: " + reason)


class Hostile:
    """No text and no number can be made of it."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_hostile_argument_does_not_reach_the_app(scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    name: Any = Hostile()
    assert score(name, 1, trace_id=TRACE_ID) is False
    assert list(counts) == ["score: RuntimeError"]


def test_text_that_cannot_be_encoded_does_not_break_the_export(scored: Scored) -> None:
    assert score("helpful", 1, "bad\ud800", trace_id=TRACE_ID)
    assert scored.attributes()["gen_ai.evaluation.score.label"].encode()


def test_without_a_way_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    use(LoggerProvider(shutdown_on_exit=False))  # nobody takes its records
    counts.clear()
    assert [score("helpful", 1, trace_id=TRACE_ID) for _ in range(2)] == [False, False]
    use(None)
    (said,) = caplog.records
    assert "call otel_llm.init(), or give instrument() a logger_provider" in said.getMessage()


def test_there_is_nothing_to_keep_without_a_span() -> None:
    assert traceparent() is None
    assert traceparent(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)) is None


APP = """
import json, logging, sys, threading
import otel_llm
from otel_llm.score import score, traceparent
{start}
from opentelemetry import trace
assert "opentelemetry.exporter.otlp.proto.http._log_exporter" not in sys.modules, "not before the first score"
with trace.get_tracer("t").start_as_current_span("agent") as span:
    kept = traceparent()
logging.getLogger("app").warning("a line of the app's own log")
trace.get_tracer_provider().force_flush()
print(kept, score("helpful", True, span=kept), score("right", label="pass", response_id="chatcmpl-1"))
"""
INIT = "otel_llm.init(endpoint={url!r}, service_name='clinic')"
INSTRUMENT = [str(Path(sys.executable).parent / "opentelemetry-instrument")]


def run(code: str, *command: str, **more: str) -> tuple[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    words = [*command, sys.executable, "-c", code]
    done = subprocess.run(words, env={**kept, **more}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("zero_code", [True, False])
def test_scores_reach_the_collector_and_the_apps_own_log_does_not(zero_code: bool) -> None:
    with OtlpServer() as server:
        if zero_code:
            env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_SERVICE_NAME": "clinic"}
            output, errors = run(APP.format(start=""), *INSTRUMENT, **env)
        else:
            output, errors = run(APP.format(start=INIT.format(url=server.url)))
        assert (output[55:], errors.replace("a line of the app's own log\n", "")) == (" True True", "")
        (one, two) = server.logs()
        assert server.span_names() == ["agent"]
    (service, helpful), (_, right) = one, two
    assert service == "clinic"
    assert (helpful.event_name, right.event_name) == ("gen_ai.evaluation.result",) * 2
    assert f"00-{helpful.trace_id.hex()}-{helpful.span_id.hex()}-{helpful.flags:02x}" == output[:55]
    assert attributes_of(helpful) == {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": 1.0}
    assert (right.trace_id, attributes_of(right)["gen_ai.response.id"]) == (b"", "chatcmpl-1")


def test_the_apps_own_exporter_of_logs_takes_scores() -> None:
    with OtlpServer() as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_LOGS_EXPORTER": "otlp"}
        app = APP.format(start="").replace("assert ", "None and ")
        output, _ = run(app, *INSTRUMENT, **env)
        assert output.endswith("True True")
        assert [record.event_name for _, record in server.logs()] == ["gen_ai.evaluation.result"] * 2


def test_none_means_none() -> None:
    with OtlpServer() as server:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_LOGS_EXPORTER": "none"}
        output, errors = run(APP.format(start=""), *INSTRUMENT, **env)
        assert output.endswith("False False")
        assert server.logs() == []
    assert "OTEL_LOGS_EXPORTER=none and OTEL_SDK_DISABLED turn scores off" in errors


FORKS = """
import multiprocessing
from otel_llm.score import score
def rate(n):
    assert score("helpful", n, trace_id="ab" * 16)
if __name__ == "__main__":
    for n in (1, 2, 3):
        if n == 3:
            rate(0)  # from now on the parent has a queue and a thread
        child = multiprocessing.get_context("fork").Process(target=rate, args=(n,))
        child.start()
        child.join()
        assert child.exitcode == 0
"""


def test_forked_children_export_their_scores_too() -> None:
    with OtlpServer() as server:
        _, errors = run(FORKS, *INSTRUMENT, OTEL_EXPORTER_OTLP_ENDPOINT=server.url)
        values = [attributes_of(record)["gen_ai.evaluation.score.value"] for _, record in server.logs()]
    assert (sorted(values), errors) == ([0, 1, 2, 3], "")
