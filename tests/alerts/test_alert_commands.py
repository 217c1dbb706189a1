"""`otel-llm alerts`: what it prints, and what it says where it cannot."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from otel_llm_collector.alerts import command, silences

from .conftest import Lake, at, evenly

RULES = """
delay = "0s"

[channels.dead]
type = "webhook"
url = "http://127.0.0.1:9/"

[[alert]]
name = "spend"
metric = "cost"
by = "user"
window = "10m"
above = 5
channels = ["dead"]

[[alert]]
name = "errors"
metric = "error_rate"
above = 0.5
"""


@pytest.fixture
def asked(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    lake.add(evenly(at("10:00"), at("10:30"), 60, user_id="ada", cost_usd="1"))
    lake.rules(RULES)
    monkeypatch.setenv("OTEL_LLM_ALERTS", str(lake.path))
    monkeypatch.setenv("OTEL_LLM_DATA", str(lake.data))
    monkeypatch.setenv("COLUMNS", "80")
    return lake


def test_check_replays_what_was(asked: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.command(["check", "--at", "2026-11-02T10:06:30", "--format", "json"]) == 0
    (fired,) = json.loads(capsys.readouterr().out)
    assert (fired["time"], fired["alert"], fired["labels"], fired["value"]) == (
        "2026-11-02T10:06:00+00:00", "spend", {"user": "ada"}, 6.0,
    )  # fmt: skip
    assert (
        command.command(["check", "spend", "--since", "2026-11-02", "--until", "2026-11-03", "--format", "json"]) == 0
    )
    captured = capsys.readouterr()
    assert [event["event"] for event in json.loads(captured.out)] == ["firing", "resolved"]
    assert captured.err == "1 would have fired, of 1 rules\n"
    assert not (asked.data / "alerts").exists()  # nothing is recorded


def test_the_table_is_for_people_and_the_end_says_why(
    lake: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = {"duration_ns": 21_217_838_000, "provider": "openai"}
    lake.add(evenly(at("10:00"), at("10:30"), 60, **slow))
    rule = (
        '[[alert]]\nname = "slow"\nmetric = "latency"\nby = "provider"\nwindow = "10m"\nabove = 20000\nmin_calls = 8\n'
    )
    lake.rules(rule)
    monkeypatch.delenv("COLUMNS", raising=False)
    told = ["--alerts", str(lake.path), "--data", str(lake.data), "--since", "2026-11-02", "--until", "2026-11-03"]
    assert command.command(["check", *told]) == 0
    _, _, firing, resolved = capsys.readouterr().out.splitlines()
    assert "  provider=openai  21,218 ms  20,000 ms  " in firing
    assert resolved.endswith("slow (provider openai) is over: only 2 calls are left, of min_calls = 8")


def test_check_names_properties_that_no_call_has(asked: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    asked.add(evenly(at("10:00"), at("10:01"), 60, properties=[("team", "a")]))
    asked.rules(RULES.replace('by = "user"', 'by = ["property.tem", "property.team", "tool"]'))
    assert command.command(["check", "--at", "2026-11-02T09:00"]) == 0
    assert capsys.readouterr().err == (
        "alert 'spend': none of these calls has property.tem; others are property.team\n"
        "0 would have fired, of 2 rules\n"
    )


def test_list_says_how_rules_are_and_what_waits(asked: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    asked.watching(RULES, at("10:10")).step(at("10:10"))
    now = dt.datetime.now(dt.UTC)
    silences.keep_silence(asked.data, silences.Silence("errors", {}, now + dt.timedelta(hours=1)), now)
    assert command.command(["list", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert [(row["alert"], row["fires"], row["state"]) for row in json.loads(captured.out)] == [
        ("spend", "sum cost above 5", "firing (1)"),
        ("errors", "error_rate above 0.5", "ok, silenced"),
    ]
    assert captured.err == "1 messages wait for channel dead; the first was tried 0 times\n"


def test_test_says_what_became_of_it_and_fails_where_it_failed(asked: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.command(["test", "dead", "--format", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row["result"].startswith("127.0.0.1 is 127.0.0.1, which is not a public address")
    assert command.command(["test", "stdout", "--format", "json"]) == 0
    assert "This is a test of otel-llm" in capsys.readouterr().out


def test_silence_is_kept_and_lifted(asked: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.command(["silence", "spend", "--for", "2h", "--group", "user=ada"]) == 0
    assert command.command(["silence", "errors", "--until", "2100-01-01", "--tz", "Europe/Berlin"]) == 0
    assert "errors: silent until 2099-12-31 23:00:00 UTC" in capsys.readouterr().err
    by_user, by_date = silences.read_silences(asked.data)
    assert (by_user.alert, by_user.labels) == ("spend", {"user": "ada"})
    assert by_date.until == dt.datetime(2099, 12, 31, 23, tzinfo=dt.UTC)
    assert command.command(["silence", "errors", "--off"]) == 0
    assert silences.read_silences(asked.data) == [by_user]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["check", "nothing"], "no alert 'nothing': there are spend, errors"),
        (["check", "--until", "now"], "--until goes with --since"),
        (["check", "--at", "now", "--since", "1h"], "give --at for one moment, or --since"),
        (["check", "--since", "now", "--until", "1h"], "--until 1h is not after --since now"),
        (["check", "--since", "2020-01-01"], "would be looked at more than 100,000 times: give --every 1h"),
        (["check", "--since", "1d", "--every", "often"], "--every: give a length of time from 1s to 365d"),
        (["silence", "spend"], "give one of --for, --until and --off"),
        (["silence", "spend", "--for", "1h", "--group", "model=x"], "--group model=x: give NAME=VALUE"),
        (["test", "pager"], "no channel 'pager': there are dead, stdout"),
        (["list", "--alerts", "nowhere.toml"], "nowhere.toml: No such file or directory; name another file of rules"),
        (["lst"], "No such command 'lst'"),
    ],
)
def test_what_is_wrong_is_one_line(asked: Lake, capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    assert command.command(argv) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("otel-llm alerts: ")
    assert err.count("\n") == 1


def test_without_rules_or_lake_it_says_what_to_do(
    asked: Lake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.command(["check", "--data", str(asked.data / "none")]) == 3
    monkeypatch.delenv("OTEL_LLM_ALERTS")
    assert command.command(["list"]) == 2
    assert "no rules: name their file by --alerts FILE or OTEL_LLM_ALERTS" in capsys.readouterr().err
