"""From a recognised call to a finished span: the only file of the wire path that touches one.

A `Call` is what the user called once: one span, however many HTTP attempts an SDK makes for it. It ends exactly
once, whoever comes first: the answer, an error, the end of a stream, its abandonment.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

from .coexistence import find_foreign, lacks_usage
from .content import Capture
from .context import Scope, current_scope, with_scope
from .encodable import clean, clean_attributes, message_of
from .estimate import estimate
from .failures import guarded, swallow
from .finisher import finisher
from .metrics import Finished, Metrics
from .recognition import Target
from .redaction import redacted
from .spans import Starter, write
from .wire import Answer, Content, Request

_USD: Final = "USD"
_LOCAL: Final = "local"
_PROVIDER: Final = "provider"
_OUTCOMES_MAX: Final = 32
_PICOS: Final = 10**12  # in a USD
_NS: Final = 10**9  # in a second
_MESSAGE_CHARS_MAX: Final = 512


@dataclass(slots=True)
class Attempt:
    """An HTTP attempt that came to nothing: its status or its error's name, when, and what the provider asked for."""

    failure: str
    ended_ns: int
    retry_after: str | None
    waited_ns: int = 0


class Driver:
    """What all calls share: the tracer, the metrics and what to capture."""

    def __init__(
        self,
        tracer: Tracer,
        metrics: Metrics,
        capture: Capture,
        *,
        deployments: Mapping[str, str],
        estimates: bool = False,
        asks_usage: bool = False,
    ) -> None:
        self._starter = Starter(tracer)
        self.deployments = deployments  # model by the name of its deployment
        self.estimates = estimates
        self.asks_usage = asks_usage
        self.metrics = metrics
        self.capture = capture
        self.captures = capture.reads or estimates  # True where content has to be read

    def use(self, tracer: Tracer) -> None:
        """Have all further spans made by this tracer."""
        self._starter.tracer = tracer

    def open(self, target: Target, host: str, port: int | None, context: Context) -> Call:
        """The call of a recognised request, with its span started, or the foreign LLM span that is open around it."""
        request = target.reader.read_request(target.body, target.path)
        foreign, scope = find_foreign(context), current_scope(context)
        if foreign is None:
            # together with the result they cost a tenth of what they cost now
            said = _request_attributes(target, request, host, port, request.attributes)
            early = self._starter.early(said, request.attributes)
            span = self._starter.start(_name(request.operation, request.model), context, early)
            call = Call(self, target, request, span, (host, port), scope=scope, owned=True)
            if early is not said:
                call.unsaid = said if early is None else {name: said[name] for name in said if name not in early}
            return call
        if foreign.takes:
            span = foreign.span
            _fill(span, _request_attributes(target, request, host, port, request.attributes))
        else:
            span = self.start(target, request, host, port, context=context, inside=foreign.span)
        call = Call(self, target, request, span, (host, port), scope=scope, owned=not foreign.takes)
        call.is_counted = foreign.counts
        return call

    def start(
        self,
        target: Target,
        request: Request,
        host: str,
        port: int | None,
        *,
        started_ns: int | None = None,
        context: Context | None = None,
        inside: Span | None = None,
    ) -> Span:
        """A span of ours, begun now or at a time that has passed, in the running context or another.

        Made `inside` a foreign span of the same call, it is the one that counts.
        """
        attributes = _request_attributes(target, request, host, port, request.attributes)
        if inside is not None:
            attributes[a.CONTINUES] = trace.format_span_id(inside.get_span_context().span_id)
            context = trace.set_span_in_context(inside, context)
        return self._starter.start(_name(request.operation, request.model), context, attributes, started_ns)


