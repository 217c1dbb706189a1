"""Genkit: a model's usage is in its output's JSON."""

from __future__ import annotations

from .dialect import Dialect, Part, Reading, Span

_OUTPUT = "genkit:output"


def _tell_model(span: Span, reading: Reading) -> None:
    """A model's span has its name and its usage; of all others neither counts."""
    if span.attributes.get("genkit:metadata:subtype") == "model":
        provider, _, model = str(span.attributes.get("genkit:name", "")).partition("/")
        reading.columns |= {"operation": "chat", "request_model": model or provider}
        if model:
            reading.columns["provider"] = {"googleai": "gcp.gemini", "vertexai": "gcp.vertex_ai"}.get(
                provider, provider
            )


DIALECT = Dialect(
    "genkit",
    "langfuse OtelIngestionProcessor.ts",
    scopes=("genkit-tracer",),
    mark_prefixes=("genkit:",),
    columns={
        "input_tokens": (Part(_OUTPUT, "usage.inputTokens"),),
        "output_tokens": (Part(_OUTPUT, "usage.outputTokens"),),
        "reasoning_tokens": (Part(_OUTPUT, "usage.thoughtsTokens"),),
        "cache_read_tokens": (Part(_OUTPUT, "usage.cachedContentTokens"),),
    },
    output_excludes_reasoning=True,
    content=("genkit:input", _OUTPUT),
    complete=(_tell_model,),
)
