"""The harness itself, where no emitter is needed for it."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3
from emitters import emission
from emitters import receiver as receiving
from emitters.emission import Emission, comparable, read
from emitters.otlpjson import to_json
from emitters.receiver import Received, Receiver
from rig import otlp

TESTS = Path(__file__).parents[1]


def sent(model: str = "gpt-4o-mini", **more: Any) -> Emission:
    """An emission of one span, which has an id and times of its own each time."""
    span = otlp.span({"gen_ai.request.model": model, "url": "http://127.0.0.1:80/v1", **more})
    return Emission("x", "chat", traces=to_json(otlp.request(span)))


def test_what_is_free_to_change_does_not_differ_and_all_else_does() -> None:
    ids = {"a": "chatcmpl-6056ec09cf6b45f7ba1b28ca", "b": "chatcmpl-17719194d9654fa7b165ba8a"}
    assert comparable(sent(id=ids["a"], duration=1.5)) == comparable(sent(id=ids["b"], duration=2.25))
    assert comparable(sent()) != comparable(sent("gpt-5-mini"))
    assert comparable(sent("claude-haiku-4-5")) != comparable(sent("claude-haiku-4-6"))
    assert comparable(sent()) != comparable(sent(more="said"))


def test_a_brief_emission_is_stored_without_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emission, "HERE", tmp_path)
    (tmp_path / "x").mkdir()
    secret = "You are a tool of somebody else's. " * 20
    body = {"model": "gpt-5", "stream": True, "input": secret, "tools": [secret]}
    call = {"body": json.dumps(body), "headers": {"user-agent": "x"}, "usage": {"input_tokens": 7}}
    replace(sent(prompt=secret), calls=[call], is_brief=True).write()
    stored = read(tmp_path / "x/emitted/chat.json")
    assert secret not in json.dumps(stored.traces)
    (short,) = stored.calls
    assert json.loads(short["body"]) == {"model": "gpt-5", "stream": True, "input": "hello"}
    assert json.loads(short["headers"]["x-standin-usage"]) == {"input_tokens": 7}


def test_the_receiver_takes_what_exporters_send_and_gives_it_to_the_call_that_is_over() -> None:
    found: list[tuple[str, Received]] = []
    request = otlp.request(otlp.span())
    binary, text = request.SerializeToString(), json.dumps(to_json(request)).encode()
    with Receiver(lambda call, received: found.append((call, received))) as receiver:
        traces = f"{receiver.url}/v1/traces"
        assert otlp.post(traces, gzip.compress(binary), {"content-encoding": "gzip"}).status == 200
        assert (
            otlp.post(f"{receiver.url}/api/public/otel/v1/traces", text, {"content-type": "application/json"}).data
            == b"{}"
        )
        with urllib3.PoolManager() as pool:
            pool.request("POST", traces, body=iter([binary]), chunked=True, headers=otlp.PROTOBUF)
        otlp.post(f"{receiver.url}/done?name=chat&told=user,session&signal=logs&brief=true", b"")
        otlp.post(f"{receiver.url}/done?name=empty", b"")
    (call, received), (_, empty) = found
    assert (call, len(received.traces.resource_spans), received.told) == ("chat", 3, ["user", "session"])
    assert (received.signal, received.is_brief, empty.signal, empty.is_brief) == ("logs", True, "traces", False)
    assert len(empty.traces.resource_spans) == 0


def test_a_call_waits_for_what_its_emitter_sends_late() -> None:
    found: list[Received] = []
    body = otlp.request(otlp.span()).SerializeToString()
    with Receiver(lambda _, received: found.append(received), {"chat": 1}) as receiver:
        ended = threading.Thread(target=otlp.post, args=(f"{receiver.url}/done?name=chat", b""))
        ended.start()
        time.sleep(0.1)
        assert not found
        otlp.post(f"{receiver.url}/v1/traces", body)
        ended.join()
        assert found[0].records == 1


def test_calls_that_lack_something_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_LATE_S_MAX", 0.05)
    found: list[str] = []
    names = [f"call{number}" for number in range(5)]
    with Receiver(lambda call, _: found.append(call), dict.fromkeys(names, 9)) as receiver:
        for name in names:
            otlp.post(f"{receiver.url}/done?name={name}", b"")
        assert receiver._late_s == 0
    assert found == names


def test_an_unknown_emitter_is_refused() -> None:
    command = [sys.executable, "-m", "emitters.run", "nobody"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no such emitter: nobody; there are" in done.stderr
