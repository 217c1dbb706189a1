"""OTLP/JSON: protobuf's JSON mapping, but trace and span ids are hex (opentelemetry-proto specification)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .intake import BadDataError

_IDS: Final = ("traceId", "spanId", "parentSpanId")


def traces_from_json(body: bytes) -> bytes:
    """An OTLP/JSON trace request as protobuf bytes. Unknown fields are ignored, as the specification asks.

    Raises BadDataError where the text is no JSON or no trace request.
    """
    try:
        document = json.loads(body)
        for record in _records(document):
            _decode_ids(record)
        request = json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (json.JSONDecodeError, json_format.ParseError) as error:
        raise BadDataError(f"the body is not an OTLP/JSON trace request: {str(error)[:200]}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadDataError(
            "the body is not an OTLP/JSON trace request: wrong shape, or an id that is not hex"
        ) from None
    return request.SerializeToString()


def _records(document: Any) -> Iterator[dict[str, Any]]:
    """Every object that has ids: spans and their links."""
    for resource in document.get("resourceSpans") or ():
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                yield span
                yield from span.get("links") or ()


def _decode_ids(record: dict[str, Any]) -> None:
    for key in _IDS:
        if text := record.get(key):
            record[key] = base64.b64encode(bytes.fromhex(text)).decode()
