"""Nothing about the app's traces leaves to a model provider.

All requests to providers are stripped of trace headers: calls of a model and others (files, models, endpoints that are
not read yet), by the provider's host or by the mark of an official SDK. What is
injected below our hook (the HTTP instrumentors do) goes through the global propagator, which is guarded: it injects
nothing where the context carries our private mark.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from .failures import guarded, swallow

#: Headers of W3C trace context and baggage.
HEADERS: Final = frozenset({"traceparent", "tracestate", "baggage"})
_RAW_HEADERS: Final = frozenset(name.encode() for name in HEADERS)
_NAME: Final = itemgetter(0)
_AUTHORIZATION: Final = "authorization"
_AWS: Final = "AWS4-"
_SIGNED_HEADERS: Final = "SignedHeaders="
#: Context key that marks a request on its way to a provider.
LEAVING: Final = otel_context.create_key("otel-llm-leaving")
#: Context key of what goes along with a request to a service of the user's own (`services.py`), or of None.
HANDED: Final = otel_context.create_key("otel-llm-handed")


class Guard(TextMapPropagator):
    """The app's own propagator, silent where the context says that a request leaves for a provider.

    With one to a service of the user's own goes what the context says.
    """

    def __init__(self, inner: TextMapPropagator) -> None:
        self.inner = inner

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        running: Any = otel_context.get_current()
        if running.get(LEAVING):
            return
        handed = running.get(HANDED)
        if handed is not None:
            context = guarded(handed.added_to, context) or context
        self.inner.inject(carrier, context, setter)

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        return self.inner.extract(carrier, context, getter)

    @property
    def fields(self) -> set[str]:
        return self.inner.fields

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def ensure_guard() -> None:
    """Put the guard round the global propagator, unless it is there: an app may set its own at any time."""
    current = propagate.get_global_textmap()
    if not isinstance(current, Guard):
        propagate.set_global_textmap(Guard(current))


def remove_guard() -> None:
    """Give the app its propagator back."""
    current = propagate.get_global_textmap()
    if isinstance(current, Guard):
        propagate.set_global_textmap(current.inner)


def strip(headers: MutableMapping[str, Any]) -> None:
    """Take the trace headers off a request, but for those that it is signed with (AWS): without them it is refused."""
    raw = getattr(headers, "raw", None)  # httpx's own list: a third of the work of going through its names
    if raw is not None and _RAW_HEADERS.isdisjoint(map(bytes.lower, map(_NAME, raw))):
        return
    if not HEADERS.isdisjoint(map(str.lower, headers)):
        for name in HEADERS - _signed(headers):
            if name in headers:
                del headers[name]


def _signed(headers: MutableMapping[str, Any]) -> set[str]:
    """Names of the headers that AWS Signature Version 4 covers, in lower case."""
    value = headers.get(_AUTHORIZATION, "")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    names = text.partition(_SIGNED_HEADERS)[2].partition(",")[0] if text.startswith(_AWS) else ""
    return {name.strip().lower() for name in names.split(";")}


def _host_of(url: Any) -> str:
    host: str | None = urlsplit(url).hostname if isinstance(url, str) else url.host
    return host or ""


def strip_leaving(request: Any) -> None:
    """Take the trace headers off a request that leaves for a provider, or strays from the user's services.

    Never raises.
    """
    try:
        running: Any = otel_context.get_current()
        if running.get(LEAVING):
            strip(request.headers)
        elif running.get(HANDED) is not None:
            running[HANDED].follow(_host_of(getattr(request, "url", "")), request.headers)
    except Exception as error:
        swallow("strip", error)
