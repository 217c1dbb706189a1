"""The official instrumentations of OpenTelemetry for Python."""

from __future__ import annotations

import asking
import emitting

asking.quiet(
    ANTHROPIC_OPEN_TELEMETRY="false",
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
    OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
)

from opentelemetry.instrumentation.genai.anthropic import AnthropicInstrumentor
from opentelemetry.instrumentation.genai.bedrock import BedrockInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

emitting.provide()
for instrumentor in (OpenAIInstrumentor, AnthropicInstrumentor, BedrockInstrumentor):
    instrumentor().instrument()
emitting.run(asking.openai_calls() | asking.anthropic_calls() | asking.bedrock_calls())
