"""Who else makes spans of the same calls, and who gives way: the table, and the adoption of a foreign span.

Where a foreign span that stands for one inference is open around a request, the call is written on it and none of
ours is added. A span that wraps several calls, an agent's or a workflow's, is never written on.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, Span

from otel_llm_semconv import attributes as a

#: Set in the context by OpenLLMetry's framework instrumentors around a call whose span they have made already.
SUPPRESS_LANGUAGE_MODEL_KEY: Final = "suppress_language_model_instrumentation"


class Spans(Enum):
    """What the spans of a foreign scope are."""

    INFERENCE = "each is one inference, even where it names no operation"
    MARKED = "those are one inference whose attributes say so"
    PARENT = "each wraps several calls, or comes after them: none is ever written on"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another instrumentation, by the name of its scope or what that starts with."""

    scope: str
    package: str
    spans: Spans
    emits_metrics: bool  # the conventions' own, which ours would add to
    off: str  # how a user switches it off
    note: str = ""


_OLL: Final = "its Instrumentor().uninstrument(), or OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_OI: Final = "its Instrumentor().uninstrument()"
_CHILD: Final = "none of its spans is current during the call: both count it"

#: One row for each; the longest scope that fits decides. What no row fits is judged as MARKED.
PEERS: Final = (
    Peer("com.anthropic.sdk.python", "anthropic", Spans.INFERENCE, False, "ANTHROPIC_OPEN_TELEMETRY=false"),
    Peer("mistralai_sdk_tracer", "mistralai", Spans.MARKED, False, "no tracer provider"),
    Peer("opentelemetry.instrumentation.openai", "opentelemetry-instrumentation-openai", Spans.MARKED, True, _OLL),
    Peer("opentelemetry.instrumentation.anthropic", "opentelemetry-instrumentation-anthropic", Spans.MARKED, True, _OLL,
         _CHILD),
    Peer("opentelemetry.instrumentation.langchain", "opentelemetry-instrumentation-langchain", Spans.MARKED, True, _OLL,
         "sets suppress_language_model_instrumentation below its LLM spans"),
    Peer("opentelemetry.instrumentation.openai_v2", "opentelemetry-instrumentation-openai-v2", Spans.MARKED, True,
         _OLL),
    Peer("opentelemetry.instrumentation.openai_agents", "opentelemetry-instrumentation-openai-agents", Spans.PARENT,
         True, _OLL),
    Peer("opentelemetry.instrumentation.genai", "opentelemetry-instrumentation-genai-*", Spans.MARKED, True, _OLL),
    Peer("opentelemetry.util.genai", "opentelemetry-util-genai", Spans.MARKED, True, _OLL),
    Peer("openinference.instrumentation", "openinference-instrumentation-*", Spans.MARKED, False, _OI),
    Peer("openinference.instrumentation.openai", "openinference-instrumentation-openai", Spans.INFERENCE, False, _OI,
         "shows openinference.span.kind only when it ends"),
    Peer("openinference.instrumentation.anthropic", "openinference-instrumentation-anthropic", Spans.INFERENCE, False,
         _OI, "as openai"),
    Peer("openinference.instrumentation.openai_agents", "openinference-instrumentation-openai-agents", Spans.MARKED,
         False, _OI),
    Peer("logfire", "logfire", Spans.MARKED, False, "leave out logfire.instrument_openai() and the like"),
    Peer("langfuse-sdk", "langfuse", Spans.MARKED, False, "LANGFUSE_TRACING_ENABLED=false"),
    Peer("openlit", "openlit", Spans.MARKED, True, "leave out openlit.init()"),
    Peer("pydantic-ai", "pydantic-ai", Spans.MARKED, True, "leave out Agent.instrument_all()"),
    Peer("strands", "strands-agents", Spans.MARKED, False, "no tracer provider"),
    Peer("gcp.vertex.agent", "google-adk", Spans.MARKED, False, "no tracer provider"),
    Peer("semantic_kernel", "semantic-kernel", Spans.MARKED, False, "its GENAI diagnostics settings"),
    Peer("autogen-core", "autogen-core", Spans.PARENT, False, "AUTOGEN_DISABLE_RUNTIME_TRACING=true"),
    Peer("litellm", "litellm", Spans.PARENT, False, "leave otel out of litellm.callbacks",
         "its span starts after the call has ended"),
)  # fmt: skip

#: Attribute that marks one inference in a dialect -> the values that do.
_MARKS: Final[Mapping[str, frozenset[str]]] = {
    a.OPERATION: a.INFERENCE_OPERATIONS,
    a.OPENINFERENCE_KIND: frozenset({"LLM", "EMBEDDING", "RERANKER"}),
    a.OPENLLMETRY_REQUEST_TYPE: frozenset({"chat", "completion", "embedding", "rerank"}),
    a.LANGFUSE_KIND: frozenset({"generation", "embedding"}),
}
#: Foreign spans that a call has written on.
_adopted: Final[WeakSet[Span]] = WeakSet()
_adopting: Final = threading.Lock()


@lru_cache(maxsize=256)
def find_peer(scope: str) -> Peer | None:
    """The row of a scope, None for one that is nobody's we know."""
    fitting = [row for row in PEERS if scope == row.scope or scope.startswith((f"{row.scope}.", f"{row.scope}-"))]
    return max(fitting, key=lambda row: len(row.scope), default=None)


def adopt_span(context: Context) -> Span | None:
    """The foreign span around this call, for the first call inside it; any later one needs a span of its own.

    Where somebody has suppressed the spans of models and has none open, it is one that records nothing.
    """
    current = trace.get_current_span(context)
    if current is trace.INVALID_SPAN and SUPPRESS_LANGUAGE_MODEL_KEY not in context:
        return None
    if not _is_inference(current):
        return NonRecordingSpan(current.get_span_context()) if context.get(SUPPRESS_LANGUAGE_MODEL_KEY) else None
    with _adopting:
        if current in _adopted:
            return None
        _adopted.add(current)
    return current


def counts_itself(span: Span) -> bool:
    """True where the foreign instrumentation records the conventions' metrics of its span's call."""
    row = find_peer(_scope(span))
    return row is not None and row.emits_metrics


def lacks_usage(span: Span) -> bool:
    """True for a span that has ended and says nothing of tokens: it was over before they came."""
    attributes: Mapping[str, Any] = (span.attributes or {}) if isinstance(span, ReadableSpan) else {}
    return isinstance(span, ReadableSpan) and not span.is_recording() and a.USAGE_OUTPUT_TOKENS not in attributes


def _is_inference(span: Span) -> bool:
    """True for a span of somebody else's that stands for one call: an SDK's own, or another instrumentation's."""
    if not span.is_recording() or not isinstance(span, ReadableSpan):
        return False
    scope, attributes = _scope(span), span.attributes or {}
    row = find_peer(scope)
    if scope == a.SCOPE_APP or (row is not None and row.spans is Spans.PARENT):
        return False
    if row is not None and row.spans is Spans.INFERENCE and a.OPERATION not in attributes:
        return True
    return any(attributes.get(name) in values for name, values in _MARKS.items())


def _scope(span: Span) -> str:
    found = span.instrumentation_scope if isinstance(span, ReadableSpan) else None
    return found.name if found is not None else ""
