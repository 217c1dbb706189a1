"""Who else makes spans of the same calls, and who gives way: the table, and the adoption of a foreign span.

Where a foreign span that stands for one inference is open around a request, the call is written on it and none of
ours is added. A span that wraps several calls, an agent's or a workflow's, is never written on.

Not every such span is current during its call, so those that start are noted, too: a span that started in the same
context, is of the same trace and still open is the call's. Where spans of several peers are, the innermost is
counted: each says in `otel_llm.continues` which one it stands for as well.

`SUPPRESSIONS` has the keys by which instrumentations silence each other: all are honoured that can mean ours, and while
a request of ours is under way those are set that keep others from a second span of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final
from weakref import WeakSet, ref

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, Span

from otel_llm_semconv import attributes as a

#: Set in the context by OpenLLMetry's framework instrumentors around a call whose span they have made already.
SUPPRESS_LANGUAGE_MODEL_KEY: Final = "suppress_language_model_instrumentation"
#: How older packages, and people, spell OpenTelemetry's own key.
SUPPRESS_PLAIN_KEY: Final = "suppress_instrumentation"
_UNDER_WAY: Final = "otel-llm"  # what we set that key to: a call that is made inside of ours is one of its own
_STARTED_MAX: Final = 32


class Spans(Enum):
    """What the spans of a foreign scope are."""

    INFERENCE = "each is one inference, even where it names no operation: the call is written on it"
    MARKED = "those are one inference whose attributes say so: the call is written on them"
    MISCOUNTED = "each is one inference, whose tokens are wrong in the end: ours is made inside and counted instead"
    LATE = "each says only when it ends what it was: ours is made inside the innermost and counted instead"
    PARENT = "each wraps several calls: none is ever written on, ours are made inside"
    ECHO = "each tells of a call that is over: marked as an echo, not counted"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another instrumentation, by the name of its scope or what that starts with; `package` is its distribution.

    `owner` is whose it is, or `ITSELF` for an SDK or a framework that traces itself.
    """

    scope: str
    package: str
    owner: str
    spans: Spans
    emits_metrics: bool  # the conventions' own, which ours would add to
    off: str  # how a user switches it off
    note: str = ""
    suppresses: bool = False  # switches all other instrumentation off inside its own span of a call
    echoes: tuple[str, ...] = ()  # names of those of its spans that are echoes, whatever the others are

    def has(self, distribution: str) -> bool:
        """True for the distribution that it comes with."""
        return fnmatchcase(distribution, self.package)


ITSELF: Final = "itself"
_OPENLLMETRY: Final = "OpenLLMetry"
_OPENINFERENCE: Final = "OpenInference"
_OPENTELEMETRY: Final = "OpenTelemetry"
_BY_NAME: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, or uninstrument() of its instrumentor"
_NO_PROVIDER: Final = "it cannot be, but by no TracerProvider"
_NEVER_CURRENT: Final = "its span is not current during the call"
#: OpenLLMetry's packages that have nothing of their own to say.
_OTHERS_OF_OPENLLMETRY: Final = (
    "alephalpha", "bedrock", "cohere", "crewai", "google-generativeai", "groq", "haystack", "llamaindex", "mcp",
    "mistralai", "ollama", "replicate", "sagemaker", "together", "transformers", "vertexai", "voyageai", "watsonx",
    "writer",
)  # fmt: skip


def _openllmetry(name: str, spans: Spans = Spans.MARKED, note: str = "", echoes: tuple[str, ...] = ()) -> Peer:
    package = f"opentelemetry-instrumentation-{name}"
    scope = f"opentelemetry.instrumentation.{name.replace('-', '_')}"
    return Peer(scope, package, _OPENLLMETRY, spans, True, _BY_NAME, note, echoes=echoes)


def _openinference(name: str, spans: Spans, note: str = "") -> Peer:
    package = f"openinference-instrumentation-{name}"
    scope = f"openinference.instrumentation.{name.replace('-', '_')}"
    return Peer(scope, package, _OPENINFERENCE, spans, emits_metrics=False, off=_BY_NAME, note=note)


