"""Pydantic AI: its spans stay, ours are written on those of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from app.recording import Recorded
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from sdks.tree import attributes, counted_once, tree

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("pydantic-ai-slim")
TREE = """\
invoke_agent triage
  chat gpt-4o-mini
  execute_tool look_up
  chat gpt-4o-mini"""


@pytest.fixture
def agent(standin: Standin) -> Iterator[Agent]:
    model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(base_url=standin.openai_url, api_key="k"))
    Agent.instrument_all()
    agent = Agent(model, name="triage")

    @agent.tool_plain
    def look_up(patient: str) -> str:
        """What is known of a patient."""
        return "no known allergies"

    yield agent
    Agent.instrument_all(False)


@pytest.mark.feature("agent", "tool")
def test_an_agent(recorded: Recorded, standin: Standin, agent: Agent) -> None:
    with otel_llm.session("visit-1"):
        agent.run_sync("hello")
    spans = recorded.spans()
    assert tree(spans) == TREE
    for call in counted_once(spans, standin):
        assert (call[a.AGENT_NAME], call[a.PROVIDER]) == ("triage", "openai")
    assert {attributes(span)[a.SESSION_ID] for span in spans} == {"visit-1"}
    properties = [name for span in spans for name in attributes(span) if name.startswith(a.PROPERTY_PREFIX)]
    assert properties == [], "bare names on spans of a framework are no properties of the app's"


@pytest.mark.feature("stream")
def test_a_streamed_run(recorded: Recorded, standin: Standin, agent: Agent) -> None:
    async def main() -> None:
        async with agent.run_stream("hello") as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(main())
    spans = recorded.spans()
    assert tree(spans) == TREE
    counted_once(spans, standin)
