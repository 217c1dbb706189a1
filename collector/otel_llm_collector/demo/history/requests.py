"""Traces and scores as the OTLP requests that the programs' exporters would send."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import attributes as a

from ... import journal
from ...signals import SIGNALS, Signal
from .schedule import Score, Told
from .telling import pairs

#: Of a request; the exporters' own is smaller, and takes longer.
_TRACES_MAX: Final = 400
_PROGRAM_VERSION: Final = "2.4.0"


def requests(told: Iterable[Told]) -> Iterator[tuple[Signal, bytes, int]]:
    """Signal, body and number of spans of each request, in the order of the traces."""
    waiting = iter(told)
    while together := list(islice(waiting, _TRACES_MAX)):
        yield SIGNALS[journal.TRACES], _traces(together), sum(len(one.trace.spans) for one in together)
        if any(one.scores for one in together):
            yield SIGNALS[journal.LOGS], _logs(together), 0


def _traces(told: list[Told]) -> bytes:
    spans: dict[tuple[str, str], dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for one in told:
        of_program = spans[one.service, one.environment]
        for scope, span in one.trace.spans:
            of_program[scope].append(span)
    message = ExportTraceServiceRequest()
    for (service, environment), by_scope in spans.items():
        resource_spans = message.resource_spans.add()
        _name(resource_spans, service, environment)
        for scope, found in by_scope.items():
            scope_spans = resource_spans.scope_spans.add()
            _name_scope(scope_spans, scope)
            scope_spans.spans.extend(found)
    return message.SerializeToString()


def _logs(told: list[Told]) -> bytes:
    message = ExportLogsServiceRequest()
    for one in told:
        if one.scores:
            resource_logs = message.resource_logs.add()
            _name(resource_logs, one.service, one.environment)
            scope_logs = resource_logs.scope_logs.add()
            _name_scope(scope_logs, a.SCOPE_APP)
            scope_logs.log_records.extend(map(_record, one.scores))
    return message.SerializeToString()


def _record(score: Score) -> LogRecord:
    """The conventions' evaluation event, as `otel_llm.score` emits it."""
    said = {**score.who, a.EVALUATION_NAME: "faithful", a.EVALUATION_SCORE_VALUE: score.value}
    return LogRecord(
        time_unix_nano=score.time_ns,
        observed_time_unix_nano=score.time_ns,
        severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
        event_name=a.EVALUATION_RESULT,
        attributes=pairs(said),
        trace_id=score.trace_id,
        span_id=score.span_id,
        flags=1,
    )


def _name(around: Any, service: str, environment: str) -> None:
    around.resource.attributes.extend(
        pairs(
            {
                a.SERVICE_NAME: service,
                a.ENVIRONMENT: environment,
                "service.version": _PROGRAM_VERSION,
                "telemetry.sdk.language": "python",
                "telemetry.sdk.name": "opentelemetry",
            }
        )
    )


def _name_scope(around: Any, scope: str) -> None:
    around.scope.name = scope
    if scope == a.SCOPE_APP:
        around.scope.version, around.schema_url = version("otel-llm"), a.SCHEMA_URL
