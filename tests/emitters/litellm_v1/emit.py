"""LiteLLM's first otel callback."""

from __future__ import annotations

import asking
import emitting
import litellm_calls

asking.quiet(LITELLM_LOCAL_MODEL_COST_MAP="true", OTEL_EXPORTER="otlp_http", OTEL_ENDPOINT=emitting.RECEIVER,
             OTEL_SERVICE_NAME="ward")  # fmt: skip
litellm_calls.run()
