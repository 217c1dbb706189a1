"""One trace of a history as spans: what each step did, told by the attributes that our instrumentation writes.

All but the list price, which an app writes beside its tokens: the figure of record is the collector's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import MISSING, REPORTED, Usage, to_attributes

from .models import MODELS, Model
from .scenes import CALL, CLIENT, REQUEST, Step

Value = str | int | float | bool | tuple[str, ...]
NS_PER_MS: Final = 1_000_000
#: Scopes of those who tell of what is no call, agent or tool.
WEB_SCOPE: Final = "opentelemetry.instrumentation.fastapi"
HTTP_SCOPE: Final = "opentelemetry.instrumentation.httpx"
DATABASE_SCOPE: Final = "opentelemetry.instrumentation.psycopg"
_RETRIED: Final = 0.015  # of the calls: the first attempt is refused, the second one answered
_CACHE_HITS: Final = 0.85
_REASONING: Final = 0.4  # of the output, by models that reason
_ATTEMPTS_MAX: Final = 3  # as the SDKs have it


@dataclass(frozen=True, slots=True)
class Asked:
    """For whom a trace is: attributes of every span inside the request, the model chosen, how long the prompt is.

    `slowness` is by how much the program's own code is slower than it should be.
    """

    who: Mapping[str, Value]
    model: str
    length: float = 1.0
    slowness: float = 1.0


@dataclass(slots=True)
class Trace:
    """The spans of one trace, in the order in which they ended, each with the scope that tells of it."""

    random: Random
    asked: Asked
    id: bytes = b""
    spans: list[tuple[str, Span]] = field(default_factory=list)

    def run(self, step: Step, began_ns: int, parent: bytes = b"", carried: Mapping[str, Value] | None = None) -> int:
        """Add a step that begins then, and all inside it. Returns when it ended."""
        names = dict(carried or {})
        span_id = self.random.randbytes(8)
        self.id = self.id or self.random.randbytes(16)
        if step.kind is CALL:
            return self._call(step, began_ns, span_id, parent, names)
        kind, own_ns = step.kind, self._ns(step.ms * (self.asked.slowness if step.kind is REQUEST else 1))
        inside = {**names, kind.name_attribute: step.name} if kind.is_carried else names
        ended_ns = self._inside(step, began_ns + own_ns // 2, span_id, inside) + own_ns - own_ns // 2
        said: dict[str, Value] = {} if kind is REQUEST else {**self.asked.who, **names}
        if kind.operation:
            said |= {a.OPERATION: kind.operation, kind.name_attribute: step.name}
        else:
            said |= _web_attributes(step)
        self._add(
            _scope(step),
            span_id=span_id,
            parent_span_id=parent,
            name=f"{kind.operation} {step.name}".lstrip(),
            kind=kind.span_kind,
            start_time_unix_nano=began_ns,
            end_time_unix_nano=ended_ns,
            attributes=pairs(said),
        )
        return ended_ns

    def _inside(self, step: Step, now_ns: int, parent: bytes, carried: Mapping[str, Value]) -> int:
        together, one_by_one = step.inside[: step.at_once], step.inside[step.at_once :]
        now_ns = max([now_ns, *(self.run(child, now_ns, parent, carried) for child in together)])
        for child in one_by_one:
            now_ns = self.run(child, now_ns, parent, carried)
        return now_ns

    def _call(self, step: Step, began_ns: int, span_id: bytes, parent: bytes, names: Mapping[str, Value]) -> int:
        model = MODELS[step.name or self.asked.model]
        said: dict[str, Value] = {
            a.OPERATION: model.operation,
            a.PROVIDER: model.provider,
            a.SERVER_ADDRESS: model.host,
            a.SERVER_PORT: 443,
            a.REQUEST_MODEL: model.name,
            **self.asked.who,
            **names,
        }
        if step.stream:
            said[a.REQUEST_STREAM] = True
        drawn = self.random.random()
        refused = _ATTEMPTS_MAX if drawn < model.error_rate else int(drawn < model.error_rate + _RETRIED)
        waited_ns = sum(self._ns(500 * 2**number) for number in range(min(refused, _ATTEMPTS_MAX - 1)))
        ended_ns = began_ns + waited_ns + refused * self._ns(60)
        status, events = Status(), _retries(model, began_ns, min(refused, _ATTEMPTS_MAX - 1))
        if refused:
            said |= _attempts(model, refused, waited_ns)
        if refused == _ATTEMPTS_MAX:
            said |= {a.USAGE_STATUS: MISSING, a.ERROR_TYPE: model.error[0], a.HTTP_STATUS: model.error[1]}
            status = Status(code=Status.STATUS_CODE_ERROR, message="no capacity: try again later")
        else:
            took_ns, answer = self._answer(step, model)
            said |= answer
            ended_ns += took_ns
        self._add(
            a.SCOPE_APP,
            span_id=span_id,
            parent_span_id=parent,
            name=f"{model.operation} {model.name}",
            kind=step.kind.span_kind,
            start_time_unix_nano=began_ns,
            end_time_unix_nano=ended_ns,
            attributes=pairs(said),
            status=status,
            events=events,
        )
        return ended_ns

    def _answer(self, step: Step, model: Model) -> tuple[int, dict[str, Value]]:
        """How long the answer took from its request on, and what it says."""
        usage = self._usage(step, model)
        network_ns = self._ns(model.network_ms)
        first_ns = network_ns + self._ns(model.first_chunk_ms + (usage.input_tokens or 0) / 40)
        took_ns = first_ns + self._ns((usage.output_tokens or 0) / model.tokens_per_s * 1000)
        said: dict[str, Value] = {**to_attributes(usage), a.USAGE_STATUS: REPORTED, a.RESPONSE_MODEL: model.answers_as}
        if model.operation != a.OPERATION_EMBEDDINGS:
            said[a.RESPONSE_ID] = model.id_prefix + self.random.randbytes(12).hex()
            said[a.RESPONSE_FINISH_REASONS] = (model.finish,)
        if step.stream:
            said[a.RESPONSE_TIME_TO_FIRST_CHUNK] = first_ns / 1e9
        if model.tells_time:
            told_ms = ((first_ns if step.stream else took_ns) - network_ns) // NS_PER_MS
            said[a.PROVIDER_TIME] = told_ms / 1000  # whole milliseconds, as providers tell it
        return took_ns, said

    def _usage(self, step: Step, model: Model) -> Usage:
        asked, answered = (round(count * self.asked.length * self._jitter()) for count in step.tokens)
        usage = Usage(asked)
        if answered:
            usage.output_tokens = answered
        cached = round(asked * step.cached)
        if self.random.random() < _CACHE_HITS:
            usage.cache_read_tokens = cached or None
        elif cached and model.provider == "anthropic":
            usage.cache_write_tokens, usage.cache_write_1h_tokens = cached, 0
        if model.name.startswith("gpt-5"):
            usage.reasoning_tokens = round(answered * _REASONING)
        return usage

    def _add(self, scope: str, **fields: Any) -> None:
        # sampled, and the parent is of the same process
        self.spans.append((scope, Span(trace_id=self.id, flags=0x101, **fields)))

    def _ns(self, median_ms: float) -> int:
        return int(median_ms * self._jitter() * NS_PER_MS)

    def _jitter(self) -> float:
        return self.random.lognormvariate(0, 0.25)


def pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    """Attributes as OTLP has them."""
    return [_pair(name, value) for name, value in values.items()]


@functools.lru_cache(maxsize=1 << 15)
def _pair(name: str, value: Value) -> KeyValue:
    match value:
        case str():
            held = AnyValue(string_value=value)
        case bool():
            held = AnyValue(bool_value=value)
        case int():
            held = AnyValue(int_value=value)
        case float():
            held = AnyValue(double_value=value)
        case _:
            held = AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in value]))
    return KeyValue(key=name, value=held)


def _scope(step: Step) -> str:
    if step.kind is REQUEST:
        return WEB_SCOPE
    if step.kind is CLIENT:
        return HTTP_SCOPE if step.name.startswith("POST ") else DATABASE_SCOPE
    return a.SCOPE_APP


def _web_attributes(step: Step) -> dict[str, Value]:
    method, _, target = step.name.partition(" ")
    if _scope(step) == DATABASE_SCOPE:
        return {"db.system.name": "postgresql", "db.operation.name": method, "db.collection.name": target}
    return {"http.request.method": method, "url.path": target, a.HTTP_STATUS: 200}


def _attempts(model: Model, refused: int, waited_ns: int) -> dict[str, Value]:
    refusal = str(model.error[1])
    outcomes = (refusal,) * refused if refused == _ATTEMPTS_MAX else (refusal, "200")
    return {a.ATTEMPTS: len(outcomes), a.ATTEMPT_OUTCOMES: outcomes, a.RETRY_WAIT: waited_ns / 1e9}


def _retries(model: Model, began_ns: int, number: int) -> list[Span.Event]:
    said: dict[str, Value] = {a.ERROR_TYPE: str(model.error[1])}
    return [
        Span.Event(
            time_unix_nano=began_ns + 60 * NS_PER_MS * (index + 1),
            name=a.EVENT_RETRY,
            attributes=pairs({**said, a.HTTP_RESEND_COUNT: index + 1}),
        )
        for index in range(number)
    ]
