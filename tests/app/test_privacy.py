"""Nothing about the app's traces reaches a provider, whoever tries to send it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from app.rawserver import RawServer
from app.recording import Recorded
from opentelemetry import baggage, propagate
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import otel_llm
from otel_llm import coexistence
from otel_llm.propagation import HEADERS
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(params=["false", "true"])
def instrumented(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Everything that could send a header: Anthropic's own tracing and both HTTP instrumentors."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    monkeypatch.setenv("OTEL_LLM_HTTP_SPANS", request.param)
    recorded = Recorded()
    others = [HTTPXClientInstrumentor(), HTTPX2ClientInstrumentor()]
    for one in others:
        one.instrument(tracer_provider=recorded.provider)
    token = otel_context.attach(baggage.set_baggage("user.id", "alice"))
    yield recorded
    otel_context.detach(token)
    for one in others:
        one.uninstrument()
    otel_llm.uninstrument()


def test_no_trace_header_reaches_a_provider(instrumented: Recorded, standin: Standin) -> None:
    tracing: Any = {"tracer_provider": instrumented.provider}

    async def asynchronous() -> None:
        two = anthropic.AsyncAnthropic(api_key="k", base_url=standin.url, open_telemetry=tracing)
        async with openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url) as one, two:
            await one.chat.completions.create(model="gpt-4o", messages=HELLO)
            await two.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=9)

    with instrumented.tracer.start_as_current_span("work"):
        with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO, extra_headers={"traceparent": "mine"})
        with anthropic.Anthropic(api_key="k", base_url=standin.url, open_telemetry=tracing) as other:
            other.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=9)
        with httpx.Client() as old:
            old.post(standin.openai_url + "/chat/completions", json={"model": "gpt-4o", "messages": HELLO})
        asyncio.run(asynchronous())
    assert len(standin.calls) == 5
    for call in standin.calls:
        assert not {name.lower() for name in dict(call.headers)} & set(HEADERS)


def test_no_trace_header_goes_along_with_any_other_request_to_a_provider(instrumented: Recorded) -> None:
    seen: list[httpx2.Headers] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers)
        return httpx2.Response(404, json={})

    transport = httpx2.MockTransport(answer)
    HTTPX2ClientInstrumentor().uninstrument()
    HTTPX2ClientInstrumentor().instrument(tracer_provider=instrumented.provider)
    http = httpx2.Client(transport=transport)
    with instrumented.tracer.start_as_current_span("work"), http:
        local = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1", http_client=http, max_retries=0)
        other = anthropic.Anthropic(api_key="k", base_url="http://127.0.0.1:1", http_client=http, max_retries=0)
        asked: list[Any] = [
            lambda: local.embeddings.create(model="m", input="x"),
            local.models.list,
            lambda: local.responses.create(model="m", input="x"),
            lambda: local.moderations.create(input="x"),
            lambda: other.messages.count_tokens(model="m", messages=HELLO),
            lambda: http.get("https://api.openai.com/v1/files", headers={"traceparent": "mine"}),
        ]
        for ask in asked:
            with contextlib.suppress(openai.NotFoundError, anthropic.NotFoundError):
                ask()
        http.get("http://127.0.0.1:1/v1/mine", headers={"traceparent": "mine"})
    assert len(seen) == len(asked) + 1
    for headers in seen[:-1]:
        assert not set(headers) & set(HEADERS)
    assert headers is not seen[-1]
    assert "traceparent" in seen[-1], "requests to the user's own services keep theirs"


@pytest.mark.parametrize("is_async", [False, True])
def test_a_request_hook_of_the_app_sends_none_either(recorded: Recorded, standin: Standin, is_async: bool) -> None:
    def mark(request: httpx2.Request) -> None:
        request.headers["traceparent"] = "mine"

    async def mark_later(request: httpx2.Request) -> None:
        mark(request)

    async def asynchronous() -> None:
        async with openai.AsyncOpenAI(
            api_key="k",
            base_url=standin.openai_url,
            http_client=httpx2.AsyncClient(event_hooks={"request": [mark_later]}),
        ) as client:
            await client.chat.completions.create(model="gpt-4o", messages=HELLO)

    if is_async:
        asyncio.run(asynchronous())
    else:
        http = httpx2.Client(event_hooks={"request": [mark]})
        with openai.OpenAI(api_key="k", base_url=standin.openai_url, http_client=http) as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
    (call,) = standin.calls
    assert not {name.lower() for name in dict(call.headers)} & set(HEADERS)


def test_a_call_is_one_span_and_http_spans_are_optional(
    instrumented: Recorded, standin: Standin, request: pytest.FixtureRequest
) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    names = sorted(span.name for span in instrumented.spans())
    http_spans = "true" in request.node.name
    assert names == (["POST", "chat gpt-4o"] if http_spans else ["chat gpt-4o"])


@pytest.mark.parametrize("stream", [False, True])
def test_a_span_of_anthropics_own_gets_the_cost_and_no_second_one(
    instrumented: Recorded, standin: Standin, stream: bool
) -> None:
    from otel_llm.finisher import finisher

    finisher.start()
    finisher.drain(10)
    tracing: Any = {"tracer_provider": instrumented.provider}
    with anthropic.Anthropic(api_key="k", base_url=standin.url, open_telemetry=tracing) as client:
        if stream:
            with client.messages.stream(model="claude-haiku-4-5", messages=HELLO, max_tokens=9) as events:
                events.get_final_message()
        else:
            client.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=9)
    (span,) = [span for span in instrumented.spans() if span.name != "POST"]
    found = dict(span.attributes or {})
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "com.anthropic.sdk.python"
    assert found[a.COST_AMOUNT] > 0
    assert standin.calls[0].usage is not None
    assert found[a.USAGE_OUTPUT_TOKENS] == standin.calls[0].usage["output_tokens"]


def test_other_requests_keep_their_headers(instrumented: Recorded) -> None:
    with RawServer(lambda c: c.json({})) as server, httpx2.Client() as client:
        with instrumented.tracer.start_as_current_span("work"):
            client.get(server.url + "/own/service")
        assert "traceparent" in server.requests[0].headers
        assert "baggage" in server.requests[0].headers


def test_a_known_host_gets_no_header_on_any_path() -> None:
    recorded = Recorded(hosts={"127.0.0.1": "openai"})
    with RawServer(lambda c: c.json({})) as server, httpx2.Client() as client:
        client.get(server.url + "/v1/models", headers={"traceparent": "x", "baggage": "y", "tracestate": "z"})
        assert not set(server.requests[0].headers) & set(HEADERS)
    assert recorded.spans() == []
    otel_llm.uninstrument()


def test_a_propagator_that_the_app_sets_later_is_guarded_too(recorded: Recorded, standin: Standin) -> None:
    before = propagate.get_global_textmap()
    own = CompositePropagator([TraceContextTextMapPropagator()])
    propagate.set_global_textmap(own)
    carrier: dict[str, str] = {}

    def inject(request: Any) -> None:
        propagate.inject(carrier)

    try:
        with recorded.tracer.start_as_current_span("work"), httpx2.Client(event_hooks={"request": [inject]}) as client:
            client.post(standin.openai_url + "/chat/completions", json={"model": "gpt-4o", "messages": HELLO})
            assert carrier == {}
            propagate.inject(carrier)
            assert "traceparent" in carrier
    finally:
        propagate.set_global_textmap(before)


def test_session_and_user_do_not_travel_as_baggage(recorded: Recorded, standin: Standin) -> None:
    with otel_llm.session("s"), otel_llm.user("u"):
        assert baggage.get_all() == {}


def test_only_the_first_call_writes_on_a_span_of_somebody_elses(recorded: Recorded, standin: Standin) -> None:
    gc.collect()
    adopted_before = len(coexistence._adopted)
    body = {"model": "gpt-4o", "messages": HELLO}
    named = {a.OPERATION: "chat"}
    with recorded.tracer.start_as_current_span("mine", attributes=named) as mine, httpx2.Client() as client:
        for _ in range(3):
            client.post(standin.openai_url + "/chat/completions", json=body)
        context = mine.get_span_context()
    spans = recorded.spans()
    assert [span.name for span in spans] == ["chat gpt-4o", "chat gpt-4o", "mine"]
    ids = {(span.attributes or {})[a.RESPONSE_ID] for span in spans}
    assert ids == {call.id for call in standin.calls}
    assert {span.parent.span_id for span in spans if span.parent} == {context.span_id}
    del mine
    gc.collect()
    assert len(coexistence._adopted) == adopted_before
