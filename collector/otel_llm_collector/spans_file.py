"""Rows of `spans` as a file of OTLP: JSON lines, as OpenTelemetry's file exporter and its receiver have them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .rebuild import resource_spans

_IDS: Final = ("traceId", "spanId", "parentSpanId")
#: Spans of a line.
_SPANS_MAX: Final = 500
_CONTENT: Final = "_message"


def lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Requests as JSON. A row holds the columns of `spans` and, as `_message`, its row of `messages` or None."""
    request, count = ExportTraceServiceRequest(), 0
    for row in rows:
        _add(request, resource_spans(row, row[_CONTENT]))
        count += 1
        if count == _SPANS_MAX:
            yield _line(request)
            request, count = ExportTraceServiceRequest(), 0
    if count:
        yield _line(request)


def _add(request: ExportTraceServiceRequest, found: Any) -> None:
    """Put a span into the request, beside the one before it where what surrounds both is the same."""
    last = request.resource_spans[-1] if request.resource_spans else None
    if last is not None and _around(last) == _around(found):
        last.scope_spans[-1].spans.extend(found.scope_spans[0].spans)
    else:
        request.resource_spans.append(found)


def _around(one: Any) -> Any:
    scope = one.scope_spans[-1]
    return one.resource, one.schema_url, scope.scope, scope.schema_url


def _line(request: ExportTraceServiceRequest) -> str:
    return json.dumps(_with_hex(json_format.MessageToDict(request)), ensure_ascii=False)


def _with_hex(value: Any) -> Any:
    """Ids are hex in OTLP's JSON, base64 in protobuf's."""
    if isinstance(value, list):
        return [_with_hex(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(one).hex() if key in _IDS and isinstance(one, str) else _with_hex(one)
        for key, one in value.items()
    }
