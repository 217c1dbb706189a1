"""Haystack: pipelines, components, agents and tools around counted calls, whoever the tracer is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from app.recording import Recorded
from haystack import Document, Pipeline, SuperComponent, component, tracing
from haystack.components.agents import Agent
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import ComponentTool, Tool
from haystack.utils import Secret
from haystack_integrations.components.generators.anthropic import AnthropicChatGenerator
from opentelemetry import context as otel_context
from sdks.harmless import broken, unharmed
from sdks.tree import calls_agree, named, saw
from sdks.visits import check_visits

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("haystack-ai")
KEY = Secret.from_token("k")
HELLO = [ChatMessage.from_user("How is Anna?")]
Run = Callable[[Any, dict[str, Any]], Any]


async def _each(pipeline: Pipeline, data: dict[str, Any]) -> None:
    before = otel_context.get_current()
    async for _ in pipeline.run_async_generator(data):
        assert otel_context.get_current() == before, "leaked to who iterates"


async def _stream(pipeline: Pipeline, data: dict[str, Any]) -> None:
    assert [chunk async for chunk in pipeline.stream(data)]


WAYS: dict[str, Run] = {
    "run": lambda pipeline, data: pipeline.run(data),
    "run_async": lambda pipeline, data: asyncio.run(pipeline.run_async(data)),
    "run_async_generator": lambda pipeline, data: asyncio.run(_each(pipeline, data)),
    "stream": lambda pipeline, data: asyncio.run(_stream(pipeline, data)),
}


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.feature(name)) for name, way in WAYS.items()], ids=WAYS)
def run(request: pytest.FixtureRequest) -> Run:
    """Each way to run a pipeline."""
    way: Run = request.param
    return way


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[[Agent], Any]:
    """Each way to run an agent."""
    is_async: bool = request.param
    return lambda agent: asyncio.run(agent.run_async(messages=HELLO)) if is_async else agent.run(messages=HELLO)


@pytest.fixture
def chat(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], OpenAIChatGenerator]]:
    """Makes generators on loopback."""
    url = standin.openai_url
    with unharmed():
        yield lambda: OpenAIChatGenerator(api_key=KEY, model="gpt-4o-mini", api_base_url=url, max_retries=0)


def _look_up(patient: str) -> str:
    return "no known allergies"


def _lose(patient: str) -> str:
    raise LookupError("no such patient")


def tool(function: Callable[..., str], name: str) -> Tool:
    schema = {"type": "object", "properties": {"patient": {"type": "string"}}, "required": ["patient"]}
    return Tool(name=name, description="What is known of a patient.", parameters=schema, function=function)


LOOK_UP = tool(_look_up, "look_up")
LOSE = tool(_lose, "lose")


def retrieving(chat: Callable[[], Any], **kwargs: Any) -> Pipeline:
    """Finds a document, builds a prompt of it, and asks."""
    store = InMemoryDocumentStore()
    store.write_documents([Document(content="no known allergies")])
    pipeline = Pipeline(**kwargs)
    pipeline.add_component("find", InMemoryBM25Retriever(store))
    template = [ChatMessage.from_user("{% for one in documents %}{{ one.content }}{% endfor %}")]
    pipeline.add_component("build", ChatPromptBuilder(template, required_variables="*"))
    pipeline.add_component("llm", chat())
    pipeline.connect("find.documents", "build.documents")
    pipeline.connect("build.prompt", "llm.messages")
    return pipeline


ANSWER = """
    invoke_workflow answer
      retrieval find
      task build
      task llm
        chat gpt-4o-mini
    """


@pytest.mark.feature("chat")
def test_a_generator_alone_is_a_call_alone(recorded: Recorded, standin: Standin, chat: Any) -> None:
    chat().run(messages=HELLO)
    saw(recorded, "chat gpt-4o-mini")
    calls_agree(recorded, standin)


@pytest.mark.feature("pipeline", "retriever")
def test_a_pipeline(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    run(retrieving(chat, metadata={"name": "answer"}), {"find": {"query": "allergies"}})
    spans = saw(recorded, ANSWER)
    found = named(spans, "chat gpt-4o-mini")
    assert (found[a.WORKFLOW_NAME], found[a.RESPONSE_ID]) == ("answer", standin.calls[0].id)


@pytest.mark.feature("pipeline")
def test_a_pipeline_without_a_name(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    with otel_llm.workflow("admission"):
        pipeline = Pipeline()
        pipeline.add_component("llm", chat())
        run(pipeline, {"llm": {"messages": HELLO}})
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          task Pipeline
            task llm
              chat gpt-4o-mini
        """,
    )
    assert named(spans, "chat gpt-4o-mini")[a.WORKFLOW_NAME] == "admission"


