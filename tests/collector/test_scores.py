"""Scores from outside: by the command and over HTTP, durable, joined with calls, sessions and prompts."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm.errors import UsageError
from otel_llm_collector import scoring
from otel_llm_collector.query import connect
from otel_llm_collector.receiver import scores_json
from otel_llm_collector.receiver.refusals import BadDataError
from otel_llm_collector.scores import judged_by, read_score, request_of
from otel_llm_semconv.identity import span_id_of, trace_id_of

JSON = {"content-type": "application/json"}
TRACE, SPAN = b"\x01" * 16, b"\x02" * 8
PAGE = (Path(__file__).parents[2] / "docs/scores.md").read_text()
REQUEST = "0b0e7a52-5a4b-4cde-9f10-3a2b1c0d9e8f"
NOW = 1_790_000_000_000_000_000


def post(running: CollectorProcess, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    answer = otlp.post(f"http://{running.http}{path}", json.dumps(body).encode(), JSON | headers)
    return answer.status, json.loads(answer.data)


def on_the_page(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run_score(*argv: str, **environment: str) -> tuple[int, str, str]:
    """The command's exit code, stdout and stderr."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
        patched.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
        for name, value in environment.items():
            patched.setenv(name, value)
        code = scoring.score([*argv])
    out.seek(0)
    return code, out.read(), err.getvalue()


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The tables after calls and scores of every kind came, and what the senders of the scores were told."""
    data = tmp_path_factory.mktemp("scores") / "data"
    told: dict[str, Any] = {}
    with collector(data) as running:
        prompt = {"gen_ai.prompt.name": "greeting", "gen_ai.prompt.version": "2", "session.id": "visit"}
        calls = [
            otlp.span(otlp.chat(**prompt, **{"gen_ai.response.id": "chatcmpl-1"}), trace_id=TRACE, span_id=SPAN),
            otlp.span(otlp.chat(), trace_id=trace_id_of(REQUEST), span_id=span_id_of(REQUEST)),
        ]
        assert otlp.post(running.traces_url, otlp.request(*calls).SerializeToString()).status == 200
        kinds = [
            {"name": "helpful", "value": True, "trace_id": TRACE.hex(), "span_id": SPAN.hex(), "user_id": "ada"},
            {"name": "helpful", "value": 0, "response_id": "chatcmpl-1", "properties": {"team": "a"}},
            {"name": "solved", "label": "yes", "session_id": "visit", "explanation": "it said so"},
            {"name": "tone", "value": 0.5, "trace_id": TRACE.hex()},
        ]
        told["ids"] = post(running, "/v1/scores", kinds)
        told["score"] = post(running, f"/v1/request/{REQUEST}/score", {"scores": {"quality": 7, "safe": True}})
        told["feedback"] = post(running, "/v1/request/chatcmpl-1/feedback", {"rating": False})
        told["command"] = run_score(
            *("--name", "helpful", "--value", "1", "--span", SPAN.hex(), "--at", "2026-11-01T10:00:00Z"),
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{running.http}",
        )
        giving, _ = on_the_page("sh")
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}"}
        told["page"] = [run_score(*shlex.split(line)[2:], **env)[0] for line in giving.splitlines()]
        (body,) = on_the_page("json")
        told["page"].append(post(running, "/v1/scores", json.loads(body))[0])
        told["refused"] = post(running, "/v1/scores", [kinds[0], {"name": "helpful"}])
        told["not json"] = otlp.post(f"http://{running.http}/v1/scores", b"x").status
        told["taken"] = run_score("--name", "x", "--value", "1", "--trace", TRACE.hex(), "--data", str(data))
        wait_for(lambda: len(otlp.rows(data, "FROM t")) == 2 and len(otlp.rows(data, "FROM t", "scores")) == 14, 60)
        assert running.stop() == 0  # a file that can be read may not be in the log yet
    with connect(data) as connection:
        told["query"] = lambda text: connection.sql(text).fetchall()
        told["data"] = data
        yield told


def test_scores_are_answered_with_the_ids_of_their_rows(scored: dict[str, Any]) -> None:
    status, said = scored["ids"]
    assert status == 200
    assert {row for (row,) in scored["query"]("SELECT row_id FROM scores")} >= set(said["ids"])
    assert len(set(said["ids"])) == 4
    assert scored["score"] == scored["feedback"] == (200, {"data": None, "error": None})


def test_the_command_sends_one_and_prints_its_row(scored: dict[str, Any]) -> None:
    code, out, err = scored["command"]
    assert (code, err) == (0, "")
    (row,) = scored["query"](f"SELECT name, value, span_id, time FROM scores WHERE row_id = '{out.strip()}'")
    assert row[:3] == ("helpful", 1.0, SPAN.hex())
    assert row[3].isoformat() == "2026-11-01T10:00:00+00:00"


def test_a_score_is_joined_with_its_call_however_it_names_it(scored: dict[str, Any]) -> None:
    found = scored["query"]("SELECT score_name, score_value, response_id FROM scored_calls ORDER BY ALL")
    assert found == [
        ("feedback", 0.0, "chatcmpl-1"),
        ("helpful", 0.0, "chatcmpl-1"),  # by the response
        ("helpful", 1.0, "chatcmpl-1"),  # by the span alone
        ("helpful", 1.0, "chatcmpl-1"),  # by trace and span
        ("quality", 7.0, None),  # by the id that a proxy gave it
        ("safe", 1.0, None),
    ]


def test_sessions_and_prompts_have_scores(scored: dict[str, Any]) -> None:
    sessions = """SELECT session_id, score_name, scores, value_avg, label FROM session_scores
        WHERE session_id = 'visit' ORDER BY ALL"""
    assert scored["query"](sessions) == [
        ("visit", "feedback", 1, 0.0, None),
        ("visit", "helpful", 3, pytest.approx(2 / 3), None),
        ("visit", "solved", 1, None, "yes"),
        ("visit", "tone", 1, 0.5, None),
    ]
    prompts = "SELECT prompt_name, prompt_version, score_name, scores, calls, value_avg FROM prompt_scores ORDER BY ALL"
    assert scored["query"](prompts) == [
        ("greeting", "2", "feedback", 1, 1, 0.0),
        ("greeting", "2", "helpful", 3, 1, pytest.approx(2 / 3)),
    ]


def test_the_snippets_of_the_page_run(scored: dict[str, Any]) -> None:
    assert scored["page"] == [0, 0, 0, 200]
    _, asking = on_the_page("sh")
    for line in asking.splitlines():
        assert scored["query"](shlex.split(line)[2])


def test_one_bad_score_refuses_all_of_its_request(scored: dict[str, Any]) -> None:
    status, said = scored["refused"]
    assert (status, said["message"]) == (400, "score 1: it has neither a value nor a label")
    assert scored["not json"] == 415
    assert len(scored["query"]("FROM scores")) == 8 + 6


def test_a_directory_with_a_collector_is_left_alone(scored: dict[str, Any]) -> None:
    code, _, err = scored["taken"]
    assert code == 2
    assert "a collector is at work on" in err
    assert "--collector http://127.0.0.1:4318" in err


def test_without_a_collector_the_command_stores_it_itself(tmp_path: Path) -> None:
    argv = ["--name", "helpful", "--value", "1", "--trace", TRACE.hex(), "--at", "2026-11-01", "--data", str(tmp_path)]
    said = run_score(*argv)
    assert said == run_score(*argv)
    assert (said[0], said[2]) == (0, "")
    with connect(tmp_path) as connection:
        found = connection.sql("SELECT row_id, trace_id, value FROM scores").fetchall()
    assert found == [(said[1].strip(), TRACE.hex(), 1.0)]


def test_a_collector_that_is_not_there_is_said_in_one_line() -> None:
    argv = ["--name", "helpful", "--value", "1", "--trace", TRACE.hex()]
    code, _, err = run_score(*argv, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert (code, err.count("\n")) == (1, 1)
    assert "start `otel-llm collector`, or correct the URL" in err
    assert run_score(*argv, "--collector", "127.0.0.1:1")[0] == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "a score is an object"),
        ({"name": 3}, "its name is no text"),
        ({"value": 1, "trace_id": TRACE.hex()}, "it has no name"),
        ({"name": "x", "trace_id": TRACE.hex()}, "neither a value nor a label"),
        ({"name": "x", "value": 1}, "it judges nothing"),
        ({"name": "x", "value": "1", "trace_id": TRACE.hex()}, "no number"),
        ({"name": "x", "value": 10**400, "trace_id": TRACE.hex()}, "not finite"),
        ({"name": "x", "value": 1, "trace_id": "12"}, "not the hex text"),
        ({"name": "x", "value": 1, "span_id": "0" * 16}, "not the hex text"),
        ({"name": "x", "value": 1, "session_id": "s", "time": "yesterday"}, "its time is not written"),
        ({"name": "x", "value": 1, "session_id": "s", "time": "1960-01-01"}, "between 1970 and 2262"),
        ({"name": "x", "value": 1, "session_id": "s", "time": "9999-12-31T00:00:00Z"}, "between 1970 and 2262"),
        ({"name": "x", "value": 1, "session_id": "s", "properties": {"a": 1}}, "no object of texts"),
        ({"name": "x", "value": 1, "session": "s"}, "'session' is no field"),
    ],
)
def test_what_is_wrong_is_said(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_score(given, NOW)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/scores", b"{"),
        ("/v1/scores", b"[]"),
        ("/v1/scores", json.dumps({"name": "\ud800", "value": 1, "session_id": "s"}).encode()),
        ("/v1/request/x/score", b"[]"),
        ("/v1/request/x/score", b'{"scores": {}}'),
        ("/v1/request/x/feedback", b'{"rating": 1}'),
    ],
)
def test_a_body_that_is_none_is_refused(path: str, body: bytes) -> None:
    with pytest.raises(BadDataError):
        scores_json.request_from_json(path, body, NOW)


def test_an_id_that_is_no_uuid_is_that_of_a_response() -> None:
    assert judged_by("chatcmpl-1") == {"response_id": "chatcmpl-1"}
    assert judged_by(REQUEST.upper()) == {"trace_id": trace_id_of(REQUEST).hex(), "span_id": span_id_of(REQUEST).hex()}


def test_the_same_score_twice_in_a_request_is_two_rows() -> None:
    score = read_score({"name": "x", "value": 1, "session_id": "s"}, NOW)
    assert len(set(scores_json.row_ids(request_of([score, score])))) == 2