#: One row for each; the longest scope that fits decides. What no row fits is judged as MARKED. Read in the sources of
#: the releases that tests/sdks tries, and tried there.
PEERS: Final = (
    Peer("com.anthropic.sdk.python", "anthropic", ITSELF, Spans.INFERENCE, False, "ANTHROPIC_OPEN_TELEMETRY=false",
         "off, unless the variable is set"),
    Peer("mistralai_sdk_tracer", "mistralai", ITSELF, Spans.MARKED, False, "MISTRAL_SDK_TELEMETRY=false"),
    _openllmetry("openai", note="its spans of responses are echoes", echoes=(a.OPENLLMETRY_RESPONSE_SPAN,)),
    _openllmetry("anthropic", Spans.MISCOUNTED, f"{_NEVER_CURRENT}; counts the first output tokens of a stream twice"),
    _openllmetry("langchain", note=f"{_NEVER_CURRENT}; it suppresses ours by {SUPPRESS_LANGUAGE_MODEL_KEY}"),
    _openllmetry("openai-agents", Spans.PARENT),
    *map(_openllmetry, _OTHERS_OF_OPENLLMETRY),
    Peer("opentelemetry.instrumentation.openai_v2", "opentelemetry-instrumentation-openai-v2", _OPENTELEMETRY,
         Spans.MARKED, True, _BY_NAME, "needs opentelemetry-util-genai 0.4b0; ends with the genai one"),
    Peer("opentelemetry.instrumentation.google_genai", "opentelemetry-instrumentation-google-genai", _OPENTELEMETRY,
         Spans.MARKED, True, _BY_NAME, "has no hook in google-genai 3"),
    Peer("opentelemetry.instrumentation.genai", "opentelemetry-instrumentation-genai-*", _OPENTELEMETRY, Spans.MARKED,
         True, _BY_NAME),
    Peer("opentelemetry.util.genai", "opentelemetry-util-genai", _OPENTELEMETRY, Spans.MARKED, True, _BY_NAME,
         "used by hand"),
    Peer("openinference.instrumentation", "openinference-instrumentation-*", _OPENINFERENCE, Spans.MARKED, False,
         _BY_NAME),
    _openinference("openai", Spans.INFERENCE, "shows openinference.span.kind only when it ends"),
    _openinference("anthropic", Spans.INFERENCE, "as openai"),
    _openinference("langchain", Spans.LATE, _NEVER_CURRENT),
    _openinference("openai-agents", Spans.MARKED),
    Peer("logfire", "logfire", "Logfire", Spans.MARKED, False, "leave out logfire.instrument_openai() and the like",
         "ends the span of a stream when it begins, and tells the tokens in a log: ours carries them instead",
         suppresses=True),
    Peer("langfuse-sdk", "langfuse", "Langfuse", Spans.MARKED, False, "LANGFUSE_TRACING_ENABLED=false", _NEVER_CURRENT),
    Peer("openlit", "openlit", "OpenLIT", Spans.MARKED, True, "leave out openlit.init()"),
    Peer("openlit.instrumentation.openai", "openlit", "OpenLIT", Spans.INFERENCE, True, "leave out openlit.init()",
         "names no operation until it ends"),
    Peer("openlit.instrumentation.anthropic", "openlit", "OpenLIT", Spans.MISCOUNTED, True, "leave out openlit.init()",
         "leaves what the cache had out of the input"),
    Peer("pydantic-ai", "pydantic-ai-slim", ITSELF, Spans.MARKED, True, "leave out Agent.instrument_all()"),
    Peer("strands", "strands-agents", ITSELF, Spans.MARKED, False, _NO_PROVIDER, "names itself as the provider"),
    Peer("gcp.vertex.agent", "google-adk", ITSELF, Spans.MARKED, False, _NO_PROVIDER),
    Peer("semantic_kernel", "semantic-kernel", ITSELF, Spans.MARKED, False,
         "leave out SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS"),
    Peer("autogen-core", "autogen-core", ITSELF, Spans.PARENT, False, _NO_PROVIDER, "agents and tools"),
    Peer("autogen SingleThreadedAgentRuntime", "autogen-core", ITSELF, Spans.PARENT, False,
         "AUTOGEN_DISABLE_RUNTIME_TRACING=true", "messages between agents"),
    Peer("autogen Worker Runtime", "autogen-ext", ITSELF, Spans.PARENT, False, "AUTOGEN_DISABLE_RUNTIME_TRACING=true",
         "as the one above"),
    Peer("litellm", "litellm", ITSELF, Spans.ECHO, False, "leave otel out of litellm.callbacks",
         "metrics only with LITELLM_OTEL_INTEGRATION_ENABLE_METRICS=true"),
)  # fmt: skip

