"""What is remembered: over restarts, crashes between any two steps, silences, and channels that take nothing."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from otel_llm_collector import journal
from otel_llm_collector.alerts import silences
from otel_llm_collector.alerts.app import told_of
from otel_llm_collector.alerts.channels import DeliveryError
from otel_llm_collector.alerts.courier import Courier
from otel_llm_collector.alerts.history import History
from otel_llm_collector.alerts.message import Message
from otel_llm_collector.alerts.rules import Rules
from otel_llm_collector.alerts.state import State, state_path
from otel_llm_collector.alerts.told import tell
from otel_llm_collector.alerts.watch import LOOK_S_MAX, Watch, limited, opened, received_until
from otel_llm_collector.receiver.telemetry import Telemetry

from .conftest import SPEND, Lake, at, call, evenly, minutes

RULE = f"""
delay = "0s"

[channels.ops]
type = "webhook"
url = "https://hooks.example.com/alerts"
{SPEND}channels = ["ops"]
"""


@pytest.fixture
def spike(lake: Lake) -> Lake:
    """From 10:00 to 10:30 ada spends 2 dollars a minute: the limit of 10 is passed by 10:06."""
    lake.add(evenly(at("09:00"), at("12:00"), 60, user_id="ada", cost_usd="0.1"))
    lake.add(evenly(at("10:00"), at("10:30"), 60, user_id="ada", cost_usd="2"))
    return lake


class Ear:
    """A channel that remembers what it is told, and takes nothing while it is `deaf`."""

    place = "ear"

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.tries = 0
        self.deaf = False

    def deliver(self, message: Message) -> None:
        self.tries += 1
        if self.deaf:
            raise DeliveryError("nobody listens")
        self.heard.append(message)

    def said(self) -> list[str]:
        return [message.event for message in self.heard]


def bring(watch: Watch, ear: Ear, now: dt.datetime) -> None:
    while Courier("ops", ear, watch.state).deliver(now):
        pass


def test_it_is_told_and_recorded_once_over_restarts(spike: Lake) -> None:
    ear = Ear()
    for minute in (4, 8, 12, 38, 44, 52):  # each time a new process looks
        now = at("10:00") + minutes(minute)
        watch = spike.watching(RULE, now)
        watch.step(now)
        watch.step(now)
        bring(watch, ear, now)
    assert ear.said() == ["firing", "resolved"]
    fired, resolved = spike.rows()
    assert (fired["event"], fired["alert"], fired["labels"]) == ("firing", "spend", {"user": "ada"})
    assert (fired["time"], resolved["time"]) == (at("10:08"), at("10:44"))
    assert resolved["breach_id"] == fired["breach_id"]
    assert (fired["window_start"], fired["window_end"]) == (at("09:58"), at("10:08"))
    assert (fired["row_id"], fired["is_silenced"]) == (ear.heard[0].id, False)
    assert fired["text"] == ear.heard[0].text == "spend (user ada): sum cost 17 USD, above 10 USD"
    assert "alerts" in (spike.data / "views.sql").read_text()


@pytest.mark.parametrize("step", ["write_rows", "append"])
def test_a_crash_on_the_way_into_the_table_makes_no_row_twice_and_loses_none(
    spike: Lake, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process ends after the files are written, or after the commit, before it could write that down."""
    from otel_llm_collector.lake import files
    from otel_llm_collector.lake.log import LakeTable

    place, name = (files, "write_rows") if step == "write_rows" else (LakeTable, "append")
    whole = getattr(place, name)

    def crash(*given: Any) -> None:
        whole(*given)
        raise KeyboardInterrupt

    watch = spike.watching(RULE, at("10:10"))
    with monkeypatch.context() as patch:
        patch.setattr(place, name, crash)
        with pytest.raises(KeyboardInterrupt):
            watch.step(at("10:10"))
    again = spike.watching(RULE, at("10:11"))
    again.step(at("10:11"))
    assert [row["event"] for row in spike.rows()] == ["firing"]
    table = LakeTable(spike.data, "alerts")
    assert len(list((spike.data / "alerts").rglob("*.parquet"))) == len(table.live_files()) == 1
    assert len(State.load(spike.data).waiting["ops"]) == 1


