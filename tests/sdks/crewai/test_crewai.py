"""CrewAI: crews, flows and single agents as trees of workflow, tasks, agents, tools and counted calls."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span
from sdks.tree import attributes, calls_agree, named, saw, tree

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

os.environ["CREWAI_DISABLE_TELEMETRY"] = "true"
os.environ["CREWAI_TRACING_ENABLED"] = "false"

from crewai import LLM, Agent, Crew, Flow, Task
from crewai.events.event_bus import CrewAIEventsBus
from crewai.flow.flow import listen, start
from crewai.tools import tool

pytestmark = pytest.mark.sdk("crewai")
MODEL = "gpt-4o-mini"


@tool("look_up")
def look_up(patient: str) -> str:
    """What is known of a patient."""
    assert get_current_span().name == "execute_tool look_up"  # type: ignore[attr-defined]
    return "no known allergies"


@tool("lose")
def lose(patient: str) -> str:
    """Fails; CrewAI tells the model so."""
    raise LookupError("no such patient")


@tool("hang_up")
def hang_up(patient: str) -> str:
    """Ends the whole run."""
    raise KeyboardInterrupt


class Ward:
    """Makes crews and agents whose models are the stand-in's."""

    def __init__(self, standin: Standin) -> None:
        self._url = standin.openai_url

    def llm(self, model: str = MODEL) -> Any:
        return LLM(model=model, base_url=self._url, api_key="k", max_retries=0)

    def agent(self, role: str = "triage nurse\n", tools: Sequence[Any] = (), model: str = MODEL) -> Any:
        return Agent(
            role=role,
            goal="help",
            backstory="-",
            llm=self.llm(model),
            tools=list(tools),
            verbose=False,
            max_retry_limit=0,
        )

    def crew(self, *tools: Any, name: str = "admission", model: str = MODEL, **options: Any) -> Any:
        nurse = self.agent(tools=tools, model=model)
        task = Task(description="a prompt", expected_output="urgency", agent=nurse, name="assess")
        return Crew(agents=[nurse], tasks=[task], name=name, verbose=False, **options)


@pytest.fixture
def ward(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    monkeypatch.setenv("HOME", str(tmp_path))  # it writes there
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path / "crew"))
    yield Ward(standin)
    assert otel_context.get_current() == {}


CREW = """
    invoke_workflow admission
      task assess
        invoke_agent triage nurse
          chat gpt-4o-mini
          execute_tool look_up
          chat gpt-4o-mini
    """


def streamed(crew: Any) -> None:
    for _ in crew.kickoff():
        assert not get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("run", "options"),
    [
        pytest.param(lambda crew: crew.kickoff(), {}, marks=pytest.mark.feature("crew", "tool"), id="kickoff"),
        pytest.param(
            lambda crew: asyncio.run(crew.kickoff_async()),
            {},
            marks=pytest.mark.feature("async", "threads"),
            id="thread",
        ),
        pytest.param(lambda crew: asyncio.run(crew.akickoff()), {}, marks=pytest.mark.feature("async"), id="akickoff"),
        pytest.param(streamed, {"stream": True}, marks=pytest.mark.feature("stream"), id="stream"),
    ],
)
def test_a_crew(
    recorded: Recorded, standin: Standin, ward: Ward, run: Callable[[Any], Any], options: dict[str, Any]
) -> None:
    run(ward.crew(look_up, **options))
    spans = saw(recorded, CREW)
    for call in calls_agree(recorded, standin):
        assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage nurse", "admission")
    assert a.TOOL_CALL_ARGUMENTS not in named(spans, "execute_tool look_up")


@pytest.mark.feature("content")
def test_arguments_and_results_where_content_is_captured(capturing: Recorded, ward: Ward) -> None:
    ward.crew(look_up).kickoff()
    called = named(capturing.spans(), "execute_tool look_up")
    assert '"patient"' in called[a.TOOL_CALL_ARGUMENTS]
    assert called[a.TOOL_CALL_RESULT] == '"no known allergies"'


@pytest.mark.feature("agent")
@pytest.mark.parametrize("is_async", [False, True])
def test_an_agent_alone(recorded: Recorded, standin: Standin, ward: Ward, is_async: bool) -> None:
    nurse = ward.agent(tools=[look_up])
    asyncio.run(nurse.kickoff_async("hello")) if is_async else nurse.kickoff("hello")
    saw(
        recorded,
        """
        invoke_agent triage nurse
          chat gpt-4o-mini
          execute_tool look_up
          chat gpt-4o-mini
        """,
    )
    assert {call[a.AGENT_NAME] for call in calls_agree(recorded, standin)} == {"triage nurse"}


@pytest.mark.feature("flow")
def test_a_flow_with_a_crew_inside(recorded: Recorded, standin: Standin, ward: Ward) -> None:
    class Intake(Flow):  # type: ignore[type-arg]
        @start()
        def greet(self) -> Any:
            return ward.llm().call("hello")

        @listen(greet)
        def admit(self, greeting: Any) -> Any:
            return ward.crew(look_up).kickoff()

    Intake().kickoff()
    saw(
        recorded,
        """
        invoke_workflow Intake
          task greet
            chat gpt-4o-mini
          task admit
            invoke_workflow admission
              task assess
                invoke_agent triage nurse
                  chat gpt-4o-mini
                  execute_tool look_up
                  chat gpt-4o-mini
        """,
    )
    names = [call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin)]
    assert names == ["Intake", "admission", "admission"]


