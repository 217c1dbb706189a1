"""From a recognised call to a finished span: the only file of the wire path that touches one.

A `Call` is what the user called once: one span, however many HTTP attempts an SDK makes for it. It ends exactly
once, whoever comes first: the answer, an error, the end of a stream, its abandonment.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from typing import Any, Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

from .content import content_attributes
from .encodable import clean, clean_attributes, message_of
from .failures import guarded
from .finisher import finisher
from .recognition import Target
from .wire import Answer, Request

_USD: Final = "USD"
_LOCAL: Final = "local"
_MESSAGE_CHARS_MAX: Final = 512
#: Scopes of SDKs that trace themselves and do not name an operation on every span.
_NATIVE_SCOPES: Final = frozenset({"com.anthropic.sdk.python"})
#: Foreign spans that a call has written on.
_adopted: Final[WeakSet[Span]] = WeakSet()
_adopting: Final = threading.Lock()


class Driver:
    """What all calls share: the tracer and what to capture."""

    def __init__(self, tracer: Tracer, *, capture: bool, content_bytes_max: int) -> None:
        self.tracer = tracer
        self.capture = capture
        self.content_bytes_max = content_bytes_max

    def open(self, target: Target, host: str, port: int | None) -> Call:
        """The call of a recognised request, with its span started, or the foreign LLM span that is open around it."""
        request = target.reader.read_request(target.body)
        foreign = _adopt_span()
        span = foreign or self._start(target, request, host, port)
        return Call(self, target, request, span, owned=foreign is None)

    def _start(self, target: Target, request: Request, host: str, port: int | None) -> Span:
        attributes: dict[str, AttributeValue] = {
            a.OPERATION: request.operation,
            a.PROVIDER: target.provider,
            a.SERVER_ADDRESS: host,
        }
        if port is not None:
            attributes[a.SERVER_PORT] = port
        if request.model:
            attributes[a.REQUEST_MODEL] = request.model
        if request.stream:
            attributes[a.REQUEST_STREAM] = True
        attributes.update(request.attributes)
        name = _name(request.operation, request.model)
        return self.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=clean_attributes(attributes))


class Call:
    """One call of a model. Methods may come from any thread; after the end they do nothing."""

    __slots__ = (
        "_driver",
        "_end_ns",
        "_error",
        "_open",
        "_owned",
        "_pid",
        "_result",
        "_started_ns",
        "answer",
        "attempts",
        "http_status",
        "is_streaming",
        "request",
        "span",
        "target",
        "time_to_first_chunk_s",
    )

    def __init__(self, driver: Driver, target: Target, request: Request, span: Span, *, owned: bool) -> None:
        self._driver = driver
        self._owned = owned
        self._open = [True]
        self._pid = os.getpid()
        self._started_ns = time.time_ns()
        self._error: BaseException | None = None
        self._end_ns = 0
        self._result: dict[str, AttributeValue] = {}
        self.target = target
        self.request = request
        self.span = span
        self.answer = Answer()
        self.attempts = 0
        self.http_status: int | None = None
        self.is_streaming = False  # a body of it is being read by the app
        self.time_to_first_chunk_s: float | None = None

    def begin_attempt(self) -> None:
        """An HTTP attempt starts: what an earlier one left behind no longer counts."""
        self.attempts += 1
        if self.attempts > 1:
            self.answer = Answer()
            self.http_status = None
            self.time_to_first_chunk_s = None

    @property
    def is_foreign(self) -> bool:
        """True where the span is somebody else's, who ends it."""
        return not self._owned

    @property
    def is_open(self) -> bool:
        """False once it has ended."""
        return bool(self._open)

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child, where the call is a copy: the parent ends its own."""
        return self._pid == os.getpid()

    @property
    def captures(self) -> bool:
        """True where content has to be read."""
        return self._driver.capture

    def show_progress(self) -> None:
        """Write usage and cost so far on a foreign span, whose owner may end it before the body is closed."""
        if not self._owned and self._open and self.span.is_recording():
            usage = self._usage()
            cost = guarded(self._cost_attributes, usage) or {}
            self.span.set_attributes({**_usage_attributes(usage, complete=False), **cost})

    def finish(self, error: BaseException | None = None, *, complete: bool = True) -> None:
        """End the call. `complete` is False where the answer was interrupted, which alone is no error."""
        try:
            self._open.pop()
        except IndexError:
            return
        if not self.is_of_this_process:
            return
        self._end_ns = time.time_ns()
        self._error = error
        usage = guarded(self._usage) or u.Usage()
        self._result = guarded(self._result_attributes, usage, complete) or {}
        if self._owned and not finisher.prices_ready and not usage.is_empty():
            finisher.submit(lambda: self._complete(usage))
        else:
            self._complete(usage)

    def _usage(self) -> u.Usage:
        return self.target.reader.read_usage(self.answer.usage)

    def _complete(self, usage: u.Usage) -> None:
        try:
            if self.span.is_recording():
                self._write(usage)
        finally:
            if self._owned:
                self.span.end(self._end_ns)

    def _write(self, usage: u.Usage) -> None:
        """All that is known, each part for itself: what fails takes nothing else along."""
        cost = guarded(self._cost_attributes, usage) or {}
        content = guarded(self._content_attributes) or {}
        self.span.set_attributes(clean_attributes({**self._result, **cost, **content}))
        guarded(self._set_status, self.span)
        if self._owned and self.request.model is None and self.answer.model:
            self.span.update_name(_name(self.request.operation, self.answer.model))

    def _set_status(self, span: Span) -> None:
        error_type = self._error_type()
        if error_type is None or not self._owned:
            return
        message = self.answer.error_message or (message_of(self._error) if self._error is not None else "")
        span.set_status(Status(StatusCode.ERROR, clean(message[:_MESSAGE_CHARS_MAX])))

    def _error_type(self) -> str | None:
        """The provider's type, else the HTTP status, else the exception's name; None where the call went well."""
        failed_over_http = self.http_status is not None and self.http_status >= 400
        if self.answer.failed or failed_over_http:
            return self.answer.error_type or (str(self.http_status) if failed_over_http else "_OTHER")
        return None if self._error is None else type(self._error).__qualname__

    def _result_attributes(self, usage: u.Usage, complete: bool) -> dict[str, AttributeValue]:
        answer = self.answer
        found = _usage_attributes(usage, complete)
        if answer.id:
            found[a.RESPONSE_ID] = answer.id
        if answer.model:
            found[a.RESPONSE_MODEL] = answer.model
        if answer.finish_reasons:
            found[a.RESPONSE_FINISH_REASONS] = tuple(
                answer.finish_reasons[key] for key in sorted(answer.finish_reasons)
            )
        if self.time_to_first_chunk_s is not None:
            found[a.RESPONSE_TIME_TO_FIRST_CHUNK] = self.time_to_first_chunk_s
        if self.attempts > 1:
            found[a.ATTEMPTS] = self.attempts
        found.update(self.target.reader.response_attributes(answer))
        error_type = self._error_type()
        if error_type is not None and self._owned:
            found[a.ERROR_TYPE] = error_type
            if self.http_status is not None and self.http_status >= 400:
                found[a.HTTP_STATUS] = self.http_status
        return found

    def _cost_attributes(self, usage: u.Usage) -> dict[str, AttributeValue]:
        if not finisher.prices_ready and not usage.is_empty():
            return {}
        from otel_llm_semconv import pricing

        at = datetime.fromtimestamp(self._started_ns / 1e9, UTC)
        models = (self.answer.model, self.request.model)
        return _price_attributes(
            pricing.price_call(self.target.provider, models, usage, at, service_tier=self.answer.service_tier)
        )

    def _content_attributes(self) -> dict[str, AttributeValue]:
        if not self._driver.capture:
            return {}
        content = self.target.reader.read_content(self.target.body, self.answer)
        return content_attributes(content, self._driver.content_bytes_max)


def _usage_attributes(usage: u.Usage, complete: bool) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {**u.to_attributes(usage)}
    if not complete:
        found[a.USAGE_STATUS] = u.PARTIAL
    else:
        found[a.USAGE_STATUS] = u.MISSING if usage.is_empty() else u.REPORTED
    return found


def _price_attributes(price: Any) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    if price.status:
        found[a.COST_STATUS] = price.status
    if price.amount is not None:
        found[a.COST_AMOUNT] = float(price.amount)
        found[a.COST_CURRENCY] = _USD
        found[a.COST_SOURCE] = _LOCAL
        found[a.PRICE_VERSION] = price.version
        for component, amount in price.components.items():
            if amount:
                found[a.COST_COMPONENT_PREFIX + component] = float(amount)
    return found


def _name(operation: str, model: str | None) -> str:
    return clean(f"{operation} {model}") if model else operation


def _adopt_span() -> Span | None:
    """The foreign span around this call, for the first call inside it; any later one needs a span of its own."""
    span = _foreign_span()
    if span is None:
        return None
    with _adopting:
        if span in _adopted:
            return None
        _adopted.add(span)
    return span


def _foreign_span() -> Span | None:
    """A span of somebody else's that may stand for this call: an SDK's own, or another instrumentation's."""
    span = trace.get_current_span()
    if not span.is_recording() or not isinstance(span, ReadableSpan):
        return None
    scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
    operation = (span.attributes or {}).get(a.OPERATION)
    if scope == a.SCOPE_APP:
        return None
    return span if operation in a.INFERENCE_OPERATIONS or scope in _NATIVE_SCOPES else None
