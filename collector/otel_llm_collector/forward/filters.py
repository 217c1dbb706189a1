"""What of a request a target gets: all of it, or only what has to do with models, or nothing of what was said.

What counts as said is one table for all dialects: `otel_llm_semconv/dialects/said.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_llm_semconv import attributes as a
from otel_llm_semconv import dialects
from otel_llm_semconv.dialects.said import is_content, is_message, is_speech, may_quote
from otel_llm_semconv.pricing.contracts import Contracts

from .. import journal
from ..decode import spans_of
from .destination import Destination
from .enrich import enrich

_GENAI: Final = "gen_ai."
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
        is_ours = record.scope_name == a.SCOPE_APP
        are_of_models.append(is_ours or dialects.find(record.scope_name, record.attributes) is not None)
        if destination.enriched and are_of_models[-1]:
            enrich(record, received_ns, contracts)
        if destination.without_content:
            _silence_span(record.span)
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
                    _silence_record(record)
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


def _silence_span(span: Span) -> None:
    """Take what was said off a span, its events and links, and what may quote it: the text of an error."""
    quotes = {pair.value.string_value for pair in span.attributes if may_quote(pair.key)}
    _leave_out(span, lambda pair: pair.key == a.ERROR_TYPE and pair.value.string_value in quotes)  # so some name it
    _leave_out(span, _tells)
    span.status.ClearField("message")
    for event in span.events:
        _leave_out(event, _tells_anything if is_speech(event.name) else _tells)
    for link in span.links:
        _leave_out(link, _tells)


def _silence_record(record: LogRecord) -> None:
    """Take what was said off a log record: its body is a message, or a line that may quote one."""
    record.ClearField("body")
    _leave_out(record, _tells_anything if is_message(_name_of(record)) else _tells)


def _name_of(record: LogRecord) -> str:
    named = (pair.value.string_value for pair in record.attributes if pair.key == "event.name")
    return record.event_name or next(named, "")


def _tells(pair: KeyValue) -> bool:
    """True for an attribute that holds content, or a text that may quote some; a flag quotes nothing."""
    return is_content(pair.key) or (may_quote(pair.key) and pair.value.WhichOneof("value") != "bool_value")


def _tells_anything(pair: KeyValue) -> bool:
    return True


def _leave_out(message: Message, is_left_out: Callable[[KeyValue], bool]) -> None:
    pairs: Any = message.attributes  # type: ignore[attr-defined]  # spans, events, links and records have them
    for index in reversed([index for index, pair in enumerate(pairs) if is_left_out(pair)]):
        del pairs[index]