def test_where_the_state_is_lost_rows_are_still_recorded(spike: Lake) -> None:
    spike.watching(RULE, at("10:10")).step(at("10:10"))
    state_path(spike.data).write_text("{")
    spike.watching(RULE, at("10:11")).step(at("10:11"))
    assert len(spike.rows()) == 2  # it fires anew: nothing says that it had
    assert state_path(spike.data).with_suffix(".unreadable").read_text() == "{"
    assert History(spike.data).batch == 2


def test_what_is_not_taken_is_tried_again_in_order_over_restarts_and_counted(spike: Lake) -> None:
    ear = Ear()
    ear.deaf = True
    watch = spike.watching(RULE, at("10:10"))
    watch.step(at("10:10"))
    bring(watch, ear, at("10:10"))
    bring(watch, ear, at("10:10:09"))  # ten seconds are not over
    assert ear.tries == 1
    bring(watch, ear, at("10:10:10"))
    bring(watch, ear, at("10:10:29"))  # nor are twenty
    assert ear.tries == 2
    watch = spike.watching(RULE, at("10:50"))
    watch.step(at("10:50"))  # all is well
    watch.step(at("10:56"))
    tell(spike.data, told_of(watch))
    metrics = Telemetry(spike.data).text().decode()
    assert 'alert_messages_waiting{channel="ops"} 2.0' in metrics
    assert 'alert_message_failures_total{channel="ops"} 2.0' in metrics
    ear.deaf = False
    bring(watch, ear, at("10:56"))
    assert ear.said() == ["firing", "resolved"]
    assert State.load(spike.data).counts["ops"] == {"failures": 2, "sent": 2}


def test_after_a_day_it_is_given_up_and_said(spike: Lake, caplog: pytest.LogCaptureFixture) -> None:
    ear = Ear()
    ear.deaf = True
    watch = spike.watching(RULE, at("10:10"))
    watch.step(at("10:10"))
    now = at("10:10")
    while watch.state.waiting["ops"]:
        bring(watch, ear, now)
        now += minutes(10)
    assert dt.timedelta(days=1) <= now - at("10:10") < dt.timedelta(days=1, hours=2)
    assert 24 < ear.tries < 40  # an hour apart at last
    assert watch.state.counts["ops"]["dropped"] == 1
    assert "will never be told" in caplog.text


def test_silence_by_hand_keeps_quiet_and_what_still_fires_is_told_then(spike: Lake) -> None:
    ear = Ear()
    quiet = silences.Silence("spend", {"user": "ada"}, at("10:20"))
    silences.keep_silence(spike.data, quiet, at("10:00"))
    watch = spike.watching(RULE, at("10:00"))
    for minute in (10, 19, 20, 21):
        watch.step(at("10:00") + minutes(minute))
        bring(watch, ear, at("10:00") + minutes(minute))
        assert len(ear.heard) == (minute >= 20)
    assert ear.heard[0].time == at("10:10")  # of the time at which it fired
    assert [row["is_silenced"] for row in spike.rows()] == [True]
    silences.keep_silence(spike.data, silences.Silence("spend", {"user": "ada"}, at("10:21")), at("10:21"))
    assert silences.read_silences(spike.data) == []


def test_what_begins_and_ends_in_silence_is_told_to_nobody(spike: Lake) -> None:
    ear = Ear()
    text = RULE + 'silence = ["mon 09:00-11:00"]\n'
    watch = spike.watching(text, at("10:00"))
    for minute in (10, 20, 45, 51):
        watch.step(at("10:00") + minutes(minute))
        bring(watch, ear, at("10:00") + minutes(minute))
    assert ear.heard == []
    assert [(row["event"], row["is_silenced"]) for row in spike.rows()] == [("firing", True), ("resolved", True)]


def test_a_rule_that_is_gone_ends_its_breaches_and_a_channel_that_is_gone_its_messages(spike: Lake) -> None:
    spike.watching(RULE, at("10:10")).step(at("10:10"))
    other = RULE.replace('"spend"', '"costs"').replace("ops", "desk")
    watch = spike.watching(other, at("10:12"))
    watch.step(at("10:12"))
    assert [(row["alert"], row["event"]) for row in spike.rows()] == [
        ("spend", "firing"), ("costs", "firing"), ("spend", "resolved"),
    ]  # fmt: skip
    assert watch.state.counts["ops"]["dropped"] == 1
    assert [letter.message["alert"] for letter in watch.state.waiting["desk"]] == ["costs"]


