"""Export: rows of any query, conversations that can be learnt from, and spans that come back as they were."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rig import otlp
from rig.lake import store

from otel_llm.errors import UsageError
from otel_llm.redaction import Redactor, read_patterns
from otel_llm_collector import exporting
from otel_llm_collector.conversations import REASONS, Conversations, NoExampleError, example
from otel_llm_collector.converter import Converter
from otel_llm_collector.importing import command
from otel_llm_collector.query import connect
from otel_llm_semconv import attributes as a

START = 1_790_000_000_000_000_000
TOOL = {"type": "function", "name": "look_up", "description": "Find", "parameters": {"type": "object"}}


def said(role: str, *parts: Any, **more: Any) -> dict[str, Any]:
    texts = [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "parts": texts, **more}


def call(number: int, asked: list[Any], answered: list[Any], **attributes: Any) -> Any:
    content = {a.INPUT_MESSAGES: json.dumps(asked), a.OUTPUT_MESSAGES: json.dumps(answered)} if asked else {}
    chat = otlp.chat(**{a.RESPONSE_FINISH_REASONS: ["stop"], **content, **attributes})
    return otlp.span(chat, trace_id=bytes([number]) * 16, span_id=bytes([number]) * 8, start_ns=START + number)


def score(number: int, value: float) -> Any:
    about = {a.EVALUATION_NAME: "helpful", a.EVALUATION_SCORE_VALUE: value}
    ids = {"trace_id": bytes([number]) * 16, "span_id": bytes([number]) * 8}
    return otlp.record(about, event_name=a.EVALUATION_RESULT, time_unix_nano=START, **ids)


HELLO = [said("user", "I am Anna, 0171-2345678")], [said("assistant", "Hello Anna", finish_reason="stop")]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls that can be examples, and one of each kind that cannot."""
    data = tmp_path_factory.mktemp("export") / "data"
    failed = call(5, *HELLO, **{a.ERROR_TYPE: "500"})
    spans = [
        call(1, *HELLO, **{"user.id": "ada"}),
        call(2, *HELLO),
        call(3, [], []),
        call(4, *HELLO, **{a.RESPONSE_FINISH_REASONS: ["length"]}),
        failed,
        call(6, *HELLO, **{a.CONTENT_TRUNCATED: [a.INPUT_MESSAGES]}),
        call(7, [said("user", {"type": "blob", "modality": "image", "content": "AAAA"})], HELLO[1]),
        call(8, [said("user", "Where?")], [said("assistant", "There")], **{"user.id": "bob"}),
    ]
    store(data, otlp.request(*spans), otlp.logs(score(1, 1.0), score(8, 0.2)))
    Converter(data).convert_some()
    return data


def run(lake: Path, *argv: str) -> tuple[int, bytes, str]:
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = exporting.export([*argv, "--data", str(lake)])
    return code, out.buffer.getvalue(), err.getvalue()  # type: ignore[attr-defined]


