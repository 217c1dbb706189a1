"""DSPy: programs as trees of workflow, agents, tools, tasks and counted calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from app.recording import Recorded
from dspy.utils.callback import BaseCallback
from opentelemetry import context as otel_context
from opentelemetry.trace import get_current_span
from sdks.agreement import calls
from sdks.tree import attributes, calls_agree, named, saw, tree

import otel_llm
from otel_llm_collector.demo.standin import Fault, Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("dspy")
MODEL = "gpt-4o-mini"


class Triage(dspy.Signature):
    """How urgent is this?"""

    complaint: str = dspy.InputField()
    urgency: str = dspy.OutputField()


class Admission(dspy.Module):
    """Two predictions, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.triage = dspy.Predict(Triage)
        self.explain = dspy.ChainOfThought("urgency -> explanation")

    def forward(self, complaint: str) -> Any:
        return self.explain(urgency=self.triage(complaint=complaint).urgency)

    async def aforward(self, complaint: str) -> Any:
        found = await self.triage.acall(complaint=complaint)
        return await self.explain.acall(urgency=found.urgency)


def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


def lose(patient: str) -> str:
    """Fails."""
    raise LookupError("no such patient")


@pytest.fixture(params=["litellm", "lm15"])
def lm(request: pytest.FixtureRequest, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Each of DSPy's two ways to a provider."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true")  # it fetches prices from the network otherwise
    lm = dspy.LM(f"openai/{MODEL}", api_base=standin.openai_url, api_key="k", cache=False, engine=request.param)
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        yield lm
    assert otel_context.get_current() == {}


ADMISSION = """
    invoke_workflow Admission
      task Triage
        chat gpt-4o-mini
      task ChainOfThought
        task Predict
          chat gpt-4o-mini
    """


@pytest.mark.feature("module", "predict")
def test_a_program(recorded: Recorded, standin: Standin, lm: Any) -> None:
    Admission()(complaint="chest pain")
    saw(recorded, ADMISSION)
    assert {call[a.WORKFLOW_NAME] for call in calls_agree(recorded, standin)} == {"Admission"}


@pytest.mark.feature("async")
def test_an_asynchronous_program(recorded: Recorded, standin: Standin, lm: Any) -> None:
    asyncio.run(Admission().acall(complaint="chest pain"))
    saw(recorded, ADMISSION)
    calls_agree(recorded, standin)


class Choosing(dspy.JSONAdapter):
    """Takes the model's answer to be the next of these choices: the stand-in cannot make them."""

    def __init__(self, *tools: str) -> None:
        super().__init__()
        self._tools = list(tools)

    def parse(self, signature: Any, completion: Any) -> dict[str, Any]:
        if "next_tool_name" not in signature.output_fields:
            return super().parse(signature, completion)
        tool = self._tools.pop(0)
        arguments = {} if tool == "finish" else {"patient": "Anna"}
        return {"next_thought": "-", "next_tool_name": tool, "next_tool_args": arguments}


@pytest.mark.feature("agent", "tool")
def test_an_agent_with_tools(recorded: Recorded, standin: Standin, lm: Any) -> None:
    with dspy.context(adapter=Choosing("look_up", "lose", "finish")):
        dspy.ReAct(Triage, tools=[look_up, lose])(complaint="chest pain")
    saw(
        recorded,
        """
        invoke_agent Triage
          task Predict
            chat gpt-4o-mini
          execute_tool look_up
          task Predict
            chat gpt-4o-mini
          execute_tool lose !LookupError
          task Predict
            chat gpt-4o-mini
          execute_tool finish
          task ChainOfThought
            task Predict
              chat gpt-4o-mini
        """,
    )
    assert {call[a.AGENT_NAME] for call in calls_agree(recorded, standin)} == {"Triage"}


@pytest.mark.feature("tool", "errors")
def test_a_tool_and_one_that_fails(recorded: Recorded) -> None:
    assert dspy.Tool(look_up)(patient="Anna") == "no known allergies"
    with pytest.raises(LookupError):
        dspy.Tool(lose)(patient="Anna")
    spans = saw(
        recorded,
        """
        execute_tool look_up
        execute_tool lose !LookupError
        """,
    )
    tool = named(spans, "execute_tool look_up")
    assert tool[a.TOOL_DESCRIPTION] == "What is known of a patient."
    assert not {a.TOOL_CALL_ARGUMENTS, a.TOOL_CALL_RESULT} & set(tool)


@pytest.mark.feature("content")
def test_arguments_and_results_where_content_is_captured(capturing: Recorded) -> None:
    dspy.Tool(look_up)(patient="Anna")
    tool = named(capturing.spans(), "execute_tool look_up")
    assert tool[a.TOOL_CALL_ARGUMENTS] == '{"patient":"Anna"}'
    assert tool[a.TOOL_CALL_RESULT] == '"no known allergies"'


@pytest.mark.feature("errors")
def test_a_failure_marks_all_that_it_ends(recorded: Recorded, standin: Standin) -> None:
    lm = dspy.LM("openai/standin-400", api_base=standin.openai_url, api_key="k", cache=False, num_retries=0)
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()), pytest.raises(Exception, match="400"):
        Admission()(complaint="chest pain")
    lines = tree(recorded.spans()).splitlines()
    assert [line.split(" !")[0] for line in lines[:3]] == [
        "invoke_workflow Admission",
        "  task Triage",
        "    chat standin-400",
    ]
    assert all(" !" in line for line in lines)
    assert otel_context.get_current() == {}


