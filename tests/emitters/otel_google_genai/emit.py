"""The official instrumentation of Google's SDK, with the SDK that it still goes with."""

from __future__ import annotations

import asking
import emitting

asking.quiet(
    OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
    OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental",
)

from opentelemetry.instrumentation.google_genai import GoogleGenAiSdkInstrumentor

emitting.provide()
GoogleGenAiSdkInstrumentor().instrument()
emitting.run(asking.gemini_calls())
