"""The span processor that puts session, user, properties, prompt, agent and workflow on every span started inside.

It works at the start because a span is closed to attributes when it ends. It is attached once to every SDK
TracerProvider, whoever creates it and whenever, and does nothing after `uninstrument()`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .coexistence import note_start
from .context import current_scope
from .encodable import clean_attributes
from .failures import guarded, swallow

KEYS_MAX: Final = 32
VALUE_CHARS_MAX: Final = 256
SHUTDOWN_S_MAX: Final = 0.5

#: Taken over from a parent span as they are.
_SAME: Final = frozenset(
    {
        a.SESSION_ID,
        a.SESSION_NAME,
        a.SESSION_PATH,
        a.USER_ID,
        a.PROMPT_NAME,
        a.PROMPT_VERSION,
        a.AGENT_NAME,
        a.WORKFLOW_NAME,
    }
)
#: Scopes of frameworks that trace themselves, whose spans need not name an operation.
_FRAMEWORKS: Final = ("autogen", "gcp.vertex.agent", "openinference.", "pydantic-ai", "semantic_kernel.", "strands.")
#: Bare names that people use for what has a proper name.
_PROPER: Final = {
    "prompt_name": a.PROMPT_NAME,
    "prompt_version": a.PROMPT_VERSION,
    "session_id": a.SESSION_ID,
    "user_id": a.USER_ID,
}


class ContextProcessor(SpanProcessor):
    """Attributes of the scope and of the parent, set when a span starts; one for each provider.

    `end_open` ends what is still open on the provider's chain of processors when it shuts down: exporters behind us
    still take it. `drain` runs before a flush and at the end.
    """

    is_of_its_provider = True  # each gets one of its own

    def __init__(
        self,
        drain: Callable[[float], None],
        end_open: Callable[[Any], None],
        *,
        inherit: bool = True,
        accept_baggage: bool = False,
    ) -> None:
        self.active = True
        self.chain: Any = None
        self._inherit = inherit
        self._accept_baggage = accept_baggage
        self._drain = drain
        self._end_open = end_open

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if not self.active:
            return
        try:
            scope = span.instrumentation_scope
            is_ours = scope is not None and scope.name == a.SCOPE_APP
            found = self._find(span, parent_context, is_ours=is_ours)
            if found:
                span.set_attributes(clean_attributes(dict(found)))
            if not is_ours:
                note_start(span)
        except Exception as error:
            swallow("on_start", error)

    def _find(self, span: Span, parent_context: Context | None, *, is_ours: bool) -> Mapping[str, AttributeValue]:
        scope = current_scope(parent_context)
        found = _told_by_caller(parent_context) if self._accept_baggage else {}
        if self._inherit and span.parent is not None:
            parent = trace.get_current_span(parent_context)
            if isinstance(parent, ReadableSpan) and parent.is_recording():
                found |= inherited_from(parent)
        if is_ours and not (found or scope.names):
            return scope.attributes
        own = span.attributes or {}
        found.update(scope.names)
        if not is_ours:  # what the app says of its own span stands
            found.update(scope.attributes)
        found = {key: value for key, value in found.items() if key not in own}
        if is_ours:
            found.update(scope.attributes)
        return found

    def on_end(self, span: ReadableSpan) -> None:
        pass

    def shutdown(self) -> None:
        if self.active and self.chain is not None:
            guarded(self._end_open, self.chain)
        guarded(self._drain, SHUTDOWN_S_MAX)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        guarded(self._drain, timeout_millis / 1000)
        return True  # False would keep the provider from flushing those behind us


def inherited_from(span: ReadableSpan) -> dict[str, AttributeValue]:
    """What the children of a span take over from it."""
    return inheritable(span.attributes or {}, with_bare=not _is_of_a_framework(span))


def _told_by_caller(context: Context | None) -> dict[str, AttributeValue]:
    """Who and what for, as another service of the user's says it."""
    return inheritable({name: value for name, value in baggage.get_all(context).items() if goes_along(name)})


def _is_of_a_framework(span: ReadableSpan) -> bool:
    """True where bare names are no properties of the app's: frameworks put names and whole messages there."""
    scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
    return a.OPERATION in (span.attributes or {}) or scope.startswith(_FRAMEWORKS)


def inheritable(attributes: Mapping[str, Any], *, with_bare: bool = True) -> dict[str, AttributeValue]:
    """What a child takes over from its parent: who and what for, properties, and bare names as properties."""
    found: dict[str, AttributeValue] = {}
    for key, value in attributes.items():
        name = _inherited_name(key) if with_bare or "." in key else None
        if name is None or not isinstance(value, str | bool | int | float) or len(found) >= KEYS_MAX:
            continue
        found[name] = value[:VALUE_CHARS_MAX] if isinstance(value, str) else value
    return found


def goes_along(name: str) -> bool:
    """True for an attribute that says who or what for by its proper name."""
    return name in _SAME or name.startswith(a.PROPERTY_PREFIX)


def _inherited_name(key: str) -> str | None:
    if goes_along(key):
        return key
    if "." in key:
        return None
    return _PROPER.get(key) or a.PROPERTY_PREFIX + key


def attach_to(provider: Any, processor: ContextProcessor) -> bool:
    """Put the processor first on an SDK provider, once: what it drains must end before others shut down."""
    chain = getattr(provider, "_active_span_processor", None)
    processors = getattr(chain, "_span_processors", None)
    if processors is None or any(isinstance(one, ContextProcessor) and one.active for one in processors):
        return False
    processor.chain = chain
    provider.add_span_processor(processor)
    if isinstance(processors, tuple) and chain is not None:
        with chain._lock:
            rest = tuple(one for one in chain._span_processors if one is not processor)
            chain._span_processors = (processor, *rest)
    return True


def detach_from(provider: Any, processor: ContextProcessor) -> None:
    """Take the processor off a provider; where that is not possible it stays, inert."""
    chain = getattr(provider, "_active_span_processor", None)
    if chain is not None and isinstance(getattr(chain, "_span_processors", None), tuple):
        with chain._lock:
            chain._span_processors = tuple(one for one in chain._span_processors if one is not processor)
