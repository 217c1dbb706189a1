"""The metrics of calls, through the real SDK: names, buckets, attributes, what is absent, forks and a real exporter."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from app.otlpserver import OtlpServer, attributes_of
from opentelemetry.metrics import Meter, MeterProvider, NoOpMeterProvider
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanContext, TraceFlags

import otel_llm
from otel_llm.finisher import finisher
from otel_llm.metrics import Finished, Metrics
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv.usage import Usage

CALL = Finished(
    operation="chat",
    provider="openai",
    request_model="gpt-4o",
    response_model="gpt-4o-2024-08-06",
    server_address="api.openai.com",
    server_port=443,
    usage=Usage(input_tokens=100, output_tokens=20),
    cost_usd=Decimal("0.00045"),
    duration_s=1.5,
    time_to_first_chunk_s=None,
    output_chunks=None,
    error_type=None,
    stream=False,
)
STREAM = replace(CALL, stream=True, time_to_first_chunk_s=0.5, output_chunks=11)
NAMED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "server.address": "api.openai.com",
    "server.port": 443,
}
TOKENS = "gen_ai.client.token.usage"
DURATION = "gen_ai.client.operation.duration"
FIRST = "gen_ai.client.operation.time_to_first_chunk"
PACE = "gen_ai.client.operation.time_per_output_chunk"
COST = "gen_ai.client.operation.cost"


class Read:
    """A provider of its own and what its reader collects."""

    def __init__(self, **options: Any) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = sdk.MeterProvider(metric_readers=[self.reader], shutdown_on_exit=False)
        self.metrics = Metrics(self.provider, **options)

    def record(self, *calls: Finished) -> None:
        for call in calls:
            self.metrics.record(call)

    def collected(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self) -> dict[str, list[HistogramDataPoint]]:
        return {name: list(metric.data.data_points) for name, metric in self.collected().items()}

    def sums(self, *more: str) -> dict[tuple[Any, ...], float]:
        """The sum of each metric, by its name, the type of token, the error and the attributes `more`."""
        keys = ("gen_ai.token.type", "error.type", *more)
        return {
            (name, *(point.attributes[key] for key in keys if key in (point.attributes or {}))): point.sum
            for name, points in self.points().items()
            for point in points
        }


@pytest.fixture
def read() -> Iterator[Read]:
    read = Read()
    yield read
    read.provider.shutdown()


def test_a_call_is_counted_under_the_names_units_and_buckets_of_the_conventions(read: Read) -> None:
    read.record(STREAM)
    found = read.collected()
    assert {name: metric.unit for name, metric in found.items()} == {
        TOKENS: "{token}",
        DURATION: "s",
        FIRST: "s",
        PACE: "s",
        COST: "{USD}",
    }
    bounds = {name: metric.data.data_points[0].explicit_bounds for name, metric in found.items()}
    assert bounds[TOKENS] == (
        *(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536),
        *(262144, 1048576, 4194304, 16777216, 67108864),
    )
    seconds = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
    assert bounds[DURATION] == bounds[FIRST] == bounds[PACE] == pytest.approx(seconds)
    assert (bounds[COST][0], bounds[COST][-1]) == (1e-6, 100)
    assert list(bounds[COST]) == sorted(bounds[COST])


def test_the_values_of_a_stream(read: Read) -> None:
    read.record(STREAM)
    assert read.sums() == {
        (TOKENS, "input"): 100,
        (TOKENS, "output"): 20,
        (DURATION,): 1.5,
        (FIRST,): 0.5,
        (PACE,): pytest.approx(0.1),
        (COST,): 0.00045,
    }


def test_attributes_say_what_was_called_and_never_who_for(read: Read) -> None:
    who = {"user.id": "anna", "session.id": "s1", "otel_llm.property.department": "cardiology"}
    read.metrics.record(CALL, who)
    points = read.points()
    assert [point.attributes for point in points[DURATION] + points[COST]] == [NAMED] * 2
    assert [point.attributes for point in points[TOKENS]] == [
        {**NAMED, "gen_ai.token.type": kind} for kind in ("input", "output")
    ]


def test_unknown_parts_are_left_out(read: Read) -> None:
    read.record(replace(CALL, request_model=None, response_model=None, server_address=None, usage=Usage()))
    ((point,),) = (points for name, points in read.points().items() if name == DURATION)
    assert point.attributes == {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}


def test_only_the_duration_tells_failed_calls_apart(read: Read) -> None:
    read.record(CALL, replace(CALL, error_type="rate_limit", usage=Usage(), cost_usd=None, duration_s=0.25))
    assert read.sums() == {
        (TOKENS, "input"): 100,
        (TOKENS, "output"): 20,
        (DURATION,): 1.5,
        (DURATION, "rate_limit"): 0.25,
        (COST,): 0.00045,
    }


def test_absent_records_nothing_and_zero_is_a_number(read: Read) -> None:
    read.record(replace(CALL, usage=Usage(output_tokens=0), cost_usd=Decimal(0)))
    assert read.sums() == {(TOKENS, "output"): 0, (DURATION,): 1.5, (COST,): 0}


@pytest.mark.parametrize(
    "call",
    [
        replace(STREAM, stream=False),
        replace(STREAM, time_to_first_chunk_s=None),
    ],
)
def test_streams_alone_have_a_pace(read: Read, call: Finished) -> None:
    read.record(call)
    assert not {FIRST, PACE} & set(read.points())


@pytest.mark.parametrize("chunks", [None, 0, 1])
def test_one_chunk_has_no_pace(read: Read, chunks: int | None) -> None:
    read.record(replace(STREAM, output_chunks=chunks))
    assert {FIRST, PACE} & set(read.points()) == {FIRST}


def test_impossible_numbers_are_not_recorded(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    read.record(replace(CALL, usage=Usage(input_tokens=-1, output_tokens=3), cost_usd=Decimal(-1)))
    assert read.sums() == {(TOKENS, "output"): 3, (DURATION,): 1.5}
    assert caplog.records == []


def test_opted_in_properties_become_attributes() -> None:
    read = Read(properties=("department",))
    who = {"user.id": "anna", "otel_llm.property.ward": "3", "otel_llm.property.department": "cardiology"}
    read.metrics.record(CALL, who)
    read.record(CALL)
    assert read.sums("otel_llm.property.department", "user.id", "otel_llm.property.ward") == {
        (TOKENS, "input", "cardiology"): 100,
        (TOKENS, "output", "cardiology"): 20,
        (DURATION, "cardiology"): 1.5,
        (COST, "cardiology"): 0.00045,
        (TOKENS, "input"): 100,
        (TOKENS, "output"): 20,
        (DURATION,): 1.5,
        (COST,): 0.00045,
    }


@pytest.mark.parametrize("sampled", [True, False])
def test_unsampled_calls_count_too_and_sampled_ones_lead_to_their_trace(read: Read, sampled: bool) -> None:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    read.record(replace(CALL, span_context=SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=flags)))
    (point,) = read.points()[DURATION]
    assert point.count == 1
    assert [(found.trace_id, found.span_id) for found in point.exemplars] == ([(0xABC, 0xDEF)] if sampled else [])


def test_text_that_cannot_be_encoded_does_not_break_the_export(read: Read) -> None:
    read.record(replace(CALL, response_model="bad\ud800", error_type="worse\udfff"))
    for points in read.points().values():
        for point in points:
            assert all(str(value).encode() for value in (point.attributes or {}).values())


def test_more_kinds_of_calls_than_are_kept_are_all_counted(read: Read) -> None:
    read.record(*(replace(CALL, response_model=f"model-{n}", cost_usd=None, usage=Usage()) for n in range(1_500)))
    assert len(read.points()[DURATION]) == 1_500


def test_all_threads_count_while_readers_collect(read: Read) -> None:
    def work() -> None:
        for _ in range(500):
            read.metrics.record(CALL)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        read.collected()
    finisher.drain(10)
    assert read.points()[DURATION][0].count == 3_000


def test_calls_do_not_pile_up_where_no_reader_collects(read: Read) -> None:
    read.record(*[CALL] * 2_000)
    finisher.drain(10)
    assert len(read.metrics._waiting) < 256
    assert read.points()[DURATION][0].count == 2_000


def test_two_of_us_on_one_provider_count_both() -> None:
    first = Read()
    second = Metrics(first.provider)
    first.record(CALL)
    second.record(CALL)
    assert first.points()[DURATION][0].count == 2


class Foreign(MeterProvider):
    """A provider of another make: not the SDK's class, no callbacks that we know of."""

    def __init__(self, inner: MeterProvider) -> None:
        self.inner = inner

    def get_meter(self, *args: Any, **kwargs: Any) -> Meter:
        return self.inner.get_meter(*args, **kwargs)


