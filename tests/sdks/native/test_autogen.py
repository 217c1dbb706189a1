"""AutoGen: agents and tools are its spans, calls are ours below them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from app.recording import Recorded
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_ext.models.openai import OpenAIChatCompletionClient
from sdks.tree import attributes, counted_once, tree

import otel_llm
from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("autogen-agentchat")


async def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


def agent(standin: Standin, name: str, **options: Any) -> AssistantAgent:
    client = OpenAIChatCompletionClient(model="gpt-4o-mini", base_url=standin.openai_url, api_key="k")
    return AssistantAgent(name, client, **options)


@pytest.mark.feature("agent", "tool")
def test_an_agent(recorded: Recorded, standin: Standin) -> None:
    asyncio.run(agent(standin, "triage", tools=[look_up], reflect_on_tool_use=True).run(task="hello"))
    spans = recorded.spans()
    assert tree(spans) == (
        "create_agent triage\ninvoke_agent triage\n  chat gpt-4o-mini\n  execute_tool look_up\n  chat gpt-4o-mini"
    )
    assert {call[a.AGENT_NAME] for call in counted_once(spans, standin)} == {"triage"}


@pytest.mark.feature("team")
def test_a_team_is_one_trace_below_a_workflow(recorded: Recorded, standin: Standin) -> None:
    """Its runtime begins a trace with every message, unless there is a span around."""

    async def main() -> None:
        with otel_llm.workflow("admission"):
            team = RoundRobinGroupChat(
                [agent(standin, "triage"), agent(standin, "surgery")], termination_condition=MaxMessageTermination(3)
            )
            await team.run(task="hello")

    asyncio.run(main())
    spans = recorded.spans()
    assert len({span.context.trace_id for span in spans}) == 1
    calls = counted_once(spans, standin)
    assert sorted(call[a.AGENT_NAME] for call in calls) == ["surgery", "triage"]
    assert {call[a.WORKFLOW_NAME] for call in calls} == {"admission"}
    properties = [name for span in spans for name in attributes(span) if name.startswith(a.PROPERTY_PREFIX)]
    assert properties == [], "its runtime's spans have whole messages under bare names"
