"""The page on alerts: its rules are read, its commands run, its tables are the code's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from otel_llm_collector.alerts import command
from otel_llm_collector.alerts.channels import KINDS
from otel_llm_collector.alerts.message import Message
from otel_llm_collector.alerts.metrics import METRICS
from otel_llm_collector.alerts.rules import KEYS

from .conftest import Lake, at, evenly

PAGE = (Path(__file__).parents[2] / "docs/alerts.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Who follows the page: its rules in a file, and a day on which ada spends a lot."""
    for name in ("ALERTS_SECRET", "MAIL_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/T/B/X")
    monkeypatch.setenv("OTEL_LLM_DATA", str(lake.data))
    monkeypatch.chdir(lake.path.parent)
    lake.rules(blocks("toml")[0])
    lake.add(evenly(at("09:00"), at("11:00"), 60, user_id="ada", cost_usd="0.1", provider="openai"))
    return lake


def test_its_commands_run_and_say_what_it_says(reader: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in blocks("sh")[1].splitlines() if line]
    assert {line.split()[2] for line in lines} == {"list", "check", "test", "silence"}
    said = {}
    for line in lines:
        assert command.command(shlex.split(line)[2:]) == 0, line
        said[line] = capsys.readouterr()
    assert len(re.findall(r" ok\b", said[lines[0]].out)) == len(reader.rules(blocks("toml")[0]).rules)
    assert "ada" in said[lines[1]].out
    assert "1 would have fired, of 7 rules" in said[lines[1]].err
    assert json.loads(said[lines[3]].out.splitlines()[0])["alert"] == "test"


def test_its_tables_are_the_codes() -> None:
    rows = [
        tuple(part.strip() for part in line.strip("|").split(" | ")) for line in PAGE.splitlines() if line[:2] == "| "
    ]
    told = {tuple(part.strip("|` ") for part in row) for row in rows}
    expected = {(name, key.doc) for name, key in KEYS.items()}
    expected |= {(name, m.unit or "-", m.aggregation or "-", m.doc) for name, m in METRICS.items()}
    expected |= {(kind, key, doc.strip("`")) for kind, row in KINDS.items() for key, doc in row.keys.items()}
    heads = {
        ("key of `[[alert]]", "meaning"),
        ("metric", "unit", "aggregation", "meaning"),
        ("channel", "key", "meaning"),
    }
    assert {tuple(cell.strip("` ") for cell in row) for row in told} - heads == {
        tuple(cell.strip("` ") for cell in row) for row in expected
    }


def test_its_message_and_its_signature_are_ours(lake: Lake) -> None:
    (text,) = blocks("json")
    assert list(json.loads(text)) == list(Message.__slots__)
    assert Message.from_dict(json.loads(text)).alert == "somebody spends a lot"
    place: dict[str, object] = {}
    exec(blocks("python")[0], place)
    signature = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert place["is_genuine"]("key", b"The quick brown fox jumps over the lazy dog", signature)  # type: ignore[operator]


def test_its_question_runs(reader: Lake) -> None:
    watch = reader.watching(blocks("toml")[0], at("10:10"))
    watch.step(at("10:10"))
    ((query,),) = [blocks("sql")]
    assert [(row["alert"], row["resolved"]) for row in reader.rows(query)] == [("somebody spends a lot", None)]