def test_a_provider_of_another_make_gets_calls_at_once() -> None:
    read = Read()
    metrics = Metrics(Foreign(read.provider))
    assert metrics.is_active
    metrics.record(CALL)
    assert not metrics._waiting
    assert read.points()[DURATION][0].count == 1


def test_nobody_collects() -> None:
    silent = sdk.MeterProvider(shutdown_on_exit=False)
    for metrics in (Metrics(), Metrics(NoOpMeterProvider()), Metrics(silent)):
        assert not metrics.is_active
        metrics.record(CALL)
        assert not metrics._waiting
    late = InMemoryMetricReader()
    silent.add_metric_reader(late)
    metrics.record(CALL)
    assert metrics.is_active
    data = late.get_metrics_data()
    assert data is not None
    assert data.resource_metrics[0].scope_metrics[0].scope.name == "otel_llm"


def test_a_provider_that_was_shut_down_or_switched_off(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read.metrics.is_active
    read.provider.shutdown()
    assert not read.metrics.is_active
    read.record(CALL)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    off = sdk.MeterProvider(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False)
    assert not Metrics(off).is_active
    monkeypatch.undo()
    read.provider = sdk.MeterProvider(shutdown_on_exit=False)  # for the fixture, which shuts one down


def test_the_views_of_the_user_win() -> None:
    from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

    reader = InMemoryMetricReader()
    coarse = View(instrument_name=DURATION, aggregation=ExplicitBucketHistogramAggregation((1.0,)))
    provider = sdk.MeterProvider(metric_readers=[reader], views=[coarse], shutdown_on_exit=False)
    Metrics(provider).record(CALL)
    data = reader.get_metrics_data()
    assert data is not None
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert found[DURATION].data.data_points[0].explicit_bounds == (1.0,)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_calls_of_a_real_sdk_are_counted_sampled_or_not(read: Read, standin: Standin, sampler: Sampler) -> None:
    tracer_provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    otel_llm.instrument(tracer_provider=tracer_provider, meter_provider=read.provider)
    try:
        with openai.OpenAI(api_key="k", base_url=standin.env["OPENAI_BASE_URL"], max_retries=0) as client:
            ask: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
            usages = [client.chat.completions.create(**ask).usage]
            with pytest.raises(openai.AuthenticationError):
                client.chat.completions.create(**ask, extra_headers={"x-standin-fault": "401"})
            chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
            usages.append(chunks[-1].usage)
        tracer_provider.force_flush()
        points = read.points()
    finally:
        otel_llm.uninstrument()
    assert all(usages)
    sums = {(point.attributes or {})["gen_ai.token.type"]: point.sum for point in points[TOKENS]}
    assert sums == {
        "input": sum(usage.prompt_tokens for usage in usages if usage),
        "output": sum(usage.completion_tokens for usage in usages if usage),
    }
    assert sorted(point.count for point in points[DURATION]) == [1, 2]
    assert [point.count for point in points[COST] + points[FIRST]] == [2, 1]
    assert points[COST][0].sum > 0


HEAD = """
import multiprocessing, os, sys
from decimal import Decimal
from otel_llm.metrics import Finished, Metrics
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv.usage import Usage

metrics = Metrics()
def call(tokens):
    metrics.record(Finished("chat", "openai", "gpt-4o", "gpt-4o", "127.0.0.1", 80, Usage(tokens, 1), Decimal("0.5"),
                            1.0, None, None, None, False))
"""
GLOBAL = (
    HEAD
    + """
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
call(1)
assert not metrics.is_active
reader = InMemoryMetricReader()
api.set_meter_provider(MeterProvider(metric_readers=[reader]))
assert metrics.is_active
call(2)
print(reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].count)
"""
)
LIGHT = HEAD + "call(1)\nprint([name for name in sys.modules if name.startswith('opentelemetry.sdk.metrics')])"


@pytest.fixture
def clean_env() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}


