"""The tracer of all our spans: of the provider that `instrument` was given, else of the global one, whenever set."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.trace import Tracer, TracerProvider

from otel_llm_semconv import attributes as a

_given: list[TracerProvider] = []  # none or one


def use(provider: TracerProvider | None) -> None:
    """Have all our spans made by this provider; None is the global one."""
    _given[:] = [] if provider is None else [provider]
    tracer.cache_clear()


@cache
def tracer() -> Tracer:
    """Our tracer."""
    return trace.get_tracer(a.SCOPE_APP, version("otel-llm"), _given[0] if _given else None, a.SCHEMA_URL)
