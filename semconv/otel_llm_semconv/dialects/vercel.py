"""The Vercel AI SDK from version 7 on."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "vercel", "vercel/ai packages/otel/src/open-telemetry.ts @ed857f50", scopes=("ai",), among=("gen_ai.",)
)
