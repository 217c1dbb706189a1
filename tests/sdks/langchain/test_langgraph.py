"""LangGraph and LangChain's agents: graphs as workflows or agents, nodes as tasks, tools, and the calls below them."""

from __future__ import annotations

import asyncio
import gc
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import langgraph.pregel.main as pregel
import pytest
from app.recording import Recorded
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph._internal import _runnable
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from sdks.harmless import broken
from sdks.langchain.ward import look_up, lose
from sdks.tree import attributes, calls_agree, named, saw, tree
from sdks.visits import check_visits

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("langgraph")
Run = Callable[..., None]
NOTHING: Any = {"notes": []}
HELLO: Any = {"messages": [("user", "How is Anna?")]}


class State(TypedDict):
    notes: Annotated[list[str], operator.add]


async def _stream(graph: Any, *given: Any) -> None:
    assert [chunk async for chunk in graph.astream(*given)]


async def _events(graph: Any, *given: Any) -> None:
    assert [event async for event in graph.astream_events(*given)]


WAYS: dict[str, Run] = {
    "invoke": lambda graph, *given: graph.invoke(*given),
    "ainvoke": lambda graph, *given: asyncio.run(graph.ainvoke(*given)),
    "stream": lambda graph, *given: list(graph.stream(*given)).clear(),
    "astream": lambda graph, *given: asyncio.run(_stream(graph, *given)),
    "messages": lambda graph, *given: list(graph.stream(*given, stream_mode="messages")).clear(),
    "events": lambda graph, *given: asyncio.run(_events(graph, *given)),
}


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.feature(name)) for name, way in WAYS.items()], ids=WAYS)
def run(request: pytest.FixtureRequest) -> Run:
    """Each way to run a graph."""
    way: Run = request.param
    return way


def note(model: BaseChatModel) -> Callable[[State], State]:
    """A node that asks the model."""
    return lambda state: {"notes": [str(model.invoke("How urgent is it?").content)]}


def chained(**nodes: Any) -> StateGraph[Any]:
    """A graph of these nodes, one after the other."""
    graph = StateGraph(State)
    names = list(nodes)
    for name, node in nodes.items():
        graph.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph


@pytest.mark.feature("graph")
def test_a_graph(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    def is_urgent(state: State) -> str:
        return "treat" if model.invoke("yes or no?").content else END

    graph = StateGraph(State)
    graph.add_node("triage", note(model))
    graph.add_node("treat", RunnableLambda(note(model)))
    graph.add_edge(START, "triage")
    graph.add_conditional_edges("triage", is_urgent, ["treat", END])
    run(graph.compile(name="admission"), NOTHING)
    saw(
        recorded,
        """
        invoke_workflow admission
          task triage
            chat gpt-4o-mini
            chat gpt-4o-mini
          task treat
            chat gpt-4o-mini
        """,
    )
    assert {call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin)} == {"admission"}


@pytest.mark.feature("graph")
def test_nodes_side_by_side(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    graph = StateGraph(State)
    for name in ("left", "right"):
        graph.add_node(name, note(model))
        graph.add_edge(START, name)
    run(graph.compile(name="both"), NOTHING)
    lines = tree(recorded.spans()).splitlines()
    assert sorted(lines) == sorted(
        ["invoke_workflow both", *2 * ["    chat gpt-4o-mini"], "  task left", "  task right"]
    )
    assert lines[2].strip() == lines[4].strip() == "chat gpt-4o-mini"


@pytest.mark.feature("subgraph")
def test_subgraphs(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    inner = chained(think=note(model))
    graph = chained(named=inner.compile(name="inner"), called=lambda state: inner.compile().invoke(NOTHING))
    run(graph.compile(name="outer"), NOTHING)
    saw(
        recorded,
        """
        invoke_workflow outer
          task named
            invoke_workflow inner
              task think
                chat gpt-4o-mini
          task called
            task think
              chat gpt-4o-mini
        """,
    )
    carried = [call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin)]
    assert carried == ["inner", "outer"]


@pytest.mark.feature("graph")
def test_a_graph_without_a_name_hides_no_workflow(recorded: Recorded, model: BaseChatModel, run: Run) -> None:
    with otel_llm.workflow("admission"):
        run(chained(triage=note(model)).compile(), NOTHING)
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          task LangGraph
            task triage
              chat gpt-4o-mini
        """,
    )
    assert named(spans, "chat gpt-4o-mini")[a.WORKFLOW_NAME] == "admission"


@pytest.mark.sdk("langchain")
@pytest.mark.feature("agent")
def test_an_agent(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    with otel_llm.workflow("admission"):
        run(create_agent(model, tools=[look_up], name="triage"), HELLO)
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent triage
            task model
              chat gpt-4o-mini
            task tools
              execute_tool look_up
            task model
              chat gpt-4o-mini
        """,
    )
    found = named(spans, "execute_tool look_up")
    assert (found[a.AGENT_NAME], found[a.WORKFLOW_NAME]) == ("triage", "admission")
    assert found[a.TOOL_CALL_ID].startswith("call_")
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "admission")


