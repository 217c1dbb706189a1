"""Genkit: a model's usage is in its output's JSON, beside the provider's own answer."""

from __future__ import annotations

from .. import attributes as a
from ..usage import count
from .dialect import Accounting, Dialect, Part, Reading, Span
from .messages import written
from .values import part_of

_INPUT, _OUTPUT = "genkit:input", "genkit:output"
_SUBTYPE = "genkit:metadata:subtype"
_PROVIDERS = {"googleai": "gcp.gemini", "vertexai": "gcp.vertex_ai"}


def _tell_model(span: Span, reading: Reading) -> None:
    """A model's span has its name and its usage; of all others neither counts."""
    if span.attributes.get(_SUBTYPE) == "tool":
        reading.columns |= {"operation": a.OPERATION_EXECUTE_TOOL, "tool_name": str(span.attributes.get("genkit:name"))}
    if span.attributes.get(_SUBTYPE) != "model":
        return
    provider, _, model = str(span.attributes.get("genkit:name", "")).partition("/")
    reading.columns |= {"operation": a.OPERATION_CHAT, "request_model": model or provider}
    if model:
        reading.columns["provider"] = _PROVIDERS.get(provider, provider)
    if provider in _PROVIDERS:
        reading.columns["operation"] = a.OPERATION_GENERATE_CONTENT


def _count_reasoning(span: Span, reading: Reading) -> None:
    """Of OpenAI it passes on no details, whose own count includes reasoning."""
    path = "raw.usage.completion_tokens_details.reasoning_tokens"
    if (tokens := count(part_of(span.attributes.get(_OUTPUT), Part(_OUTPUT, path)))) is not None:
        reading.columns.setdefault("reasoning_tokens", tokens)


DIALECT = Dialect(
    "genkit",
    "langfuse OtelIngestionProcessor.ts",
    scopes=("genkit-tracer",),
    mark_prefixes=("genkit:",),
    columns={
        "input_tokens": (Part(_OUTPUT, "usage.inputTokens"),),
        "output_tokens": (Part(_OUTPUT, "usage.outputTokens"),),
        "reasoning_tokens": (Part(_OUTPUT, "usage.thoughtsTokens"),),
        "cache_read_tokens": (
            Part(_OUTPUT, "usage.cachedContentTokens"),
            Part(_OUTPUT, "raw.usage.prompt_tokens_details.cached_tokens"),
        ),
        "response_model": (Part(_OUTPUT, "raw.model"), Part(_OUTPUT, "custom.modelVersion")),
        "response_id": (Part(_OUTPUT, "raw.id"), Part(_OUTPUT, "custom.responseId")),
        "finish_reasons": (
            Part(_OUTPUT, "raw.choices.0.finish_reason"),
            Part(_OUTPUT, "finishReason"),
            Part(_OUTPUT, "candidates.0.finishReason"),
        ),
    },
    accounting=Accounting.BY_PROVIDER,
    output_excludes_reasoning=True,
    content=(_INPUT, _OUTPUT),
    complete=(_tell_model, _count_reasoning, written((_INPUT,), (_OUTPUT,))),
)
