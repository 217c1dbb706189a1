"""Thirty ways to say the same: what emitters call the model, the tokens, the session, as the columns of `spans`.

A dialect is one table (`dialect.py` says of what), the loop over them is `reading.py`. Adding one is a file, a line
here, and a fixture in `tests/semconv/dialects`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from . import (
    agentgateway,
    anthropic_native,
    claude_code,
    codex,
    gemini_cli,
    genai,
    genkit,
    google_adk,
    helicone_export,
    helicone_headers,
    laminar,
    langfuse,
    langsmith,
    litellm_v1,
    litellm_v2,
    livekit,
    logfire,
    mistral_native,
    mlflow,
    openinference,
    openlit,
    openllmetry,
    openllmetry_legacy,
    otel_python_genai,
    pydantic_ai,
    semantic_kernel,
    sentry,
    spring_ai,
    vercel,
    vercel_legacy,
    voltagent,
)
from .dialect import Accounting, Dialect, Event, Logs, Reading, Span
from .reading import read_as

#: In the order in which they are asked: those that know themselves by a mark of their own come before those that share
#: a scope, and the conventions themselves last.
DIALECTS: Final[tuple[Dialect, ...]] = tuple(
    module.DIALECT
    for module in (
        anthropic_native,
        mistral_native,
        claude_code,
        gemini_cli,
        codex,
        livekit,
        langfuse,
        pydantic_ai,
        logfire,
        mlflow,
        openlit,
        langsmith,
        google_adk,
        litellm_v2,
        litellm_v1,
        agentgateway,
        semantic_kernel,
        vercel_legacy,
        vercel,
        genkit,
        voltagent,
        laminar,
        otel_python_genai,
        openinference,
        openllmetry_legacy,
        openllmetry,
        sentry,
        spring_ai,
        helicone_export,
        helicone_headers,
        genai,
    )
)
BY_ID: Final[Mapping[str, Dialect]] = {dialect.id: dialect for dialect in DIALECTS}


def read(span: Span) -> Reading | None:
    """What a span says of a call, an agent, a tool; None where it is in no dialect, as it has to do with no model."""
    dialect = find(span.scope, span.attributes)
    return None if dialect is None else read_as(dialect, span)


def find(scope: str, attributes: Collection[str]) -> Dialect | None:
    """The dialect of a span by its scope's name and the names of its attributes."""
    return next((dialect for dialect in DIALECTS if _speaks(dialect, scope, attributes)), None)


def _speaks(dialect: Dialect, scope: str, attributes: Collection[str]) -> bool:
    known = scope in dialect.scopes or (bool(dialect.scope_prefixes) and scope.startswith(dialect.scope_prefixes))
    if not known:
        known = any(mark in attributes for mark in dialect.marks) or _has_prefix(attributes, dialect.mark_prefixes)
    return known and (not dialect.among or _has_prefix(attributes, dialect.among))


def _has_prefix(attributes: Collection[str], prefixes: tuple[str, ...]) -> bool:
    return bool(prefixes) and any(name.startswith(prefixes) for name in attributes)


__all__ = ["BY_ID", "DIALECTS", "Accounting", "Dialect", "Event", "Logs", "Reading", "Span", "find", "read", "read_as"]
