"""Zero code: what `opentelemetry-instrument` loads so that an app needs only `OTEL_*` variables.

The SDK's own default is OTLP over gRPC, whose exporter we do not install: without this the app would run on with no
traces and no word about it. Traces are exported by default, scores once one is made; metrics and the app's logs are
exported where `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` ask for it, as everywhere in OpenTelemetry.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.sdk import _configuration as sdk
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import SERVICE_NAME

from . import succession
from .export import BoundedLogProcessor, BoundedMetricReader, BoundedSpanProcessor
from .metrics import is_read
from .score import export_with, is_taken
from .settings import Settings

#: Set where the user has not: ours is the weakest word.
DEFAULTS: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
}
#: Where the SDK names a class itself -> ours. Of spans and logs of the environment it asks which processor to use.
_OF_ENVIRONMENT: Final[Mapping[str, type]] = {
    "opentelemetry.sdk._configuration:PeriodicExportingMetricReader": BoundedMetricReader
}
_OF_FILE: Final[Mapping[str, type]] = {
    "opentelemetry.configuration._logger_provider:BatchLogRecordProcessor": BoundedLogProcessor,
    "opentelemetry.configuration._meter_provider:PeriodicExportingMetricReader": BoundedMetricReader,
    "opentelemetry.configuration._tracer_provider:BatchSpanProcessor": BoundedSpanProcessor,
}
#: How the SDK sets a provider -> whether one is of use.
_USES: Final[Mapping[str, Callable[[Any], bool]]] = {"set_logger_provider": is_taken, "set_meter_provider": is_read}
_LOGS: Final = "OTEL_LOGS_EXPORTER"
_TRACES: Final = "OTEL_TRACES_EXPORTER"
_logger = logging.getLogger("otel_llm")


class Distro(BaseDistro):  # type: ignore[misc]  # the package is untyped
    """Defaults for the environment, before anything is configured."""

    def _configure(self, **kwargs: Any) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)


class Configurator(sdk._OTelSDKConfigurator):
    """The SDK's own configuration, with exporters that never hold up the app or its end, and a way for scores."""

    def _configure(self, *, settings: Settings | None = None, **kwargs: Any) -> None:
        before = succession.global_provider()
        self._configure_sdk((settings or Settings()).exit_ms_max, kwargs)
        if before is None:
            succession.note_made(succession.global_provider())

    def _configure_sdk(self, exit_ms_max: int, kwargs: dict[str, Any]) -> None:
        if os.environ.get("OTEL_CONFIG_FILE"):
            with _bounded_classes(_OF_FILE, exit_ms_max):
                super()._configure()  # type: ignore[no-untyped-call]  # the SDK's, untyped; it takes no options then
            return
        kwargs.setdefault("export_span_processor", _bounded(BoundedSpanProcessor, exit_ms_max))
        kwargs.setdefault("export_log_record_processor", _bounded(BoundedLogProcessor, exit_ms_max))
        with _bounded_classes(_OF_ENVIRONMENT, exit_ms_max), _without_empty_providers():
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]  # the SDK's, untyped
        if not os.environ.get(_LOGS):  # else the user has said where logs go, or that they go nowhere
            export_with(functools.partial(_provider_of_scores, exit_ms_max))


def configure(settings: Settings, given: Mapping[str, Any]) -> None:
    """Configure the SDK for `init`: the environment, then what the caller gave."""
    Distro().configure()
    options: dict[str, Any] = {"settings": settings}
    if "service_name" in given:
        options["resource_attributes"] = {SERVICE_NAME: settings.service_name}
    if "endpoint" in given:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.endpoint
    Configurator().configure(**options)  # type: ignore[no-untyped-call]  # the SDK's, untyped


def export_too(provider: Any, settings: Settings, given: Mapping[str, Any]) -> None:
    """Have the app's own provider export to us, where it exports nothing or the caller gave an endpoint."""
    if "service_name" in given:
        _logger.warning("service_name=%r is not used: the app's own TracerProvider says it", settings.service_name)
    processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", None)
    if processors is None or os.environ.get(_TRACES, "otlp") != "otlp":
        return  # not the SDK's, or somebody has said that traces go elsewhere
    exports = any(not getattr(one, "is_of_its_provider", False) for one in processors)
    if exports and "endpoint" not in given:
        return
    Distro().configure()
    if "endpoint" in given:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.endpoint
    name = sdk._get_exporter_entry_point("otlp", "traces")
    exporters, _, _ = sdk._import_exporters((name,), (), ())
    exporter = exporters[name]()
    if getattr(exporter, "_endpoint", None) not in succession.endpoints_of(provider):
        provider.add_span_processor(BoundedSpanProcessor(exporter, settings.exit_ms_max))


def _bounded(processor: Callable[..., Any], exit_ms_max: int) -> Callable[[Any], Any]:
    return functools.partial(processor, exit_ms_max=exit_ms_max)


@contextmanager
def _bounded_classes(makers: Mapping[str, type], exit_ms_max: int) -> Iterator[None]:
    """Have the SDK make ours where it asks nobody which class to use."""
    with ExitStack() as stack:
        for path, bounded in makers.items():
            module_name, _, name = path.partition(":")
            with suppress(ImportError):  # which the SDK is about to say better
                stack.enter_context(_replaced(import_module(module_name), name, _bounded(bounded, exit_ms_max)))
        yield


@contextmanager
def _without_empty_providers() -> Iterator[None]:
    """Of meters and loggers, have only such providers set that send: the SDK sets all, and keeps out the app's own."""
    made: list[tuple[str, Any]] = []
    with ExitStack() as stack:
        for name in _USES:
            stack.enter_context(_replaced(sdk, name, lambda provider, name=name: made.append((name, provider))))
        yield
    for name, provider in made:
        if _USES[name](provider):
            getattr(sdk, name)(provider)


@contextmanager
def _replaced(module: ModuleType, name: str, stand_in: object) -> Iterator[None]:
    plain = getattr(module, name)
    setattr(module, name, stand_in)
    try:
        yield
    finally:
        setattr(module, name, plain)


def _provider_of_scores(exit_ms_max: int) -> LoggerProvider:
    """A logger provider for scores alone, so that the app's own logs do not go along with them."""
    name = sdk._get_exporter_entry_point("otlp", "logs")
    _, _, exporters = sdk._import_exporters((), (), (name,))
    provider = LoggerProvider(getattr(trace.get_tracer_provider(), "resource", None), shutdown_on_exit=False)
    provider.add_log_record_processor(BoundedLogProcessor(exporters[name](), exit_ms_max))
    return provider
