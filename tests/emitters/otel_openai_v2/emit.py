"""The contrib repository's instrumentation of OpenAI, which is frozen: content goes into log records."""

from __future__ import annotations

import asking
import emitting

asking.quiet(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true")

from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

emitting.provide(logs=True)
OpenAIInstrumentor().instrument()
calls = asking.openai_calls()
emitting.run({name: call for name, call in calls.items() if name != "responses"})