_NAMELESS: Final = (Spans.INFERENCE, Spans.LATE, Spans.MISCOUNTED)
#: Attribute that marks one inference in a dialect -> the values that do.
_MARKS: Final[Mapping[str, frozenset[str]]] = {
    a.OPERATION: a.INFERENCE_OPERATIONS,
    a.OPENINFERENCE_KIND: frozenset({"LLM", "EMBEDDING", "RERANKER"}),
    a.OPENLLMETRY_REQUEST_TYPE: frozenset({"chat", "completion", "embedding", "rerank"}),
    a.LANGFUSE_KIND: frozenset({"generation", "embedding"}),
}


@dataclass(frozen=True, slots=True)
class Suppression:
    """A key of the OpenTelemetry context by which one instrumentation silences others."""

    key: str
    used_by: str
    honoured: str  # what it does to ours
    is_set: str  # when we set it


SUPPRESSIONS: Final = (
    Suppression("suppress_http_instrumentation", "OpenTelemetry's HTTP instrumentors",
                "no: a call of a model is not one of HTTP",
                "while a request to a model is under way, unless OTEL_LLM_HTTP_SPANS is on"),
    Suppression("suppress_instrumentation", "OpenTelemetry, OpenInference (suppress_tracing), Logfire, exporters",
                "no span of a call, a step or a framework inside; both spellings", "never: it would silence the app"),
    Suppression(SUPPRESS_LANGUAGE_MODEL_KEY, "OpenLLMetry",
                "the call is written on the span of the framework that set it, else nowhere",
                "while a request to a model is under way"),
)  # fmt: skip


def is_suppressed(context: Context | None = None) -> bool:
    """True where all instrumentation is to be silent, in a context or the running code's."""
    found = otel_context.get_current() if context is None else context
    return bool(found.get(_SUPPRESS_INSTRUMENTATION_KEY) or found.get(SUPPRESS_PLAIN_KEY))


def suppress_others(values: dict[str, object], *, http_spans: bool) -> None:
    """Put into the values of a context what keeps others from a span of the request that is under way."""
    values.setdefault(SUPPRESS_LANGUAGE_MODEL_KEY, _UNDER_WAY)
    if not http_spans:
        values[_SUPPRESS_HTTP_INSTRUMENTATION_KEY] = True


@dataclass(frozen=True, slots=True)
class Foreign:
    """The foreign span that a call belongs to. `takes` is False where one of ours is made inside it and counted."""

    span: Span
    takes: bool = True
    counts: bool = False  # its owner, or one further out, records the conventions' metrics of the call


#: Foreign spans that a call has written on.
_adopted: Final[WeakSet[Span]] = WeakSet()
_adopting: Final = threading.Lock()
#: Spans of peers that started in the running context, the outer ones first.
_started: Final[ContextVar[tuple[ref[Span], ...]]] = ContextVar("otel-llm-started", default=())


class _Expected:
    """Spans of late peers that start on threads of their framework, for the call that it makes next."""

    def __init__(self) -> None:
        self.spans: list[ref[Span]] = []
        self.is_over = False  # the call has come


_expected: Final[ContextVar[_Expected | None]] = ContextVar("otel-llm-expected", default=None)


def expect() -> None:
    """A framework begins a call of a model: its callbacks may run in copies of this context, on other threads."""
    _expected.set(_Expected())


@lru_cache(maxsize=256)
def find_peer(scope: str) -> Peer | None:
    """The row of a scope, None for one that is nobody's we know."""
    fitting = [row for row in PEERS if scope == row.scope or scope.startswith((f"{row.scope}.", f"{row.scope}-"))]
    return max(fitting, key=lambda row: len(row.scope), default=None)


def note_start(span: Span) -> None:
    """A span has started, in the context that runs: a later call may belong to it. An echo is marked as one."""
    row = find_peer(_scope(span))
    if row is None or row.spans is Spans.PARENT or not isinstance(span, ReadableSpan):
        return
    if row.spans is Spans.ECHO or span.name in row.echoes or (span.attributes or {}).get(a.LOGFIRE_SPAN_TYPE) == "log":
        span.set_attribute(a.ECHO, True)
        return
    before = [one for one in _started.get() if (other := one()) and other.is_recording() and _may_be_asked(other)]
    _started.set((*before[-_STARTED_MAX:], ref(span)))
    expected = _expected.get()
    if row.spans is Spans.LATE and expected is not None and not expected.is_over:
        expected.spans.append(ref(span))


