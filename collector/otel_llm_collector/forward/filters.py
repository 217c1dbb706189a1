"""What of a request a target gets: all of it, or only what has to do with models, or nothing of what was said."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import attributes as a
from otel_llm_semconv import dialects
from otel_llm_semconv.pricing.contracts import Contracts

from .. import foreign, journal
from ..decode import SpanRecord, spans_of
from .destination import Destination
from .enrich import enrich

#: What was said, beside the columns of `messages`: to tools and by them.
_SAID: Final = frozenset({*a.CONTENT, a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT})
_GENAI: Final = "gen_ai."
#: Events of models that say nothing of a conversation.
_SPEECHLESS: Final = frozenset({a.EVALUATION_RESULT})
#: (kind of request, its bytes, when they came) -> what the target gets; None where nothing is left.
Filter = Callable[[int, bytes, int], bytes | None]


def filter_of(destination: Destination, contracts: Contracts) -> Filter:
    """The filter of a destination. What it leaves as it is is not even parsed."""
    if not (destination.only_llm or destination.without_content or destination.enriched):
        return lambda kind, payload, received_ns: payload

    def apply(kind: int, payload: bytes, received_ns: int) -> bytes | None:
        if kind == journal.TRACES:
            return _filtered_spans(destination, contracts, payload, received_ns)
        if kind == journal.LOGS and (destination.only_llm or destination.without_content):
            return _filtered_records(destination, payload)
        return payload

    return apply


def _filtered_spans(destination: Destination, contracts: Contracts, payload: bytes, received_ns: int) -> bytes | None:
    request = ExportTraceServiceRequest.FromString(payload)
    are_of_models: list[bool] = []
    for record in spans_of(request):
        reading = foreign.read(record)
        are_of_models.append(reading is not None or record.scope_name == a.SCOPE_APP)
        if not are_of_models[-1]:
            continue
        if destination.enriched:
            enrich(record, received_ns, contracts)
        if destination.without_content:
            _silence_span(record, frozenset() if reading is None else frozenset(reading.content))
    if destination.only_llm:
        if not any(are_of_models):
            return None
        in_order = iter(are_of_models)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                _keep(scope.spans, lambda _: next(in_order))
            _keep(resource.scope_spans, lambda scope: bool(scope.spans))
        _keep(request.resource_spans, lambda resource: bool(resource.scope_spans))
    return request.SerializeToString()


def _filtered_records(destination: Destination, payload: bytes) -> bytes | None:
    request = ExportLogsServiceRequest.FromString(payload)
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            name = scope.scope.name
            if destination.only_llm:
                _keep(scope.log_records, partial(_is_of_a_model, name))
            if destination.without_content:
                for record in scope.log_records:
                    _silence_record(name, record)
        _keep(resource.scope_logs, lambda scope: bool(scope.log_records))
    _keep(request.resource_logs, lambda resource: bool(resource.scope_logs))
    return request.SerializeToString() if request.resource_logs else None


def _keep(members: Any, is_kept: Callable[[Any], bool]) -> None:
    """Leave those members of a repeated field in it that are to be kept."""
    kept = [one for one in members if is_kept(one)]
    if len(kept) < len(members):
        del members[:]
        members.extend(kept)


def _is_of_a_model(scope: str, record: LogRecord) -> bool:
    names = {pair.key for pair in record.attributes}
    return record.event_name.startswith(_GENAI) or dialects.find(scope, names) is not None


def _silence_span(record: SpanRecord, content: frozenset[str]) -> None:
    """Take what was said off a span and its events."""
    _leave_out(record.span, content | _SAID)
    for event in record.span.events:
        if _tells_content(event):
            del event.attributes[:]
        else:
            _leave_out(event, content | _SAID)


def _tells_content(event: Span.Event) -> bool:
    """True for an event that stands for a message: in older conventions each has one."""
    return event.name.startswith(_GENAI) and event.name not in _SPEECHLESS


def _silence_record(scope: str, record: LogRecord) -> None:
    """Take what was said off a log record: its body is a message, or a line that may quote one."""
    record.ClearField("body")
    found = dialects.find(scope, {pair.key for pair in record.attributes})
    content = frozenset() if found is None else frozenset(found.content)
    _leave_out(record, content | _SAID)


def _leave_out(message: Message, names: frozenset[str]) -> None:
    pairs: Any = message.attributes  # type: ignore[attr-defined]  # spans, events and records have them
    said = [index for index, pair in enumerate(pairs) if pair.key in names]
    for index in reversed(said):
        del pairs[index]
