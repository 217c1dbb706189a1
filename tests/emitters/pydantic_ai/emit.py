"""Pydantic AI: an agent with a tool on OpenAI and Anthropic, streamed and not, that is refused."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false")

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

emitting.provide()
Agent.instrument_all()
thinking, plain = asking.MODELS["openai_thinking"], asking.MODELS["openai"]


def openai() -> OpenAIProvider:
    client = AsyncOpenAI(base_url=f"{emitting.STANDIN}/v1", api_key="k", max_retries=0)
    return OpenAIProvider(openai_client=client)


def anthropic(model: str) -> AnthropicModel:
    client = AsyncAnthropic(base_url=emitting.STANDIN, api_key="k", max_retries=0)
    settings: Any = {"anthropic_cache_instructions": True, "max_tokens": 2048}
    return AnthropicModel(model, provider=AnthropicProvider(anthropic_client=client), settings=settings)


def agent(model: Any, *, tools: bool = False) -> Agent[None, str]:
    made = Agent(model, name="triage", instructions=asking.SYSTEM)
    if tools:

        @made.tool_plain
        def look_up(patient: str) -> str:
            """What is known of a patient."""
            return str(asking.TOOL["result"])

    return made


def ask(model: Any, *, tools: bool = False) -> None:
    asyncio.run(agent(model, tools=tools).run(asking.QUESTION))


def stream(model: Any) -> None:
    async def main() -> None:
        async with agent(model).run_stream(asking.QUESTION) as result:
            async for _ in result.stream_text():
                pass

    asyncio.run(main())


def refused(model: Any) -> None:
    with suppress(ModelHTTPError):
        ask(model)


emitting.run({
    "chat": lambda: ask(OpenAIChatModel(thinking, provider=openai())),
    "chat_stream": lambda: stream(OpenAIChatModel(thinking, provider=openai())),
    "chat_tool": lambda: ask(OpenAIChatModel(plain, provider=openai()), tools=True),
    "chat_error": lambda: refused(OpenAIChatModel(asking.MODELS["refused"], provider=openai())),
    "responses": lambda: ask(OpenAIResponsesModel(thinking, provider=openai())),
    "messages": lambda: ask(anthropic(asking.MODELS["anthropic"])),
    "messages_stream": lambda: stream(anthropic(asking.MODELS["anthropic"])),
    "messages_tool": lambda: ask(anthropic(asking.MODELS["anthropic"]), tools=True),
})  # fmt: skip
