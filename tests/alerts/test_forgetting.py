"""Somebody is forgotten whom alerts name: in the table, in what goes on, in messages that wait, in silences."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from otel_llm_collector import erasure, journal
from otel_llm_collector.alerts import app, forgetting
from otel_llm_collector.alerts.silences import Silence, keep_silence, read_silences
from otel_llm_collector.alerts.state import State
from otel_llm_collector.erasure.subject import Subject
from otel_llm_collector.process import lock

from .conftest import SPEND, Lake, at, evenly

ADA = "ada@example.org"
RULE = f"""
delay = "0s"

[channels.ops]
type = "webhook"
url = "http://127.0.0.1:9/nobody"
private_hosts = ["127.0.0.1"]
{SPEND}channels = ["ops"]
"""


@pytest.fixture
def firing(lake: Lake) -> Lake:
    """An alert of hers and one of bob's that have fired and go on; nobody was told, and hers has a silence."""
    for user in (ADA, "bob"):
        lake.add(evenly(at("10:00"), at("11:00"), 60, user_id=user, cost_usd="2"))
    keep_silence(lake.data, Silence("spend", {"user": ADA}, at("10:10")), at("10:00"))
    lake.watching(RULE, at("10:00")).step(at("10:20"))
    assert len(named(lake, ADA)) == len(named(lake, "bob")) == 1
    return lake


def named(lake: Lake, user: str) -> list[str]:
    return [row["breach_id"] for row in lake.rows() if row["labels"] == {"user": user}]


def files_with(lake: Lake, text: str) -> list[str]:
    files = [path for path in lake.data.rglob("*") if path.is_file()]
    return [str(path) for path in files if text.encode() in path.read_bytes()]


@contextmanager
def watched(lake: Lake) -> Iterator[None]:
    """The process for alerts, at work in a thread whose clock stands still."""
    stop = threading.Event()
    watch = lake.watching(RULE, at("10:21"))

    def run() -> None:
        while not stop.wait(0.01):
            with forgetting.renaming_asked(lake.data, watch.state):
                app.tell(lake.data, app.told_of(watch))

    thread = threading.Thread(target=run)
    with lock(journal.journal_dir(lake.data) / forgetting.LOCK, "process for alerts"):
        thread.start()
        yield
        stop.set()
        thread.join()


@pytest.mark.parametrize("is_watched", [False, True])
def test_no_byte_of_the_name_is_left_and_the_alert_goes_on(firing: Lake, is_watched: bool) -> None:
    (before,) = named(firing, ADA)
    with watched(firing) if is_watched else lock(journal.journal_dir(firing.data) / "other.lock", "nobody"):
        done = erasure.forget(firing.data, Subject("user_id", ADA))
    assert done.counts["alerts"] == 1
    assert done.counts["alerts remembered"] == 3  # the breach, its message, the silence
    assert files_with(firing, ADA) == []
    assert files_with(firing, before) == []
    assert [silence.labels for silence in read_silences(firing.data)] == [{"user": done.pseudonym}]
    state = State.load(firing.data)
    texts = [letter.message["text"] for letter in state.waiting["ops"]]
    whose = sorted(text.partition(":")[0] for text in texts)
    assert whose == ["spend (user bob)", f"spend (user {done.pseudonym})"]
    assert len(state.breaches) == 2
    firing.watching(RULE, at("10:22")).step(at("10:30"))
    assert len(named(firing, done.pseudonym)) == 1, "it has not fired anew"
    for moment in ("11:30", "12:30"):
        firing.watching(RULE, at("10:22")).step(at(moment))
    for user in (done.pseudonym, "bob"):
        fired, resolved = named(firing, user)
        assert fired == resolved


def test_who_is_not_named_changes_nothing(firing: Lake) -> None:
    before = State.load(firing.data)
    done = erasure.forget(firing.data, Subject("user_id", "eve"))
    assert not any(done.counts.values())
    assert State.load(firing.data).breaches == before.breaches
