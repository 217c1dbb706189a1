"""The rows of our own instrumentor for the very requests that an emitter's program made, and those of the emitter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import httpx
from app.recording import Recorded
from emitters.emission import HERE, Emission
from google.protobuf.message import Message
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import otel_llm
from otel_llm.failures import RAISE_ENV
from otel_llm.finisher import finisher
from otel_llm_collector import journal
from otel_llm_collector.decode import read_spans
from otel_llm_collector.demo.standin import Standin
from otel_llm_collector.event_rows import event_rows, read_events
from otel_llm_collector.normalise import Normalised, normalise
from otel_llm_collector.receiver.otlp_json import request_from_json
from otel_llm_collector.signals import SIGNALS

CONTEXT: Any = json.loads((HERE / "calls/calls.json").read_text())["context"]
#: When the emission is taken to have been received: the prices of both are those of one day.
__all__ = ["CONTEXT", "RAISE_ENV", "of_logs", "of_traces", "ours", "theirs"]


def theirs(emission: Emission) -> list[Normalised]:
    """The rows that the collector makes of the signal that tells of the calls."""
    return of_logs(emission) if emission.signal == "logs" else of_traces(emission)


def of_traces(emission: Emission) -> list[Normalised]:
    """The rows of the spans that were sent."""
    traces = json.dumps(emission.traces).encode()
    return _rows(request_from_json(SIGNALS[journal.TRACES], traces)) if emission.traces else []


def of_logs(emission: Emission) -> list[Normalised]:
    """The rows of the log records that were sent."""
    payload = request_from_json(SIGNALS[journal.LOGS], json.dumps(emission.logs).encode())
    return [event_rows(event, event.record.span.end_time_unix_nano) for event in read_events(payload)]


def ours(emission: Emission) -> tuple[list[Normalised], list[str | None]]:
    """The rows of our own spans of the same requests, and the ids of the responses; one a request."""
    finisher.start()
    providers = {call["provider"] for call in emission.calls}
    with Standin(latency_ms=1) as standin:
        hosts = {"127.0.0.1": providers.pop()} if len(providers) == 1 else {}
        recorded = Recorded(capture_content="SPAN_ONLY", hosts=hosts)
        try:
            with httpx.Client(base_url=standin.url, trust_env=False) as client, _context(emission.told):
                for call in emission.calls:
                    _ask(client, call)
            request = encode_spans(recorded.spans())
        finally:
            otel_llm.uninstrument()
        return _rows(request.SerializeToString()), [call.id for call in standin.calls]


def _context(told: Iterable[str]) -> ExitStack:
    """What the emitter was told, told to us."""
    enter = {
        "session": lambda: otel_llm.session(CONTEXT["session"]),
        "user": lambda: otel_llm.user(CONTEXT["user"]),
        "properties": lambda: otel_llm.properties(**CONTEXT["properties"]),
        "prompt": lambda: otel_llm.prompt(CONTEXT["prompt"]["name"], CONTEXT["prompt"]["version"]),
    }
    stack = ExitStack()
    for part in told:
        stack.enter_context(enter[part]())
    return stack


def _ask(client: httpx.Client, call: dict[str, Any]) -> None:
    request = client.build_request("POST", call["target"], content=call["body"], headers=call["headers"])
    with client.stream("POST", call["target"], content=call["body"], headers=request.headers) as response:
        response.read()


def _rows(payload: bytes) -> list[Normalised]:
    message: Message = ExportTraceServiceRequest.FromString(payload)
    records = read_spans(message.SerializeToString())
    return [normalise(record, record.span.end_time_unix_nano) for record in records]
