"""Import: exports of other tools, in the forms in which they write them, become rows as of calls that were received."""

from __future__ import annotations

import base64
import contextlib
import csv
import gzip
import io
import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf import json_format
from rig import lake, otlp
from rig.processes import collector, wait_for

from otel_llm_collector.converter import Converter
from otel_llm_collector.importing import Importer, command, langfuse
from otel_llm_collector.importing.files import File
from otel_llm_collector.importing.otlp import requests as read_requests
from otel_llm_collector.importing.told import json_in, moment_ns
from otel_llm_collector.query import connect
from otel_llm_collector.questions import cost
from otel_llm_collector.scores import judged_by
from otel_llm_collector.signals import SIGNALS

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIXTURES = Path(__file__).parent / "fixtures"
HELICONE = FIXTURES / "helicone.jsonl"
NPX_COLUMNS = (
    *("response_id", "response_created_at", "response_status", "request_created_at", "request_body"),
    *("request_properties", "request_user_id", "model", "prompt_tokens", "completion_tokens", "latency", "cost"),
)
CALLS = """
    SELECT response_id, provider, request_model, response_model, input_tokens, cache_read_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, cost_usd, emitted_cost_usd, user_id, session_id, session_path, prompt_name,
        prompt_version, properties['department'] AS department, error_type, http_status, not_counted_reason,
        duration_ms, time_to_first_chunk_ms, start_time_ns, span_id, trace_id
    FROM spans ORDER BY start_time
"""


class Imported:
    """A data directory that files were imported into, and what the command said of them."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.said = ""
        self.told: list[dict[str, Any]] = []

    def take(self, *argv: str | Path) -> int:
        out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            place = () if "--collector" in argv else ("--data", str(self.data))
            code = command.command([*map(str, argv), *place, "--format", "json"])
        out.seek(0)
        self.told, self.said = json.loads(out.read() or "[]"), err.getvalue()
        return code

    def rows(self, query: str) -> list[dict[str, Any]]:
        with connect(self.data) as connection:
            return connection.sql(query).to_arrow_table().to_pylist(maps_as_pydicts="lossy")


class Recording:
    """A delivery that keeps what it is brought."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, bytes]] = []

    def take(self, kind: int, payload: bytes, received_ns: int) -> int:
        self.taken.append((kind, payload))
        return 0


def told(*paths: Path) -> list[dict[str, Any]]:
    """The spans and scores that files become on the way in: their times, names, ids and attributes."""
    delivery = Recording()
    reads = [*Importer(delivery).read_all(paths)]
    assert not any(read.unreadable for read in reads)
    requests = [SIGNALS[kind].request.FromString(payload) for kind, payload in delivery.taken]
    items = [
        item
        for request in requests
        for outer in (request.resource_spans if hasattr(request, "resource_spans") else request.resource_logs)
        for inner in (outer.scope_spans if hasattr(outer, "scope_spans") else outer.scope_logs)
        for item in (inner.spans if hasattr(inner, "spans") else inner.log_records)
    ]
    found = [json_format.MessageToDict(item) for item in items]
    return [one | {"attributes": {pair["key"]: pair["value"] for pair in one["attributes"]}} for one in found]


@pytest.fixture
def into(tmp_path: Path) -> Imported:
    return Imported(tmp_path / "data")


