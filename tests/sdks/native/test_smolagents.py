"""smolagents with its OpenInference instrumentor: its spans stay, ours are written on those of its calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from app.recording import Recorded
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from sdks.tree import attributes, counted_once, tree
from smolagents import OpenAIServerModel, Tool, ToolCallingAgent

from otel_llm_collector.demo.standin import Standin

pytestmark = pytest.mark.sdk("smolagents")


class LookUp(Tool):  # type: ignore[misc]
    """What is known of a patient."""

    name = "look_up"
    description = "What is known of a patient."
    inputs = {"patient": {"type": "string", "description": "who"}}  # noqa: RUF012
    output_type = "string"

    def forward(self, patient: str) -> str:
        return "no known allergies"


@pytest.fixture
def traced(recorded: Recorded) -> Iterator[Recorded]:
    instrumentor = SmolagentsInstrumentor()
    instrumentor.instrument()
    yield recorded
    instrumentor.uninstrument()


@pytest.mark.feature("agent", "tool")
@pytest.mark.parametrize("stream", [False, True])
def test_an_agent(traced: Recorded, standin: Standin, stream: bool) -> None:
    model = OpenAIServerModel("gpt-4o-mini", api_base=standin.openai_url, api_key="k")
    agent = ToolCallingAgent(
        tools=[LookUp()], model=model, max_steps=1, name="triage", stream_outputs=stream, verbosity_level=0
    )
    agent.run("hello")
    spans = traced.spans()
    generate = "OpenAIModel.generate_stream" if stream else "OpenAIModel.generate"
    assert tree(spans) == f"triage.run\n  Step 1\n    {generate}\n    LookUp\n  OpenAIModel.generate"
    calls = counted_once(spans, standin)
    assert len(calls) == 2
    kinds = [attributes(span)["openinference.span.kind"] for span in spans if attributes(span) in calls]
    assert kinds == ["LLM", "LLM"]