def run(code: str, *command: str, env: dict[str, str] | None = None) -> tuple[str, str]:
    done = subprocess.run(
        [*command, sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip(), done.stderr


def test_the_global_provider_counts_from_when_it_is_set() -> None:
    assert run(GLOBAL) == ("1", "")


def test_the_sdk_is_not_imported_for_it() -> None:
    assert run(LIGHT) == ("[]", "")


INSTRUMENT = str(Path(sys.executable).parent / "opentelemetry-instrument")
CHILDREN = (
    HEAD
    + """
if __name__ == "__main__":
    call(100)
    metrics.flush()
    children = [multiprocessing.get_context("fork").Process(target=call, args=(n,)) for n in (10, 1)]
    for child in children:
        child.start()
    for child in children:
        child.join()
"""
)


def test_processes_export_at_their_end_and_a_fork_counts_from_zero(clean_env: dict[str, str]) -> None:
    with OtlpServer() as server:
        env = {**clean_env, "OTEL_EXPORTER_OTLP_ENDPOINT": server.url, "OTEL_METRICS_EXPORTER": "otlp"}
        assert run(CHILDREN, INSTRUMENT, env=env) == ("", "")
        points = [
            (process, point.sum)
            for process, point in server.points(TOKENS)
            if attributes_of(point)["gen_ai.token.type"] == "input"
        ]
    assert sorted(total for _, total in points) == [1, 10, 100]
    assert len({process for process, _ in points}) == 3
