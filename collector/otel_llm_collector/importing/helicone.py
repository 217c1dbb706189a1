"""Helicone's exports: JSON, JSONL and CSV of `npx @helicone/export`, JSONL and CSV of its dashboard, its API's answers.

Formats as its repository has them: examples/export/typescript, packages/llm-mapper/types.ts (HeliconeRequest,
MappedLLMRequest), web/components/shared/themed/table/exportButton.tsx. Where bodies were exported, they are read by our
own readers of the providers' formats, as an app's calls are: what they say goes before the export's columns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_llm.content import content_attributes
from otel_llm.failures import swallow
from otel_llm.providers import find_format, find_reader
from otel_llm.recognition import Recogniser
from otel_llm.wire import Answer, Json, Reader
from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u
from otel_llm_semconv.dialects.helicone_export import CACHE_REFERENCE, COUNTRY, REQUEST_ID, SCOPE, TARGET_URL
from otel_llm_semconv.identity import span_id_of, trace_id_of

from ..scores import Score
from .told import Record, Told, UnreadableError, count_in, json_in, mapping_in, moment_ns, number_in, pairs, text_in

#: A record of it has one of these.
MARKS: Final = ("request_created_at", "heliconeMetadata")
SERVICE: Final = "helicone"
_CONTENT_BYTES_MAX: Final = 4 * 1024 * 1024
#: In place of a body that was not exported.
_NO_BODY: Final = "helicone_message"
_NO_CACHE: Final = "00000000-0000-0000-0000-000000000000"
_STATUS_PENDING: Final = -2
#: Helicone's own statuses, below those of HTTP.
_OWN_STATUSES: Final = {-1: "timeout", -3: "cancelled", -4: "blocked_as_threat"}
#: Its name of a provider, in small letters -> the conventions'; others are taken as they are.
_PROVIDERS: Final = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "fireworks": "fireworks_ai",
    "google": "gcp.gemini",
    "google-ai-studio": "gcp.gemini",
    "mistral": "mistral_ai",
    "together": "together_ai",
    "vertex": "gcp.vertex_ai",
    "x": "x_ai",
    "xai": "x_ai",
}
_NO_PROVIDERS: Final = frozenset({"custom", "helicone", "local", "unknown"})
#: Header, in small letters, as Helicone keeps it among the properties -> attribute.
_HEADERS: Final = {
    "helicone-session-id": a.SESSION_ID,
    "helicone-session-name": a.SESSION_NAME,
    "helicone-session-path": a.SESSION_PATH,
    "helicone-user-id": a.USER_ID,
    "helicone-prompt-id": a.PROMPT_NAME,
    "helicone-prompt-version": a.PROMPT_VERSION,
}
#: Field of a row of the dashboard's `heliconeMetadata` -> that of a row of the API.
_OF_DASHBOARD: Final = {
    "requestId": "request_id",
    "path": "request_path",
    "countryCode": "country_code",
    "cacheReferenceId": "cache_reference_id",
    "createdAt": "request_created_at",
    "promptTokens": "prompt_tokens",
    "completionTokens": "completion_tokens",
    "promptCacheWriteTokens": "prompt_cache_write_tokens",
    "promptCacheReadTokens": "prompt_cache_read_tokens",
    "latency": "delay_ms",
    "user": "request_user_id",
    "customProperties": "request_properties",
    "cost": "cost",
    "provider": "provider",
    "timeToFirstToken": "time_to_first_token",
    "scores": "scores",
    "promptId": "prompt_id",
    "promptVersion": "prompt_version",
    "targetUrl": "target_url",
}
#: What of a response tells its format.
_SHAPES: Final = (
    ("choices", "openai_chat"),
    ("candidates", "gemini_content"),
    ("output", "openai_responses"),
    ("stop_reason", "anthropic_messages"),
)
_hosts: Final = Recogniser()


def tell(record: Record) -> Told:
    """The call that a record tells of, and what it was scored with. UnreadableError without a time."""
    row = _from_dashboard(record) if "heliconeMetadata" in record else record
    start_ns = moment_ns(row.get("request_created_at"))
    if start_ns is None:
        raise UnreadableError("no request_created_at")
    id = text_in(row.get("request_id")) or text_in(row.get("response_id")) or _digest(row)
    status = count_in(row.get("response_status"))
    call = _Call(row)
    span = Span(
        trace_id=trace_id_of(id),
        span_id=span_id_of(id),
        name=call.name,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=max(start_ns, _end_ns(row, start_ns)),
        attributes=pairs({REQUEST_ID: id, **_envelope(row), **_outcome(status, call), **call.attributes()}),
    )
    if _failed(status):
        span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=call.answer.error_message or ""))
    return Told(SCOPE, {a.SERVICE_NAME: SERVICE}, [span], list(_scores(row, span)))


class _Call:
    """What the bodies say, as far as they were exported, else the columns."""

    def __init__(self, row: Record) -> None:
        self._row = row
        self.asked = _body(row.get("request_body"))
        said = _body(row.get("response_body"))
        target = urlsplit(text_in(row.get("target_url")) or "")
        self._path = target.path or text_in(row.get("request_path")) or ""
        self._provider = _provider(row, target.hostname or "")
        self.answer = Answer()
        self._reader = _find(self._path, self.asked, said)
        self._request = self._reader.read_request(self.asked, self._path)
        if said:
            try:
                self._reader.read_response(said, self.answer, True)
            except Exception as error:  # a body may hold anything
                swallow("reading a body of an export", error)

    @property
    def name(self) -> str:
        return f"{self._request.operation} {self._model()}".strip()

    def attributes(self) -> dict[str, Any]:
        """Who was asked for what, what it used, what was said."""
        usage = self._usage()
        return {
            a.OPERATION: self._request.operation,
            a.PROVIDER: self._provider or self._reader.PROVIDER,
            **self._request.attributes,
            a.REQUEST_MODEL: self._request.model or self._model() or None,
            a.REQUEST_STREAM: self._request.stream or None,
            a.RESPONSE_MODEL: self.answer.model or text_in(self._row.get("response_model")),
            a.RESPONSE_ID: self.answer.id,
            a.RESPONSE_FINISH_REASONS: [self.answer.finish_reasons[key] for key in sorted(self.answer.finish_reasons)]
            or None,
            **self._reader.response_attributes(self.answer),
            **u.to_attributes(usage),
            **content_attributes(self._reader.read_content(self.asked, self.answer), _CONTENT_BYTES_MAX),
        }

    def _model(self) -> str:
        named = (self._row.get(name) for name in ("request_model", "model", "response_model"))
        return self._request.model or next(filter(None, map(text_in, named)), "") or self.answer.model or ""

    def _usage(self) -> u.Usage:
        """The provider's own counts, else those of the columns, which leave out what was cached or heard. There two
        zeros say that nothing was counted."""
        found = self._reader.read_usage(self.answer.usage)
        if not found.is_empty():
            return found
        asked, answered = (count_in(self._row.get(f"{kind}_tokens")) for kind in ("prompt", "completion"))
        if not asked and not answered:
            return u.Usage()
        read, written, heard, spoken = (
            count_in(self._row.get(f"{name}_tokens")) or None
            for name in ("prompt_cache_read", "prompt_cache_write", "prompt_audio", "completion_audio")
        )
        return u.Usage(
            input_tokens=u.sum_known(asked, read, written, heard),
            output_tokens=u.sum_known(answered, spoken),
            cache_read_tokens=read,
            cache_write_tokens=written,
            audio_input_tokens=heard,
            audio_output_tokens=spoken,
        )


def _from_dashboard(record: Record) -> dict[str, Any]:
    about, raw = mapping_in(record["heliconeMetadata"]), mapping_in(record.get("raw"))
    found = {name: about.get(theirs) for theirs, name in _OF_DASHBOARD.items()}
    feedback, status = mapping_in(about.get("feedback")), mapping_in(about.get("status"))
    return found | {
        "request_id": found["request_id"] or record.get("id"),
        "request_model": record.get("model"),
        "request_body": raw.get("request"),
        "response_body": raw.get("response"),
        "response_status": status.get("code"),
        "feedback_rating": feedback.get("rating"),
        "feedback_created_at": feedback.get("createdAt"),
    }


def _envelope(row: Record) -> dict[str, Any]:
    """What Helicone knows of a call beside its bodies."""
    cost, waited_ms = number_in(row.get("cost", row.get("cost_usd"))), number_in(row.get("time_to_first_token"))
    target = text_in(row.get("target_url"))
    return {
        a.COST_AMOUNT: None if cost is None else float(cost),
        a.COST_SOURCE: None if cost is None else "local",
        a.RESPONSE_TIME_TO_FIRST_CHUNK: waited_ms / 1000 if waited_ms else None,
        a.SERVER_ADDRESS: urlsplit(target).hostname if target else None,
        TARGET_URL: target,
        COUNTRY: text_in(row.get("country_code")),
        CACHE_REFERENCE: _cache_reference(row),
        **_who(row),
    }


def _who(row: Record) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in {**mapping_in(row.get("properties")), **mapping_in(row.get("request_properties"))}.items():
        attribute = _HEADERS.get(key.lower(), a.PROPERTY_PREFIX + key)
        if said := text_in(value):
            found[attribute] = said
    named = {a.USER_ID: "request_user_id", a.PROMPT_NAME: "prompt_id", a.PROMPT_VERSION: "prompt_version"}
    for attribute, name in named.items():
        if said := text_in(row.get(name)):
            found[attribute] = said
    return found


def _outcome(status: int | None, call: _Call) -> dict[str, Any]:
    if status is None:
        return {}
    error = call.answer.error_type or _OWN_STATUSES.get(status, str(status)) if _failed(status) else None
    return {a.HTTP_STATUS: status if status > 0 else None, a.ERROR_TYPE: error}


def _failed(status: int | None) -> bool:
    return status is not None and (status >= 400 or status < 0) and status != _STATUS_PENDING


def _end_ns(row: Record, start_ns: int) -> int:
    took_ms = number_in(row.get("delay_ms") or row.get("latency"))
    if took_ms is not None:
        return start_ns + int(took_ms * 1_000_000)
    return moment_ns(row.get("response_created_at")) or start_ns


def _cache_reference(row: Record) -> str | None:
    reference = text_in(row.get("cache_reference_id"))
    return None if reference == _NO_CACHE else reference


def _provider(row: Record, host: str) -> str | None:
    if known := _hosts.provider_of(host):
        return known
    name = (text_in(row.get("provider")) or "").lower()
    return None if not name or name in _NO_PROVIDERS else _PROVIDERS.get(name, name)


def _body(value: Any) -> Json:
    found = json_in(value)
    return found if isinstance(found, dict) and _NO_BODY not in found else {}


def _find(path: str, asked: Json, said: Json) -> Reader:
    """The reader of what came back, else of the path: a gateway may translate on the way."""
    by_shape = next((name for key, name in _SHAPES if key in said), None)
    by_path = find_format(path)
    if by_shape == "openai_chat" and by_path in ("openai_completions", "openai_chat"):
        by_shape = by_path
    fallback = "openai_embeddings" if "input" in asked and "messages" not in asked else "openai_chat"
    return find_reader(by_shape or by_path or fallback)


def _scores(row: Record, span: Span) -> Iterator[Score]:
    trace_id, span_id = span.trace_id.hex(), span.span_id.hex()
    given_ns = moment_ns(row.get("feedback_created_at")) or span.end_time_unix_nano
    found: dict[str, Any] = {
        name.removeprefix("helicone-score-"): value.get("value") if isinstance(value, Mapping) else value
        for name, value in mapping_in(row.get("scores")).items()
    }
    rating = row.get("feedback_rating")
    if rating is not None:
        found["feedback"] = str(rating).lower() == "true"
    for name, value in found.items():
        if (number := float(value) if isinstance(value, bool) else number_in(value)) is not None:
            yield Score(name, given_ns, value=float(number), trace_id=trace_id, span_id=span_id)


def _digest(row: Record) -> str:
    """Names a record that has no id."""
    text = json.dumps(row, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
