"""LlamaIndex: agents, workflows, engines, tools and retrievers around counted calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import llama_index_instrumentation as instrumentation
import pytest
from app.recording import Recorded
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.llms import LLM, ChatMessage
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai import OpenAI
from sdks.harmless import broken, unharmed
from sdks.tree import calls_agree, named, saw
from sdks.visits import check_visits
from workflows.errors import WorkflowCancelledByUser

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("llama-index-core")


@pytest.fixture
def llm(standin: Standin) -> Iterator[LLM]:
    """OpenAI on loopback."""
    with unharmed():
        yield OpenAI(model="gpt-4o-mini", api_base=standin.openai_url, api_key="k", max_retries=0)


def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


def lose(patient: str) -> str:
    """Fails."""
    raise LookupError("no such patient")


def agent(llm: LLM, *tools: Any, name: str = "triage") -> FunctionAgent:
    return FunctionAgent(name=name, description="How urgent is it?", tools=list(tools), llm=llm)


def run(workflow: Any, *args: Any, **kwargs: Any) -> Any:
    async def running() -> Any:
        return await workflow.run(*args, **kwargs)

    return asyncio.run(running())


@pytest.fixture
def index(llm: LLM) -> VectorStoreIndex:
    """One document, found by a mock embedding."""
    return VectorStoreIndex.from_documents([Document(text="no known allergies")], embed_model=MockEmbedding(8))


class Triage(Event):
    complaint: str


class Admission(Workflow):
    """Two steps, a call in each."""

    def __init__(self, llm: LLM, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.llm = llm

    @step
    async def triage(self, ev: StartEvent) -> Triage:
        return Triage(complaint=str((await self.llm.acomplete(ev.complaint)).text))

    @step
    def admit(self, ev: Triage) -> StopEvent:
        return StopEvent(result=str(self.llm.complete(ev.complaint).text))


@pytest.mark.feature("chat")
def test_a_model_alone_is_a_call_alone(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    llm.chat([ChatMessage("chest pain")])
    assert list(llm.stream_complete("chest pain"))
    saw(
        recorded,
        """
        chat gpt-4o-mini
        chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("workflow")
def test_a_workflow(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    run(Admission(llm), complaint="chest pain")
    saw(
        recorded,
        """
        invoke_workflow Admission
          task triage
            chat gpt-4o-mini
          task admit
            chat gpt-4o-mini
        """,
    )
    assert [call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin)] == ["Admission"] * 2


@pytest.mark.feature("workflow")
def test_workflows_side_by_side_and_inside(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    class Day(Workflow):
        @step
        async def visits(self, ev: StartEvent) -> StopEvent:
            names = ("first", "second")
            runs = [Admission(llm, workflow_name=name).run(complaint="chest pain") for name in names]
            return StopEvent(result=await asyncio.gather(*runs))

    run(Day())
    spans = recorded.spans()
    parents = {span.context.span_id: span for span in spans}
    found = {(span.name, parents[span.parent.span_id].name) for span in spans if span.parent}
    assert found == {
        ("task visits", "invoke_workflow Day"),
        ("invoke_workflow first", "task visits"),
        ("invoke_workflow second", "task visits"),
        ("task triage", "invoke_workflow first"),
        ("task triage", "invoke_workflow second"),
        ("task admit", "invoke_workflow first"),
        ("task admit", "invoke_workflow second"),
        ("chat gpt-4o-mini", "task triage"),
        ("chat gpt-4o-mini", "task admit"),
    }
    carried = sorted(call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin))
    assert carried == ["first", "first", "second", "second"]


