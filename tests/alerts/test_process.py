"""The process for alerts in a real collector: it tells, survives being killed, and takes over rules that change."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import urllib3
from rig.processes import CollectorProcess, collector
from rig.processes import wait_for as _wait_for

from otel_llm.errors import UsageError
from otel_llm_collector.alerts.rules import read_rules
from otel_llm_collector.process import is_readable

from .conftest import Lake, evenly

RULE = """
delay = "0s"

[channels.desk]
type = "webhook"
url = "http://127.0.0.1:PORT/"
private_hosts = ["127.0.0.1"]

[[alert]]
name = "busy"
metric = "calls"
window = "1h"
above = 100
channels = ["desk", "stdout"]
"""


@pytest.fixture
def desk() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A port, and what is posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], posted
        server.shutdown()


def wait_for(probe: Callable[[], Any]) -> Any:
    return _wait_for(probe, 60)


def alerting(running: CollectorProcess) -> list[psutil.Process]:
    """The process for alerts, if it is there."""
    return [one for one in running.tree() if "otel_llm_collector.alerts.app" in _command(one)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def metrics(running: CollectorProcess) -> str:
    return urllib3.request("GET", f"http://{running.http}/metrics").data.decode()


def test_a_collector_with_rules_tells(lake: Lake, desk: tuple[int, list[dict[str, Any]]]) -> None:
    port, posted = desk
    now = dt.datetime.now(dt.UTC)
    lake.add(evenly(now - dt.timedelta(minutes=50), now - dt.timedelta(minutes=5), 10))
    lake.path.write_text(RULE.replace("PORT", str(port)))
    with collector(lake.data, "--alerts", str(lake.path)) as running:
        wait_for(lambda: posted)
        assert (posted[0]["alert"], posted[0]["event"], posted[0]["value"]) == ("busy", "firing", 270)
        assert running.process.stdout is not None
        assert is_readable(running.process.stdout, 20)
        assert json.loads(running.process.stdout.readline()) == posted[0]
        wait_for(lambda: 'alert_firing{alert="busy",group="",kind="threshold"} 1.0' in metrics(running))

        (victim,) = alerting(running)
        assert victim.nice() >= 10
        victim.kill()
        wait_for(lambda: [one for one in alerting(running) if one.pid != victim.pid])
        assert [row["event"] for row in lake.rows()] == ["firing"]

        lake.path.write_text("alert = 1\n")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the configuration stays as it was" in running.stderr)
        lake.path.write_text("")
        running.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(lake.rows()) == 2)
        wait_for(lambda: "alert_firing{" not in metrics(running))
        assert running.stop() == 0
    assert [row["event"] for row in lake.rows()] == ["firing", "resolved"]
    assert len(posted) == 1


def test_rules_that_cannot_be_used_stop_the_collector_before_it_begins(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    from otel_llm_collector import supervisor

    lake.path.write_text('[[alert]]\nname = "a"\nmetirc = "cost"\n')
    assert supervisor.command(["--data", str(lake.data), "--alerts", str(lake.path)]) == UsageError.exit_code
    assert f"{lake.path} line 3: unknown key 'metirc', did you mean 'metric'?" in capsys.readouterr().err
    assert supervisor.command(["--data", str(lake.data), "--alerts", "nowhere.toml"]) == UsageError.exit_code
    assert "name another file of rules" in capsys.readouterr().err
    with pytest.raises(UsageError):
        read_rules(Path("nowhere.toml"))
