"""The records of a stored log request, each with its identity. Light: the receiver imports this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_llm_semconv.identity import content_key

from .decode import surrounded


@dataclass(slots=True)
class SentRecord:
    """One log record of a request with what surrounds it. `key` is its identity: all that was sent of it."""

    record: LogRecord
    key: int
    resource_attributes: Mapping[str, AnyValue]
    resource: bytes
    scope_name: str
    scope: bytes


def read_records(payload: bytes) -> Iterator[SentRecord]:
    """The records of a stored request, in their order there."""
    request = ExportLogsServiceRequest.FromString(payload)
    same: Counter[int] = Counter()
    for around, records in surrounded(request.resource_logs, "scope_logs", "log_records"):
        about = around.resource_attributes, around.resource, around.scope_name, around.scope
        for record in records:
            key = content_key(same, around.resource, around.scope, record.SerializeToString())
            yield SentRecord(record, key, *about)
