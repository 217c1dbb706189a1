"""Changed HTTP requests of every signal to a real collector: each is answered or its connection closed.

Afterwards the spans of what it took are in its tables, and no others.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rig import otlp
from rig.processes import CollectorProcess, collector

from otel_llm_collector.receiver.otlp_json import request_from_json
from otel_llm_collector.signals import Signal

from .decoding import TRACES, sound
from .mutations import SPAN_IDS, TRACE_IDS, Mutator, as_json, good_signals

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_ANSWER_S_MAX: Final = 10.0
_ON_HEAD: Final = 0.2  # of the changes are made to the head
#: A connection that is closed so leaves nothing behind, which 30,000 others would.
_AT_ONCE: Final = struct.pack("ii", 1, 0)


def run(requests: int, seed: int, folder: Path) -> Mapping[str, int]:
    """Send so many requests. Answers how often each status came, and how many connections were closed instead."""
    with collector(folder / "data") as running:
        before = [process.pid for process in running.tree()]
        said, sent = _send_all(running, requests, seed)
        assert [process.pid for process in running.tree()] == before, "a process of the collector has died"
        assert running.stop() == 0
        found = {row["id"] for row in otlp.rows(running.data, "SELECT trace_id || span_id AS id FROM t")}
        assert not list((running.data / "journal").glob("quarantine/*")), "a request that was taken cannot be read"
    assert "500" not in said, "a fault of the collector's own"
    assert found == sent, f"{len(sent - found)} spans are lost, {len(found - sent)} came from nowhere"
    return said


def _send_all(running: CollectorProcess, requests: int, seed: int) -> tuple[Counter[str], set[str]]:
    """What was said, and the ids of the spans that were taken."""
    said: Counter[str] = Counter()
    taken: set[str] = set()
    dice, mutator, client = random.Random(seed), Mutator(seed), _Client(running)
    good = _good()
    bodies = [body for _, _, body in good]
    others = [sent for sent in good if sent[0] is not TRACES]  # whose spans would be taken unseen
    for _ in range(requests):
        if dice.random() < _ON_HEAD:
            signal, kind, body = dice.choice(others)
            head = client.head(signal, kind, len(body))
            said[client.send_raw(mutator.change(head, [head]) + body)] += 1
            continue
        signal, kind, body = dice.choice(good)
        body = mutator.change(_with_new_ids(body, dice), bodies)
        status = client.post(signal, kind, body)
        said[status] += 1
        if status == "200" and signal is TRACES:
            taken |= _spans_of(body, kind)
    return said, taken


def _good() -> list[tuple[Signal, str, bytes]]:
    """Signal, content type and body of requests as they should be."""
    signals = good_signals()
    in_json = [(signal, JSON, as_json(signal, body)) for signal, body in signals]
    return [*((signal, PROTOBUF, body) for signal, body in signals), *in_json]


def _with_new_ids(body: bytes, dice: random.Random) -> bytes:
    """No two requests hold the same spans, which would be one row."""
    for known in (*TRACE_IDS, *SPAN_IDS):
        new = dice.randbytes(len(known))
        body = body.replace(known, new).replace(known.hex().encode(), new.hex().encode())
    return body


def _spans_of(body: bytes, kind: str) -> set[str]:
    """The ids of the spans of a request that was taken."""
    stored = sound(request_from_json(TRACES, body) if kind == JSON else body)
    resources = ExportTraceServiceRequest.FromString(stored).resource_spans
    spans = (span for resource in resources for scope in resource.scope_spans for span in scope.spans)
    return {(span.trace_id + span.span_id).hex() for span in spans}


class _Client:
    """A connection that is kept as long as the collector keeps it, and others that are used once."""

    def __init__(self, running: CollectorProcess) -> None:
        host, _, port = running.http.partition(":")
        self._host = running.http
        self._address = host, int(port)
        self._kept = http.client.HTTPConnection(host, int(port), timeout=_ANSWER_S_MAX)

    def head(self, signal: Signal, kind: str, length: int) -> bytes:
        lines = (
            f"POST {signal.path} HTTP/1.1",
            f"host: {self._host}",
            f"content-type: {kind}",
            f"content-length: {length}",
        )
        return "\r\n".join([*lines, "", ""]).encode()

    def post(self, signal: Signal, kind: str, body: bytes) -> str:
        """The status of a request whose head is right."""
        self._kept.request("POST", signal.path, body, {"content-type": kind})
        answer = self._kept.getresponse()
        answer.read()
        return str(answer.status)

    def send_raw(self, octets: bytes) -> str:
        """The status of whatever this is; "closed" where there is none. Raises TimeoutError where nothing comes."""
        answer = b""
        with socket.create_connection(self._address, timeout=_ANSWER_S_MAX) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            with contextlib.suppress(ConnectionError):
                connection.sendall(octets)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
        assert answer[:9] in (b"", b"HTTP/1.1 "), answer[:100]
        return answer[9:12].decode() or "closed"
