"""Another instrumentation sees the same calls: each is one counted span, with its tokens and its cost."""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan

import otel_llm
from otel_llm.coexistence import (
    PEERS,
    SUPPRESS_LANGUAGE_MODEL_KEY,
    SUPPRESS_PLAIN_KEY,
    Spans,
    expect,
    find_peer,
    is_suppressed,
)
from otel_llm.finisher import finisher
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
MODEL = "gpt-4o-mini"
NAMED = {a.OPERATION: "chat"}


def counted(recorded: Recorded) -> list[ReadableSpan]:
    return [span for span in recorded.spans() if (span.attributes or {}).get(a.OPERATION) in a.INFERENCE_OPERATIONS]


def the_call(recorded: Recorded) -> tuple[ReadableSpan, dict[str, Any]]:
    """The one counted span, which has what the call cost."""
    (span,) = counted(recorded)
    found = dict(span.attributes or {})
    assert found[a.USAGE_INPUT_TOKENS] > 0
    assert found[a.USAGE_OUTPUT_TOKENS] > 0
    assert found[a.COST_AMOUNT] > 0
    assert found[a.PROVIDER] in ("openai", "anthropic")
    return span, found


def scope_of(span: ReadableSpan) -> str:
    assert span.instrumentation_scope is not None
    return span.instrumentation_scope.name


@pytest.fixture
def gpt(standin: Standin) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
        yield client


@contextmanager
def suppressed() -> Iterator[None]:
    """As a framework's instrumentor does it around a call that it has a span of."""
    token = otel_context.attach(otel_context.set_value(SUPPRESS_LANGUAGE_MODEL_KEY, True))
    try:
        yield
    finally:
        otel_context.detach(token)


def ask(client: openai.OpenAI) -> None:
    client.chat.completions.create(model=MODEL, messages=HELLO)


def stream_of(client: openai.OpenAI) -> openai.Stream[Any]:
    return client.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )


INFERENCES = (
    ("com.anthropic.sdk.python", {}),
    ("mistralai_sdk_tracer", NAMED),
    ("opentelemetry.instrumentation.openai.v1", NAMED),
    ("opentelemetry.instrumentation.openai.v1", {a.OPENLLMETRY_REQUEST_TYPE: "chat"}),
    ("opentelemetry.instrumentation.openai_v2", NAMED),
    ("opentelemetry.instrumentation.genai.openai", NAMED),
    ("openinference.instrumentation.openai", {}),
    ("openinference.instrumentation.anthropic", {}),
    ("openinference.instrumentation.smolagents", {a.OPENINFERENCE_KIND: "LLM"}),
    ("logfire.openai", NAMED),
    ("langfuse-sdk", {a.LANGFUSE_KIND: "generation"}),
    ("pydantic-ai", NAMED),
    ("strands.telemetry.tracer", NAMED),
    ("gcp.vertex.agent", {a.OPERATION: "generate_content"}),
    ("somebody.unheard.of", NAMED),
)


@pytest.mark.parametrize(("scope", "attributes"), INFERENCES)
def test_a_foreign_span_of_one_inference_takes_the_call(
    recorded: Recorded, gpt: openai.OpenAI, scope: str, attributes: dict[str, str]
) -> None:
    with recorded.provider.get_tracer(scope).start_as_current_span("theirs", attributes=attributes):
        ask(gpt)
    span, found = the_call(recorded)
    assert (span.name, scope_of(span)) == ("theirs", scope)
    assert found[a.REQUEST_MODEL] == MODEL
    assert found[a.OPERATION] == attributes.get(a.OPERATION, "chat")


PARENTS = (
    ("autogen-core", NAMED),
    ("autogen SingleThreadedAgentRuntime", NAMED),
    ("pydantic-ai", {a.OPERATION: "invoke_agent"}),
    ("openinference.instrumentation.langchain", {a.OPENINFERENCE_KIND: "CHAIN"}),
    ("openinference.instrumentation.openai", {a.OPERATION: "invoke_agent"}),
    ("langfuse-sdk", {a.LANGFUSE_KIND: "agent"}),
    ("opentelemetry.instrumentation.fastapi", {}),
)


@pytest.mark.parametrize(("scope", "attributes"), PARENTS)
def test_a_foreign_span_around_several_calls_is_not_written_on(
    recorded: Recorded, gpt: openai.OpenAI, scope: str, attributes: dict[str, str]
) -> None:
    with recorded.provider.get_tracer(scope).start_as_current_span("theirs", attributes=attributes):
        ask(gpt)
    ours, theirs = recorded.spans()
    assert scope_of(ours) == a.SCOPE_APP
    assert (ours.attributes or {})[a.COST_AMOUNT]
    assert dict(theirs.attributes or {}) == attributes


