"""Starting a span of ours, and writing many attributes on it at once.

The SDK looks at each value in five calls of Python, for whatever an app may put there: 25 us for the attributes of a
chat call, a quarter of all that we add to it. Ours are clean before they come here (`encodable.py`), so where the span
is the SDK's and has room they go straight into its own dict. Any other span, and any other SDK, gets them through the
API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

#: Where samplers stand that decide by trace id and parent, and processors that look at a span only when it has ended.
_BLIND: Final = ("opentelemetry.sdk.trace.sampling", "opentelemetry.sdk.trace", "opentelemetry.sdk.trace.export")
_OURS: Final = "otel_llm.inheritance"
_WATCHERS: Final = attrgetter("span_processor._span_processors", "sampler")


class Starter:
    """Starts the spans of calls by a tracer, which may be a proxy for one that comes later."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self._known: tuple[Any, Any] | None = None  # who could watch, when last looked at
        self._watches = True

    def start(
        self,
        name: str,
        context: Context | None,
        attributes: dict[str, AttributeValue] | None,
        started_ns: int | None = None,
    ) -> Span:
        """A span that says all of this to whoever watches its start, a sampler or a processor."""
        return self.tracer.start_span(name, context, SpanKind.CLIENT, attributes, (), started_ns)

    def early(
        self, said: dict[str, AttributeValue], asked: Mapping[str, AttributeValue]
    ) -> dict[str, AttributeValue] | None:
        """Of what a request says, what has to be said as its span starts: None where nobody looks before it ends.

        `asked` is how the caller wants the answer: parameters, which no sampler asks for, or names (user, properties),
        which processors may look for.
        """
        if not a.REQUEST_PARAMETERS.issuperset(asked):
            return said
        return {name: said[name] for name in said if name not in asked} if self._is_watched() else None

    def _is_watched(self) -> bool:
        """Whether somebody may look at attributes when a span starts; asked anew when the chain has changed."""
        try:
            found = _WATCHERS(getattr(self.tracer, "_tracer", self.tracer))
        except AttributeError:
            return True  # another SDK
        if found != self._known:
            self._known, (chain, sampler) = found, found
            self._watches = not (_is_blind(sampler) and all(map(_starts_blindly, chain)))
        return self._watches


def write(span: Span, attributes: dict[str, AttributeValue]) -> None:
    """Put clean attributes on a span that nobody but us ends."""
    held = getattr(span, "_attributes", None)
    # nothing of them would be cut or dropped
    if isinstance(held, BoundedAttributes) and held.max_value_len is None and not held._immutable:
        with held._lock:
            if held.maxlen is None or len(held._dict) + len(attributes) <= held.maxlen:
                held._dict.update(attributes)
                return
    span.set_attributes(attributes)


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
