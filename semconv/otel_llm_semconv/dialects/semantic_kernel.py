"""Semantic Kernel: the conventions, with content in events of their older kind."""

from __future__ import annotations

from .dialect import Dialect, Values

_OPERATIONS = {
    "chat.completions": "chat",
    "chat.streaming_completions": "chat",
    "text.completions": "text_completion",
    "text.streaming_completions": "text_completion",
}

DIALECT = Dialect(
    "semantic_kernel",
    "semantic-kernel utils/telemetry/model_diagnostics",
    scope_prefixes=("semantic_kernel", "Microsoft.SemanticKernel"),
    among=("gen_ai.",),
    columns={
        "operation": (Values("gen_ai.operation.name", _OPERATIONS), "gen_ai.operation.name"),
        "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.response.prompt_tokens"),
        "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.response.completion_tokens"),
    },
    providers={"microsoft.semantic_kernel": "openai"},
)