def test_a_span_that_is_not_current_takes_the_call_that_follows(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("langfuse-sdk")
    theirs = tracer.start_span("theirs", attributes={a.LANGFUSE_KIND: "generation"})
    ask(gpt)
    theirs.end()
    ask(gpt)
    found, ours = counted(recorded)
    assert (found.name, scope_of(ours)) == ("theirs", a.SCOPE_APP)
    assert a.CONTINUES not in (ours.attributes or {})


def test_a_peer_that_counts_wrongly_is_continued(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.anthropic")
    theirs = tracer.start_span("theirs", attributes=NAMED)
    ask(gpt)
    theirs.end()
    ours, other = counted(recorded)
    assert (scope_of(ours), other.name) == (a.SCOPE_APP, "theirs")
    assert ours.parent == other.context
    assert (ours.attributes or {})[a.CONTINUES] == trace.format_span_id(theirs.get_span_context().span_id)


def test_of_two_peers_the_inner_one_is_counted(recorded: Recorded, gpt: openai.OpenAI) -> None:
    outer = recorded.provider.get_tracer("opentelemetry.instrumentation.genai.anthropic")
    inner = recorded.provider.get_tracer("com.anthropic.sdk.python")
    with outer.start_as_current_span("outer", attributes=NAMED) as first, inner.start_as_current_span("inner"):
        ask(gpt)
    found = {span.name: dict(span.attributes or {}) for span in recorded.spans()}
    assert found.keys() == {"outer", "inner"}
    assert a.COST_AMOUNT not in found["outer"]
    assert found["inner"][a.COST_AMOUNT] > 0
    assert found["inner"][a.CONTINUES] == trace.format_span_id(first.get_span_context().span_id)


def test_an_echo_is_marked(recorded: Recorded) -> None:
    recorded.provider.get_tracer("litellm").start_span("litellm_request", attributes=NAMED).end()
    recorded.provider.get_tracer("logfire.openai").start_span("log", attributes={"logfire.span_type": "log"}).end()
    assert [(span.attributes or {})[a.ECHO] for span in recorded.spans()] == [True, True]


def test_an_echo_among_a_peers_spans_is_known_by_its_name(recorded: Recorded, gpt: openai.OpenAI) -> None:
    """OpenLLMetry makes its span of a response when it is over, or when its stream begins."""
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
    ask(gpt)
    tracer.start_span("openai.response", attributes=NAMED, start_time=1).end()
    late = tracer.start_span("openai.response", attributes=NAMED)
    ask(gpt)
    late.end()
    spans = [span for span in counted(recorded) if not (span.attributes or {}).get(a.ECHO)]
    assert [scope_of(span) for span in spans] == [a.SCOPE_APP] * 2


def test_a_peer_that_tells_late_what_its_spans_are(recorded: Recorded, gpt: openai.OpenAI) -> None:
    """As OpenInference's for LangChain: a chain, a tool in it that makes two calls, and a model after it."""
    tracer = recorded.provider.get_tracer("openinference.instrumentation.langchain")
    chain = tracer.start_span("RunnableSequence")
    tool = tracer.start_span("look_up", trace.set_span_in_context(chain))
    ask(gpt)
    ask(gpt)
    tool.end()
    model = tracer.start_span("ChatOpenAI", trace.set_span_in_context(chain))
    ask(gpt)
    model.end()
    chain.end()
    inside = [trace.format_span_id(span.get_span_context().span_id) for span in (tool, tool, model)]
    assert [(span.attributes or {})[a.CONTINUES] for span in counted(recorded)] == inside
    assert [trace.format_span_id(span.parent.span_id) for span in counted(recorded) if span.parent] == inside


def test_a_late_span_that_a_framework_starts_on_another_thread(recorded: Recorded, gpt: openai.OpenAI) -> None:
    """As LangChain runs the handlers of an asynchronous call: in copies of its context."""
    tracer = recorded.provider.get_tracer("openinference.instrumentation.langchain")
    contextvars.copy_context().run(tracer.start_span, "unheard of").end()
    expect()
    model = contextvars.copy_context().run(tracer.start_span, "ChatOpenAI")
    contextvars.copy_context().run(ask, gpt)
    later = contextvars.copy_context().run(tracer.start_span, "of another call")
    ask(gpt)
    inside = trace.format_span_id(model.get_span_context().span_id)
    assert [(span.attributes or {}).get(a.CONTINUES) for span in counted(recorded)] == [inside, inside]
    model.end()
    ask(gpt)
    later.end()
    assert a.CONTINUES not in (counted(recorded)[-1].attributes or {})


def test_two_peers_that_each_begin_a_trace_are_one_call(recorded: Recorded, gpt: openai.OpenAI) -> None:
    """An instrumentor whose span is not current, over an SDK that traces itself, outside of any other span."""
    outer = recorded.provider.get_tracer("opentelemetry.instrumentation.anthropic").start_span(
        "outer", attributes=NAMED
    )
    with recorded.provider.get_tracer("com.anthropic.sdk.python").start_as_current_span("inner"):
        ask(gpt)
    outer.end()
    inner, outer_ended = recorded.spans()
    assert outer_ended.context is not None
    assert (inner.attributes or {})[a.CONTINUES] == trace.format_span_id(outer_ended.context.span_id)
    assert (inner.attributes or {})[a.COST_AMOUNT]


def test_a_peer_that_suppresses_all_others_is_helped(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("logfire.openai")
    with tracer.start_as_current_span("theirs", attributes=NAMED), suppress_instrumentation():
        ask(gpt)
    with recorded.tracer.start_as_current_span("work", attributes=NAMED), suppress_instrumentation():
        ask(gpt)
    theirs, work = recorded.spans()
    assert (theirs.attributes or {})[a.COST_AMOUNT]
    assert dict(work.attributes or {}) == NAMED


def test_a_stream_under_a_span_that_stays_open(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
    with tracer.start_as_current_span("theirs", attributes=NAMED):
        assert list(stream_of(gpt))
    assert the_call(recorded)[0].name == "theirs"


def test_a_stream_read_after_the_foreign_span_has_ended(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
    with otel_llm.session("s1"), tracer.start_as_current_span("theirs", attributes=NAMED):
        stream = stream_of(gpt)
    assert list(stream)
    theirs, ours = counted(recorded)
    found = dict(ours.attributes or {})
    assert a.USAGE_OUTPUT_TOKENS not in (theirs.attributes or {})
    assert theirs.context is not None
    assert found[a.CONTINUES] == trace.format_span_id(theirs.context.span_id)
    assert ours.parent is not None
    assert ours.parent.span_id == theirs.context.span_id
    assert found[a.COST_AMOUNT] > 0
    assert found[a.SESSION_ID] == "s1"
    assert ours.start_time is not None
    assert theirs.end_time is not None
    assert ours.start_time < theirs.end_time


def test_an_owner_that_wrote_the_tokens_itself_before_it_ended(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.openai.v1")
    with tracer.start_as_current_span("theirs", attributes=NAMED) as theirs:
        stream = stream_of(gpt)
        theirs.set_attribute(a.USAGE_OUTPUT_TOKENS, 7)
    assert list(stream)
    (span,) = counted(recorded)
    assert (span.attributes or {})[a.USAGE_OUTPUT_TOKENS] == 7


def test_suppressed_inside_a_span_of_the_model(recorded: Recorded, gpt: openai.OpenAI) -> None:
    tracer = recorded.provider.get_tracer("opentelemetry.instrumentation.langchain")
    with tracer.start_as_current_span("ChatOpenAI.chat", attributes=NAMED), suppressed():
        ask(gpt)
    assert the_call(recorded)[0].name == "ChatOpenAI.chat"


def test_suppressed_without_a_span_of_the_model_adds_none(recorded: Recorded, gpt: openai.OpenAI) -> None:
    with recorded.tracer.start_as_current_span("work"), suppressed():
        ask(gpt)
    (work,) = recorded.spans()
    assert (work.name, dict(work.attributes or {})) == ("work", {})
    ask(gpt)
    assert scope_of(the_call(recorded)[0]) == a.SCOPE_APP


@pytest.mark.parametrize("key", [SUPPRESS_PLAIN_KEY, _SUPPRESS_INSTRUMENTATION_KEY], ids=["plain", "today"])
def test_both_spellings_of_silence_are_heard(recorded: Recorded, gpt: openai.OpenAI, key: str) -> None:
    with recorded.tracer.start_as_current_span("work") as work:
        token = otel_context.attach(otel_context.set_value(key, True))
        with otel_llm.agent("nurse") as step:
            ask(gpt)
            assert step.get_span_context() == work.get_span_context()
        otel_context.detach(token)
    assert [span.name for span in recorded.spans()] == ["work"]


def test_others_are_silent_while_a_request_is_under_way_and_our_own_calls_are_not(
    recorded: Recorded, standin: Standin
) -> None:
    """An HTTP hook of the app's calls a model: its call is counted, and a peer's span of it would be a second one."""
    seen: list[Any] = []

    def hook(request: httpx2.Request) -> None:
        seen.append((otel_context.get_value(SUPPRESS_LANGUAGE_MODEL_KEY), is_suppressed()))
        if len(seen) == 1:
            httpx2.post(f"{standin.openai_url}/embeddings", json={"model": "text-embedding-3-small", "input": "x"})

    url = f"{standin.openai_url}/chat/completions"
    with httpx2.Client(event_hooks={"request": [hook]}) as client:
        client.post(url, json={"model": MODEL, "messages": HELLO})
        with suppressed():
            client.post(url, json={"model": MODEL, "messages": HELLO})
    assert [(bool(told), silent) for told, silent in seen] == [(True, False), (True, False)]
    assert otel_context.get_value(SUPPRESS_LANGUAGE_MODEL_KEY) is None
    assert [span.name for span in counted(recorded)] == ["embeddings text-embedding-3-small", f"chat {MODEL}"]


@pytest.mark.parametrize(
    ("scope", "counts"), [("opentelemetry.instrumentation.genai.openai", 0), ("langfuse-sdk", 1), (None, 1)]
)
def test_metrics_count_a_call_once(standin: Standin, gpt: openai.OpenAI, scope: str | None, counts: int) -> None:
    reader = InMemoryMetricReader()
    finisher.start()
    recorded = Recorded(meter_provider=MeterProvider([reader], shutdown_on_exit=False))
    try:
        if scope is None:
            ask(gpt)
        else:
            with recorded.provider.get_tracer(scope).start_as_current_span("theirs", attributes=NAMED):
                ask(gpt)
        the_call(recorded)
        found = counts_of(reader)
        assert (found.get(a.METRIC_OPERATION_DURATION, 0), found[a.METRIC_OPERATION_COST]) == (counts, 1)
    finally:
        otel_llm.uninstrument()


def counts_of(reader: InMemoryMetricReader) -> dict[str, int]:
    data = reader.get_metrics_data()
    return {
        metric.name: sum(point.count for point in metric.data.data_points)  # type: ignore[union-attr,misc]
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.parametrize("native", ["on", "off", "content"])
@pytest.mark.parametrize("streams", [False, True])
def test_anthropics_own_spans(recorded: Recorded, standin: Standin, native: str, streams: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", recorded.provider)
        patch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false" if native == "off" else "true")
        patch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content" if native == "content" else "none")
        with anthropic.Anthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0) as client:
            ask_claude(client, streams=streams)
    scope = a.SCOPE_APP if native == "off" else "com.anthropic.sdk.python"
    assert scope_of(the_call(recorded)[0]) == scope


def ask_claude(client: anthropic.Anthropic, *, streams: bool) -> None:
    asked: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 999, "messages": HELLO}
    if streams:
        assert list(client.messages.create(**asked, stream=True))
    else:
        client.messages.create(**asked)


@pytest.mark.parametrize("theirs_first", [True, False])
def test_the_http_instrumentor_adds_no_span_of_its_own(standin: Standin, theirs_first: bool) -> None:
    finisher.start()
    instrumentor = HTTPXClientInstrumentor()
    try:
        if theirs_first:
            instrumentor.instrument()
        recorded = Recorded()
        if not theirs_first:
            instrumentor.instrument(tracer_provider=recorded.provider)
        with httpx2.Client() as client:
            client.post(standin.openai_url + "/chat/completions", json={"model": MODEL, "messages": HELLO})
        the_call(recorded)
        assert len(recorded.spans()) == 1
    finally:
        instrumentor.uninstrument()
        otel_llm.uninstrument()


def test_the_longest_scope_decides() -> None:
    found = find_peer("openinference.instrumentation.openai")
    assert found is not None
    assert found.spans is Spans.INFERENCE
    assert find_peer("opentelemetry.instrumentation.openai.v1") == find_peer("opentelemetry.instrumentation.openai")
    agents = find_peer("opentelemetry.instrumentation.openai_agents")
    assert agents is not None
    assert agents.spans is Spans.PARENT
    assert find_peer("litellmish") is None


def test_a_scope_has_one_row() -> None:
    assert len({row.scope for row in PEERS}) == len(PEERS)
