"""Switching otel-llm on and off: `init` for a whole set-up in one line, `instrument` beside a set-up of your own."""

from __future__ import annotations

import atexit
import functools
import logging
import os
from collections.abc import Callable, Collection
from types import ModuleType
from typing import Any, Final

from opentelemetry._logs import LoggerProvider
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from . import frameworks, redaction, sdk_calls, succession, threads, tracing
from .content import Capture
from .driver import Driver
from .exchange import Exchanges
from .failures import guarded, raise_faults
from .finisher import finisher
from .inheritance import ContextProcessor, attach_to, detach_from
from .metrics import Metrics
from .patching import on_undo, patch, undo, when_imported
from .propagation import ensure_guard, remove_guard
from .recognition import Recogniser
from .score import use as use_for_scores
from .services import Services
from .settings import Settings
from .stream import close_live
from .transports import instrument_all

#: Set for SDKs that trace themselves, so that a call is one span; a value that the user set stays.
NATIVE_TRACING_OFF: Final = {"ANTHROPIC_OPEN_TELEMETRY": "false"}
_DRAIN_S_MAX: Final = 0.5

_logger = logging.getLogger("otel_llm")
_state: list[Exchanges] = []  # one entry while instrumented
_is_by_init: list[bool] = []  # one entry while that is by `init`


def init(**settings: Any) -> None:
    """Set up OpenTelemetry with an OTLP exporter, unless the app has done so, and instrument.

    A provider that the app sets later takes the place of the one made here, and the exporter along. One that the app
    has set already gets our exporter, too, where it has none or an `endpoint` is given.
    Reads the `OTEL_*` variables; keywords are the rows of `otel_llm.settings`, of which `endpoint` and `service_name`
    count only here. Raises UsageError for a keyword that is no setting.
    """
    from .distro import configure, export_too

    read = Settings(settings)
    if _state:
        if settings and _is_by_init:  # `otel-llm run` sets up what the app then sets up, too
            _logger.warning("otel_llm is set up already: what this init() says is not used; uninstrument() before it")
    elif succession.global_provider() is None:
        configure(read, settings)
    else:
        guarded(export_too, succession.global_provider(), read, settings)
    if not _state:
        _instrument(read, None, None, None)
        _is_by_init.append(True)


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: LoggerProvider | None = None,
    **settings: Any,
) -> None:
    """Make every call of a model a span of the given provider, or of the global one, set now or later.

    Calls are also counted by the meter provider, and scores emitted by the logger provider, each the given one or the
    global one. Imports no SDK and no HTTP library. A second call does nothing. Raises UsageError for a keyword that is
    no setting.
    """
    _instrument(Settings(settings), tracer_provider, meter_provider, logger_provider)


def uninstrument() -> None:
    """Restore everything that `instrument` or `init` changed. Spans that are open end as if nothing had happened."""
    for exchanges in _state:
        exchanges.active = False
    _state.clear()
    _is_by_init.clear()
    undo()


def _instrument(
    settings: Settings,
    provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    logger_provider: LoggerProvider | None,
) -> None:
    if _state:
        return
    capture = Capture(settings, logger_provider)  # first: it may refuse a setting
    raise_faults(settings.raise_errors)
    on_undo(functools.partial(raise_faults, False))
    tracing.use(provider)
    on_undo(functools.partial(tracing.use, None))
    redaction.use(capture.redactor)
    on_undo(functools.partial(redaction.use, None))
    use_for_scores(logger_provider)
    on_undo(functools.partial(use_for_scores, None))
    driver = Driver(
        tracing.tracer(),
        Metrics(meter_provider, settings.metric_properties),
        capture,
        deployments=settings.deployments,
        estimates=settings.estimate_usage,
        asks_usage=settings.include_usage,
    )
    recogniser = Recogniser(settings.hosts)
    services = Services(settings.baggage_hosts, recogniser.provider_of) if settings.baggage_hosts else None
    exchanges = Exchanges(driver, recogniser, http_spans=settings.http_spans, services=services)
    _state.append(exchanges)
    _silence_native_tracing()
    _guard_propagation()
    _add_processor(settings, provider)
    succession.watch(functools.partial(_take_over, driver))
    instrument_all(exchanges)
    sdk_calls.instrument(exchanges)
    frameworks.instrument(capture)
    if settings.follow_threads:
        threads.instrument()
    on_undo(capture.close)
    at_exit = functools.partial(_at_exit, capture)
    atexit.register(at_exit)
    on_undo(lambda: atexit.unregister(at_exit))


def _take_over(driver: Driver) -> None:
    tracing.tracer.cache_clear()
    driver.use(tracing.tracer())


def _silence_native_tracing() -> None:
    for name, value in NATIVE_TRACING_OFF.items():
        if name not in os.environ:
            os.environ[name] = value
            on_undo(functools.partial(os.environ.pop, name, None))


def _guard_propagation() -> None:
    ensure_guard()
    on_undo(remove_guard)


def _add_processor(settings: Settings, provider: TracerProvider | None) -> None:
    """One each on the provider in use, on the global one, and on every one that is created from now on."""
    attached: list[tuple[Any, ContextProcessor]] = []
    adding = [True]

    def add(found: Any) -> None:
        processor = ContextProcessor(
            finisher.drain,
            close_live,
            inherit=settings.inherit_attributes,
            accept_baggage=settings.baggage_accept,
        )
        if adding and attach_to(found, processor):
            attached.append((found, processor))

    def remove() -> None:
        adding.clear()
        for found, processor in attached:
            processor.active = False
            detach_from(found, processor)

    on_undo(remove)
    for found in (provider, succession.global_provider()):
        if found is not None:
            guarded(add, found)
    when_imported("opentelemetry.sdk.trace", lambda module: _watch_providers(module, add))


def _watch_providers(module: ModuleType, add: Callable[[Any], None]) -> None:
    """Each provider when it is made, and one that was made before us when a tracer is taken from it."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            guarded(add, self)
            return result

        return hooked

    patch(module.TracerProvider, "__init__", wrap)
    patch(module.TracerProvider, "get_tracer", wrap)


def _at_exit(capture: Capture) -> None:
    """Runs before the providers shut down: streams nobody closed, and calls that wait for prices, end now."""
    guarded(finisher.exit_began)
    guarded(close_live)
    guarded(finisher.drain, _DRAIN_S_MAX)
    guarded(capture.close)


class LLMInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the package is untyped
    """The entry point of `opentelemetry-instrument`: the same as `instrument()` and `uninstrument()`."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing has to be installed: hooks wait for what the app imports."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        instrument(**kwargs)

    def _uninstrument(self, **kwargs: Any) -> None:
        uninstrument()
