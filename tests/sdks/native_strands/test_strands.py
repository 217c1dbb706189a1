"""Strands: its spans stay, ours are written on those of its calls."""

from __future__ import annotations

import asyncio

import pytest
from app.recording import Recorded
from sdks.tree import counted_once, tree
from strands import Agent, tool
from strands.models.openai import OpenAIModel

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("strands-agents")
TREE = """\
invoke_agent triage
  execute_event_loop_cycle
    chat
    execute_tool look_up
  execute_event_loop_cycle
    chat"""


@tool
def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


@pytest.mark.feature("agent", "tool")
@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.feature("stream"))])
def test_an_agent(recorded: Recorded, standin: Standin, stream: bool) -> None:
    model = OpenAIModel(client_args={"base_url": standin.openai_url, "api_key": "k"}, model_id="gpt-4o-mini")
    agent = Agent(model=model, tools=[look_up], name="triage", callback_handler=None)

    async def main() -> None:
        async for _ in agent.stream_async("hello"):
            pass

    asyncio.run(main()) if stream else agent("hello")
    spans = recorded.spans()
    assert tree(spans) == TREE
    for call in counted_once(spans, standin):
        assert call[a.AGENT_NAME] == "triage"
        assert call[a.PROVIDER] == "openai", "its own value, strands-agents, is nobody who bills"