@pytest.mark.feature("pipeline")
def test_a_pipeline_inside_a_pipeline(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    inner = Pipeline()
    inner.add_component("ask", chat())
    outer = Pipeline(metadata={"name": "outer"})
    outer.add_component("inner", SuperComponent(inner))
    outer.add_component("llm", chat())
    outer.connect("inner.replies", "llm.messages")
    run(outer, {"inner": {"messages": HELLO}})
    saw(
        recorded,
        """
        invoke_workflow outer
          task inner
            task ask
              chat gpt-4o-mini
          task llm
            chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("error")
def test_a_component_that_fails(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    @component
    class Fail:
        @component.output_types(messages=list[ChatMessage])
        def run(self, messages: list[ChatMessage]) -> dict[str, Any]:
            raise LookupError("no bed")

    pipeline = Pipeline(metadata={"name": "admission"})
    pipeline.add_component("fail", Fail())
    pipeline.add_component("llm", chat())
    pipeline.connect("fail.messages", "llm.messages")
    with pytest.raises(Exception, match="no bed"):
        run(pipeline, {"fail": {"messages": HELLO}})
    saw(
        recorded,
        """
        invoke_workflow admission !PipelineRuntimeError
          task fail !PipelineRuntimeError
        """,
    )


@pytest.mark.feature("agent", "tool")
def test_an_agent(recorded: Recorded, standin: Standin, chat: Any, ask: Any) -> None:
    with otel_llm.workflow("admission"):
        ask(Agent(chat_generator=chat(), tools=[LOOK_UP]))
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent Agent
            chat gpt-4o-mini
            execute_tool look_up
            chat gpt-4o-mini
        """,
    )
    found = named(spans, "execute_tool look_up")
    assert (found[a.AGENT_NAME], found[a.TOOL_DESCRIPTION]) == ("Agent", "What is known of a patient.")
    assert not {a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT} & set(found)
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("Agent", "admission")


@pytest.mark.feature("agent")
def test_an_agent_in_a_pipeline(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    pipeline = Pipeline(metadata={"name": "admission"})
    pipeline.add_component("triage", Agent(chat_generator=chat(), tools=[LOOK_UP]))
    run(pipeline, {"triage": {"messages": HELLO}})
    saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent triage
            chat gpt-4o-mini
            execute_tool look_up
            chat gpt-4o-mini
        """,
    )
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "admission")


@pytest.mark.feature("agent")
def test_an_agent_over_anthropic(
    recorded: Recorded, standin: Standin, chat: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", standin.anthropic_url)
    claude = AnthropicChatGenerator(api_key=KEY, model="claude-sonnet-4-5")
    ask(Agent(chat_generator=claude, tools=[LOOK_UP]))
    saw(
        recorded,
        """
        invoke_agent Agent
          chat claude-sonnet-4-5
          execute_tool look_up
          chat claude-sonnet-4-5
        """,
    )
    calls_agree(recorded, standin)


@pytest.mark.feature("agent")
def test_an_agent_as_the_tool_of_another(recorded: Recorded, standin: Standin, chat: Any, ask: Any) -> None:
    schema = {"type": "object", "properties": {"user_prompt": {"type": "string"}}}
    expert = Agent(chat_generator=chat(), user_prompt="How urgent is it?")
    consult = Tool(
        name="expert", description="Knows it.", parameters=schema, function=lambda **_: str(expert.run(messages=HELLO))
    )
    ask(Agent(chat_generator=chat(), tools=[consult]))
    saw(
        recorded,
        """
        invoke_agent Agent
          chat gpt-4o-mini
          execute_tool expert
            invoke_agent expert
              chat gpt-4o-mini
          chat gpt-4o-mini
        """,
    )
    assert [call[a.AGENT_NAME] for call in calls_agree(recorded, standin)] == ["Agent", "expert", "Agent"]


@pytest.mark.feature("tool")
def test_a_component_as_a_tool(recorded: Recorded, standin: Standin, chat: Any, ask: Any) -> None:
    store = InMemoryDocumentStore()
    finder = ComponentTool(InMemoryBM25Retriever(store), name="find", description="Finds records.")
    ask(Agent(chat_generator=chat(), tools=[finder]))
    found = [span.name for span in sorted(recorded.spans(), key=lambda span: span.start_time or 0)]
    assert found[:3] == ["invoke_agent Agent", "chat gpt-4o-mini", "execute_tool find"]


@pytest.mark.feature("tool")
def test_a_tool_that_fails(recorded: Recorded, standin: Standin, chat: Any, ask: Any) -> None:
    ask(Agent(chat_generator=chat(), tools=[LOSE]))
    spans = saw(
        recorded,
        """
        invoke_agent Agent
          chat gpt-4o-mini
          execute_tool lose !LookupError
          chat gpt-4o-mini
        """,
    )
    (failed,) = [span for span in spans if span.name == "execute_tool lose"]
    assert failed.status.description == "no such patient"  # Haystack's own error quotes the arguments


@pytest.mark.feature("content")
def test_what_a_tool_got_and_gave_is_recorded_where_asked_for(capturing: Recorded, chat: Any) -> None:
    LOOK_UP.invoke(patient="Anna")
    found = named(capturing.spans(), "execute_tool look_up")
    assert found[a.TOOL_CALL_ARGUMENTS] == '{"patient":"Anna"}'
    assert found[a.TOOL_CALL_RESULT] == '"no known allergies"'


class Notes(tracing.Tracer):
    """A tracer of the user's, which writes down what it sees."""

    class Note(tracing.Span):
        def __init__(self, name: str, parent: Any) -> None:
            self.name, self.parent, self.tags = name, parent, {}

        def set_tag(self, key: str, value: Any) -> None:
            self.tags[key] = value

    def __init__(self) -> None:
        self.notes: list[Notes.Note] = []

    @contextlib.contextmanager
    def trace(self, operation_name: str, tags: Any = None, parent_span: Any = None) -> Iterator[tracing.Span]:
        self.notes.append(Notes.Note(operation_name, parent_span))
        yield self.notes[-1]

    def current_span(self) -> tracing.Span | None:
        return self.notes[-1] if self.notes else None


@pytest.mark.feature("a tracer of the user's")
def test_the_users_tracer_sees_what_it_saw(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    tracers = [Notes(), Notes()]
    for mine in tracers:
        tracing.enable_tracing(mine)
        try:
            run(retrieving(chat, metadata={"name": "answer"}), {"find": {"query": "allergies"}})
        finally:
            tracing.disable_tracing()
        if mine is tracers[0]:
            assert len(saw(recorded, ANSWER)) == 5
        otel_llm.uninstrument()
    seen, unhooked = ([(note.name, note.parent and note.parent.name) for note in mine.notes] for mine in tracers)
    assert seen == unhooked
    assert all(type(note.parent) in (Notes.Note, type(None)) for note in tracers[0].notes)


@pytest.mark.feature("threads")
def test_parallel_sessions_do_not_mix(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    def visit(number: int) -> None:
        run(retrieving(chat, metadata={"name": f"answer-{number}"}), {"find": {"query": "allergies"}})

    check_visits(recorded, visit, spans=5, name=a.WORKFLOW_NAME, value="answer")


@pytest.mark.feature("abandoned run")
def test_an_abandoned_generator_ends(recorded: Recorded, standin: Standin, chat: Any) -> None:
    async def peek() -> None:
        steps = retrieving(chat, metadata={"name": "answer"}).run_async_generator({"find": {"query": "allergies"}})
        async for _ in steps:
            break
        await steps.aclose()

    asyncio.run(peek())
    found = [span.name for span in recorded.spans()]
    assert found[0] == "retrieval find"
    assert found[-1] == "invoke_workflow answer"
    assert {span.status.status_code.name for span in recorded.spans() if span.name == found[-1]} == {"UNSET"}


@pytest.mark.feature("faults of ours")
@pytest.mark.parametrize("function", ["Entries.enter", "Entries.leave", "_place", "end_step", "open_step", "open_tool"])
def test_a_fault_of_ours_is_not_the_apps(standin: Standin, chat: Any, run: Run, function: str) -> None:
    pipeline = Pipeline(metadata={"name": "admission"})
    pipeline.add_component("triage", Agent(chat_generator=chat(), tools=[LOOK_UP]))
    with broken(f"otel_llm.frameworks.haystack.{function}") as recorded:
        run(pipeline, {"triage": {"messages": HELLO}})
        assert len(calls_agree(recorded, standin)) == 2
    otel_context.attach(otel_context.Context())  # what could not be left


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, standin: Standin, chat: Any, run: Run) -> None:
    run(retrieving(chat), {"find": {"query": "allergies"}})
    assert len(recorded.spans()) == 5
    owned = [(type(tracing.tracer), "trace"), (Tool, "invoke"), (Tool, "invoke_async")]
    hooked = [getattr(*each) for each in owned]
    otel_llm.uninstrument()
    assert [getattr(*each) for each in owned] == [each.__wrapped__ for each in hooked]
    run(retrieving(chat), {"find": {"query": "allergies"}})
    assert len(recorded.spans()) == 5
