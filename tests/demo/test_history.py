"""`otel-llm demo --history`: the same story each time, told as our instrumentation tells, in the directory once."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from rig import otlp

import otel_llm
from otel_llm.errors import UsageError
from otel_llm_collector.demo.command import command
from otel_llm_collector.demo.history.requests import requests
from otel_llm_collector.demo.history.scenes import AGENT, CALL, CASE_REVIEW, SCENES, TASK, TOOL, Step
from otel_llm_collector.demo.history.schedule import traces
from otel_llm_collector.demo.history.stage import STORY_FILE, make
from otel_llm_collector.demo.history.story import Story
from otel_llm_collector.demo.standin import Standin
from otel_llm_collector.query import connect

UNTIL = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
STORY = Story(14, UNTIL)
DAY = dt.timedelta(days=1)


def test_a_story_is_told_in_the_same_bytes_each_time() -> None:
    date = STORY.dates[3]
    once, again = (list(requests(traces(STORY, date))) for _ in range(2))
    assert once == again
    assert sum(spans for _, _, spans in once) > 500


def test_no_trace_begins_outside_of_it_and_no_id_comes_twice() -> None:
    until = UNTIL + dt.timedelta(hours=13, minutes=20)
    story = Story(7, until)
    told = [one for date in story.dates for one in traces(story, date)]
    began = [one.began_ns / 1e9 for one in told]
    assert story.since.timestamp() <= min(began) < story.since.timestamp() + 86_400
    assert until.timestamp() - 86_400 < max(began) < until.timestamp()
    ids = Counter(span.span_id for one in told for _, span in one.trace.spans)
    assert ids.most_common(1)[0][1] == 1


def test_the_case_review_has_47_steps() -> None:
    def below(step: Step) -> Iterator[Step]:
        for child in step.inside:
            yield child
            yield from below(child)

    kinds = Counter(step.kind for step in below(CASE_REVIEW))
    assert kinds == {AGENT: 4, TASK: 12, TOOL: 15, CALL: 16}


def test_a_span_of_a_call_is_told_as_our_instrumentation_tells_it(standin: Standin) -> None:
    told = _call_of_a_program(standin)
    theirs = {*(told.attributes or {})}
    date = STORY.dates[0]
    calls = [span for one in traces(STORY, date) for _, span in one.trace.spans if span.name == told.name]
    ours = next(keys for keys in map(_keys, calls) if "gen_ai.response.time_to_first_chunk" in keys)  # a stream, too
    by_the_answer = ("gen_ai.usage.", "openai.response.", "otel_llm.attempt", "otel_llm.retry", "otel_llm.provider.")
    priced = {name for name in theirs if ".cost." in name or ".price." in name}
    assert {name for name in ours ^ (theirs - priced) if not name.startswith(by_the_answer)} == set()
    assert {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"} <= ours & theirs
    assert ({span.kind for span in calls}, told.kind) == ({OtlpSpan.SPAN_KIND_CLIENT}, SpanKind.CLIENT)


def _keys(span: OtlpSpan) -> set[str]:
    return {pair.key for pair in span.attributes}


def _call_of_a_program(standin: Standin) -> ReadableSpan:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    otel_llm.instrument(tracer_provider=provider)
    try:
        with (
            OpenAI(base_url=standin.openai_url, api_key="none") as gpt,
            otel_llm.session("s"),
            otel_llm.user("u"),
            otel_llm.properties(department="d", clinic="c"),
            otel_llm.prompt("p", "v"),
        ):
            list(
                gpt.chat.completions.create(
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": "Rank Anna"}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
            )
        provider.force_flush()  # a call that ended before the prices were there
    finally:
        otel_llm.uninstrument()
    [span] = exporter.get_finished_spans()
    return span


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of seven days that end now."""
    data = tmp_path_factory.mktemp("week") / "data"
    assert command(["--history", "7d", "--data", str(data)]) == 0
    return data


def test_the_second_time_nothing_is_there_twice(week: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, before = week, _rows(week)
    assert command(["--history", "7", "--data", str(data)]) == 0
    assert f"{before['spans']:,} spans of 7 days" in capsys.readouterr().out.splitlines()[0]
    assert _rows(data) == before
    assert before["spans"] == before["ids"] > 5_000
    assert before["logs"] == before["scores"] > 50
    with pytest.raises(UsageError, match="holds a history of 7 days until"):
        command(["--history", "8d", "--data", str(data)])


def test_an_old_story_becomes_the_rows_that_a_collector_makes_of_a_new_one(week: Path, tmp_path: Path) -> None:
    until = dt.datetime.fromisoformat(json.loads((week / STORY_FILE).read_text())["until"])
    make(tmp_path / "old", 7, until, until + 400 * DAY)
    for table in ("spans", "logs", "scores"):
        query = f"SELECT * EXCLUDE (collector_id, segment) FROM {table} ORDER BY row_id"
        with connect(week) as ours, connect(tmp_path / "old") as theirs:
            rows = ours.sql(query).to_arrow_table()
            assert rows.equals(theirs.sql(query).to_arrow_table())
        assert rows.num_rows


def _rows(data: Path) -> dict[str, int]:
    """Identities, since a file that was merged lies beside the new one for ten minutes."""
    [spans] = otlp.rows(data, "SELECT count(DISTINCT row_id) AS spans, count(DISTINCT span_id) AS ids FROM t")
    [logs] = otlp.rows(data, "SELECT count(DISTINCT row_id) AS logs FROM t", "logs")
    [scores] = otlp.rows(data, "SELECT count(DISTINCT row_id) AS scores FROM t", "scores")
    return spans | logs | scores


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--history", "3d"), "from 7d to"),
        (("--history", "a week"), "such as 60d"),
        (("--history", "60d", "--until", "soon"), "such as 2026-11-01"),
        (("--history", "60d", "--until", "2999-01-01"), "in the future"),
        (("--until", "2026-11-01"), "add --history"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        command([*arguments, "--data", str(tmp_path / "data")])
    assert not (tmp_path / "data").exists()


def test_every_prompt_has_its_versions() -> None:
    versions = {scene.prompt: [STORY.version(scene.prompt, date) for date in STORY.dates] for scene in SCENES}
    assert list(dict.fromkeys(versions.pop("triage"))) == ["v1", "v2", "v3", "v4"]
    assert all(len({*found}) == 1 for found in versions.values())
