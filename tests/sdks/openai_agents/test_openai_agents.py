"""OpenAI's Agents SDK: runs as trees of workflow, agents, tools and counted calls."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import agents
import pytest
from agents import Agent, Runner, function_tool
from agents.mcp import MCPServerStdio
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from app.recording import Recorded
from openai import AsyncOpenAI
from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span
from sdks.tree import attributes, calls_agree, named, saw, tree

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("openai-agents")
MODEL = "gpt-4o-mini"
SERVER = """
from mcp.server import MCPServer
server = MCPServer("ward")
@server.tool()
def look_up(patient: str) -> str:
    return "no known allergies"
server.run("stdio")
"""


#: An agent that calls a tool.
TRIAGE = """
    invoke_workflow Agent workflow
      invoke_agent triage
        chat gpt-4o-mini
        execute_tool look_up
        chat gpt-4o-mini
    """


@function_tool
def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


@function_tool
def lose(patient: str) -> str:
    """Fails; the SDK tells the model so."""
    raise LookupError("no such patient")


@function_tool(failure_error_function=None)
def crash(patient: str) -> str:
    """Fails, and the run with it."""
    raise LookupError("no such patient")


class Models:
    """Models of the stand-in."""

    def __init__(self, standin: Standin) -> None:
        self._url = standin.openai_url

    def __call__(self, name: str = MODEL) -> OpenAIChatCompletionsModel:
        return OpenAIChatCompletionsModel(name, AsyncOpenAI(base_url=self._url, api_key="k", max_retries=0))


@pytest.fixture
def model(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setenv("OPENAI_API_KEY", "")  # the SDK's own export has no key to leave with
    return Models(standin)


def run(agent: Agent[Any], text: str = "hello", **options: Any) -> Any:
    """Run an agent to its end, in a loop of its own."""

    async def main() -> Any:
        return await Runner.run(agent, text, **options)

    return asyncio.run(main())


@pytest.mark.feature("agent", "tool", "workflow")
def test_an_agent_with_a_tool(recorded: Recorded, standin: Standin, model: Models) -> None:
    run(Agent(name="triage", model=model(), tools=[look_up]))
    spans = saw(recorded, TRIAGE)
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "Agent workflow")
    assert named(spans, "execute_tool look_up")[a.TOOL_NAME] == "look_up"
    assert a.TOOL_CALL_ARGUMENTS not in named(spans, "execute_tool look_up")


@pytest.mark.feature("responses")
def test_the_responses_api(recorded: Recorded, standin: Standin, model: Models) -> None:
    agents.set_default_openai_client(AsyncOpenAI(base_url=standin.openai_url, api_key="k"), use_for_tracing=False)
    run(Agent(name="triage", model=MODEL, tools=[look_up]))
    saw(recorded, TRIAGE)
    calls_agree(recorded, standin)


@pytest.mark.feature("content")
def test_arguments_and_results_where_content_is_captured(capturing: Recorded, model: Models) -> None:
    run(Agent(name="triage", model=model(), tools=[look_up]))
    tool = named(capturing.spans(), "execute_tool look_up")
    assert '"patient"' in tool[a.TOOL_CALL_ARGUMENTS]
    assert tool[a.TOOL_CALL_RESULT] == '"no known allergies"'


@pytest.mark.feature("group", "metadata")
def test_the_group_is_the_conversation_and_metadata_are_properties(recorded: Recorded, model: Models) -> None:
    with agents.trace("admission", group_id="visit-1", metadata={"ward": "b", "nested": {}}):
        run(Agent(name="triage", model=model()))
        run(Agent(name="surgery", model=model()))
    spans = saw(
        recorded,
        """
        invoke_workflow admission
          invoke_agent triage
            chat gpt-4o-mini
          invoke_agent surgery
            chat gpt-4o-mini
        """,
    )
    assert all(attributes(span)[a.CONVERSATION_ID] == "visit-1" for span in spans)
    assert all(attributes(span)[a.PROPERTY_PREFIX + "ward"] == "b" for span in spans)
    assert a.PROPERTY_PREFIX + "nested" not in attributes(spans[0])


@pytest.mark.feature("handoff")
def test_a_handoff_is_a_task_between_two_agents(recorded: Recorded, standin: Standin, model: Models) -> None:
    surgery = Agent(name="surgery", model=model())
    run(Agent(name="triage", model=model(), handoffs=[surgery]))
    saw(
        recorded,
        """
        invoke_workflow Agent workflow
          invoke_agent triage
            chat gpt-4o-mini
            task handoff to surgery
          invoke_agent surgery
            chat gpt-4o-mini
        """,
    )
    assert [call[a.AGENT_NAME] for call in calls_agree(recorded, standin)] == ["triage", "surgery"]


@pytest.mark.feature("agent as tool")
def test_an_agent_inside_a_tool(recorded: Recorded, standin: Standin, model: Models) -> None:
    helper = Agent(name="pharmacist", model=model())
    run(Agent(name="triage", model=model(), tools=[helper.as_tool("ask_pharmacist", "asks")]))
    saw(
        recorded,
        """
        invoke_workflow Agent workflow
          invoke_agent triage
            chat gpt-4o-mini
            execute_tool ask_pharmacist
              invoke_agent pharmacist
                chat gpt-4o-mini
            chat gpt-4o-mini
        """,
    )
    names = [call[a.AGENT_NAME] for call in calls_agree(recorded, standin)]
    assert names == ["triage", "pharmacist", "triage"]


@pytest.mark.feature("guardrail")
def test_a_guardrail_is_a_task_and_its_calls_are_below_it(recorded: Recorded, standin: Standin, model: Models) -> None:
    judge = Agent(name="judge", model=model())

    @agents.input_guardrail
    async def polite(context: Any, agent: Any, text: Any) -> agents.GuardrailFunctionOutput:
        await Runner.run(judge, text)
        return agents.GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    with pytest.raises(agents.InputGuardrailTripwireTriggered):
        run(Agent(name="triage", model=model(), input_guardrails=[polite]))
    spans = recorded.spans()
    assert (
        "  invoke_agent triage !InputGuardrailTripwireTriggered\n"
        "    task guardrail polite\n"
        "      invoke_agent judge\n"
        "        chat gpt-4o-mini"
    ) in tree(spans)
    assert standin.calls


@pytest.mark.feature("errors")
def test_a_tool_whose_failure_the_model_is_told(recorded: Recorded, model: Models) -> None:
    run(Agent(name="triage", model=model(), tools=[lose]))
    saw(
        recorded,
        """
        invoke_workflow Agent workflow
          invoke_agent triage
            chat gpt-4o-mini
            execute_tool lose !_OTHER
            chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("errors")
