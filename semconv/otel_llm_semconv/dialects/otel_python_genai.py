"""The official Python instrumentations. Bedrock's passes on a count that leaves out the cache."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "otel_python_genai",
    "opentelemetry-instrumentation-genai-* 1.3b0, -google-genai 1.3b0, -openai-v2 2.4b0",
    scope_prefixes=(
        "opentelemetry.instrumentation.genai.",
        "opentelemetry.instrumentation.google_genai",
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.util.genai",
    ),
    exclusive_scopes=("bedrock",),
)
