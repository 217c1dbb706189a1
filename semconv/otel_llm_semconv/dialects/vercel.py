"""The Vercel AI SDK from version 7 on."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Reading, Span


def _tell_outer(span: Span, reading: Reading) -> None:
    """Of `embed` the span around the call has the call's operation and no usage."""
    columns = reading.columns
    is_embedding = columns.get("operation") == a.OPERATION_EMBEDDINGS
    if is_embedding and "input_tokens" not in columns and not span.events:
        columns["operation"] = a.OPERATION_INVOKE_WORKFLOW


DIALECT = Dialect(
    "vercel",
    "vercel/ai packages/otel/src/open-telemetry.ts @ed857f50",
    scopes=("ai", "gen_ai"),
    among=("gen_ai.",),
    complete=(_tell_outer,),
)