@pytest.mark.feature("error")
def test_a_step_that_fails(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    class Broken(Workflow):
        @step
        async def admit(self, ev: StartEvent) -> StopEvent:
            raise LookupError("no bed")

    with pytest.raises(LookupError):
        run(Broken())
    saw(
        recorded,
        """
        invoke_workflow Broken !LookupError
          task admit !LookupError
        """,
    )


@pytest.mark.feature("agent", "tool")
def test_an_agent(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    with otel_llm.workflow("admission"):
        run(agent(llm, look_up), "How is Anna?")
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent triage
            chat gpt-4o-mini
            execute_tool look_up
            chat gpt-4o-mini
        """,
    )
    found = named(spans, "execute_tool look_up")
    assert (found[a.AGENT_NAME], found[a.WORKFLOW_NAME]) == ("triage", "admission")
    assert found[a.TOOL_CALL_ID].startswith("call_")
    assert "What is known of a patient." in found[a.TOOL_DESCRIPTION]
    assert not {a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT} & set(found)
    assert named(spans, "invoke_agent triage")[a.AGENT_DESCRIPTION] == "How urgent is it?"
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "admission")


@pytest.mark.feature("content")
def test_what_a_tool_got_and_gave_is_recorded_where_asked_for(capturing: Recorded, standin: Standin, llm: LLM) -> None:
    FunctionTool.from_defaults(look_up)(patient="Anna")
    found = named(capturing.spans(), "execute_tool look_up")
    assert found[a.TOOL_CALL_ARGUMENTS] == '{"patient":"Anna"}'
    assert found[a.TOOL_CALL_RESULT] == '"no known allergies"'


@pytest.mark.feature("agent")
def test_a_stream_of_an_agents_events(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    async def watch() -> None:
        handler = agent(llm, look_up).run("How is Anna?")
        assert [event async for event in handler.stream_events()]
        await handler

    asyncio.run(watch())
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
          execute_tool look_up
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("agent")
def test_an_agent_that_reasons_in_text(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    run(ReActAgent(name="triage", tools=[look_up], llm=llm), "How is Anna?")
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("agent")
def test_several_agents(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    run(AgentWorkflow(agents=[agent(llm, look_up)], root_agent="triage", workflow_name="admission"), "How is Anna?")
    saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent triage
            chat gpt-4o-mini
          execute_tool look_up
          invoke_agent triage
            chat gpt-4o-mini
        """,
    )
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "admission")