@pytest.mark.feature("errors")
def test_a_tool_whose_failure_the_model_is_told(recorded: Recorded, ward: Ward) -> None:
    ward.crew(lose).kickoff()
    lines = tree(recorded.spans()).splitlines()
    assert "      execute_tool lose !LookupError" in lines
    assert [line for line in lines if "!" in line] == [line for line in lines if "execute_tool" in line]


@pytest.mark.feature("errors")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_failure_marks_all_that_it_ends(recorded: Recorded, ward: Ward, is_async: bool) -> None:
    crew = ward.crew(model="standin-400")
    with pytest.raises(Exception, match="400"):
        asyncio.run(crew.akickoff()) if is_async else crew.kickoff()
    saw(
        recorded,
        """
        invoke_workflow admission !BadRequestError
          task assess !BadRequestError
            invoke_agent triage nurse !BadRequestError
              chat standin-400 !invalid_request_error
        """,
    )


@pytest.mark.feature("interrupts")
@pytest.mark.parametrize("is_async", [False, True])
def test_an_interrupted_crew_ends_its_spans_and_leaves_nothing_behind(
    recorded: Recorded, ward: Ward, is_async: bool
) -> None:
    crew = ward.crew(hang_up)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(crew.kickoff_async()) if is_async else crew.kickoff()
    saw(
        recorded,
        """
        invoke_workflow admission !KeyboardInterrupt
          task assess !KeyboardInterrupt
            invoke_agent triage nurse !KeyboardInterrupt
              chat gpt-4o-mini
              execute_tool hang_up !KeyboardInterrupt
        """,
    )


@pytest.mark.feature("cancelled")
def test_a_cancelled_flow_ends_its_spans(recorded: Recorded, ward: Ward) -> None:
    async def main() -> None:
        began = asyncio.Event()

        class Intake(Flow):  # type: ignore[type-arg]
            @start()
            async def greet(self) -> None:
                began.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(Intake().kickoff_async())
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    saw(
        recorded,
        """
        invoke_workflow Intake !CancelledError
          task greet !CancelledError
        """,
    )


@pytest.mark.feature("parallel")
def test_crews_beside_each_other_do_not_mix(recorded: Recorded, standin: Standin, ward: Ward) -> None:
    async def one(number: int) -> None:
        with otel_llm.session(f"s{number}"):
            await ward.crew(look_up, name=f"crew{number}").kickoff_async()

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(4)))

    asyncio.run(main())
    assert len(calls_agree(recorded, standin)) == 8
    spans = recorded.spans()
    for number in range(4):
        mine = [span for span in spans if attributes(span)[a.SESSION_ID] == f"s{number}"]
        assert tree(mine) == cleandoc(CREW.replace("admission", f"crew{number}"))
        assert {attributes(span)[a.WORKFLOW_NAME] for span in mine} == {f"crew{number}"}


@pytest.mark.feature("parents")
def test_a_crew_is_below_the_span_around_it(recorded: Recorded, ward: Ward) -> None:
    with recorded.tracer.start_as_current_span("request"):
        ward.crew().kickoff()
        assert get_current_span().name == "request"  # type: ignore[attr-defined]
    saw(
        recorded,
        """
        request
          invoke_workflow admission
            task assess
              invoke_agent triage nurse
                chat gpt-4o-mini
        """,
    )


@pytest.mark.feature("telemetry")
def test_what_crewai_sends_to_its_makers_carries_nothing_of_ours(recorded: Recorded, monkeypatch: Any) -> None:
    from crewai.telemetry.telemetry import Telemetry
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    monkeypatch.setenv("CREWAI_DISABLE_TELEMETRY", "false")
    monkeypatch.setattr(Telemetry, "_instance", None)
    monkeypatch.setattr(Telemetry, "_register_shutdown_handlers", lambda self: None)
    telemetry = Telemetry()
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(telemetry.provider._active_span_processor, "_span_processors", _ours(telemetry, exporter))
    with otel_llm.session("visit-1"), otel_llm.user("dr-okafor"), otel_llm.agent("nurse"):
        telemetry.provider.get_tracer("crewai.telemetry").start_span("Crew Created").end()
    (span,) = exporter.get_finished_spans()
    assert not {a.SESSION_ID, a.USER_ID, a.AGENT_NAME} & set(attributes(span))
    assert [span.name for span in recorded.spans()] == ["invoke_agent nurse"]


def _ours(telemetry: Any, exporter: Any) -> tuple[Any, ...]:
    """Its processors, with an exporter in memory for the one that sends."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    found = telemetry.provider._active_span_processor._span_processors
    for processor in found:
        if isinstance(processor, BatchSpanProcessor):
            processor.shutdown()
    return (*(one for one in found if not isinstance(one, BatchSpanProcessor)), SimpleSpanProcessor(exporter))


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, ward: Ward) -> None:
    names = ("emit", "aemit", "_enter_runtime_scope", "_exit_runtime_scope")
    patched = [getattr(CrewAIEventsBus, name) for name in names]
    otel_llm.uninstrument()
    assert [one.__wrapped__ for one in patched] == [getattr(CrewAIEventsBus, name) for name in names]
    ward.crew().kickoff()
    assert recorded.spans() == []
