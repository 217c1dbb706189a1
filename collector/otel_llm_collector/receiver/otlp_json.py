"""OTLP/JSON: protobuf's JSON mapping, but trace and span ids are hex (opentelemetry-proto specification)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from google.protobuf import json_format

from .. import journal
from ..signals import SIGNALS, Signal
from .refusals import BadDataError

_IDS: Final = ("traceId", "spanId", "parentSpanId")
_NO_REQUEST: Final = "the body is not an OTLP/JSON request"
#: What protobuf says first: each field on the way to the fault.
_STEP: Final = re.compile(r"Failed to parse (\w+) field: ")
_CAUSE_CHARS_MAX: Final = 300
_DATA: Final = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


def request_from_json(signal: Signal, body: bytes) -> bytes:
    """An OTLP/JSON request of a signal as protobuf bytes. Unknown fields are ignored, as the specification asks.

    Half of a surrogate pair, which JavaScript leaves where it cuts a text in two, becomes U+FFFD.
    Raises BadDataError where the text is no JSON or no such request.
    """
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise BadDataError(f"{_NO_REQUEST} of {signal.name}: {str(error)[:200]}") from None
    except (ValueError, RecursionError):
        raise BadDataError(f"{_NO_REQUEST} of {signal.name}: no text, or nested too deeply") from None
    return request_from_document(signal, document)


def request_from_document(signal: Signal, document: Any) -> bytes:
    """The same of JSON that has been parsed, whose ids are changed in place."""
    what = f"{_NO_REQUEST} of {signal.name}"
    _check_signal(signal, document)
    try:
        for holder in _HOLDERS[signal.kind](document):
            _decode_ids(holder)
        request = _parse(signal, document)
    except json_format.ParseError as error:
        raise BadDataError(f"{what}: {_cause(str(error))}") from None
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadDataError(f"{what}: wrong shape, or an id that is not hex") from None
    return bytes(request.SerializeToString())


def _cause(said: str) -> str:
    """Protobuf's words with the way to the fault made short, so that the fault is not cut off."""
    cause = _STEP.sub("", said).rstrip(".")
    if len(cause) > _CAUSE_CHARS_MAX:
        half = _CAUSE_CHARS_MAX // 2
        cause = f"{cause[:half]} ... {cause[-half:]}"
    return ": ".join(part for part in (".".join(_STEP.findall(said)), cause) if part)


def _check_signal(signal: Signal, document: Any) -> None:
    """A request of another signal would be one without items, since unknown fields are ignored."""
    if not isinstance(document, Mapping) or signal.holder in document:
        return
    for other in SIGNALS.values():
        if other.holder in document:
            raise BadDataError(f"{_NO_REQUEST} of {signal.name}, but one of {other.name}; send it to {other.path}")


def _parse(signal: Signal, document: Any) -> Any:
    try:
        return json_format.ParseDict(document, signal.request(), ignore_unknown_fields=True)
    except (UnicodeEncodeError, SystemError, json_format.ParseError):  # protobuf's words for half of a pair
        text = json.dumps(document, ensure_ascii=False)
        if text == (whole := text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")):
            raise
        return json_format.ParseDict(json.loads(whole), signal.request(), ignore_unknown_fields=True)


def _spans(document: Any) -> Iterator[dict[str, Any]]:
    """Spans and their links."""
    for span in _items(document, "resourceSpans", "scopeSpans", "spans"):
        yield span
        yield from span.get("links") or ()


def _records(document: Any) -> Iterator[dict[str, Any]]:
    yield from _items(document, "resourceLogs", "scopeLogs", "logRecords")


def _exemplars(document: Any) -> Iterator[dict[str, Any]]:
    for metric in _items(document, "resourceMetrics", "scopeMetrics", "metrics"):
        for data in filter(None, map(metric.get, _DATA)):
            for point in data.get("dataPoints") or ():
                yield from point.get("exemplars") or ()


def _items(document: Any, *path: str) -> Iterator[dict[str, Any]]:
    """What lies at the end of a path of lists."""
    name, *rest = path
    for item in document.get(name) or ():
        if rest:
            yield from _items(item, *rest)
        else:
            yield item


#: Kind -> every object of its document that has ids.
_HOLDERS: Final[Mapping[int, Callable[[Any], Iterator[dict[str, Any]]]]] = {
    journal.TRACES: _spans,
    journal.LOGS: _records,
    journal.METRICS: _exemplars,
}


def _decode_ids(holder: dict[str, Any]) -> None:
    for key in _IDS:
        if text := holder.get(key):
            holder[key] = base64.b64encode(bytes.fromhex(text)).decode()
