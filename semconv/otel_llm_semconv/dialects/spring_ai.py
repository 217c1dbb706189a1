"""Spring AI: the conventions, with content in events."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect(
    "spring_ai",
    "mlflow-tracing 3.17.2 translation/spring_ai.py",
    scope_prefixes=("org.springframework.ai",),
    content=("gen_ai.prompt", "gen_ai.completion"),
)