@pytest.mark.feature("retries")
@pytest.mark.parametrize("is_async", [False, True])
def test_attempts_of_one_call_are_one_span(recorded: Recorded, is_async: bool) -> None:
    with Standin(faults=[Fault("500", "", 1)], retry_after_s=0) as standin:
        lm = dspy.LM(f"openai/{MODEL}", api_base=standin.openai_url, api_key="k", cache=False, engine="lm15")
        asyncio.run(lm.acall("hello")) if is_async else lm("hello")
        (call,) = calls(recorded)
        assert attributes(call)[a.ATTEMPTS] == len(standin.calls) == 2


@pytest.mark.feature("parallel", "threads")
def test_programs_in_threads_are_below_who_started_them(recorded: Recorded, standin: Standin, lm: Any) -> None:
    program = dspy.Predict(Triage)
    examples = [dspy.Example(complaint=f"number {n}").with_inputs("complaint") for n in range(4)]
    with otel_llm.session("visit-1"), otel_llm.workflow("batch"):
        dspy.Parallel(num_threads=4, disable_progress_bar=True)([(program, example) for example in examples])
    saw(
        recorded,
        """
        invoke_workflow batch
          invoke_workflow Triage
            chat gpt-4o-mini
          invoke_workflow Triage
            chat gpt-4o-mini
          invoke_workflow Triage
            chat gpt-4o-mini
          invoke_workflow Triage
            chat gpt-4o-mini
        """,
    )
    assert {attributes(span)[a.SESSION_ID] for span in recorded.spans()} == {"visit-1"}
    calls_agree(recorded, standin)


@pytest.mark.feature("parallel")
def test_programs_beside_each_other_do_not_mix(recorded: Recorded, standin: Standin, lm: Any) -> None:
    async def one(number: int) -> None:
        with otel_llm.session(f"s{number}"), otel_llm.agent(f"agent{number}"):
            await Admission().acall(complaint=f"complaint {number}")

    async def main() -> None:
        await asyncio.gather(*(one(number) for number in range(4)))

    asyncio.run(main())
    found = calls_agree(recorded, standin)
    assert len(found) == 8
    assert all(call[a.AGENT_NAME] == f"agent{call[a.SESSION_ID][1:]}" for call in found)
    assert tree(recorded.spans()).count("invoke_workflow Admission\n    task Triage\n      chat gpt-4o-mini\n") == 4


@pytest.mark.feature("stream")
def test_a_streamed_program(recorded: Recorded, standin: Standin, lm: Any) -> None:
    async def main() -> None:
        program = dspy.streamify(dspy.Predict("question -> answer"))
        async for _ in program(question="why"):
            assert not get_current_span().get_span_context().is_valid

    asyncio.run(main())
    saw(
        recorded,
        """
        invoke_workflow Predict
          chat gpt-4o-mini
        """,
    )
    calls_agree(recorded, standin)


@pytest.mark.feature("evaluate")
def test_an_evaluation(recorded: Recorded, standin: Standin, lm: Any) -> None:
    examples = [dspy.Example(complaint=f"number {n}", urgency="low").with_inputs("complaint") for n in range(2)]
    evaluate = dspy.Evaluate(devset=examples, metric=lambda *_: True, num_threads=2, display_progress=False)
    evaluate(dspy.Predict(Triage))
    saw(
        recorded,
        """
        invoke_workflow Evaluate
          task Triage
            chat gpt-4o-mini
          task Triage
            chat gpt-4o-mini
        """,
    )
    calls_agree(recorded, standin)


@pytest.mark.feature("cache")
def test_an_answer_from_the_cache_is_no_call(recorded: Recorded, standin: Standin, monkeypatch: Any) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true")
    lm = dspy.LM(f"openai/{MODEL}", api_base=standin.openai_url, api_key=standin.url, cache=True)
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        for _ in range(2):
            dspy.Predict(Triage)(complaint=standin.url)
    saw(
        recorded,
        """
        invoke_workflow Triage
          chat gpt-4o-mini
        invoke_workflow Triage
        """,
    )


@pytest.fixture(scope="module")
def owner() -> Iterator[ThreadPoolExecutor]:
    """The thread that owns the settings, in all cases the same: another may have its number, or not."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.feature("settings")
def test_the_users_callbacks_and_settings_are_theirs(
    recorded: Recorded, standin: Standin, lm: Any, owner: ThreadPoolExecutor
) -> None:
    class Mine(BaseCallback):
        def on_module_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            seen.append(type(instance).__name__)

    seen: list[str] = []
    mine = Mine()
    with dspy.context(callbacks=[mine]):
        dspy.Predict(Triage)(complaint="chest pain")
        assert dspy.settings.callbacks == [mine]
    assert seen == ["Predict"]
    assert dspy.settings.callbacks == []
    owner.submit(dspy.configure, num_threads=8).result()  # whoever configures first owns the settings: that was not us
    assert tree(recorded.spans()).startswith("invoke_workflow Triage\n  chat gpt-4o-mini")


@pytest.mark.feature("uninstrument")
def test_uninstrument_restores(recorded: Recorded, standin: Standin, lm: Any) -> None:
    from dspy.utils import parallelizer

    settings = type(dspy.settings)
    patched = (settings.get, parallelizer._bind_active_call_id)
    otel_llm.uninstrument()
    restored = (settings.get, parallelizer._bind_active_call_id)
    assert [one.__wrapped__ for one in patched] == list(restored)
    dspy.Predict(Triage)(complaint="chest pain")
    assert recorded.spans() == []
