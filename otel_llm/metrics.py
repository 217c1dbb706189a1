"""The metrics of the GenAI conventions: tokens, duration, cost, and the pace of streams, of every counted call.

Sampled or not: metrics are what still tells the whole bill where traces are sampled. They need a reader on the meter
provider (`OTEL_METRICS_EXPORTER=otlp`); without one `record` does nothing.

Names are those that released instrumentations emit (opentelemetry-util-genai 1.3b0, and every dashboard made for it):
`gen_ai.client.token.usage` and `gen_ai.client.operation.*`. Their successors, `gen_ai.client.inference.*` and a
counter for each kind of token, are on a branch of the conventions and in no release; both at once would count twice.
Cost is the histogram of the open proposal semantic-conventions-genai#443.

Of the pace of a stream one value a call is recorded, the mean time of its chunks after the first, where the
conventions want one a chunk: the SDK takes 7 us for each, 1.4 ms for a stream of 200.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Final, TypeGuard
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, NoOpMeterProvider, Observation
from opentelemetry.metrics import _internal as api
from opentelemetry.trace import NonRecordingSpan, SpanContext
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage

from .encodable import clean_attributes
from .failures import guarded, swallow
from .finisher import finisher

TOKEN_BUCKETS: Final = tuple(4**n for n in range(14))  # 1 .. 67108864
SECONDS_BUCKETS: Final = tuple(0.01 * 2**n for n in range(14))  # 0.01 .. 81.92
#: Half decades from a millionth of a dollar (one short embedding) to 100 (a long agent on a large model).
USD_BUCKETS: Final = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

#: Calls that wait to be recorded: at this number the background thread records them, unless a reader collects before.
WAITING_MAX: Final = 256
#: Sets of attributes that are kept made; one for each operation, model, server and error.
SETS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Finished:
    """A counted call that has ended. `None` is what nobody said; durations are in seconds.

    `output_chunks` is how many chunks of output a stream had. `span_context` makes exemplars that lead to the trace.
    """

    operation: str
    provider: str
    request_model: str | None
    response_model: str | None
    server_address: str | None
    server_port: int | None
    usage: Usage
    cost_usd: Decimal | None
    duration_s: float
    time_to_first_chunk_s: float | None
    output_chunks: int | None
    error_type: str | None
    stream: bool
    is_counted: bool = False  # by somebody else's metrics, which know no cost
    span_context: SpanContext | None = None


#: Attributes, by name: of what is known around a call, the properties that were opted in.
_Properties = tuple[tuple[str, AttributeValue], ...]


class Metrics:
    """Records calls on a meter provider: the given one, else the global one, set now or later.

    `properties` are keys of `otel_llm.properties()` that become attributes of every metric; each value of each makes
    a time series of its own, so they are for a department, not for a user.

    A reader costs the SDK 30 us a call. The caller only puts the call in a queue; it is recorded when a reader
    collects (on its thread, in time for that collection) or when many wait (on ours).
    """

    def __init__(self, provider: MeterProvider | None = None, properties: Iterable[str] = ()) -> None:
        self._given = provider
        self._names = tuple(a.PROPERTY_PREFIX + key for key in properties)
        self._bound: MeterProvider | None = None
        self._instruments: _Instruments | None = None
        self._is_collected = False
        self._waiting: deque[tuple[Finished, _Properties]] = deque()
        self._recording = threading.Lock()
        _all.add(self)

    @property
    def is_active(self) -> bool:
        """False where nobody collects: an unsampled call then need not be read."""
        return self._provider() is not None

    def record(self, call: Finished, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Count a call. Takes less than 1 us; never raises, never waits.

        `attributes` may be all of the call's span: only the properties that were opted in are taken, and kept.
        """
        try:
            provider = self._provider()
            if provider is None:
                return
            if provider is not self._bound:
                self._bind(provider)
            self._waiting.append((call, self._properties(attributes) if self._names and attributes else ()))
            _waiting.add(self)
            if not self._is_collected:
                self.flush()
            elif len(self._waiting) % WAITING_MAX == 0:
                finisher.start()
                finisher.submit(self.flush)
        except Exception as error:
            swallow("metrics", error)

    def flush(self) -> None:
        """Have the calls that wait recorded by the SDK. Readers do that themselves, by collecting."""
        with self._recording:
            _waiting.discard(self)  # before the queue is emptied: who adds to it afterwards comes back
            while self._waiting:
                guarded(self._write, *self._waiting.popleft())

    def forget(self) -> None:
        """In a forked child: what waits is the parent's."""
        self._waiting = deque()
        self._recording = threading.Lock()

    def _provider(self) -> MeterProvider | None:
        provider = self._given or api._METER_PROVIDER  # asking the API for it would make it load one
        return provider if provider is not None and is_read(provider) else None

    def _bind(self, provider: MeterProvider) -> None:
        meter = provider.get_meter(a.SCOPE_APP, version("otel-llm"), a.SCHEMA_URL)
        self._instruments = _Instruments(meter)
        self._is_collected = hasattr(provider, "_measurement_consumer")  # the SDK's, which runs callbacks
        meter.create_observable_gauge(a.METRIC_COLLECTING, [_flush_all])
        self._bound = provider

    def _write(self, call: Finished, properties: _Properties) -> None:
        if self._instruments is not None:
            self._instruments.write(call, properties)

    def _properties(self, attributes: Mapping[str, AttributeValue]) -> _Properties:
        found = ((name, attributes.get(name)) for name in self._names)
        return tuple((name, value) for name, value in found if isinstance(value, str | bool | int | float))


