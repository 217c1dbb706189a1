"""Requests as an instrumented application sends them: 512 spans, random ids, 20 attributes (18 without content).

A span is as large and compresses as well as one of the load that the collector's bars were measured with: 2387 bytes as
OTLP protobuf and 627 of its request after gzip -1, without content 772 and 99. Of that load's text zstd's level 1 left
378 bytes a span in Parquet files, level 3 left 335. `tests/collector/test_span_load.py` holds it to all of these.

Text compresses by words that are frequent and by sentences that come again, as in prompts from templates and histories
of conversations: how skewed the first are decides what gzip finds, how many there are of the second what zstd finds,
which looks farther back.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MODELS = (
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
)
DEPARTMENTS = ("cardiology", "emergency", "neurology", "oncology", "orthopedics", "pediatrics", "radiology", "surgery")
PROMPTS = ("discharge-letter", "lab-report-summary", "medication-check", "triage-by-phone")
_SPANS_A_TRACE = 4
_CONTENT_CHARS = 685
_WORDS, _SENTENCES, _WORDS_A_SENTENCE = 2000, 500, 12
#: A word is as frequent as 1 / rank ** skew; so much of the text are sentences that come again.
_SKEW, _REPEATED = 1.13, 0.25


class Load:
    """Random spans, the same in every run but for their ids and times."""

    def __init__(self, *, content: bool, scope: str = "opentelemetry.instrumentation.genai.openai") -> None:
        self._random = random.Random(7)
        self._content = content
        self._scope = scope
        letters = "etaoinshrdlucmfwypvbgk"
        self._words = ["".join(self._random.choices(letters, k=self._random.randint(2, 9))) for _ in range(_WORDS)]
        self._weights = list(itertools.accumulate(rank**-_SKEW for rank in range(1, _WORDS + 1)))
        self._sentences = [self._new_sentence() for _ in range(_SENTENCES)]
        self._trace_id = self._parent_id = b""

    def requests(self, spans: int, spans_a_request: int = 512) -> Iterator[bytes]:
        """Requests of so many spans altogether."""
        for first in range(0, spans, spans_a_request):
            message = ExportTraceServiceRequest()
            resource_spans = message.resource_spans.add()
            resource_spans.resource.attributes.extend(
                [_pair("service.name", "clinic"), _pair("deployment.environment.name", "production")]
            )
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name, scope_spans.scope.version = self._scope, "1.3b0"
            scope_spans.spans.extend(self._span(first + i) for i in range(min(spans_a_request, spans - first)))
            yield message.SerializeToString()

    def _span(self, number: int) -> Span:
        if number % _SPANS_A_TRACE == 0:
            self._trace_id, self._parent_id = os.urandom(16), os.urandom(8)
        start, duration = time.time_ns(), self._random.randint(10**8, 10**10)
        attributes = self._attributes()
        return Span(
            trace_id=self._trace_id,
            span_id=os.urandom(8),
            parent_span_id=self._parent_id,
            name=f"chat {attributes['gen_ai.request.model']}",
            kind=Span.SPAN_KIND_CLIENT,
            start_time_unix_nano=start - duration,
            end_time_unix_nano=start,
            attributes=[_pair(key, value) for key, value in attributes.items()],
            status=Status(),
            flags=257,
        )

    def _attributes(self) -> dict[str, object]:
        random = self._random
        provider, asked, answered = random.choice(MODELS)
        whole = random.randint(200, 5000)
        found: dict[str, object] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": asked,
            "gen_ai.response.model": answered,
            "gen_ai.response.id": f"chatcmpl-{os.urandom(8).hex()}",
            "gen_ai.response.finish_reasons": [random.choice(("stop", "stop", "stop", "length", "tool_calls"))],
            "gen_ai.request.max_tokens": random.choice((512, 1024, 2048, 4096)),
            "gen_ai.request.temperature": random.choice((0.2, 0.5, 0.7, 1.0)),
            "gen_ai.usage.input_tokens": whole,
            "gen_ai.usage.output_tokens": random.randint(10, 900),
            "gen_ai.usage.cache_read.input_tokens": random.randint(0, whole // 2),
            "server.address": f"api.{provider}.com",
            "server.port": 443,
            "session.id": f"session-{random.randrange(8000)}",
            "user.id": f"doctor-{random.randrange(700)}",
            "gen_ai.prompt.name": random.choice(PROMPTS),
            "gen_ai.prompt.version": f"2026-{random.randint(1, 12):02}",
            "otel_llm.property.department": random.choice(DEPARTMENTS),
        }
        if self._content:
            found["gen_ai.input.messages"] = self._message("user")
            found["gen_ai.output.messages"] = self._message("assistant")
        return found

    def _message(self, role: str) -> str:
        text = ""
        while len(text) < _CONTENT_CHARS:
            repeats = self._random.random() < _REPEATED
            text += " " + (self._random.choice(self._sentences) if repeats else self._new_sentence())
        parts = [{"type": "text", "content": text[1 : _CONTENT_CHARS + 1]}]
        return json.dumps([{"role": role, "parts": parts, "finish_reason": "stop"}])

    def _new_sentence(self) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=_WORDS_A_SENTENCE))


def _pair(key: str, value: object) -> KeyValue:
    match value:
        case str():
            return KeyValue(key=key, value=AnyValue(string_value=value))
        case int():
            return KeyValue(key=key, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=key, value=AnyValue(double_value=value))
    found = KeyValue(key=key)
    found.value.array_value.values.extend(AnyValue(string_value=str(item)) for item in list(value))  # type: ignore[call-overload]
    return found
