"""What the collector says of itself: pages, counts, log lines, and what the doctor makes of them."""

from __future__ import annotations

import http.server
import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm import cli
from otel_llm.doctor.collector import _not_ready, examine_collector, read_samples
from otel_llm_collector import journal
from otel_llm_collector.forward.state import TargetState, write_state
from otel_llm_collector.receiver.telemetry import REASONS
from otel_llm_collector.signals import SIGNALS

BODY = otlp.request(otlp.span(otlp.chat()), otlp.span(otlp.chat())).SerializeToString()
SECRET = "a secret that was sent"


def get(running: CollectorProcess, path: str, **headers: str) -> tuple[int, str]:
    answer = otlp.post(f"http://{running.http}{path}", b"", headers, method="GET")
    return answer.status, answer.data.decode()


def samples(running: CollectorProcess) -> dict[tuple[str, ...], float]:
    """Name, values of labels by their names -> number, read by Prometheus's own parser."""
    families = text_string_to_metric_families(get(running, "/metrics")[1])
    prefix = "otel_llm_collector_"
    return {
        (sample.name.removeprefix(prefix), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with collector(tmp_path_factory.mktemp("telemetry") / "data", "--log-format", "json") as process:
        yield process


def test_pages_for_balancers(running: CollectorProcess) -> None:
    status, text = get(running, "/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    assert (get(running, "/ready")) == (200, '{"ready": true}')
    assert otlp.post(f"http://{running.http}/ready", b"", method="HEAD").status == 200
    refused = otlp.post(f"http://{running.http}/metrics", b"")
    assert (refused.status, refused.headers["allow"]) == (405, "GET")


def test_what_is_taken_and_refused_is_counted_by_reason(running: CollectorProcess) -> None:
    before = samples(running)
    idless = otlp.request(otlp.span(otlp.chat()), otlp.span(span_id=b"\0" * 8)).SerializeToString()
    for body in (BODY, BODY, idless, b"\x0a\xff\xff"):
        otlp.post(running.traces_url, body)
    otlp.post(running.traces_url, BODY, {"content-type": "text/plain"})
    otlp.post(f"http://{running.http}/v1/logs", otlp.logs(otlp.record()).SerializeToString())
    with grpc.insecure_channel(running.grpc) as channel:
        channel.unary_unary(SIGNALS[journal.TRACES].method, None, None)(BODY, timeout=20)
    rows = ("rows_total", "spans")
    wait_for(lambda: samples(running).get(rows, 0) == before.get(rows, 0) + 3)
    after = samples(running)

    def rise(*key: str) -> float:
        return after.get(key, 0) - before.get(key, 0)

    assert rise("requests_total", "http", "traces") == 3
    assert rise("requests_total", "grpc", "traces") == 1
    assert (rise("items_total", "traces"), rise("items_total", "logs")) == (7, 1)
    assert rise("bytes_total", "traces") == 3 * len(BODY) + len(idless)
    assert rise("rejected_items_total", "traces") == 1
    assert rise("refused_requests_total", "http", "bad_data") == 1
    assert rise("refused_requests_total", "http", "wrong_type") == 1
    assert rise("repeated_rows_total", "spans") == 4
    assert rise("flush_seconds_count") >= 1
    assert rise("work_runs_total", "convert") >= 1
    assert after[("full",)] == 0


def test_no_process_has_loaded_pandas(running: CollectorProcess) -> None:
    assert importlib.util.find_spec("pandas") is not None, "which Arrow would load where it is installed"
    otlp.post(running.traces_url, BODY)
    wait_for(lambda: samples(running).get(("rows_total", "spans"), 0) > 0)
    loaded = {process.pid: {Path(found.path).parts for found in process.memory_maps()} for process in running.tree()}
    assert any("pyarrow" in parts for paths in loaded.values() for parts in paths)
    assert not any("pandas" in parts for paths in loaded.values() for parts in paths)


def test_lines_are_json_and_tell_nothing_of_what_was_sent(running: CollectorProcess) -> None:
    (running.data / "journal" / "999999999999.seg").write_bytes(b"no frame at all, " + SECRET.encode())
    line = wait_for(lambda: [line for line in running.stderr.splitlines() if "999999999999" in line])[0]
    said = json.loads(line)
    assert (said["level"], said["process"]) == ("error", "converter")
    assert "no sound frame" in said["message"]
    assert said["message"].count("999999999999") == 1
    assert SECRET not in running.stderr


def spoken(code: str, *flags: str) -> list[str]:
    """The lines on stderr of a program that speaks as a process of the collector does."""
    given = {flag: value for flag, _, value in (flag.partition("=") for flag in flags)}
    program = (
        "import logging; from otel_llm_collector.config_file import Configured\n"
        "from otel_llm_collector.logs import speak\n"
        f"speak('converter', Configured({given!r}, {{}}, None).config)\n{code}"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return ended.stderr.splitlines()


def test_a_fault_that_ends_a_thread_is_one_object() -> None:
    thread = "import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()"
    (line,) = spoken(thread, "log_format=json")
    said = json.loads(line)
    assert said["message"] == "a thread ends by a fault: ZeroDivisionError"
    assert "division by zero" in said["fault"]


def test_a_fault_that_ends_a_process_is_one_object() -> None:
    (line,) = spoken("raise ValueError('x\\ny')", "log_format=json")
    said = json.loads(line)
    assert (said["level"], said["process"]) == ("critical", "converter")
    assert "ValueError: x\ny" in said["fault"]
    assert "Traceback" in spoken("raise ValueError('x')")[0]


def test_debug_is_ours_alone() -> None:
    code = "for name in ('_cygrpc', 'otel_llm_collector.x', '__main__'): logging.getLogger(name).debug(name)"
    assert spoken(code, "log_level=debug") == [
        "otel-llm converter: otel_llm_collector.x",
        "otel-llm converter: __main__",
    ]


def test_the_doctor_says_that_all_is_well_or_what_is_not(
    running: CollectorProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    otlp.post(running.traces_url, BODY)
    target = TargetState("http://h:1", sent=7, dropped=3, failures=2, behind_bytes=99)
    write_state(running.data, "x", target)
    code = cli.main(["doctor", "--collector", f"http://{running.http}"])
    shown = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "it takes requests" in shown
    assert "http://h:1 was handed 7 requests, 99 bytes wait; it failed 2 times" in shown
    assert "http://h:1 never got 3 requests" in shown
    cli.main(["doctor", "--format", "json", "--collector", f"http://{running.http}/"])
    assert json.loads(capsys.readouterr().out)["problems"] >= 1


def test_the_doctor_names_the_option_of_what_is_full() -> None:
    assert "journal_bytes_max" in _not_ready("the journal is full: 9 bytes wait for the converter").fix
    assert "disk_free_bytes_min" in _not_ready("the disk is full: 9 bytes are free").fix


def test_counts_are_numbers_that_somebody_reads(running: CollectorProcess) -> None:
    assert "_created" not in get(running, "/metrics")[1]


def test_a_collector_that_is_not_there_or_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--collector", "http://127.0.0.1:1"]) == 1
    assert "does not answer" in capsys.readouterr().out
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as other:
        other.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=other.serve_forever, daemon=True).start()
        assert cli.main(["doctor", "--collector", f"http://127.0.0.1:{other.server_port}"]) == 1
        other.shutdown()
    assert "no collector of ours" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["doctor", "--collector", "ftp://h"]) == 2
    assert cli.main(["doctor", "--collector"]) == 2


def test_counts_are_for_those_with_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.toml").write_text('[tokens]\nnorth = "n-1"\n')
    with collector(tmp_path / "data", "--config", str(tmp_path / "c.toml")) as running:
        assert [get(running, path)[0] for path in ("/health", "/ready", "/metrics")] == [200, 200, 401]
        url = f"http://{running.http}"
        assert [one.finding.level for one in examine_collector(url)] == ["ok", "ok", "note"]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20n-1")
        levels = {(one.check, one.finding.level) for one in examine_collector(url)}
        assert ("taken", "ok") in levels


def test_every_refusal_has_a_word() -> None:
    from otel_llm_collector.receiver import http, refusals

    kinds = {
        kind
        for kind in vars(refusals).values()
        if isinstance(kind, type) and kind.__bases__ == (refusals.RefusedError,)
    }
    assert set(REASONS) == kinds
    assert set(http._STATUSES) == kinds


def test_samples_are_read_with_their_labels() -> None:
    found = read_samples(
        '# TYPE x counter\notel_llm_collector_a_total{b="c\\"d",e="f"} 2.0\nother 1\notel_llm_collector_g 3\n'
    )
    assert found.values == (("a_total", {"b": 'c\\"d', "e": "f"}, 2.0), ("g", {}, 3.0))