class _Sets:
    """The attributes of one kind of call, as each metric wants them."""

    __slots__ = ("cost", "duration", "input", "output")

    def __init__(self, call: Finished, properties: _Properties) -> None:
        named = {
            a.OPERATION: call.operation,
            a.PROVIDER: call.provider,
            a.REQUEST_MODEL: call.request_model,
            a.RESPONSE_MODEL: call.response_model,
            a.SERVER_ADDRESS: call.server_address,
            a.SERVER_PORT: call.server_port if call.server_address else None,
            **dict(properties),
        }
        self.cost = clean_attributes({name: value for name, value in named.items() if value is not None})
        failed = {} if call.error_type is None else clean_attributes({a.ERROR_TYPE: call.error_type})
        self.duration = {**self.cost, **failed}
        self.input = {**self.cost, a.TOKEN_TYPE: a.TOKEN_TYPE_INPUT}
        self.output = {**self.cost, a.TOKEN_TYPE: a.TOKEN_TYPE_OUTPUT}


class _Instruments:
    """The histograms of one meter. `write` is called under a lock."""

    def __init__(self, meter: api.Meter) -> None:
        def histogram(name: str, unit: str, description: str, buckets: Iterable[float]) -> Histogram:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=list(buckets))

        self._tokens = histogram(a.METRIC_TOKEN_USAGE, "{token}", "Input and output tokens used.", TOKEN_BUCKETS)
        self._duration = histogram(a.METRIC_OPERATION_DURATION, "s", "Duration of a call.", SECONDS_BUCKETS)
        self._first = histogram(
            a.METRIC_TIME_TO_FIRST_CHUNK, "s", "From the request to the first chunk of a stream.", SECONDS_BUCKETS
        )
        self._pace = histogram(
            a.METRIC_TIME_PER_OUTPUT_CHUNK, "s", "Mean time of a stream's chunks after the first.", SECONDS_BUCKETS
        )
        self._cost = histogram(a.METRIC_OPERATION_COST, "{USD}", "Cost of a call.", USD_BUCKETS)
        self._sets: dict[tuple[Any, ...], _Sets] = {}

    def write(self, call: Finished, properties: _Properties) -> None:
        """Record what is known of a call; absent and impossible numbers record nothing."""
        sets = self._sets_of(call, properties)
        context = _context_of(call.span_context)
        if call.cost_usd is not None and call.cost_usd >= 0:
            self._cost.record(float(call.cost_usd), sets.cost, context)
        if call.is_counted:
            return
        self._duration.record(max(0.0, call.duration_s), sets.duration, context)
        if _is_count(call.usage.input_tokens):
            self._tokens.record(call.usage.input_tokens, sets.input, context)
        if _is_count(call.usage.output_tokens):
            self._tokens.record(call.usage.output_tokens, sets.output, context)
        if call.stream and call.time_to_first_chunk_s is not None:
            self._first.record(call.time_to_first_chunk_s, sets.cost, context)
            rest_s = call.duration_s - call.time_to_first_chunk_s
            if call.output_chunks is not None and call.output_chunks > 1 and rest_s >= 0:
                self._pace.record(rest_s / (call.output_chunks - 1), sets.cost, context)

    def _sets_of(self, call: Finished, properties: _Properties) -> _Sets:
        server = (call.server_address, call.server_port)
        models = (call.request_model, call.response_model)
        key = (call.operation, call.provider, *models, *server, call.error_type, properties)
        found = self._sets.get(key)
        if found is None:
            if len(self._sets) >= SETS_MAX:
                self._sets.clear()
            found = self._sets[key] = _Sets(call, properties)
        return found


def _is_count(number: int | None) -> TypeGuard[int]:
    return number is not None and number >= 0


def _context_of(span_context: SpanContext | None) -> Context:
    """A context that names the call's span and holds nothing else: where it is recorded says nothing about it."""
    found = trace.INVALID_SPAN_CONTEXT if span_context is None else span_context
    return trace.set_span_in_context(NonRecordingSpan(found), Context())


def is_read(provider: Any) -> bool:
    """False for a provider that nobody collects from: a no-op, switched off, shut down, or without a reader."""
    if isinstance(provider, NoOpMeterProvider) or getattr(provider, "_disabled", False):
        return False
    if getattr(provider, "_shutdown", False):
        return False
    consumer = getattr(provider, "_measurement_consumer", None)
    return consumer is None or bool(getattr(consumer, "_reader_storages", True))


_all: Final[WeakSet[Metrics]] = WeakSet()
#: Those that may have calls waiting, which keeps them alive until those are recorded.
_waiting: Final[set[Metrics]] = set()


def _flush_all(options: CallbackOptions) -> Iterable[Observation]:
    """Runs when a reader collects. One for all: the SDK keeps the first callback that an instrument is given."""
    for metrics in list(_waiting):
        metrics.flush()
    return ()


def _forget_all() -> None:
    for metrics in list(_all):
        metrics.forget()


os.register_at_fork(after_in_child=_forget_all)
