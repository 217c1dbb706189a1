"""An app's own TracerProvider takes the place of the one that `init` made, whichever comes first.

OpenTelemetry keeps the first provider that is set. Ours steps back instead: the app's becomes the global one, takes
over our exporter beside its own, unless it exports there already, and gets the spans of every tracer that was taken
from ours before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from .failures import guarded
from .patching import patch

_made: Final[list[Any]] = []  # none or one: the global provider while it is of our making


def global_provider() -> Any:
    """The provider that has been set, or None: asking the API for it would make it load one."""
    return getattr(trace, "_TRACER_PROVIDER", None)


def note_made(provider: Any) -> None:
    """This provider was made for an app that had none: it steps back when the app sets one."""
    _made[:] = [provider]


def watch(take_over: Callable[[], None]) -> None:
    """Have a provider that the app sets succeed ours; `take_over` is told when it has."""
    patch(trace, "_set_tracer_provider", functools.partial(_wrap, take_over))


class Successor(SpanProcessor):
    """On the provider that stepped back: hands its spans to the one that succeeded it."""

    def __init__(self, provider: TracerProvider, exporters: tuple[SpanProcessor, ...]) -> None:
        self._provider = provider
        self._exporters = exporters

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span._resource, span._span_processor = self._provider.resource, self._provider._active_span_processor
        span._span_processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        self._provider._active_span_processor.on_end(span)

    def shutdown(self) -> None:
        """The app's own provider ends when the app says; what we made ends with ours."""
        for exporter in self._exporters:
            exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._provider.force_flush(timeout_millis)


def endpoints_of(provider: Any) -> set[str]:
    """Where the processors of a provider export to, as far as they tell."""
    processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
    return {endpoint for processor in processors for endpoint in _endpoint_of(processor)}


def _endpoint_of(processor: Any) -> set[str]:
    """None or one."""
    exporter = getattr(getattr(processor, "_batch_processor", None), "_exporter", None)
    exporter = exporter or getattr(processor, "span_exporter", None)
    endpoint = getattr(getattr(exporter, "inner", exporter), "_endpoint", None)
    return {endpoint} if isinstance(endpoint, str) else set()


def _wrap(take_over: Callable[[], None], original: Callable[..., Any]) -> Callable[..., Any]:
    def hooked(tracer_provider: Any, *args: Any, **kwargs: Any) -> Any:
        if guarded(_succeed, tracer_provider):
            guarded(take_over)
            return None
        return original(tracer_provider, *args, **kwargs)

    return hooked


def _succeed(provider: Any) -> bool:
    """Whether the provider has succeeded ours. One that is not the SDK's cannot take our exporter."""
    ours = _made[0] if _made else None
    if ours is None or provider is ours or not isinstance(provider, TracerProvider):
        return False
    if global_provider() is not ours:
        return False
    chain = ours._active_span_processor
    with chain._lock:
        exporters = tuple(one for one in chain._span_processors if not getattr(one, "is_of_its_provider", False))
        chain._span_processors = (Successor(provider, exporters),)
    known = endpoints_of(provider)
    for exporter in exporters:
        if known.isdisjoint(_endpoint_of(exporter)):
            provider.add_span_processor(exporter)
    _made.clear()
    trace._TRACER_PROVIDER = provider
    return True
