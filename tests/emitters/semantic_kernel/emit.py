"""Semantic Kernel: an agent with a tool on OpenAI, streamed and not."""

from __future__ import annotations

import asyncio

import asking
import emitting

asking.quiet(
    SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS="true",
    SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE="true",
)
emitting.provide(logs=True)

from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function


class Ward:
    @kernel_function(description="What is known of a patient.")
    def look_up(self, patient: str) -> str:
        return str(asking.TOOL["result"])


def run(model: str, *, stream: bool = False, tools: bool = False) -> None:
    async def main() -> None:
        client = AsyncOpenAI(base_url=f"{emitting.STANDIN}/v1", api_key="k", max_retries=0)
        service = OpenAIChatCompletion(model, async_client=client)
        agent = ChatCompletionAgent(
            service=service, name="triage", instructions=asking.SYSTEM, plugins=[Ward()] if tools else []
        )
        if stream:
            async for _ in agent.invoke_stream(asking.QUESTION):
                pass
        else:
            await agent.get_response(asking.QUESTION)

    asyncio.run(main())


thinking, plain = asking.MODELS["openai_thinking"], asking.MODELS["openai"]
emitting.run({
    "agent": lambda: run(thinking),
    "agent_stream": lambda: run(thinking, stream=True),
    "agent_tool": lambda: run(plain, tools=True),
})  # fmt: skip