def test_one_rule_that_fails_is_counted_and_stops_no_other(spike: Lake, caplog: pytest.LogCaptureFixture) -> None:
    broken = '\n[[alert]]\nname = "broken"\nmetric = "cost"\nwhere = "no_such_column = 1"\nwindow = "10m"\nabove = 1\n'
    watch = spike.watching(RULE + broken, at("10:10"))
    for minute in (10, 11):
        watch.step(at("10:00") + minutes(minute))
    assert [row["alert"] for row in spike.rows()] == ["spend"]
    assert told_of(watch).failing == {"spend": 0, "broken": 2}
    assert caplog.text.count("no_such_column") == 1
    assert "alerts.toml line 16: alert 'broken': where:" in caplog.text


def test_a_statement_that_never_ends_is_ended(spike: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    assert LOOK_S_MAX <= 60
    monkeypatch.setattr("otel_llm_collector.alerts.watch.LOOK_S_MAX", 0.05)
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7"
    with opened(spike.data, Rules()) as connection:
        with pytest.raises(duckdb.InterruptException), limited(connection):
            connection.execute(endless).fetchall()
        assert connection.execute("SELECT current_setting('threads')").fetchall() == [(1,)]


def test_rows_that_are_late_make_no_alert(lake: Lake) -> None:
    """While something waits to be converted nothing later is looked at: no traffic is not what it looks like."""
    rule = 'delay = "0s"\n[[alert]]\nname = "silent"\nmetric = "calls"\nwindow = "5m"\nbelow = 1\n'
    writer = journal.Writer(lake.data)
    lake.add([call(at("09:59"))])
    writer.append([(b"head", b"payload")])
    (segment,) = journal.open_segments(journal.journal_dir(lake.data))
    since = at("10:00").timestamp()
    os.utime(segment.path, (since, since))
    assert received_until(lake.data) == at("10:00")
    watch = lake.watching(rule, at("10:30"))
    watch.step(at("10:30"))  # half an hour later the converter has not got further
    assert watch.state.breaches == {}
    assert watch.state.looked_at == {"silent": at("10:00")}
    lake.add(evenly(at("10:00"), at("10:30"), 60))  # now it has
    segment.path.unlink()
    watch.step(at("10:30"))
    assert (watch.state.breaches, watch.state.looked_at) == ({}, {"silent": at("10:30")})


def test_windows_end_a_little_before_now(lake: Lake) -> None:
    """What is received takes its seconds: a call of the last ones is not missed, it is not looked for yet."""
    rule = 'delay = "15s"\n[[alert]]\nname = "silent"\nmetric = "calls"\nwindow = "1m"\nbelow = 1\n'
    lake.add([call(at("10:00:44"))])
    watch = lake.watching(rule, at("10:01:42"))
    watch.step(at("10:01:42"))  # from 10:00:27 to 10:01:27
    assert watch.state.breaches == {}
    watch.step(at("10:02:00"))
    assert len(watch.state.breaches) == 1


def test_prometheus_sees_what_fires(spike: Lake) -> None:
    watch = spike.watching(RULE, at("10:10"))
    watch.step(at("10:10"))
    tell(spike.data, told_of(watch))
    lines = Telemetry(spike.data).text().decode().splitlines()
    name = "otel_llm_collector_alert"
    labels = '{alert="spend",group="user=ada",kind="threshold"}'
    assert f"{name}_firing{labels} 1.0" in lines
    assert any(line.startswith(f"{name}_value{labels} 2") for line in lines)
    assert f'{name}_groups_firing{{alert="spend"}} 1.0' in lines
    assert f'{name}_failing{{alert="spend"}} 0.0' in lines


def test_the_state_is_one_file_of_json(spike: Lake) -> None:
    watch = spike.watching(RULE, at("10:10"))
    watch.step(at("10:10"))
    stored = json.loads(Path(state_path(spike.data)).read_text())
    assert set(stored) == {"breaches", "looked_at", "rows", "batch", "waiting", "counts"}
    assert State.load(spike.data).breaches == watch.state.breaches
