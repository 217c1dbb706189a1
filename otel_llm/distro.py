"""Zero code: what `opentelemetry-instrument` loads so that an app needs only `OTEL_*` variables.

The SDK's own default is OTLP over gRPC, whose exporter we do not install: without this the app would run on with no
traces and no word about it. Only traces are exported by default, since that is what our collector takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
from opentelemetry.sdk.resources import SERVICE_NAME
from opentelemetry.sdk.trace.export import SpanExporter

from .export import BoundedSpanProcessor
from .settings import Settings

#: Set where the user has not: ours is the weakest word.
DEFAULTS: Final[Mapping[str, str]] = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_TRACES_EXPORTER": "otlp",
}


class Distro(BaseDistro):  # type: ignore[misc]  # the package is untyped
    """Defaults for the environment, before anything is configured."""

    def _configure(self, **kwargs: Any) -> None:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)


class Configurator(_OTelSDKConfigurator):
    """The SDK's own configuration, with a span processor that never holds up the app or its end."""

    def _configure(self, **kwargs: Any) -> None:
        if not os.environ.get("OTEL_CONFIG_FILE"):
            kwargs.setdefault("export_span_processor", _processor(Settings()))
        super()._configure(**kwargs)  # type: ignore[no-untyped-call]  # the SDK's, untyped


def configure(settings: Settings, given: Mapping[str, Any]) -> None:
    """Configure the SDK for `init`: the environment, then what the caller gave."""
    Distro().configure()
    options: dict[str, Any] = {"export_span_processor": _processor(settings)}
    if "service_name" in given:
        options["resource_attributes"] = {SERVICE_NAME: settings.service_name}
    if "endpoint" in given:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.endpoint
    Configurator().configure(**options)  # type: ignore[no-untyped-call]  # the SDK's, untyped


def _processor(settings: Settings) -> Callable[[SpanExporter], BoundedSpanProcessor]:
    return lambda exporter: BoundedSpanProcessor(exporter, settings.exit_ms_max)
