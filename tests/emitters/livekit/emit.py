"""LiveKit's agents: a conversation in text, with a tool."""

from __future__ import annotations

import asyncio
from typing import Any

import asking
import emitting
import httpx2
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.telemetry import set_tracer_provider
from livekit.plugins import openai
from openai import AsyncOpenAI

set_tracer_provider(emitting.provide())


@function_tool
async def look_up(patient: str) -> str:
    """What is known of a patient."""
    return str(asking.TOOL["result"])


def run(model: str, tools: list[Any]) -> None:
    async def main() -> None:
        # the provider is told by the host, so the stand-in is a proxy
        web = httpx2.AsyncClient(proxy=emitting.STANDIN)
        client = AsyncOpenAI(base_url="http://api.openai.com/v1", api_key="k", http_client=web)
        llm = openai.LLM(model=model, client=client)
        async with AgentSession(llm=llm) as session:
            await session.start(Agent(instructions=asking.SYSTEM, tools=tools))
            await session.run(user_input=asking.QUESTION)

    asyncio.run(main())


emitting.run({
    "agent": lambda: run(asking.MODELS["openai_thinking"], []),
    "agent_tool": lambda: run(asking.MODELS["openai"], [look_up]),
})  # fmt: skip
