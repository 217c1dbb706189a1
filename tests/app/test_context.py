"""Session, user, properties and prompt; the steps around calls; and what an app that knows nothing of us gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from decimal import Decimal
from typing import Any

import openai
import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

import otel_llm
from otel_llm import failures
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]


def call(standin: Standin, **options: Any) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO, **options)


def test_everything_declared_is_on_every_span_inside(recorded: Recorded, standin: Standin) -> None:
    with (
        otel_llm.session("s-1", name="Visit", path="/intake"),
        otel_llm.user("alice"),
        otel_llm.properties(department="cardiology", urgent=True),
        otel_llm.prompt("triage", version="v3"),
        recorded.tracer.start_as_current_span("plain"),
    ):
        call(standin)
    assert len(recorded.spans()) == 2
    for span in recorded.spans():
        found = dict(span.attributes or {})
        assert (found[a.SESSION_ID], found[a.SESSION_NAME], found[a.SESSION_PATH]) == ("s-1", "Visit", "/intake")
        assert (found[a.USER_ID], found[a.PROMPT_NAME], found[a.PROMPT_VERSION]) == ("alice", "triage", "v3")
        assert found[a.PROPERTY_PREFIX + "department"] == "cardiology"
        assert found[a.PROPERTY_PREFIX + "urgent"] is True


def test_the_context_ends_where_it_ends(recorded: Recorded, standin: Standin) -> None:
    with otel_llm.user("alice"):
        pass
    call(standin)
    assert a.USER_ID not in recorded.attributes()


def test_declared_goes_before_the_request_goes_before_the_parent(recorded: Recorded, standin: Standin) -> None:
    parent = {"user_id": "parent", "session_id": "parent", "prompt_name": "parent"}
    with recorded.tracer.start_as_current_span("work", attributes=parent), otel_llm.user("declared"):
        call(standin, user="request", metadata={"session_id": "request"})
    found = recorded.attributes()
    assert (found[a.USER_ID], found[a.SESSION_ID], found[a.PROMPT_NAME]) == ("declared", "request", "parent")


def test_plain_attributes_of_a_parent_become_properties_through_any_depth(recorded: Recorded, standin: Standin) -> None:
    plain = {"department": "cardiology", "gen_ai.prompt.version": "v3", "http.method": "GET", "text": "x" * 1000}
    with (
        recorded.tracer.start_as_current_span("triage", attributes=plain),
        recorded.tracer.start_as_current_span("step"),
    ):
        call(standin)
    found = recorded.attributes()
    assert found[a.PROPERTY_PREFIX + "department"] == "cardiology"
    assert found[a.PROMPT_VERSION] == "v3"
    assert len(found[a.PROPERTY_PREFIX + "text"]) == 256
    assert "http.method" not in found


def test_inheriting_is_bounded_and_can_be_switched_off(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, count in (("true", 32), ("false", 0)):
        monkeypatch.setenv("OTEL_LLM_INHERIT_ATTRIBUTES", wanted)
        recorded = Recorded()
        with recorded.tracer.start_as_current_span("work", attributes={f"k{n}": n for n in range(50)}):
            call(standin)
        inherited = [key for key in recorded.attributes() if key.startswith(a.PROPERTY_PREFIX)]
        assert len(inherited) == count
        otel_llm.uninstrument()


class Mute:
    """A value without text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def test_no_value_raises_into_the_app() -> None:
    recorded = Recorded(raise_errors=False)
    failures.counts.clear()
    odd: Any = {"none": None, "list": ["x"], "money": Decimal("1.50"), "mute": Mute(), "whole": 7, "huge": 1 << 64}
    nobody: Any = None
    with (
        otel_llm.properties(**odd),
        otel_llm.properties(),
        otel_llm.user(nobody),
        otel_llm.session(nobody, name="Visit"),
        otel_llm.prompt(nobody),
        recorded.tracer.start_as_current_span("x"),
    ):
        pass
    otel_llm.uninstrument()
    (span,) = recorded.spans()
    assert dict(span.attributes or {}) == {
        a.PROPERTY_PREFIX + "list": "['x']",
        a.PROPERTY_PREFIX + "money": "1.50",
        a.PROPERTY_PREFIX + "whole": 7,
        a.PROPERTY_PREFIX + "huge": str(1 << 64),
        a.SESSION_NAME: "Visit",
    }
    assert sum(failures.counts.values()) == 1


