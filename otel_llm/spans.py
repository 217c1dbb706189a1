"""Starting a span of ours, and writing many attributes on it at once.

The SDK looks at each value in five calls of Python, for whatever an app may put there: 25 us for the attributes of a
chat call, a quarter of all that we add to it. Ours are clean before they come here (`encodable.py`), so where the span
is the SDK's and has room they go straight into its own dict. Any other span, and any other SDK, gets them through the
API.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

#: Where samplers stand that decide by trace id and parent, and processors that look at a span only when it has ended.
_BLIND: Final = ("opentelemetry.sdk.trace.sampling", "opentelemetry.sdk.trace", "opentelemetry.sdk.trace.export")
_OURS: Final = "otel_llm.inheritance"


class Starter:
    """Starts the spans of calls by a tracer, which may be a proxy for one that comes later."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._watchers: tuple[Any, Any] | None = None
        self._is_watched = True

    def start(
        self, name: str, context: Context | None, attributes: dict[str, AttributeValue], started_ns: int | None = None
    ) -> Span:
        """A span that says all of this to whoever watches its start, a sampler or a processor."""
        return self._tracer.start_span(
            name, context, kind=SpanKind.CLIENT, attributes=attributes, start_time=started_ns
        )

    def start_plain(self, name: str, context: Context | None, attributes: dict[str, AttributeValue]) -> Span:
        """The same with attributes that no processor of ours asks for: written afterwards where nobody else does."""
        if self._find_watchers():
            return self.start(name, context, attributes)
        span = self._tracer.start_span(name, context, kind=SpanKind.CLIENT)
        write(span, attributes)
        return span

    def _find_watchers(self) -> bool:
        """Whether somebody may look at attributes when a span starts; asked anew when the chain has changed."""
        tracer = getattr(self._tracer, "_tracer", self._tracer)
        chain = getattr(getattr(tracer, "span_processor", None), "_span_processors", None)
        sampler = getattr(tracer, "sampler", None)
        known = self._watchers
        if known is None or known[0] is not chain or known[1] is not sampler:
            self._watchers = chain, sampler
            self._is_watched = chain is None or not (_is_blind(sampler) and all(map(_starts_blindly, chain)))
        return self._is_watched


def write(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """Put clean attributes on a span that nobody but us ends."""
    held = getattr(span, "_attributes", None)
    if not isinstance(held, BoundedAttributes) or not _has_room(held, len(attributes)):
        span.set_attributes(attributes)
        return
    with held._lock:
        held._dict.update(attributes)


def _has_room(held: BoundedAttributes, count: int) -> bool:
    """True where nothing of so many attributes would be cut or dropped."""
    if held.max_value_len is not None or held._immutable:
        return False
    return held.maxlen is None or len(held._dict) + count <= held.maxlen


def _is_blind(sampler: Any) -> bool:
    """True for the SDK's own samplers; of one that has delegates, where these are, too."""
    if type(sampler).__module__ not in _BLIND:
        return False
    return all(map(_is_blind, _delegates(sampler)))


def _delegates(sampler: Any) -> Iterable[Any]:
    return [held for held in vars(sampler).values() if hasattr(held, "should_sample")]


def _starts_blindly(processor: Any) -> bool:
    """True for a processor whose `on_start` is the SDK's own or ours."""
    defined_in = getattr(getattr(type(processor), "on_start", None), "__module__", "")
    return defined_in in _BLIND or defined_in == _OURS