def _may_be_asked(span: Span) -> bool:
    return span not in _adopted or _is_late(span)


def find_foreign(context: Context) -> Foreign | None:
    """The foreign span of this call, for the first call inside it; any later one needs a span of its own.

    Where somebody has suppressed the spans of models and has none open, it is one that records nothing.
    """
    current, told = trace.get_current_span(context), context.get(SUPPRESS_LANGUAGE_MODEL_KEY)
    is_silenced = bool(told) and told != _UNDER_WAY
    started, expected = _started.get(), _expected.get()
    if expected is not None:
        expected.is_over = True
        started = (*started, *expected.spans)
    if current is trace.INVALID_SPAN and not started and not is_silenced:
        return None
    with _adopting:
        around = list(_around(current, started))
        _adopted.update(around)
    if not around:
        return Foreign(NonRecordingSpan(current.get_span_context())) if is_silenced else None
    for outer, inner in pairwise(around):
        inner.set_attribute(a.CONTINUES, trace.format_span_id(outer.get_span_context().span_id))
    innermost = find_peer(_scope(around[-1]))
    takes = innermost is None or innermost.spans not in (Spans.LATE, Spans.MISCOUNTED)
    return Foreign(around[-1], takes, any(map(_counts_itself, around)))


def lets_through(context: Context) -> bool:
    """True where all instrumentation is suppressed by a peer that is inside its own span of a call: ours helps it."""
    current = trace.get_current_span(context)
    row = find_peer(_scope(current))
    return row is not None and row.suppresses and _is_inference(current)


def lacks_usage(span: Span) -> bool:
    """True for a span that has ended and says nothing of tokens: it was over before they came."""
    attributes: Mapping[str, Any] = (span.attributes or {}) if isinstance(span, ReadableSpan) else {}
    return isinstance(span, ReadableSpan) and not span.is_recording() and a.USAGE_OUTPUT_TOKENS not in attributes


def _around(current: Span, started: tuple[ref[Span], ...]) -> Iterator[Span]:
    """The spans of this call that nothing was written on yet, the innermost last.

    Of one peer it is the first that is open: a framework starts those of a batch before it makes the calls. Of one that
    tells them apart only later it is the last one: the others are what is around.
    """
    found: dict[str, Span] = {}
    span_id = current.get_span_context().span_id
    for span in filter(None, (one() for one in started)):
        if span.get_span_context().span_id == span_id or not _is_inference(span) or not _is_beside(span, current):
            continue
        if _is_late(span):
            found.pop(_scope(span), None)
            found[_scope(span)] = span
        elif span not in _adopted:
            found.setdefault(_scope(span), span)
    if current not in _adopted and _is_inference(current):
        found.pop(_scope(current), None)
        found[_scope(current)] = current
    yield from found.values()


def _is_beside(span: Span, current: Span) -> bool:
    """True where both may be of one call: of one trace, or each the first of its own, since nothing was current."""
    trace_id = current.get_span_context().trace_id
    if trace_id in (trace.INVALID_TRACE_ID, span.get_span_context().trace_id):
        return True
    return all(isinstance(one, ReadableSpan) and one.parent is None for one in (span, current))


def _is_late(span: Span) -> bool:
    row = find_peer(_scope(span))
    return row is not None and row.spans is Spans.LATE


def _counts_itself(span: Span) -> bool:
    row = find_peer(_scope(span))
    return row is not None and row.emits_metrics


def _is_inference(span: Span) -> bool:
    """True for a span of somebody else's that stands for one call: an SDK's own, or another instrumentation's."""
    if not span.is_recording() or not isinstance(span, ReadableSpan):
        return False
    scope, attributes = _scope(span), span.attributes or {}
    row = find_peer(scope)
    if scope == a.SCOPE_APP or (row is not None and row.spans in (Spans.PARENT, Spans.ECHO)):
        return False
    names_none = row is not None and row.spans in _NAMELESS and a.OPERATION not in attributes
    return names_none or any(attributes.get(name) in values for name, values in _MARKS.items())


def _scope(span: Span) -> str:
    found = span.instrumentation_scope if isinstance(span, ReadableSpan) else None
    return found.name if found is not None else ""