def test_steps_nest_and_calls_carry_the_nearest_names(recorded: Recorded, standin: Standin) -> None:
    @otel_llm.tool
    def look_up(word: str) -> str:
        """Look a word up."""
        call(standin)
        return word

    @otel_llm.agent("nurse", description="asks questions")
    async def nurse() -> str:
        return look_up("fever")

    @otel_llm.task()
    def prepare() -> None:
        call(standin)

    @otel_llm.workflow
    def intake() -> str:
        prepare()
        return asyncio.run(nurse())

    assert intake() == "fever"
    assert (look_up.__name__, look_up.__doc__) == ("look_up", "Look a word up.")
    spans = {span.name: span for span in recorded.spans() if not span.name.startswith("chat")}
    assert list(spans) == ["task prepare", "execute_tool look_up", "invoke_agent nurse", "invoke_workflow intake"]
    assert {span.kind for span in spans.values()} == {SpanKind.INTERNAL}
    for child, parent in (
        ("task prepare", "invoke_workflow intake"),
        ("invoke_agent nurse", "invoke_workflow intake"),
        ("execute_tool look_up", "invoke_agent nurse"),
    ):
        parent_context = spans[child].parent
        own_context = spans[parent].context
        assert parent_context is not None
        assert own_context is not None
        assert parent_context.span_id == own_context.span_id
    first, second = (dict(span.attributes or {}) for span in recorded.spans() if span.name.startswith("chat"))
    assert (first[a.WORKFLOW_NAME], first.get(a.AGENT_NAME)) == ("intake", None)
    assert (second[a.WORKFLOW_NAME], second[a.AGENT_NAME]) == ("intake", "nurse")
    agent = dict(spans["invoke_agent nurse"].attributes or {})
    assert agent[a.OPERATION] == "invoke_agent"
    assert agent[a.AGENT_DESCRIPTION] == "asks questions"
    assert (spans["execute_tool look_up"].attributes or {})[a.TOOL_NAME] == "look_up"


def test_the_inner_agent_is_the_nearest(recorded: Recorded, standin: Standin) -> None:
    with otel_llm.agent("outer"), otel_llm.agent("inner"):
        call(standin)
    assert recorded.attributes()[a.AGENT_NAME] == "inner"
    names = [(span.attributes or {})[a.AGENT_NAME] for span in recorded.spans()]
    assert names == ["inner", "inner", "outer"]


def test_an_error_is_recorded_and_goes_on(recorded: Recorded) -> None:
    @otel_llm.task
    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        broken()
    (span,) = recorded.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})[a.ERROR_TYPE] == "KeyError"
    assert [event.name for event in span.events] == ["exception"]


def test_a_session_decorates_functions_of_every_colour(recorded: Recorded) -> None:
    def mark() -> None:
        recorded.tracer.start_span("mark").end()

    @otel_llm.session("s")
    def plain() -> None:
        mark()

    @otel_llm.session("s")
    async def coroutine() -> None:
        mark()

    @otel_llm.session("s")
    def generator() -> Generator[None]:
        mark()
        yield

    @otel_llm.session("s")
    async def async_generator() -> AsyncGenerator[None, None]:
        mark()
        yield

    async def main() -> None:
        await coroutine()
        async for _ in async_generator():
            mark()  # outside

    plain()
    list(generator())
    asyncio.run(main())
    found = [(span.attributes or {}).get(a.SESSION_ID) for span in recorded.spans()]
    assert found == ["s", "s", "s", "s", None]


def test_a_provider_that_is_made_later_is_served_too(recorded: Recorded) -> None:
    later = TracerProvider(shutdown_on_exit=False)
    with otel_llm.user("alice"):
        span: Any = later.get_tracer("t").start_span("x")
    assert span.attributes[a.USER_ID] == "alice"
    otel_llm.uninstrument()
    with otel_llm.user("alice"):
        after: Any = later.get_tracer("t").start_span("x")
    assert a.USER_ID not in after.attributes


def test_a_parent_from_another_context_counts_not_the_current_one(recorded: Recorded) -> None:
    with otel_llm.user("alice"):
        elsewhere = otel_context.get_current()
    span: Any = recorded.tracer.start_span("x", context=trace.set_span_in_context(trace.INVALID_SPAN, elsewhere))
    assert span.attributes[a.USER_ID] == "alice"


def test_a_name_may_be_given_by_keyword(recorded: Recorded) -> None:
    @otel_llm.agent(name="triage", description="ranks patients")
    def work() -> None:
        with otel_llm.tool(name="scale"):
            pass

    work()
    assert {span.name for span in recorded.spans()} == {"invoke_agent triage", "execute_tool scale"}


def test_what_the_app_says_of_its_own_span_stands(recorded: Recorded) -> None:
    with otel_llm.user("of the context"), otel_llm.session("s-1"):
        recorded.tracer.start_span("plain", attributes={"user.id": "of the span"}).end()
    (span,) = recorded.spans()
    assert dict(span.attributes or {}) == {"user.id": "of the span", "session.id": "s-1"}
