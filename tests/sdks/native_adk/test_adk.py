"""Google's ADK: its spans stay, ours are written on those of its calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from app.recording import Recorded
from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner
from google.genai import types
from sdks.tree import counted_once, tree

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("google-adk")
CALL = "    generate_content gemini-2.5-flash"
AGENT = "invoke_workflow triage\n  invoke_agent triage\n"


def look_up(patient: str) -> str:
    """What is known of a patient."""
    return "no known allergies"


def run(tools: list[Any], mode: StreamingMode) -> None:
    async def main() -> None:
        agent = LlmAgent(name="triage", model=Gemini(model="gemini-2.5-flash"), instruction="Help.", tools=tools)
        runner = InMemoryRunner(agent=agent, app_name="ward")
        session = await runner.session_service.create_session(app_name="ward", user_id="anna")
        asked = types.Content(role="user", parts=[types.Part(text="hello")])
        config = RunConfig(streaming_mode=mode)
        async for _ in runner.run_async(user_id="anna", session_id=session.id, new_message=asked, run_config=config):
            pass

    asyncio.run(main())


@pytest.fixture(autouse=True)
def _to_the_standin(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", standin.gemini_url)


@pytest.mark.feature("agent")
@pytest.mark.parametrize(
    "mode", [StreamingMode.NONE, pytest.param(StreamingMode.SSE, marks=pytest.mark.feature("stream"))]
)
def test_an_agent(recorded: Recorded, standin: Standin, mode: StreamingMode) -> None:
    run([], mode)
    spans = recorded.spans()
    assert tree(spans) == AGENT + CALL
    (call,) = counted_once(spans, standin)
    assert (call[a.AGENT_NAME], call[a.WORKFLOW_NAME]) == ("triage", "triage")
    assert (call[a.RESPONSE_ID], call[a.RESPONSE_MODEL]) == (standin.calls[0].id, standin.calls[0].model)


@pytest.mark.feature("tool")
def test_an_agent_with_a_tool(recorded: Recorded, standin: Standin) -> None:
    run([look_up], StreamingMode.NONE)
    spans = recorded.spans()
    assert tree(spans) == AGENT + "\n".join((CALL, "    execute_tool look_up", CALL))
    counted_once(spans, standin)
