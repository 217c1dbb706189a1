"""Semantic Kernel: the conventions, with content in events of their older kind."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Accounting, Dialect, Reading, Span, Values

_OPERATIONS = {
    "chat.completions": "chat",
    "chat.streaming_completions": "chat",
    "text.completions": "text_completion",
    "text.streaming_completions": "text_completion",
}


def _name_reasons(span: Span, reading: Reading) -> None:
    """`FinishReason.STOP`: Python's notation of a member."""
    if reasons := reading.columns.get("finish_reasons"):
        reading.columns["finish_reasons"] = [reason.rpartition("FinishReason.")[2].lower() for reason in reasons]


DIALECT = Dialect(
    "semantic_kernel",
    "semantic-kernel utils/telemetry/model_diagnostics",
    scope_prefixes=("semantic_kernel", "Microsoft.SemanticKernel"),
    among=("gen_ai.",),
    columns={
        "operation": (Values(a.OPERATION, _OPERATIONS), a.OPERATION),
        "input_tokens": (a.USAGE_INPUT_TOKENS, "gen_ai.response.prompt_tokens"),
        "output_tokens": (a.USAGE_OUTPUT_TOKENS, "gen_ai.response.completion_tokens"),
    },
    accounting=Accounting.BY_PROVIDER,
    providers={"microsoft.semantic_kernel": "openai"},
    complete=(_name_reasons,),
)
