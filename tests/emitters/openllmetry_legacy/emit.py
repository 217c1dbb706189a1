"""OpenLLMetry as it was until 2025: prompts and answers as numbered attributes."""

from __future__ import annotations

import asking
import emitting
from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.openai import OpenAIInstrumentor

emitting.provide()
OpenAIInstrumentor().instrument()
AnthropicInstrumentor().instrument()
calls = asking.openai_calls() | asking.anthropic_calls()
emitting.run({name: call for name, call in calls.items() if name != "responses"})
