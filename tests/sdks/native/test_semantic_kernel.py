"""Semantic Kernel: its spans stay, ours are written on those of its calls."""

from __future__ import annotations

import asyncio

import pytest
from app.recording import Recorded
from openai import AsyncOpenAI
from sdks.tree import counted_once, tree

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("semantic-kernel")
TREE = """\
invoke_agent triage
  AutoFunctionInvocationLoop
    chat gpt-4o-mini
    execute_tool Ward-look_up
    chat gpt-4o-mini"""


@pytest.mark.feature("agent", "tool")
@pytest.mark.parametrize("stream", [False, pytest.param(True, marks=pytest.mark.feature("stream"))])
def test_an_agent(recorded: Recorded, standin: Standin, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS", "true")
    from semantic_kernel.agents import ChatCompletionAgent  # reads the variable as it is imported
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
    from semantic_kernel.functions import kernel_function

    class Ward:
        @kernel_function(description="What is known of a patient.")
        def look_up(self, patient: str) -> str:
            return "no known allergies"

    async def main() -> None:
        client = AsyncOpenAI(base_url=standin.openai_url, api_key="k")
        service = OpenAIChatCompletion("gpt-4o-mini", async_client=client)
        agent = ChatCompletionAgent(service=service, name="triage", plugins=[Ward()])
        if stream:
            async for _ in agent.invoke_stream("hello"):
                pass
        else:
            await agent.get_response("hello")

    asyncio.run(main())
    spans = recorded.spans()
    assert tree(spans) == TREE
    for call in counted_once(spans, standin):
        assert (call[a.AGENT_NAME], call[a.PROVIDER]) == ("triage", "openai")