class Call:
    """One call of a model. Methods may come from any thread; after the end they do nothing."""

    # what most calls never change
    _usage_status: str = u.MISSING
    _spent: u.Usage | None = None  # by attempts that failed
    _error: BaseException | None = None
    _error_type: str | None = None
    _end_ns = 0
    attempts = 0
    unsaid: Mapping[str, AttributeValue] = MappingProxyType({})  # of the request, what its span does not say yet
    http_status: int | None = None
    is_counted = False  # somebody else records its metrics, but for the cost
    is_streaming = False  # a body of it is being read by the app
    time_to_first_chunk_s: float | None = None
    output_chunks = 0

    def __init__(
        self,
        driver: Driver,
        target: Target,
        request: Request,
        span: Span,
        server: tuple[str, int | None],
        *,
        scope: Scope,
        owned: bool,
    ) -> None:
        self._driver = driver
        self._host, self._port = server
        self._failed: list[Attempt] = []
        self._scope = scope  # an unsampled span has no attributes
        self._owned = owned
        self._open = [True]
        self._forks = finisher.forks
        self._started_ns = time.time_ns()
        self._result: dict[str, AttributeValue] = {}
        self.target = target
        self.request = request
        self.span = span
        self.answer = Answer()

    def begin_attempt(self) -> None:
        """An HTTP attempt starts: of an earlier one nothing counts but what it cost."""
        self.attempts += 1
        if self.attempts > 1:
            if self.answer.usage:
                self._spent = self._usage()
            self._show_retry()
            self.answer = Answer()
            self.http_status = None
            self.time_to_first_chunk_s = None
            self.output_chunks = 0

    def end_attempt(self, *, retry_after: str | None = None, error: BaseException | None = None) -> None:
        """An HTTP attempt came to nothing: `http_status` says why, else the error. Another one may follow."""
        failure = type(error).__qualname__ if error is not None else str(self.http_status)
        self._failed.append(Attempt(failure, time.time_ns(), retry_after))

    def _show_retry(self) -> None:
        """The failure of the attempt before, as an event at its time, once it is known that it was not the last."""
        if not self._failed:
            return
        failed = self._failed[-1]
        failed.waited_ns = time.time_ns() - failed.ended_ns
        attributes: dict[str, AttributeValue] = {
            a.ERROR_TYPE: failed.failure,
            a.HTTP_RESEND_COUNT: self.attempts - 1,
            a.RETRY_WAIT: failed.waited_ns / 1e9,
        }
        if failed.retry_after:
            attributes[a.RETRY_AFTER] = failed.retry_after
        self.span.add_event(a.EVENT_RETRY, clean_attributes(attributes), failed.ended_ns)

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
        return self._forks == finisher.forks

    @property
    def is_recording(self) -> bool:
        """False where nobody collects the span or counts the call: then nothing has to be read."""
        return self.span.is_recording() or self._driver.metrics.is_active

    @property
    def counts_chunks(self) -> bool:
        """True where somebody wants to know how many pieces a stream came in."""
        return self._driver.metrics.is_active

    @property
    def captures(self) -> bool:
        """True where content has to be read."""
        return self._driver.captures

    def show_progress(self) -> None:
        """Write what is known so far on a foreign span, whose owner may end it before the body is closed.

        Google's ADK does so at the event that says why the answer stopped: with its usage the answer is whole there.
        """
        if not self._owned and self._open and self.span.is_recording():
            usage = self._usage()
            price = guarded(self._price, usage)
            cost = {} if price is None else _price_attributes(price, self.answer.declared_cost_usd)
            found = {**u.to_attributes(usage), a.USAGE_STATUS: u.PARTIAL, **cost}
            if self.answer.finish_reasons and a.REQUEST_CHOICE_COUNT not in self.request.attributes:
                found.update(clean_attributes(self._result_attributes()))
                found[a.USAGE_STATUS] = u.REPORTED
            self.span.set_attributes(found)

    def finish(self, error: BaseException | None = None, *, complete: bool = True) -> None:
        """End the call. `complete` is False where the answer was interrupted, which alone is no error."""
        try:
            self._open.pop()
        except IndexError:
            return
        if self._forks != finisher.forks:
            return
        self._end_ns = time.time_ns()
        self._error = error
        if error is not None or self.answer.failed or (self.http_status or 0) >= 400:
            self._error_type = guarded(self._read_error_type)
        usage = self._close_books(complete=complete)
        if self._owned and not finisher.prices_ready and not usage.is_empty():
            finisher.submit(partial(self._complete, usage))
        else:
            self._complete(usage)

    def _close_books(self, *, complete: bool) -> u.Usage:
        """What was used, and all but its price as attributes: each part for itself, a fault takes nothing along."""
        try:
            usage = self._usage()
        except Exception as fault:
            swallow("usage", fault)
            usage = u.Usage()
        is_empty = usage.is_empty()
        self._usage_status = u.PARTIAL if not complete else u.MISSING if is_empty else u.REPORTED
        if is_empty and self._driver.estimates:
            usage = guarded(self._estimate) or usage
        self._result = {**self.unsaid, **u.to_attributes(usage), a.USAGE_STATUS: self._usage_status}
        try:
            self._result.update(clean_attributes(self._result_attributes()))
        except Exception as fault:
            swallow("result", fault)
        return usage

    def _usage(self) -> u.Usage:
        usage = self.target.reader.read_usage(self.answer.usage)
        return usage if self._spent is None else u.added(self._spent, usage)

    def _estimate(self) -> u.Usage:
        """Tokens by the length of the texts, where an answer came without any count."""
        if self._error_type is not None and not self.answer.parts:
            return u.Usage()
        found = estimate(self._read_content())
        if not found.is_empty():
            self._usage_status = u.ESTIMATED
        return found

    def _complete(self, usage: u.Usage) -> None:
        try:
            try:
                price = self._price(usage)
            except Exception as fault:
                swallow("price", fault)
                price = None
            if not self._owned and not usage.is_empty() and lacks_usage(self.span):
                guarded(self._take_over)
            if self.span.is_recording():
                self._write(price)
            if self._driver.metrics.is_active:
                guarded(self._count, usage, price)
        finally:
            if self._owned:
                self.span.end(self._end_ns)

    def _take_over(self) -> None:
        """The foreign span ended before its call: what it could not take goes on one of ours, marked, inside it."""
        began_ns, context = self._started_ns, with_scope(self._scope)
        self.span = self._driver.start(
            self.target, self.request, self._host, self._port, started_ns=began_ns, context=context, inside=self.span
        )
        self._owned = True

    def _write(self, price: Any) -> None:
        """All that is known, each part for itself: what fails takes nothing else along."""
        found = self._result
        if price is not None:
            try:
                found.update(_price_attributes(price, self.answer.declared_cost_usd))
            except Exception as fault:
                swallow("price", fault)
        content = guarded(self._read_content) if self._driver.capture.reads else None
        if content is not None:
            found.update(guarded(self._driver.capture.attributes, content) or {})
        if self._owned:
            write(self.span, found)
        else:
            self.span.set_attributes(found)
        if self._error_type is not None and self._owned:
            guarded(self._set_status, self._error_type)
        if self._owned and self.request.model is None and self.answer.model:
            self.span.update_name(_name(self.request.operation, self.answer.model))
        if content is not None and self._driver.capture.on_event:
            guarded(self._driver.capture.emit, self.span, content, found)

    def _set_status(self, error_type: str) -> None:
        message = self.answer.error_message or (message_of(self._error) if self._error is not None else "")
        self.span.set_status(Status(StatusCode.ERROR, clean(redacted(message)[:_MESSAGE_CHARS_MAX])))

    def _read_error_type(self) -> str | None:
        """The provider's type, else the HTTP status, else the exception's name; None where the call went well.

        What ends the app's waiting (a cancelled task, Ctrl-C) is the reason, whatever an attempt had come to.
        """
        if self._error is not None and not isinstance(self._error, Exception):
            return type(self._error).__qualname__
        failed_over_http = self.http_status is not None and self.http_status >= 400
        if self.answer.failed or failed_over_http:
            return self.answer.error_type or (str(self.http_status) if failed_over_http else "_OTHER")
        return None if self._error is None else type(self._error).__qualname__

    def _result_attributes(self) -> dict[str, AttributeValue]:
        answer = self.answer
        found: dict[str, AttributeValue] = self.target.reader.response_attributes(answer)
        if answer.id:
            found[a.RESPONSE_ID] = answer.id
        if answer.model:
            found[a.RESPONSE_MODEL] = answer.model
        if answer.finish_reasons:
            reasons = answer.finish_reasons
            found[a.RESPONSE_FINISH_REASONS] = tuple([reasons[index] for index in sorted(reasons)])
        if self.time_to_first_chunk_s is not None:
            found[a.RESPONSE_TIME_TO_FIRST_CHUNK] = self.time_to_first_chunk_s
        if answer.provider_time_s is not None:
            found[a.PROVIDER_TIME] = answer.provider_time_s
        if (deployments := self._driver.deployments) and (model := deployments.get(self.request.model or "")):
            found[a.DEPLOYED_MODEL] = model
        if self.attempts > 1:
            found.update(self._attempt_attributes())
        error_type = self._error_type
        if error_type is not None and self._owned:
            found[a.ERROR_TYPE] = error_type
            if self.http_status is not None and self.http_status >= 400:
                found[a.HTTP_STATUS] = self.http_status
        return found

    def _attempt_attributes(self) -> dict[str, AttributeValue]:
        outcomes = [failed.failure for failed in self._failed]
        if len(outcomes) < self.attempts:
            outcomes.append(str(self.http_status or "_OTHER"))
        waited_ns = sum(failed.waited_ns for failed in self._failed)
        return {
            a.ATTEMPTS: self.attempts,
            a.ATTEMPT_OUTCOMES: tuple(outcomes[-_OUTCOMES_MAX:]),
            a.RETRY_WAIT: waited_ns / 1e9,
        }

    def _price(self, usage: u.Usage) -> Any:
        price_at = finisher.price_at
        if price_at is None:
            if not usage.is_empty():
                return None
            from otel_llm_semconv import pricing

            price_at = pricing.price_at
        asked, answer = self.request.model or "", self.answer
        models = (answer.model, self._driver.deployments.get(asked), asked)
        return price_at(
            self.target.provider,
            models,
            usage,
            self._started_ns // _NS,
            service_tier=answer.service_tier,
            place=answer.place,
            usage_status=self._usage_status,
            adviser=_adviser(self._result) if usage.is_advised() else None,
        )

    def _count(self, usage: u.Usage, price: Any) -> None:
        """The call in the metrics, whether its span is sampled or not."""
        self._driver.metrics.record(
            Finished(
                operation=self.request.operation,
                provider=self.target.provider,
                request_model=self.request.model,
                response_model=self.answer.model,
                server_address=self._host,
                server_port=self._port,
                usage=usage,
                cost_usd=None if price is None else price.amount,
                duration_s=(self._end_ns - self._started_ns) / 1e9,
                time_to_first_chunk_s=self.time_to_first_chunk_s,
                output_chunks=self.output_chunks or None,
                error_type=self._error_type,
                stream=self.request.stream,
                is_counted=self.is_counted,
                span_context=self.span.get_span_context(),
            ),
            self.span.attributes if isinstance(self.span, ReadableSpan) else self._scope.attributes,
        )

    def _read_content(self) -> Content:
        return self.target.reader.read_content(self.target.body, self.answer)


