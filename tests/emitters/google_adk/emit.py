"""Google's ADK: an agent, streamed and not, with a tool."""

from __future__ import annotations

import asyncio
from typing import Any

import asking
import emitting

asking.quiet(GOOGLE_API_KEY="k", GOOGLE_GEMINI_BASE_URL=emitting.STANDIN,
             OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
             ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS="true")  # fmt: skip
emitting.provide(logs=True)

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models import Gemini
from google.adk.runners import InMemoryRunner
from google.genai import types


def look_up(patient: str) -> str:
    """What is known of a patient."""
    return str(asking.TOOL["result"])


def run(tools: list[Any], mode: StreamingMode) -> None:
    async def main() -> None:
        context = emitting.CONTEXT
        agent = LlmAgent(name="triage", model=Gemini(model=asking.MODELS["gemini"]), instruction=asking.SYSTEM,
                         tools=tools)  # fmt: skip
        runner = InMemoryRunner(agent=agent, app_name="ward")
        await runner.session_service.create_session(
            app_name="ward", user_id=context["user"], session_id=context["session"]
        )
        asked = types.Content(role="user", parts=[types.Part(text=asking.QUESTION)])
        async for _ in runner.run_async(user_id=context["user"], session_id=context["session"], new_message=asked,
                                        run_config=RunConfig(streaming_mode=mode)):  # fmt: skip
            pass

    asyncio.run(main())


emitting.run(
    {
        "agent": lambda: run([], StreamingMode.NONE),
        "agent_stream": lambda: run([], StreamingMode.SSE),
        "agent_tool": lambda: run([look_up], StreamingMode.NONE),
    },
    told=("session", "user"),
)
