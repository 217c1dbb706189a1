"""Langfuse's exports: files of its blob storage integration (enriched or legacy, JSON, JSONL, CSV, Parquet), tables
exported from its pages (JSON, CSV), and downloads of a trace.

Fields as its documentation has them: "Blob storage export field reference", "Export from UI". A record becomes the span
that Langfuse's SDK would have sent, which the dialect of that SDK reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_llm_semconv import attributes as a
from otel_llm_semconv.identity import span_id_of, trace_id_of

from ..scores import Score
from .told import Record, Told, UnreadableError, json_in, mapping_in, moment_ns, number_in, pairs, text_in

SERVICE: Final = "langfuse"
SCOPE: Final = "langfuse-sdk"
#: Traces of the legacy export whose users and sessions are known while their observations are read.
TRACES_MAX: Final = 1_000_000
#: What they say, of which input and output are kept until their first observation without a parent has them.
SAID_BYTES_MAX: Final = 256 * 1024 * 1024
_PREFIX: Final = "langfuse.observation."
_METADATA: Final = f"{_PREFIX}metadata."
_TRACE: Final = "langfuse.trace."
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: What the pages name otherwise than the files.
_ALIASES: Final = {"model": "provided_model_name", "usage": "usage_details"}
_OF_TRACE: Final = ("user_id", "session_id", "tags", "release", "trace_name")
#: Columns of a score that tell where it came from.
_OF_SCORE: Final = (
    "source",
    "author_user_id",
    "config_id",
    "queue_id",
    "evaluator_id",
    "evaluation_rule_id",
    "execution_trace_id",
)
_NO_COUNTS: Final = frozenset({"unit"})


def is_trace(record: Record) -> bool:
    """True for a row of the legacy export's traces, which observations name."""
    return "timestamp" in record and "value" not in record and ("bookmarked" in record or "user_id" in record)


def is_mine(record: Record) -> bool:
    """True for an observation, a score or a trace."""
    is_observation = "type" in record and ("start_time" in record or "startTime" in record)
    is_score = "value" in record and ("data_type" in record or "dataType" in record)
    return is_observation or is_score or is_trace(record)


class Langfuse:
    """Reads records one after the other; traces have to come before what belongs to them."""

    def __init__(self) -> None:
        self._traces: dict[str, dict[str, Any]] = {}
        self._said: dict[str, dict[str, str]] = {}
        self._said_bytes = 0

    def tell(self, record: Record) -> Told:
        """What a record tells; of a trace nothing yet. UnreadableError for one without ids or times."""
        row = {_ALIASES.get(name := _CAMEL.sub("_", key).lower(), name): value for key, value in record.items()}
        if is_trace(row):
            self._keep(row)
            return Told(SCOPE)
        resource = {a.SERVICE_NAME: SERVICE, a.ENVIRONMENT: text_in(row.get("environment")) or ""}
        around = {key: value for key, value in resource.items() if value}
        if "value" in row:
            return Told(SCOPE, around, scores=[_score(row)])
        trace = str(row.get("trace_id"))
        known = self._traces.get(trace, {}) | ({} if row.get("parent_observation_id") else self._take(trace))
        return Told(SCOPE, around, [_span({**known, **{key: value for key, value in row.items() if value}})])

    def _keep(self, row: Record) -> None:
        if len(self._traces) >= TRACES_MAX:
            raise UnreadableError(f"more than {TRACES_MAX:,} traces at once: import their files a few at a time")
        trace, known = str(row.get("id")), {**row, "trace_name": row.get("name")}
        self._traces[trace] = kept = {name: known[name] for name in _OF_TRACE if known.get(name)}
        metadata = _written(row.get("metadata")) or ""
        said = {f"trace_{name}": text for name in ("input", "output") if (text := _written(row.get(name)))}
        size = sum(map(len, (metadata, *said.values())))
        if self._said_bytes + size > SAID_BYTES_MAX:
            raise UnreadableError("what too many traces say at once: import their files a few at a time")
        self._said_bytes += size
        kept["trace_metadata"] = metadata
        if said:
            self._said[trace] = said

    def _take(self, trace: str) -> dict[str, str]:
        """What a trace says, once: for its first observation without a parent."""
        said = self._said.pop(trace, {})
        self._said_bytes -= sum(map(len, said.values()))
        return said


