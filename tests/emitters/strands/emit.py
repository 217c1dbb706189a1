"""Strands: agents that speak the conventions themselves, with content in events."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import asking
import emitting

emitting.provide()

from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.types.exceptions import ModelThrottledException


@tool
def look_up(patient: str) -> str:
    """What is known of a patient."""
    return str(asking.TOOL["result"])


def run(model: str, tools: list[Any]) -> None:
    client = {"base_url": f"{emitting.STANDIN}/v1", "api_key": "k", "max_retries": 0}
    context = emitting.CONTEXT
    agent = Agent(
        model=OpenAIModel(client_args=client, model_id=model), tools=tools, system_prompt=asking.SYSTEM, name="triage",
        callback_handler=None, retry_strategy=None,
        trace_attributes={"session.id": context["session"], "user.id": context["user"]},
    )  # fmt: skip
    with suppress(ModelThrottledException):
        agent(asking.QUESTION)


emitting.run(
    {
        "agent": lambda: run(asking.MODELS["openai_thinking"], []),
        "agent_tool": lambda: run(asking.MODELS["openai"], [look_up]),
        "agent_error": lambda: run(asking.MODELS["refused"], []),
    },
    told=("session", "user"),
)
