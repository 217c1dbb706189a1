"""A score as it is given from outside: checked, and told as the conventions' evaluation event.

Light: the receiver imports this.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from otel_llm.errors import UsageError
from otel_llm_semconv import attributes as a
from otel_llm_semconv.identity import row_id, span_id_of, trace_id_of

from .records import read_records

_HEX: Final = {"trace_id": re.compile(r"[0-9a-f]{32}"), "span_id": re.compile(r"[0-9a-f]{16}")}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Field -> the attribute that it travels as.
_TEXTS: Final[Mapping[str, str]] = {
    "name": a.EVALUATION_NAME,
    "label": a.EVALUATION_SCORE_LABEL,
    "explanation": a.EVALUATION_EXPLANATION,
    "response_id": a.RESPONSE_ID,
    "session_id": a.SESSION_ID,
    "user_id": a.USER_ID,
    "error_type": a.ERROR_TYPE,
}
_FIELDS: Final = (*_TEXTS, "value", "trace_id", "span_id", "time", "properties")
_JUDGED: Final = ("trace_id", "span_id", "response_id", "session_id")


@dataclass(frozen=True, slots=True)
class Score:
    """What is judged, and how. `trace_id` and `span_id` are lower-case hex, `time_ns` is when it was given."""

    name: str
    time_ns: int
    value: float | None = None
    label: str | None = None
    explanation: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    error_type: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> LogRecord:
        """The event that tells it."""
        said = {attribute: getattr(self, name) for name, attribute in _TEXTS.items()}
        texts = said | {a.PROPERTY_PREFIX + key: value for key, value in sorted(self.properties.items())}
        pairs = [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in texts.items() if text]
        if self.value is not None:
            pairs.append(KeyValue(key=a.EVALUATION_SCORE_VALUE, value=AnyValue(double_value=self.value)))
        return LogRecord(
            time_unix_nano=self.time_ns,
            event_name=a.EVALUATION_RESULT,
            trace_id=bytes.fromhex(self.trace_id or ""),
            span_id=bytes.fromhex(self.span_id or ""),
            attributes=pairs,
        )


def read_score(given: Any, now_ns: int) -> Score:
    """A score from a JSON object, given now unless it says when. Raises UsageError with what is wrong."""
    if not isinstance(given, Mapping):
        raise UsageError("a score is an object with a name and a value or label")
    if unknown := sorted(set(map(str, given)) - set(_FIELDS)):
        raise UsageError(f"{unknown[0]!r} is no field of a score; there are {', '.join(_FIELDS)}")
    found: dict[str, Any] = {name: _text(name, given.get(name)) for name in (*_TEXTS, *_HEX)}
    if not found["name"]:
        raise UsageError("it has no name: give what is judged, such as 'helpful'")
    value = _number(given.get("value"))
    if value is None and not found["label"] and not found["error_type"]:
        raise UsageError("it has neither a value nor a label")
    if not any(found[name] for name in _JUDGED):
        raise UsageError(f"it judges nothing: give one of {', '.join(_JUDGED)}")
    found |= {name: _hex(name, found[name]) for name in _HEX}
    moment = _moment(given.get("time"))
    return Score(**found, value=value, time_ns=moment or now_ns, properties=_properties(given.get("properties")))


def request_of(scores: Iterable[Score]) -> bytes:
    """The OTLP request that tells them."""
    request = ExportLogsServiceRequest()
    around = request.resource_logs.add().scope_logs.add()
    around.scope.name = a.SCOPE_APP
    around.log_records.extend(score.record() for score in scores)
    return request.SerializeToString()


def row_ids(payload: bytes) -> list[str]:
    """The `row_id` that each record of a request has in `logs` and `scores`."""
    return [row_id(sent.key) for sent in read_records(payload)]


def judged_by(request_id: str) -> dict[str, str]:
    """What an id that a proxy gave to a request judges: the call that was imported under it, else the response."""
    uuid = request_id.lower()
    if not _UUID.fullmatch(uuid):
        return {"response_id": request_id}
    return {"trace_id": trace_id_of(uuid).hex(), "span_id": span_id_of(uuid).hex()}


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise UsageError(f"its {name} is no text")
    return value or None


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, bool | int | float):
        raise UsageError("its value is no number; a word is its label")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise UsageError("its value is not finite")
    return found


def _hex(name: str, text: str | None) -> str | None:
    if text is not None and (not _HEX[name].fullmatch(text.lower()) or not int(text, 16)):
        raise UsageError(f"its {name} is not the hex text of a row")
    return None if text is None else text.lower()


def _moment(value: Any) -> int | None:
    """Nanoseconds since 1970 of an ISO time; without an offset it is in UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UsageError("its time is not written 2026-11-01T10:00:00Z") from None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    time_ns = int(utc.timestamp()) * 10**9 + utc.microsecond * 1000
    if not 0 < time_ns < 2**63:
        raise UsageError(f"its time is {value}: it can lie between 1970 and 2262")
    return time_ns


def _properties(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for one in value.values()):
        raise UsageError("its properties are no object of texts")
    return {str(key): text for key, text in value.items()}