def _adviser(found: Mapping[str, Any]) -> str | None:
    model = found.get(a.USAGE_ADVISOR_MODEL)
    return model if isinstance(model, str) else None


def _price_attributes(price: Any, declared_usd: str | float | None) -> dict[str, AttributeValue]:
    """What a call costs: as the provider declares it, which is the better figure where there is one, else as priced."""
    if declared_usd is not None:
        found: dict[str, AttributeValue] = {
            a.COST_AMOUNT: float(declared_usd),
            a.COST_CURRENCY: _USD,
            a.COST_SOURCE: _PROVIDER,
        }
    elif (picos := price.picos) is not None:
        found = {
            a.COST_AMOUNT: sum(picos.values()) / _PICOS,
            a.COST_CURRENCY: _USD,
            a.COST_SOURCE: _LOCAL,
            a.PRICE_VERSION: price.version,
        }
        for component in filter(picos.get, picos):
            found[a.COST_COMPONENT_PREFIX + component] = picos[component] / _PICOS
    else:
        found = {}
    if price.status:
        found[a.COST_STATUS] = price.status
    return found


def _name(operation: str, model: str | None) -> str:
    if not model:
        return operation
    return f"{operation} {model}" if model.isascii() else clean(f"{operation} {model}")


def _request_attributes(
    target: Target, request: Request, host: str, port: int | None, said: Mapping[str, AttributeValue]
) -> dict[str, AttributeValue]:
    """What is known when the call starts, clean: what comes from outside may be anything."""
    attributes: dict[str, AttributeValue] = {
        a.OPERATION: request.operation,
        a.PROVIDER: target.provider,
        a.SERVER_ADDRESS: host,
    }
    if port is not None:
        attributes[a.SERVER_PORT] = port
    if request.stream:
        attributes[a.REQUEST_STREAM] = True
    attributes.update(clean_attributes({a.REQUEST_MODEL: request.model, **said} if request.model else {**said}))
    return attributes


def _fill(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """Say on a foreign span what its owner has not said yet, and who bills: some name themselves there."""
    own = (span.attributes or {}) if isinstance(span, ReadableSpan) else {}
    span.set_attributes({key: value for key, value in attributes.items() if key not in own or key == a.PROVIDER})