@pytest.fixture(scope="module")
def helicone(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    imported = Imported(tmp_path_factory.mktemp("helicone") / "data")
    assert imported.take(HELICONE) == 0
    return imported


def exported() -> list[dict[str, Any]]:
    """The records of the fixture that are JSON and Helicone's."""
    lines = HELICONE.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"response_id"')]


def test_calls_are_priced_by_us_beside_what_the_export_says(helicone: Imported) -> None:
    first, second, *_ = helicone.rows(CALLS)
    assert first | {"span_id": None} == {
        "response_id": "chatcmpl-h1",
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "input_tokens": 1000,
        "cache_read_tokens": 400,
        "cache_write_tokens": None,
        "output_tokens": 200,
        "reasoning_tokens": 50,
        "cost_usd": Decimal("0.000240000000"),  # 600 x 0.15 + 400 x 0.075 + 200 x 0.60 a million
        "emitted_cost_usd": Decimal("0.000240000000"),
        "user_id": "dr-okafor",
        "session_id": "visit-1",
        "session_path": "/intake/triage",
        "prompt_name": "triage",
        "prompt_version": "7",
        "department": "cardiology",
        "error_type": None,
        "http_status": 200,
        "not_counted_reason": None,
        "duration_ms": 1750.0,
        "time_to_first_chunk_ms": 320.0,
        "start_time_ns": moment_ns("2026-10-05T09:00:00.250Z"),
        "span_id": None,
        "trace_id": "0b0e7a525a4b4cde9f103a2b1c0d9e8f",
    }
    assert (second["provider"], second["input_tokens"], second["cache_write_tokens"]) == ("anthropic", 1150, 50)


def test_without_bodies_the_columns_count_and_zeros_are_no_counts(helicone: Imported) -> None:
    _, _, failed, bare, cached = helicone.rows(CALLS)
    assert (failed["error_type"], failed["input_tokens"], failed["cost_usd"]) == ("429", None, None)
    assert (bare["input_tokens"], bare["cache_read_tokens"], bare["cost_usd"]) == (1000, 400, Decimal("0.00024"))
    assert (cached["not_counted_reason"], cached["cost_usd"]) == ("cached", None)


def test_scores_and_content_come_along(helicone: Imported) -> None:
    found = helicone.rows("SELECT score_name, score_value, trace_id, span_id FROM scored_calls ORDER BY ALL")
    judged = judged_by("0b0e7a52-5a4b-4cde-9f10-3a2b1c0d9e8f")
    assert found == [{"score_name": name, "score_value": 1.0, **judged} for name in ("feedback", "helpful")]
    _, asked = helicone.rows("SELECT input_messages, tool_definitions FROM messages ORDER BY trace_id")
    assert [one["role"] for one in json.loads(asked["input_messages"])] == ["system", "user"]
    assert json.loads(asked["tool_definitions"])[0]["name"] == "look_up"


def test_what_cannot_be_read_is_counted_and_stops_nothing(helicone: Imported) -> None:
    assert helicone.said.splitlines() == [
        f"{HELICONE}:5: no JSON: Expecting value: line 1 column 15 (char 14)",
        f"{HELICONE}:7: no request_created_at",
        f"{HELICONE}:8: none of otlp, clickhouse, helicone, langfuse; it has name",
    ]
    counts = {"records": 7, "spans": 5, "scored": 2, "logs": 0, "metrics": 0, "unreadable": 3}
    assert helicone.told == [{"file": "helicone.jsonl", "format": "helicone", **counts}]


def test_twice_is_once(helicone: Imported) -> None:
    before = helicone.rows("SELECT row_id FROM spans UNION ALL SELECT row_id FROM scores ORDER BY ALL")
    assert helicone.take(HELICONE) == 0
    assert helicone.said.splitlines()[-1] == "7 rows were there already"
    assert helicone.rows("SELECT row_id FROM spans UNION ALL SELECT row_id FROM scores ORDER BY ALL") == before


def as_npx_csv(records: list[dict[str, Any]]) -> str:
    """As the exporter writes it: what is no text goes through JSON, whose quotes it doubles once more than CSV does."""

    def field(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, dict):
            value = json.dumps(value, separators=(",", ":")).replace('"', '""')
        return '"' + str(value).replace('"', '""') + '"'

    rows = [",".join(field(record.get(name)) for name in NPX_COLUMNS) for record in records]
    return "\n".join([",".join(NPX_COLUMNS), *rows]) + "\n"


def as_npx_json(records: list[dict[str, Any]]) -> str:
    """A list with a comma behind each member, the last one too."""
    return "[\n" + "".join(json.dumps(record, indent=2) + ",\n" for record in records) + "]\n"


def on_the_dashboard(record: dict[str, Any]) -> dict[str, Any]:
    about = {
        "requestId": record["request_id"],
        "countryCode": record.get("country_code"),
        "createdAt": record["request_created_at"],
        "promptTokens": record["prompt_tokens"],
        "completionTokens": record["completion_tokens"],
        "promptCacheReadTokens": record.get("prompt_cache_read_tokens"),
        "promptCacheWriteTokens": record.get("prompt_cache_write_tokens"),
        "latency": record["delay_ms"],
        "user": record.get("request_user_id"),
        "status": {"code": record["response_status"], "statusType": "success"},
        "customProperties": record["request_properties"],
        "cost": record["cost"],
        "feedback": {"createdAt": record.get("feedback_created_at"), "rating": record.get("feedback_rating")},
        "provider": record["provider"],
        "timeToFirstToken": record.get("time_to_first_token"),
        "scores": record.get("scores"),
        "promptId": record.get("prompt_id"),
        "promptVersion": record.get("prompt_version"),
        "targetUrl": record["target_url"],
        "cacheReferenceId": record.get("cache_reference_id"),
    }
    bodies = {"request": record.get("request_body"), "response": record.get("response_body")}
    kept = {"_type": "openai-chat", "id": record["request_id"], "model": record["request_model"]}
    return {**kept, "raw": bodies, "heliconeMetadata": about}


def as_dashboard_csv(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    rows = [on_the_dashboard(record) for record in records]
    written = [{key: json.dumps(v) if isinstance(v, dict) else v for key, v in row.items()} for row in rows]
    writer = csv.DictWriter(out, list(written[0]))
    writer.writeheader()
    writer.writerows(written)
    return out.getvalue()


@pytest.mark.parametrize(
    "written",
    [
        as_npx_json,
        as_dashboard_csv,
        lambda records: "\n".join(json.dumps(on_the_dashboard(record)) for record in records),
        lambda records: json.dumps({"data": records, "error": None}),
    ],
    ids=["npx json", "dashboard csv", "dashboard jsonl", "api"],
)
def test_every_form_tells_the_same(written: Callable[[Any], str], tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("\n".join(map(json.dumps, exported())))
    (tmp_path / "export").write_text(written(exported()))
    assert told(tmp_path / "export") == told(tmp_path / "lines")


def test_the_csv_of_npx_has_what_its_columns_have(tmp_path: Path) -> None:
    (tmp_path / "output.csv").write_text(as_npx_csv([{**exported()[0], "model": "gpt-4o-mini"}]))
    (span,) = told(tmp_path / "output.csv")
    said = {key: next(iter(value.values())) for key, value in span["attributes"].items()}
    assert (said["user.id"], said["session.id"]) == ("dr-okafor", "visit-1")
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == ("600", "150")
    assert (said["gen_ai.request.model"], said["gen_ai.usage.cost.amount"]) == ("gpt-4o-mini", 0.00024)
    assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) == 1_750_000_000
    asked = json.loads(said["gen_ai.input.messages"])
    assert asked[1]["parts"] == [{"type": "text", "content": "Anna coughs"}]


def test_without_content_there_is_none() -> None:
    delivery = Recording()
    (read,) = Importer(delivery, without_content=True).read_all([HELICONE])
    assert read.sent.items["traces"] == 5
    assert not any(b"Anna" in payload or b"allergies" in payload for _, payload in delivery.taken)


def as_parquet(path: Path, lines: str) -> None:
    records = [json.loads(line) for line in lines.splitlines()]
    kept = ("id", "trace_id", "type", "parent_observation_id", "start_time", "end_time", "name", "provided_model_name")
    more = ("usage_details", "completion_start_time", "prompt_name", "prompt_version", "user_id", "session_id")
    counts = pa.map_(pa.string(), pa.int64())
    columns = {name: [record.get(name) for record in records] for name in (*kept, *more)}
    columns["total_cost"] = [record.get("total_cost") for record in records]
    columns["metadata"] = [{"department": "cardiology"} for _ in records]
    usage = pa.array([list((one or {}).items()) for one in columns["usage_details"]], counts)
    pq.write_table(pa.table({**columns, "usage_details": usage}), path)


def test_langfuse_enriched_legacy_and_from_the_page_say_the_same(tmp_path: Path) -> None:
    answer = (FIXTURES / "langfuse_observations_v2.jsonl").read_text().splitlines()[0]
    (tmp_path / "enriched.jsonl").write_text(answer)
    as_parquet(tmp_path / "enriched.parquet", answer)
    enriched, parquet, legacy, page = (
        span["attributes"]
        for files in (
            [tmp_path / "enriched.jsonl"],
            [tmp_path / "enriched.parquet"],
            [FIXTURES / "langfuse_observations.csv", FIXTURES / "langfuse_traces.csv"],
            [FIXTURES / "langfuse_page.json"],
        )
        for span in told(*files)
    )
    shared = enriched.keys() & page.keys()
    assert {key: enriched[key] for key in shared if "cost" not in key} == {
        key: page[key] for key in shared if "cost" not in key
    }
    assert shared >= {"user.id", "session.id", "langfuse.observation.usage_details", "langfuse.observation.input"}
    assert legacy.items() <= enriched.items()
    assert {"user.id", "session.id"} <= legacy.keys()
    assert parquet["langfuse.observation.usage_details"] == enriched["langfuse.observation.usage_details"]
    assert parquet["langfuse.observation.completion_start_time"] == {
        "stringValue": '"2026-10-05T09:00:00.570000+00:00"'
    }


def test_what_langfuse_knew_of_a_call_is_in_its_row(into: Imported) -> None:
    assert into.take(FIXTURES / "langfuse_page.json") == 0
    (row,) = into.rows("SELECT *, properties['department'] AS department FROM spans")
    assert (row["provider"], row["input_tokens"], row["output_tokens"]) == ("openai", 1000, 200)
    assert (row["cost_usd"], row["emitted_cost_usd"]) == (Decimal("0.00024"), Decimal("0.00024"))
    assert (row["user_id"], row["session_id"], row["prompt_version"]) == ("dr-okafor", "visit-1", "7")
    assert (row["time_to_first_chunk_ms"], row["department"]) == (320.0, "cardiology")


def test_a_langfuse_trace_says_what_it_said_once(
    into: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    said = {"metadata": {"ward": "west", "beds": 2}, "input": {"text": "Anna coughs"}, "output": "rest"}
    place = {"id": trace, "timestamp": "2026-10-05 09:00:00", "name": "admission", "user_id": "ada", **said}
    span = {"type": "SPAN", "trace_id": trace, "start_time": "2026-10-05 09:00:00", "end_time": "2026-10-05 09:00:01"}
    write_lines(tmp_path / "traces.jsonl", place)
    write_lines(
        tmp_path / "observations.jsonl",
        {**span, "id": "1", "parent_observation_id": "2", "name": "inner"},
        {**span, "id": "2", "name": "outer", "level": "WARNING", "status_message": "slow"},
        {**span, "id": "3", "name": "later", "start_time": "2026-10-05 09:00:02"},
    )
    files = [tmp_path / f"{name}.jsonl" for name in ("traces", "observations")]
    inner, outer, later = (span["attributes"] for span in told(*files))
    assert outer["langfuse.trace.input"] == {"stringValue": '{"text":"Anna coughs"}'}
    assert outer["langfuse.trace.output"] == {"stringValue": "rest"}
    assert outer["langfuse.observation.status_message"] == {"stringValue": "slow"}
    assert "langfuse.trace.output" not in inner.keys() | later.keys()
    assert into.take(*files) == 0
    monkeypatch.setattr(langfuse, "SAID_BYTES_MAX", 30)
    small = Imported(tmp_path / "small")
    assert small.take(*files) == 0
    assert "traces.jsonl:1: what too many traces say at once" in small.said
    assert small.rows("SELECT DISTINCT properties, user_id FROM spans") == [{"properties": {}, "user_id": "ada"}]
    assert into.rows("SELECT DISTINCT properties['ward'] AS ward, user_id FROM spans") == [
        {"ward": "west", "user_id": "ada"}
    ]


def test_where_a_langfuse_score_came_from_is_kept(into: Imported, tmp_path: Path) -> None:
    score = {"id": "s", "timestamp": "2026-10-05 10:00:00", "trace_id": "t", "name": "tone", "value": 1}
    more = {"data_type": "NUMERIC", "source": "EVAL", "evaluator_id": "judge-1", "metadata": {"round": 2, "by": "x"}}
    write_lines(tmp_path / "scores.jsonl", {**score, **more})
    assert into.take(tmp_path / "scores.jsonl") == 0
    (row,) = into.rows("SELECT properties FROM scores")
    assert row["properties"] == {"source": "EVAL", "evaluator_id": "judge-1", "round": "2", "by": "x"}


def write_lines(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def test_langfuse_scores_judge_what_they_judged(into: Imported) -> None:
    files = [FIXTURES / f"langfuse_{name}.jsonl" for name in ("observations_v2", "scores")]
    assert into.take(*files) == 0
    assert [line.rpartition("/")[2] for line in into.said.splitlines()] == [
        "langfuse_observations_v2.jsonl:3: an observation without id, trace id or start time",
        "langfuse_scores.jsonl:4: a score without name, time, trace or session",
    ]
    assert into.rows("SELECT name, value, label, explanation, session_id FROM scores ORDER BY name") == [
        {"name": "helpful", "value": 1.0, "label": None, "explanation": "said thanks", "session_id": None},
        {"name": "note", "value": None, "label": "all fine", "explanation": None, "session_id": "visit-1"},
        {"name": "tone", "value": 2.0, "label": "friendly", "explanation": None, "session_id": None},
    ]
    (call,) = into.rows("SELECT score_name, operation FROM scored_calls")
    assert call == {"score_name": "helpful", "operation": "chat"}
    assert len(into.rows("FROM session_scores WHERE session_id = 'visit-1'")) == 3


def test_rows_of_clickhouse_are_the_spans_again(into: Imported) -> None:
    assert into.take(FIXTURES / "otel_traces.jsonl") == 0
    (row,) = into.rows("FROM spans")
    assert (row["dialect"], row["input_tokens"], row["cost_usd"]) == ("openlit", 1000, Decimal("0.00027"))
    assert (row["emitted_cost_usd"], row["status"], row["kind"]) == (Decimal("0.00027"), "OK", "CLIENT")
    assert (row["service_name"], row["environment"]) == ("clinic", "production")
    assert row["start_time_ns"] == moment_ns("2026-10-05 09:00:00.250000") + 123
    assert row["finish_reasons"] == ["stop"]
    assert into.said.endswith(":2: an id that is not hex\n")


def requests() -> list[Any]:
    start = moment_ns("2026-10-05T09:00:00Z") or 0
    spans = [
        otlp.span(otlp.chat(), trace_id=bytes([n]) * 16, span_id=bytes([n]) * 8, start_ns=start + n) for n in (1, 2)
    ]
    return [
        otlp.request(spans[0]),
        otlp.request(spans[1]),
        otlp.logs(otlp.record({"a": 1}, time_unix_nano=start)),
        otlp.metrics(otlp.Metric(name="m", gauge={"data_points": [{"time_unix_nano": start, "as_int": 3}]})),
    ]


def as_json(request: Any) -> bytes:
    """As the protocol has it: ids are hex."""
    document = json_format.MessageToDict(request)

    def with_hex(value: Any) -> Any:
        if isinstance(value, list):
            return [with_hex(one) for one in value]
        if not isinstance(value, dict):
            return value
        ids = ("traceId", "spanId", "parentSpanId")
        return {k: base64.b64decode(v).hex() if k in ids else with_hex(v) for k, v in value.items()}

    return json.dumps(with_hex(document)).encode()


def framed(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def lines(sent: list[Any]) -> bytes:
    return b"".join(as_json(one) + b"\n" for one in sent)


FORMS: dict[str, Callable[[list[Any]], bytes]] = {
    "json lines": lines,
    "json lines, gzip": lambda sent: gzip.compress(lines(sent)),
    "json lines, zstd": lambda sent: zstd.compress(lines(sent)),
    "frames": lambda sent: framed([one.SerializeToString() for one in sent]),
    "frames, zstd": lambda sent: zstd.compress(framed([one.SerializeToString() for one in sent])),
    "frames of zstd": lambda sent: framed([zstd.compress(one.SerializeToString()) for one in sent]),
    "frames of zstd of json": lambda sent: framed([zstd.compress(as_json(one)) for one in sent]),
}


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """The rows of the requests, received as they are."""
    imported = Imported(tmp_path_factory.mktemp("received") / "data")
    lake.store(imported.data, *requests())
    Converter(imported.data).convert_some()
    return imported


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_otlp_files_have_their_requests_in_them(form: Callable[[list[Any]], bytes], tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(form(requests()))
    pieces = [piece.value for piece in File(tmp_path / "f").pieces() if piece.value is not None]
    found = [one for piece in pieces for one in read_requests(piece)]
    assert [type(sent) for sent in requests()] == [one.signal.request for one in found]
    assert [one.signal.request.FromString(one.payload) for one in found] == requests()


def test_otlp_files_give_the_rows_of_their_requests(received: Imported, into: Imported, tmp_path: Path) -> None:
    (tmp_path / "spans").write_bytes(FORMS["frames of zstd"](requests()))
    assert into.take(tmp_path / "spans") == 0
    counts = {"records": 4, "spans": 2, "scored": 0, "logs": 1, "metrics": 1, "unreadable": 0}
    assert into.told == [{"file": "spans", "format": "otlp", **counts}]
    for table in ("spans", "logs", "metrics"):
        query = f"SELECT * EXCLUDE (collector_id, segment) FROM {table} ORDER BY row_id"
        assert into.rows(query) == received.rows(query)


def test_a_file_that_ends_inside_a_frame_gives_what_is_before(into: Imported, tmp_path: Path) -> None:
    whole = framed([one.SerializeToString() for one in requests()[:2]])
    (tmp_path / "cut").write_bytes(whole[:-5])
    assert into.take(tmp_path / "cut") == 0
    assert into.said == f"{tmp_path / 'cut'}:2: the file ends inside this frame\n"
    assert len(into.rows("FROM spans")) == 1


def test_old_data_keeps_its_dates_and_is_told_of(into: Imported, tmp_path: Path) -> None:
    record = {"request_id": "old", "request_created_at": "2021-03-04T05:06:07Z", "request_model": "gpt-4"}
    (tmp_path / "old.jsonl").write_text(json.dumps(record))
    assert into.take(tmp_path / "old.jsonl") == 0
    assert (
        into.said == "1 items are older than 400 days: a collector drops dates older than spans_days, 400 by default\n"
    )
    (row,) = into.rows("SELECT date, clock_flag FROM spans")
    assert (row["date"].isoformat(), row["clock_flag"]) == ("2021-03-04", None)


def test_a_running_collector_is_sent_to(into: Imported) -> None:
    with collector(into.data) as running:
        assert into.take(HELICONE) == 2
        assert "a collector is at work on" in into.said
        assert into.take(HELICONE, "--collector", f"http://{running.http}") == 0
        assert into.take(HELICONE, "--collector", f"grpc://{running.grpc}") == 0
        wait_for(lambda: otlp.rows(into.data, "FROM t") and otlp.rows(into.data, "FROM t", "scores"), 60)
        assert [lake.count(into.data, table) for table in ("spans", "scores")] == [5, 2]


def test_nothing_that_is_known_is_a_failure(into: Imported, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert into.take(tmp_path / "x.csv") == 1
    assert into.said.splitlines()[:2] == [
        f"{tmp_path / 'x.csv'}:2: none of otlp, clickhouse, helicone, langfuse; it has a, b",
        f"{tmp_path / 'x.csv'}:3: 3 fields where the first row names 2",
    ]
    assert into.take(tmp_path / "gone.csv") == 2


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ('{"a": 1}\n\n{"a": 2}', [(1, {"a": 1}), (3, {"a": 2})]),
        ('\ufeff{"a": 1}\n[]\n', [(1, {"a": 1}), (2, "no JSON object")]),
        ('[{"a": 1},\n{"a": 2}]', [(1, {"a": 1}), (2, {"a": 2})]),
        ('[\n{"a":\n1},\n{"b" 3},\n{"c": 1},\n]', [(2, {"a": 1}), (4, "no JSON: Expecting"), (5, {"c": 1})]),
        ("[]", []),
        ("a,b\n1,\n\n", [(2, {"a": "1"})]),
        ("", []),
    ],
)
def test_pieces_know_where_they_begin(text: str, pieces: list[tuple[int, Any]], tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    found = [(piece.line, piece.value or piece.fault) for piece in File(tmp_path / "f").pieces()]
    assert [(line, value[: len(wanted)] if isinstance(value, str) else value) for (line, value), (_, wanted) in zip(
        found, pieces, strict=True
    )] == pieces  # fmt: skip


def test_a_long_list_on_one_line_is_read_in_bounded_steps(tmp_path: Path) -> None:
    records = [{"n": n, "text": "x" * 1000} for n in range(3000)]
    (tmp_path / "f").write_text(json.dumps(records))
    assert [piece.value for piece in File(tmp_path / "f").pieces()] == records


def test_a_packed_file_that_is_damaged_says_so(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(gzip.compress(b'{"a": 1}\n' * 100)[:-9])
    assert [*File(tmp_path / "f").pieces()][-1].fault.startswith("the file is packed, and damaged from here on")


def test_values_as_exporters_write_them() -> None:
    assert json_in('{""a"": ""b""}') == {"a": "b"}
    assert json_in("{no json") == "{no json"
    assert moment_ns("2026-10-05T11:00:00+02:00") == moment_ns("2026-10-05 09:00:00")
    assert moment_ns(time.time()) is None


def test_the_snippets_of_the_page_run(tmp_path: Path) -> None:
    """In a directory with the files that it names."""
    page = (Path(__file__).parents[2] / "docs/import.md").read_text()
    (lines,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    with contextlib.chdir(FIXTURES), pytest.MonkeyPatch.context() as patched:
        patched.setenv("OTEL_LLM_DATA", str(tmp_path / "data"))
        for line in lines.splitlines():
            _, name, *argv = shlex.split(line)
            with redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out, redirect_stderr(io.StringIO()):
                assert (command.command if name == "import" else cost)(argv) == 0
    out.seek(0)
    assert "2026-10-05" in out.read()
