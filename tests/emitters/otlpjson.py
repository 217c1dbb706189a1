"""OTLP/JSON as the specification has it: ids are hex, where protobuf's JSON has base64."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.message import Message

_IDS: Final = ("traceId", "spanId", "parentSpanId")


def to_json(message: Message) -> Any:
    """An export request as OTLP/JSON."""
    found = json_format.MessageToDict(message, use_integers_for_enums=True)
    _rewrite(found, lambda text: base64.b64decode(text).hex())
    return found


def from_json(document: Any, into: Message) -> None:
    """Read OTLP/JSON into an export request; the document is changed."""
    _rewrite(document, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
    json_format.ParseDict(document, into, ignore_unknown_fields=True)


def _rewrite(document: Any, spell: Callable[[str], str]) -> None:
    for record in _records(document):
        record.update({name: spell(record[name]) for name in _IDS if record.get(name)})


def _records(document: Any) -> Iterator[dict[str, Any]]:
    """Spans, their links, log records."""
    for resource in (*document.get("resourceSpans", ()), *document.get("resourceLogs", ())):
        for scope in (*resource.get("scopeSpans", ()), *resource.get("scopeLogs", ())):
            for record in (*scope.get("spans", ()), *scope.get("logRecords", ())):
                yield record
                yield from record.get("links", ())