@pytest.mark.sdk("langchain")
@pytest.mark.feature("agent")
def test_an_agent_over_anthropic(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    name = "claude-sonnet-4-5"
    claude = ChatAnthropic(model_name=name, base_url=standin.anthropic_url, api_key="k", timeout=9, stop=None)
    run(create_agent(claude, tools=[look_up], name="triage"), HELLO)
    saw(
        recorded,
        """
        invoke_agent triage
          task model
            chat claude-sonnet-4-5
          task tools
            execute_tool look_up
          task model
            chat claude-sonnet-4-5
        """,
    )
    calls_agree(recorded, standin)


@pytest.mark.sdk("langchain")
@pytest.mark.feature("agent")
def test_an_agent_as_the_tool_of_another(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    expert = create_agent(model, name="expert")

    @tool
    def consult(question: str) -> str:
        """Asks an expert, who is an agent."""
        return str(expert.invoke(HELLO)["messages"][-1].content)

    run(create_agent(model, tools=[consult], name="triage"), HELLO)
    saw(
        recorded,
        """
        invoke_agent triage
          task model
            chat gpt-4o-mini
          task tools
            execute_tool consult
              invoke_agent expert
                task model
                  chat gpt-4o-mini
          task model
            chat gpt-4o-mini
        """,
    )
    assert [call[a.AGENT_NAME] for call in calls_agree(recorded, standin)] == ["triage", "expert", "triage"]


@pytest.mark.sdk("langchain")
@pytest.mark.feature("agent")
def test_a_graph_inside_an_agent_is_a_workflow(recorded: Recorded, model: BaseChatModel, run: Run) -> None:
    steps = chained(think=note(model)).compile(name="steps")

    @tool
    def work(question: str) -> str:
        """Runs a graph."""
        return str(steps.invoke(NOTHING))

    run(create_agent(model, tools=[work], name="triage"), HELLO)
    found = tree(recorded.spans())
    assert "    execute_tool work\n      invoke_workflow steps\n        task think\n          chat gpt-4o-mini" in found


@pytest.mark.sdk("langchain")
@pytest.mark.feature("agent")
def test_a_tool_that_fails_in_an_agent(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    with pytest.raises(LookupError):
        run(create_agent(model, tools=[lose], name="triage"), HELLO)
    saw(
        recorded,
        """
        invoke_agent triage !LookupError
          task model
            chat gpt-4o-mini
          task tools !LookupError
            execute_tool lose !LookupError
        """,
    )


@pytest.mark.feature("interrupt")
def test_an_interrupt_is_no_error(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    def approve(state: State) -> State:
        return {"notes": [interrupt("may I?")]}

    inner = chained(approve=approve).compile(name="approval")
    graph = chained(triage=note(model), ask=inner).compile(InMemorySaver(), name="admission")
    thread: Any = {"configurable": {"thread_id": "thread-1"}}
    run(graph, NOTHING, thread)
    assert graph.get_state(thread).interrupts
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          task triage
            chat gpt-4o-mini
          task ask
            invoke_workflow approval
              task approve
        """,
    )
    assert {attributes(span)[a.CONVERSATION_ID] for span in spans} == {"thread-1"}
    recorded.exporter.clear()
    run(graph, Command(resume="yes"), thread)
    assert not graph.get_state(thread).next
    saw(
        recorded,
        """
        invoke_workflow admission
          task ask
            invoke_workflow approval
              task approve
        """,
    )


@pytest.mark.feature("jump")
def test_a_jump_to_the_parent_graph_is_no_error(recorded: Recorded, model: BaseChatModel, run: Run) -> None:
    def leave(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, goto="done")

    inner = chained(leave=leave).compile(name="inner")
    graph = chained(first=inner, done=lambda state: NOTHING)
    run(graph.compile(name="outer"), NOTHING)
    assert "!" not in tree(recorded.spans())


@pytest.mark.feature("functions")
def test_functions_as_a_graph(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    @task
    def triage(complaint: str) -> str:
        return str(model.invoke(complaint).content)

    @entrypoint()
    def admission(complaint: str) -> list[str]:
        return [triage(complaint).result(), triage(complaint).result()]

    run(admission, "chest pain")
    saw(
        recorded,
        """
        invoke_workflow LangGraph
          task admission
            task triage
              chat gpt-4o-mini
            task triage
              chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("error")
def test_a_node_that_fails(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    def fail(state: State) -> State:
        raise LookupError("no bed")

    with pytest.raises(LookupError):
        run(chained(triage=note(model), admit=fail).compile(name="admission"), NOTHING)
    saw(
        recorded,
        """
        invoke_workflow admission !LookupError
          task triage
            chat gpt-4o-mini
          task admit !LookupError
        """,
    )


@pytest.mark.feature("abandoned stream")
@pytest.mark.parametrize("ending", ["close", "collect"])
def test_an_abandoned_stream_ends(recorded: Recorded, standin: Standin, model: BaseChatModel, ending: str) -> None:
    stream = chained(triage=note(model), admit=note(model)).compile(name="admission").stream(NOTHING)
    next(stream)
    if ending == "close":
        stream.close()
    del stream
    gc.collect()
    saw(
        recorded,
        """
        invoke_workflow admission
          task triage
            chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("abandoned stream")
def test_an_abandoned_async_stream_ends(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    async def peek() -> None:
        async for _ in chained(triage=note(model), admit=note(model)).compile(name="admission").astream(NOTHING):
            break

    asyncio.run(peek())
    assert tree(recorded.spans()).startswith("invoke_workflow admission\n  task triage\n    chat gpt-4o-mini")


@pytest.mark.feature("threads")
def test_parallel_threads_do_not_mix(recorded: Recorded, standin: Standin, model: BaseChatModel) -> None:
    graph = chained(triage=note(model), admit=note(model)).compile(InMemorySaver(), name="admission")

    def visit(number: int) -> None:
        graph.invoke(NOTHING, {"configurable": {"thread_id": f"thread-{number}"}})

    check_visits(recorded, visit, spans=5, name=a.CONVERSATION_ID, value="thread")


@pytest.mark.feature("faults of ours")
@pytest.mark.parametrize(
    "function",
    ["langchain.elsewhere", "langchain.enter", "langchain.started", "langgraph.as_graph"],
)
def test_a_fault_of_ours_is_not_the_apps(standin: Standin, model: BaseChatModel, run: Run, function: str) -> None:
    with broken(f"otel_llm.frameworks.{function}") as recorded:
        run(create_agent(model, tools=[look_up], name="triage"), HELLO)
        assert len(calls_agree(recorded, standin)) == 2


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, standin: Standin, model: BaseChatModel, run: Run) -> None:
    graph = chained(triage=note(model)).compile(name="admission")
    run(graph, NOTHING)
    assert len(recorded.spans()) == 3
    owned = [(pregel, "get_callback_manager_for_config"), (_runnable, "_set_config_context")]
    hooked = [getattr(*each) for each in owned]
    otel_llm.uninstrument()
    assert [getattr(*each) for each in owned] == [each.__wrapped__ for each in hooked]
    run(graph, NOTHING)
    assert len(recorded.spans()) == 3
