"""How many fields a protobuf body holds, found on the wire: a parsed field takes memory that its bytes do not show.

A body of two-byte fields parses to a hundred times its size. Only large bodies are weighed: below a few megabytes the
worst case is bounded by the size alone.
"""

from __future__ import annotations

from typing import Final

from .. import journal
from .refusals import TooLargeError

FIELDS_MAX: Final = 8_000_000

#: Message -> its fields that are messages: the requests of OTLP 1.x and what is below them.
_VALUE: Final[dict[int, str]] = {5: "list", 6: "list"}
_MESSAGES: Final[dict[str, dict[int, str]]] = {
    "traces": {1: "resource_spans"},
    "resource_spans": {1: "resource", 2: "scope_spans"},
    "scope_spans": {1: "scope", 2: "span"},
    "span": {9: "pair", 11: "event", 13: "link"},
    "event": {3: "pair"},
    "link": {4: "pair"},
    "logs": {1: "resource_logs"},
    "resource_logs": {1: "resource", 2: "scope_logs"},
    "scope_logs": {1: "scope", 2: "record"},
    "record": {5: "value", 6: "pair"},
    "metrics": {1: "resource_metrics"},
    "resource_metrics": {1: "resource", 2: "scope_metrics"},
    "scope_metrics": {1: "scope", 2: "metric"},
    "metric": {5: "numbers", 7: "numbers", 9: "histogram", 10: "exponential", 11: "summary", 12: "pair"},
    "numbers": {1: "number"},
    "number": {5: "exemplar", 7: "pair"},
    "histogram": {1: "buckets"},
    "buckets": {8: "exemplar", 9: "pair"},
    "exponential": {1: "exponential_buckets"},
    "exponential_buckets": {1: "pair", 8: "leaf", 9: "leaf", 11: "exemplar"},
    "summary": {1: "quantiles"},
    "quantiles": {6: "leaf", 7: "pair"},
    "exemplar": {7: "pair"},
    "leaf": {},
    "resource": {1: "pair"},
    "scope": {3: "pair"},
    "pair": {2: "value"},
    "value": _VALUE,
    "list": {1: "either"},  # of values, or of pairs, whose value is then field 2
    "either": {2: "value", **_VALUE},
}
_REQUESTS: Final = {journal.TRACES: "traces", journal.LOGS: "logs", journal.METRICS: "metrics"}
_FIXED: Final = {1: 8, 5: 4}


def check_weight(body: bytes, kind: int, limit: int = FIELDS_MAX) -> None:
    """Raise TooLargeError where a body of a signal holds more than `limit` fields. What is no protobuf is left to the
    parser.
    """
    count = 0
    stack = [(0, len(body), _MESSAGES[_REQUESTS[kind]])]
    while stack:
        place, end, inner = stack.pop()
        while place < end:
            tag, place = _varint(body, place, end)
            size, place = _size(body, place, end, tag & 7)
            if size < 0 or place + size > end:
                return  # not protobuf: the parser says so better
            if (message := inner.get(tag >> 3)) and tag & 7 == 2:
                stack.append((place, place + size, _MESSAGES[message]))
            place += size
            count += 1
            if count > limit:
                raise TooLargeError(f"the body holds more than {limit} fields; send smaller batches")


def _size(body: bytes, place: int, end: int, kind: int) -> tuple[int, int]:
    """Bytes of a field's value and where it begins; -1 for a kind that OTLP does not use."""
    if kind == 2:
        return _varint(body, place, end)
    if kind == 0:
        return 0, _varint(body, place, end)[1]
    return _FIXED.get(kind, -1), place


def _varint(body: bytes, place: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while place < end:
        byte = body[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
    return number, end + 1
