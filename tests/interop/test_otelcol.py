"""The OpenTelemetry project's own sender and collector: before ours, and behind it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from . import builds, peers, sent

TRACES = 50
CHILDREN = 7
SEND_S_MAX = 60


def generate(*options: str, service: str = "telemetrygen") -> None:
    """Have telemetrygen send TRACES traces with CHILDREN calls of a model each."""
    attributes = {name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in sent.MODEL.items()}
    told = [part for name, value in attributes.items() for part in ("--telemetry-attributes", f"{name}={value}")]
    command = [str(builds.telemetrygen()), "traces", "--otlp-insecure", "--service", service, "--rate", "0"]
    command += ["--traces", str(TRACES), "--child-spans", str(CHILDREN), *told, *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SEND_S_MAX)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_telemetrygen(ours: CollectorProcess, protocol: str) -> None:
    if protocol == "grpc":
        generate("--otlp-endpoint", ours.grpc)
    else:
        generate("--otlp-http", "--otlp-endpoint", ours.http)
    assert ours.stop() == 0
    spans = otlp.rows(ours.data, "SELECT trace_id, span_id, parent_span_id FROM t")
    assert len(spans) == len({span["span_id"] for span in spans}) == TRACES * (CHILDREN + 1)
    assert len({span["trace_id"] for span in spans}) == TRACES


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_telemetrygen_logs_and_metrics(ours: CollectorProcess, signal: str) -> None:
    command = [str(builds.telemetrygen()), signal, "--otlp-insecure", "--otlp-endpoint", ours.grpc, "--rate", "0"]
    done = subprocess.run([*command, f"--{signal}", str(TRACES)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ours.stop() == 0
    assert len(otlp.rows(ours.data, "SELECT 1 FROM t", signal)) == TRACES


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("name", ["otlp_http", "otlp"])
def test_a_collector_before_ours(ours: CollectorProcess, tmp_path: Path, name: str) -> None:
    to = {"endpoint": f"http://{ours.http}" if name == "otlp_http" else ours.grpc, "tls": {"insecure": True}}
    with peers.otelcol(tmp_path / "otelcol", name, sending_queue={"storage": "file_storage"}, **to) as before:
        generate("--otlp-endpoint", before.grpc)
        wait_for(lambda: len(otlp.rows(ours.data, "SELECT 1 FROM t")) == TRACES * (CHILDREN + 1), SEND_S_MAX)
    assert ours.stop() == 0
    assert len(otlp.rows(ours.data, "SELECT DISTINCT span_id FROM t")) == TRACES * (CHILDREN + 1)


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_collector_behind_ours(tmp_path: Path, scheme: str) -> None:
    """Enriched: what it takes has our cost."""
    took = tmp_path / "took.json"
    with peers.otelcol(tmp_path / "otelcol", "file", path=str(took)) as behind:
        url = f"http://{behind.http}" if scheme == "http" else f"grpc://{behind.grpc}"
        with collector(tmp_path / "data", "--forward-enriched", url) as ours:
            spans = [otlp.span(sent.MODEL) for _ in range(sent.CALLS)]
            assert otlp.post(ours.traces_url, otlp.request(*spans).SerializeToString()).status == 200
            wait_for(lambda: len(spans_in(took)) == sent.CALLS, SEND_S_MAX)
    found = spans_in(took)
    assert sorted(span["spanId"] for span in found) == sorted(span.span_id.hex() for span in spans)
    costs = [one["value"] for span in found for one in span["attributes"] if one["key"] == "gen_ai.usage.cost.amount"]
    assert costs == [{"doubleValue": 0.000255}] * sent.CALLS


def spans_in(path: Path) -> list[dict[str, Any]]:
    """The spans that a collector has written to a file, a request a line."""
    lines = path.read_text().splitlines() if path.exists() else []
    resources = [resource for line in lines for resource in json.loads(line)["resourceSpans"]]
    return [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]
