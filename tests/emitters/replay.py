"""The rows of our own instrumentor for the very requests that an emitter's program made, and those of the emitter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import httpx
from app.recording import Recorded
from emitters.emission import HERE, Emission
from emitters.otlpjson import from_json
from google.protobuf.message import Message
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import otel_llm
from otel_llm.failures import RAISE_ENV
from otel_llm.finisher import finisher
from otel_llm_collector import journal
from otel_llm_collector.decode import read_spans
from otel_llm_collector.demo.standin import Standin
from otel_llm_collector.normalise import Normalised, normalise
from otel_llm_collector.receiver.otlp_json import request_from_json
from otel_llm_collector.signals import SIGNALS

CONTEXT: Any = json.loads((HERE / "calls/calls.json").read_text())["context"]
#: When the emission is taken to have been received: the prices of both are those of one day.
__all__ = ["CONTEXT", "RAISE_ENV", "ours", "theirs"]


def theirs(emission: Emission) -> list[Normalised]:
    """The rows that the collector makes of what was sent; of log records, of spans that say the same."""
    if emission.signal == "logs":
        return _rows(_as_spans(emission.logs).SerializeToString())
    return (
        _rows(request_from_json(SIGNALS[journal.TRACES], json.dumps(emission.traces).encode()))
        if emission.traces
        else []
    )


def _as_spans(logs: dict[str, Any]) -> ExportTraceServiceRequest:
    """A span a log record, which ends when it is told."""
    request = ExportLogsServiceRequest()
    from_json(json.loads(json.dumps(logs)), request)
    spans = ExportTraceServiceRequest()
    for resource in request.resource_logs:
        to = spans.resource_spans.add(resource=resource.resource)
        for scope in resource.scope_logs:
            inside = to.scope_spans.add(scope=scope.scope)
            for number, record in enumerate(scope.log_records):
                end_ns = record.time_unix_nano or record.observed_time_unix_nano
                inside.spans.add(
                    name=record.event_name or record.body.string_value, attributes=record.attributes,
                    trace_id=b"\x01" * 16, span_id=(number + 1).to_bytes(8), start_time_unix_nano=end_ns,
                    end_time_unix_nano=end_ns,
                )  # fmt: skip
    return spans


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
