"""LiteLLM's second otel callback."""

from __future__ import annotations

import asking
import emitting
import litellm_calls

asking.quiet(LITELLM_LOCAL_MODEL_COST_MAP="true", LITELLM_OTEL_V2="true", OTEL_EXPORTER="otlp_http",
             OTEL_ENDPOINT=emitting.RECEIVER, OTEL_SERVICE_NAME="ward", OTEL_BSP_SCHEDULE_DELAY="50",
             OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="span_only")  # fmt: skip
litellm_calls.run()