def _span(row: Record) -> Span:
    trace, id, start_ns = text_in(row.get("trace_id")), text_in(row.get("id")), moment_ns(row.get("start_time"))
    if trace is None or id is None or start_ns is None:
        raise UnreadableError("an observation without id, trace id or start time")
    parent = text_in(row.get("parent_observation_id"))
    span = Span(
        trace_id=trace_id_of(trace),
        span_id=span_id_of(id),
        parent_span_id=span_id_of(parent) if parent else b"",
        name=text_in(row.get("name")) or str(row.get("type", "")).lower(),
        start_time_unix_nano=start_ns,
        end_time_unix_nano=max(start_ns, moment_ns(row.get("end_time")) or start_ns),
        attributes=pairs(_attributes(row)),
    )
    if row.get("level") == "ERROR":
        said = text_in(row.get("status_message")) or ""
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=said))
    return span


def _attributes(row: Record) -> dict[str, Any]:
    found: dict[str, Any] = {
        a.LANGFUSE_KIND: str(row.get("type", "")).lower() or None,
        f"{_PREFIX}level": text_in(row.get("level")),
        f"{_PREFIX}status_message": text_in(row.get("status_message")),
        f"{_PREFIX}model.name": text_in(row.get("provided_model_name")),
        f"{_PREFIX}model.parameters": _written(row.get("model_parameters")),
        f"{_PREFIX}usage_details": _written(_usage(row)),
        f"{_PREFIX}cost_details": _written(_cost(row)),
        f"{_PREFIX}input": _written(row.get("input")),
        f"{_PREFIX}output": _written(row.get("output")),
        f"{_PREFIX}completion_start_time": _iso(row.get("completion_start_time")),
        f"{_PREFIX}prompt.name": text_in(row.get("prompt_name")),
        f"{_PREFIX}prompt.version": text_in(row.get("prompt_version")),
        f"{_TRACE}name": text_in(row.get("trace_name")),
        f"{_TRACE}input": row.get("trace_input"),
        f"{_TRACE}output": row.get("trace_output"),
        "langfuse.release": text_in(row.get("release")),
        "langfuse.version": text_in(row.get("version")),
        a.USER_ID: text_in(row.get("user_id")),
        a.SESSION_ID: text_in(row.get("session_id")),
    }
    if isinstance(tags := json_in(row.get("tags")), list) and tags:
        found[f"{_TRACE}tags"] = [str(tag) for tag in tags]
    for prefix, name in ((f"{_TRACE}metadata.", "trace_metadata"), (_METADATA, "metadata")):
        for key, value in mapping_in(row.get(name)).items():
            found[prefix + key] = value if isinstance(value, str) else _written(value)
    return found


def _usage(row: Record) -> dict[str, Any] | None:
    counts = {key: value for key, value in mapping_in(row.get("usage_details")).items() if key not in _NO_COUNTS}
    return {key: int(value) for key, value in counts.items() if number_in(value) is not None} or None


def _cost(row: Record) -> dict[str, Any] | None:
    parts = {key: number_in(value) for key, value in mapping_in(row.get("cost_details")).items()}
    total = number_in(row.get("total_cost"))
    found = {**parts, "total": total} if total is not None else parts
    return {key: value for key, value in found.items() if value is not None} or None


def _score(row: Record) -> Score:
    moment = row.get("timestamp") or row.get("created_at")
    name, given_ns = text_in(row.get("name")), moment_ns(moment)
    trace, observation = text_in(row.get("trace_id")), text_in(row.get("observation_id"))
    session = text_in(row.get("session_id"))
    if name is None or given_ns is None or not (trace or session):
        raise UnreadableError("a score without name, time, trace or session")
    kind, value = str(row.get("data_type")).upper(), number_in(row.get("value"))
    told = {key: text for key, value in mapping_in(row.get("metadata")).items() if (text := _written(value))}
    told |= {name: text for name in _OF_SCORE if (text := text_in(row.get(name)))}
    return Score(
        name,
        given_ns,
        value=None if value is None or kind == "TEXT" else float(value),
        label=text_in(row.get("string_value")),
        explanation=text_in(row.get("comment")),
        trace_id=trace_id_of(trace).hex() if trace else None,
        span_id=span_id_of(observation).hex() if observation else None,
        session_id=session,
        properties=told,
    )


def _written(value: Any) -> str | None:
    """A structure as JSON, a text as it is; None for what says nothing."""
    if value is None or value in ("", {}, []):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _iso(value: Any) -> str | None:
    """A time as the SDK writes it: in JSON, with its zone."""
    moment = moment_ns(value)
    if moment is None:
        return None
    seconds, rest = divmod(moment, 1_000_000_000)
    return json.dumps(datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000).isoformat())
