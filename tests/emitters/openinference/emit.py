"""OpenInference's instrumentations of OpenAI's and Anthropic's SDKs."""

from __future__ import annotations

from contextlib import AbstractContextManager

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false")

from openinference.instrumentation import using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor

emitting.provide()
OpenAIInstrumentor().instrument()
AnthropicInstrumentor().instrument()


def told() -> AbstractContextManager[None]:
    context, prompt = emitting.CONTEXT, emitting.CONTEXT["prompt"]
    return using_attributes(
        session_id=context["session"], user_id=context["user"], metadata=context["properties"],
        prompt_template=prompt["name"], prompt_template_version=prompt["version"],
    )  # fmt: skip


emitting.run(
    asking.openai_calls() | asking.anthropic_calls(), inside=told, told=("session", "user", "properties", "prompt")
)