def test_calls_leave_as_parquet_csv_and_lines(lake: Path, tmp_path: Path) -> None:
    target = tmp_path / "calls.parquet"
    assert run(lake, "--output", str(target), "--where", "user_id IS NOT NULL") == (0, b"", "")
    assert pq.read_table(target)["user_id"].to_pylist() == ["ada", "bob"]
    _, text, _ = run(lake, "calls", "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(text.decode())))) == 8
    query = "SELECT user_id, sum(cost_usd) AS usd FROM llm_calls WHERE user_id IS NOT NULL GROUP BY ALL ORDER BY ALL"
    _, text, _ = run(lake, "--query", query, "--format", "jsonl")
    found = [json.loads(line) for line in text.splitlines()]
    assert found == [{"user_id": user, "usd": "0.000270000000"} for user in ("ada", "bob")]


def test_conversations_leave_once_and_what_is_left_out_is_counted(lake: Path) -> None:
    code, text, err = run(lake, "conversations")
    assert code == 0
    assert [json.loads(line) for line in text.splitlines()] == [
        {
            "messages": [
                {"role": "user", "content": "I am Anna, 0171-2345678"},
                {"role": "assistant", "content": "Hello Anna"},
            ]
        },
        {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There"}]},
    ]
    assert err.splitlines() == [
        "2 conversations",
        *(f"left out: 1, {REASONS[reason]} ({reason})" for reason in sorted(
            ("cut", "duplicate", "failed", "media", "no_content", "truncated")
        )),
    ]  # fmt: skip
    assert run(lake, "conversations") == (code, text, err)


def test_scores_users_and_times_choose(lake: Path) -> None:
    _, text, err = run(lake, "conversations", "--min-score", "helpful=0.5")
    assert text.count(b"\n") == 1
    assert "left out: 4, its scores are too low, or missing (scored_low)" in err
    _, text, _ = run(lake, "conversations", "--where", "user_id = 'bob'", "--since", "2026-09-01")
    assert b"There" in text
    assert run(lake, "conversations", "--since", "2026-12-31")[1] == b""


def test_what_must_not_leave_does_not(lake: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OTEL_LLM_REDACT", r"\d{4}-\d+")
        _, text, _ = run(lake, "conversations", "--redact", "Anna")
    messages = json.loads(text.splitlines()[0])["messages"]
    assert [one["content"] for one in messages] == ["I am [redacted], [redacted]", "Hello [redacted]"]


def everything(data: Path) -> dict[str, Any]:
    with connect(data) as connection:
        return {
            table: connection.sql(f"SELECT * {but} FROM {table} ORDER BY row_id").fetchall()
            for table, but in (("spans", "EXCLUDE (collector_id, segment)"), ("messages", ""))
        }


@pytest.mark.parametrize("argv", [(), ("--where", "true OR user_id = 'x'")], ids=["all", "of chosen calls"])
def test_spans_come_back_as_they_were(lake: Path, tmp_path: Path, argv: tuple[str, ...]) -> None:
    file = tmp_path / "spans.jsonl"
    assert run(lake, "spans", *argv, "--output", str(file))[0] == 0
    with redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        assert command.command([str(file), "--data", str(tmp_path / "back")]) == 0
    assert everything(tmp_path / "back") == everything(lake)


def test_what_makes_no_sense_is_said(lake: Path, tmp_path: Path) -> None:
    target = tmp_path / "f"
    assert run(lake, "--query", "FROM nothing", "--output", str(target))[0] == 2
    assert not target.exists()
    assert run(lake, "spans", "--query", "FROM spans")[0] == 2
    assert run(lake, "calls", "--redact", "x")[0] == 2
    assert run(lake, "conversations", "--min-score", "helpful")[0] == 2
    assert run(lake, "conversations", "--redact", "(")[0] == 2
    with pytest.raises(UsageError):
        read_patterns("x*")


def row(asked: Any, answered: Any, system: Any = None, tools: Any = None) -> dict[str, Any]:
    texts = {
        "input_messages": asked,
        "output_messages": answered,
        "system_instructions": system,
        "tool_definitions": tools,
    }
    plain = {"is_failed": None, "is_cut": False, "is_truncated": False, "is_worthy": True}
    return plain | {name: None if value is None else json.dumps(value) for name, value in texts.items()}


def test_tools_are_called_and_answered() -> None:
    asked = [
        said("user", "Anna?"),
        said("assistant", {"type": "reasoning", "content": "hm"}, "One moment",
             {"type": "tool_call", "id": "c1", "name": "look_up", "arguments": {"name": "Anna"}}),
        said("user", {"type": "tool_call_response", "id": "c1", "response": {"found": True}}, "And?"),
    ]  # fmt: skip
    answered = [said("assistant", {"type": "tool_call", "id": "c2", "name": "look_up", "arguments": "{}"})]
    found = example(row(asked, answered, [{"type": "text", "content": "Be brief."}], [TOOL, {"type": "web_search"}]))
    function = {"name": "look_up", "arguments": '{"name": "Anna"}'}
    assert found == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Anna?"},
            {"role": "assistant", "content": "One moment", "tool_calls": [
                {"id": "c1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "c1", "content": '{"found": true}'},
            {"role": "user", "content": "And?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c2", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]},
        ],
        "tools": [{"type": "function", "function": {
            "name": "look_up", "description": "Find", "parameters": {"type": "object"}}}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (row(None, None), "no_content"),
        (row([said("user", "x")], []), "no_answer"),
        (row([], [said("assistant", "x")]), "no_answer"),
        (row([said("user", "x")], [said("assistant")]), "no_answer"),
        (row([said("user", {"type": "uri", "uri": "https://x"})], HELLO[1]), "media"),
        (row("no list", {"no": "list"}), "no_content"),
    ],
)
def test_what_is_no_example_says_why(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(NoExampleError, match=f"^{reason}$"):
        example(given)
    assert reason in REASONS


def test_what_is_equal_once_redacted_is_one() -> None:
    rows = [row([said("user", f"I am {name}")], HELLO[1]) for name in ("Anna", "Berta")]
    found = Conversations(Redactor(read_patterns("Anna|Berta"), None))
    assert len([*found.lines(rows)]) == 1
    assert found.skipped == {"duplicate": 1}


def test_the_snippets_of_the_page_run(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/export.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", page, re.MULTILINE) == [*REASONS.items()]
    (lines,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    commands: dict[str, Callable[..., Any]] = {"export": exporting.export, "import": command.command}
    for line in lines.splitlines():
        _, name, *argv = shlex.split(line)
        place = [] if "--data" in argv else ["--data", str(lake)]
        with redirect_stdout(io.TextIOWrapper(io.BytesIO())), redirect_stderr(io.StringIO()):
            assert commands[name]([*argv, *place]) == 0, line
