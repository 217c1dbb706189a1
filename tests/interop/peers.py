"""Peers as processes: configured for free ports, started, ended."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import urllib3
from rig.processes import wait_for

from . import builds

HOST: Final = "127.0.0.1"
READY_S_MAX: Final = 30.0
_OTELCOL: Final = """\
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: {host}:{grpc}}}, http: {{endpoint: {host}:{http}}}}}}}}}
processors: {{batch: {{timeout: 100ms}}}}
extensions: {{file_storage: {{directory: {folder}/queue, create_directory: true}}}}
exporters:
  {exporter}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [{name}]}}}}
"""
_JAEGER: Final = """\
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query: {{storage: {{traces: st}}, http: {{endpoint: {host}:{query}}}, grpc: {{endpoint: {host}:{query_grpc}}}}}
  jaeger_storage: {{backends: {{st: {{memory: {{max_traces: 100000}}}}}}}}
receivers: {{otlp: {{protocols: {{http: {{endpoint: {host}:{http}}}, grpc: {{endpoint: {host}:{grpc}}}}}}}}}
processors: {{batch: {{timeout: 100ms}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: st}}}}
"""


class Peer:
    """A running peer that takes OTLP: `http` and `grpc` are its addresses."""

    def __init__(self, http: int, grpc: int) -> None:
        self.http, self.grpc = f"{HOST}:{http}", f"{HOST}:{grpc}"


class Jaeger(Peer):
    """Jaeger v2, which answers what it took."""

    query = ""

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The resources with spans of a trace, as OTLP JSON; none while it knows none."""
        answer = urllib3.request("GET", f"http://{self.query}/api/v3/traces/{trace_id}", retries=False, timeout=10)
        found: list[dict[str, Any]] = answer.json()["result"]["resourceSpans"] if answer.status == 200 else []
        return found


@contextmanager
def otelcol(folder: Path, name: str, **exporter: Any) -> Iterator[Peer]:
    """An OpenTelemetry Collector with one exporter of this name, configured so."""
    http, grpc = free_ports(2)
    told = json.dumps({name: exporter})[1:-1]  # JSON is YAML
    config = _OTELCOL.format(host=HOST, http=http, grpc=grpc, folder=folder, name=name, exporter=told)
    with _running(builds.otelcol(), folder, config, http):
        yield Peer(http, grpc)


@contextmanager
def jaeger(folder: Path) -> Iterator[Jaeger]:
    """Jaeger with its traces in memory."""
    http, grpc, query, query_grpc = free_ports(4)
    config = _JAEGER.format(host=HOST, http=http, grpc=grpc, query=query, query_grpc=query_grpc)
    with _running(builds.jaeger(), folder, config, http, query):
        peer = Jaeger(http, grpc)
        peer.query = f"{HOST}:{query}"
        yield peer


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind((HOST, 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def _running(program: Path, folder: Path, config: str, *ports: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    path, said = folder / "config.yaml", folder / "said.log"
    path.write_text(config)
    with said.open("wb") as output:
        process = subprocess.Popen([str(program), "--config", str(path)], stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or all(map(_listens, ports)), READY_S_MAX)
        assert process.poll() is None, said.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((HOST, port)) == 0