def test_a_failure_marks_all_that_it_ends(recorded: Recorded, model: Models) -> None:
    with pytest.raises(agents.UserError):
        run(Agent(name="triage", model=model(), tools=[crash]))
    saw(
        recorded,
        """
        invoke_workflow Agent workflow !UserError
          invoke_agent triage !UserError
            chat gpt-4o-mini
            execute_tool crash !UserError
        """,
    )


@pytest.mark.feature("errors")
def test_a_run_after_a_failure_is_not_marked_by_it(recorded: Recorded, model: Models) -> None:
    async def main() -> None:
        try:
            await Runner.run(Agent(name="triage", model=model("standin-500")), "hello")
        except Exception:
            await Runner.run(Agent(name="second", model=model()), "hello")

    asyncio.run(main())
    saw(
        recorded,
        """
        invoke_workflow Agent workflow !InternalServerError
          invoke_agent triage !InternalServerError
            chat standin-500 !server_error
        invoke_workflow Agent workflow
          invoke_agent second
            chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("stream")
def test_a_streamed_run(recorded: Recorded, standin: Standin, model: Models) -> None:
    async def main() -> None:
        result = Runner.run_streamed(Agent(name="triage", model=model(), tools=[look_up]), "hello")
        async for _ in result.stream_events():
            assert not get_current_span().get_span_context().is_valid

    asyncio.run(main())
    saw(recorded, TRIAGE)
    calls_agree(recorded, standin)


@pytest.mark.feature("stream")
def test_an_abandoned_stream_leaves_nothing_behind(recorded: Recorded, model: Models) -> None:
    async def main() -> None:
        result = Runner.run_streamed(Agent(name="triage", model=model(), tools=[look_up]), "hello")
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                break
        result.cancel()
        del result
        gc.collect()
        assert otel_context.get_current() == {}

    asyncio.run(main())
    lines = tree(recorded.spans()).splitlines()
    assert [line.split(" !")[0] for line in lines[:3]] == [
        "invoke_workflow Agent workflow",
        "  invoke_agent triage",
        "    chat gpt-4o-mini",
    ]


@pytest.mark.feature("parallel")
def test_runs_beside_each_other_do_not_mix(recorded: Recorded, standin: Standin, model: Models) -> None:
    async def one(number: int) -> None:
        with otel_llm.session(f"s{number}"):
            agent = Agent(name=f"agent{number}", model=model(), tools=[look_up])
            await Runner.run(agent, f"hello {number}", run_config=agents.RunConfig(workflow_name=f"flow{number}"))

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(5)))

    asyncio.run(main())
    assert len(calls_agree(recorded, standin)) == 10
    lines = tree(recorded.spans())
    for number in range(5):
        inside = ("    chat gpt-4o-mini", "    execute_tool look_up", "    chat gpt-4o-mini")
        assert "\n".join((f"invoke_workflow flow{number}", f"  invoke_agent agent{number}", *inside)) in lines
    for span in recorded.spans():
        found = attributes(span)
        number = found[a.SESSION_ID][1:]
        assert found[a.WORKFLOW_NAME] == f"flow{number}"
        assert found.get(a.AGENT_NAME, f"agent{number}") == f"agent{number}"


@pytest.mark.feature("threads")
def test_a_tool_that_runs_in_a_thread_is_inside(recorded: Recorded, model: Models) -> None:
    @function_tool
    def ask(question: str) -> str:
        """Asks another agent."""
        return str(Runner.run_sync(Agent(name="inner", model=model()), question).final_output)

    run(Agent(name="outer", model=model(), tools=[ask]))
    saw(
        recorded,
        """
        invoke_workflow Agent workflow
          invoke_agent outer
            chat gpt-4o-mini
            execute_tool ask
              invoke_agent inner
                chat gpt-4o-mini
            chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("mcp")
def test_a_tool_of_an_mcp_server(recorded: Recorded, standin: Standin, model: Models) -> None:
    server = MCPServerStdio({"command": sys.executable, "args": ["-c", SERVER]}, cache_tools_list=True)

    async def main() -> None:
        async with server:
            with agents.trace("admission"):
                await Runner.run(Agent(name="triage", model=model(), mcp_servers=[server]), "hello")

    asyncio.run(main())
    lines = tree(recorded.spans()).splitlines()
    assert lines[lines.index("invoke_workflow admission") :] == [
        "invoke_workflow admission",
        "  invoke_agent triage",
        "    tools/list",
        "    chat gpt-4o-mini",
        "    execute_tool look_up",
        "      tools/call look_up",
        "    chat gpt-4o-mini",
    ]
    calls_agree(recorded, standin)


@pytest.mark.feature("parents")
def test_spans_of_the_app_and_of_the_sdk_share_one_tree(recorded: Recorded, model: Models) -> None:
    async def main() -> None:
        with recorded.tracer.start_as_current_span("request"), agents.trace("admission") as trace:
            with agents.custom_span("prepare") as prepare:
                with recorded.tracer.start_as_current_span("query"):
                    await Runner.run(Agent(name="triage", model=model()), "hello")
                agents.custom_span("elsewhere", parent=trace).start()
            later = agents.custom_span("later", parent=prepare)
            later.start(mark_as_current=True)
            later.finish(reset_current=True)

    asyncio.run(main())
    assert "elsewhere" not in tree(recorded.spans()), "a span that was never finished has not ended"
    saw(
        recorded,
        """
        request
          invoke_workflow admission
            task prepare
              query
                invoke_agent triage
                  chat gpt-4o-mini
            task later
        """,
    )


@pytest.mark.feature("switched off")
def test_what_the_user_switched_off_stays_off_and_calls_are_counted(
    recorded: Recorded, standin: Standin, model: Models
) -> None:
    run(Agent(name="triage", model=model()), run_config=agents.RunConfig(tracing_disabled=True))
    saw(recorded, "chat gpt-4o-mini")
    calls_agree(recorded, standin)


@pytest.mark.feature("processors")
def test_the_users_processors_are_theirs(recorded: Recorded, model: Models) -> None:
    seen: list[str] = []

    class Mine(agents.TracingProcessor):
        def on_trace_start(self, trace: Any) -> None:
            seen.append(trace.name)

        def on_trace_end(self, trace: Any) -> None: ...
        def on_span_start(self, span: Any) -> None: ...
        def on_span_end(self, span: Any) -> None:
            seen.append(span.span_data.type)

        def shutdown(self) -> None: ...
        def force_flush(self) -> None: ...

    agents.set_trace_processors([Mine()])
    run(Agent(name="triage", model=model()))
    assert seen[0] == "Agent workflow"
    assert "generation" in seen
    assert tree(recorded.spans()).startswith("invoke_workflow Agent workflow\n  invoke_agent triage")


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, model: Models) -> None:
    from agents.tracing.spans import SpanImpl
    from agents.tracing.traces import TraceImpl

    patched = [SpanImpl.start, SpanImpl.finish, TraceImpl.start, TraceImpl.finish]
    otel_llm.uninstrument()
    restored = [SpanImpl.start, SpanImpl.finish, TraceImpl.start, TraceImpl.finish]
    assert all(one.__wrapped__ is other for one, other in zip(patched, restored, strict=True))
    run(Agent(name="triage", model=model()))
    assert recorded.spans() == []