@pytest.mark.feature("agent")
def test_an_agent_as_the_tool_of_another(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    async def consult(question: str) -> str:
        """Asks an expert, who is an agent."""
        return str(await agent(llm, name="expert").run(question))

    run(agent(llm, consult), "How is Anna?")
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
          execute_tool consult
            invoke_agent expert
              chat gpt-4o-mini
          chat gpt-4o-mini
        """,
    )
    assert [call[a.AGENT_NAME] for call in calls_agree(recorded, standin)] == ["triage", "expert", "triage"]


@pytest.mark.feature("tool")
def test_a_tool_that_fails(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    run(agent(llm, lose), "How is Anna?")
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
          execute_tool lose !LookupError
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("waiting")
def test_a_tool_that_waits_for_an_answer_is_no_error(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    class Question(Event):
        pass

    class Answer(Event):
        pass

    async def approve(ctx: Context, reason: str) -> str:
        """Asks a person."""
        await ctx.wait_for_event(Answer, waiter_event=Question())
        return "yes"

    approve.__annotations__["ctx"] = Context  # which LlamaIndex does not resolve by itself

    async def ask() -> None:
        handler = agent(llm, approve).run("May I?")
        async for event in handler.stream_events():
            if isinstance(event, Question):
                handler.ctx.send_event(Answer())
        await handler

    asyncio.run(ask())
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
          execute_tool approve
          execute_tool approve
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("query engine", "retriever")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_query_engine(
    recorded: Recorded, standin: Standin, llm: LLM, index: VectorStoreIndex, is_async: bool
) -> None:
    engine = index.as_query_engine(llm=llm)
    if is_async:
        asyncio.run(engine.aquery("allergies?"))
    else:
        engine.query("allergies?")
    spans = saw(
        recorded,
        """
        invoke_workflow RetrieverQueryEngine
          retrieval VectorIndexRetriever
          chat gpt-4o-mini
        """,
    )
    assert a.RETRIEVAL_QUERY not in named(spans, "retrieval VectorIndexRetriever")
    assert named(spans, "chat gpt-4o-mini")[a.WORKFLOW_NAME] == "RetrieverQueryEngine"


@pytest.mark.feature("query engine")
def test_a_query_engine_as_a_tool(recorded: Recorded, standin: Standin, llm: LLM, index: VectorStoreIndex) -> None:
    run(agent(llm, QueryEngineTool.from_defaults(index.as_query_engine(llm=llm), name="records")), "How is Anna?")
    saw(
        recorded,
        """
        invoke_agent triage
          chat gpt-4o-mini
          execute_tool records
            task RetrieverQueryEngine
              retrieval VectorIndexRetriever
              chat gpt-4o-mini
          chat gpt-4o-mini
        """,
    )


def _chat(engine: Any) -> None:
    engine.chat("allergies?")


def _stream_chat(engine: Any) -> None:
    assert list(engine.stream_chat("allergies?").response_gen)


def _astream_chat(engine: Any) -> None:
    async def chat() -> None:
        answer = await engine.astream_chat("allergies?")
        assert [token async for token in answer.async_response_gen()]

    asyncio.run(chat())


@pytest.mark.feature("chat engine")
@pytest.mark.parametrize("chat", [_chat, _stream_chat, _astream_chat])
def test_a_chat_engine(
    recorded: Recorded, standin: Standin, llm: LLM, index: VectorStoreIndex, chat: Callable[[Any], None]
) -> None:
    chat(index.as_chat_engine(chat_mode="context", llm=llm))
    saw(
        recorded,
        """
        invoke_workflow ContextChatEngine
          retrieval VectorIndexRetriever
          chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("threads")
def test_parallel_sessions_do_not_mix(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    def visit(number: int) -> None:
        mine = OpenAI(model="gpt-4o-mini", api_base=standin.openai_url, api_key="k")
        run(agent(mine, look_up, name=f"triage-{number}"), "How is Anna?")

    check_visits(recorded, visit, spans=4, name=a.AGENT_NAME, value="triage")


@pytest.mark.feature("spans of the app")
def test_the_apps_own_spans_are_in_between(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    class Own(Workflow):
        @step
        async def triage(self, ev: StartEvent) -> StopEvent:
            with recorded.tracer.start_as_current_span("mine"):
                return StopEvent(result=FunctionTool.from_defaults(look_up)(patient=llm.complete("who?").text))

    run(Own())
    saw(
        recorded,
        """
        invoke_workflow Own
          task triage
            mine
              chat gpt-4o-mini
              execute_tool look_up
        """,
    )


@pytest.mark.feature("abandoned run")
def test_a_run_that_is_cancelled(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    class Endless(Workflow):
        @step
        async def wait(self, ev: StartEvent) -> StopEvent:
            self.begun.set()
            await asyncio.Event().wait()
            return StopEvent()

    async def cancel() -> None:
        endless = Endless(timeout=None)
        endless.begun = asyncio.Event()  # type: ignore[attr-defined]
        handler = endless.run()
        await endless.begun.wait()  # type: ignore[attr-defined]
        await handler.cancel_run()
        with pytest.raises(WorkflowCancelledByUser):
            await handler

    asyncio.run(cancel())
    saw(
        recorded,
        """
        invoke_workflow Endless
          task wait
        """,
    )


@pytest.mark.feature("faults of ours")
@pytest.mark.parametrize("function", ["Entries", "OpenSteps.add", "OpenSteps.end", "_open_method"])
def test_a_fault_of_ours_is_not_the_apps(standin: Standin, llm: LLM, function: str) -> None:
    with broken(f"otel_llm.frameworks.llama_index.{function}") as recorded:
        run(agent(llm, look_up), "How is Anna?")
        assert len(calls_agree(recorded, standin)) == 2


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, standin: Standin, llm: LLM) -> None:
    FunctionTool.from_defaults(look_up)(patient=str(llm.complete("who?").text))
    assert len(recorded.spans()) == 2
    root = instrumentation.get_dispatcher()
    before = list(root.span_handlers)
    otel_llm.uninstrument()
    assert root.span_handlers == [one for one in before if "otel_llm" not in type(one).__module__]
    assert len(root.span_handlers) == len(before) - 1
    FunctionTool.from_defaults(look_up)(patient=str(llm.complete("who?").text))
    assert len(recorded.spans()) == 2
