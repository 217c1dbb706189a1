"""Gemini CLI: the conventions, with operations of its own."""

from __future__ import annotations

from .. import attributes as a
from .dialect import Dialect, Values

_OPERATIONS = {"agent_call": "invoke_agent", "llm_call": "chat", "tool_call": "execute_tool"}

DIALECT = Dialect(
    "gemini_cli",
    "mlflow-tracing 3.17.2 translation/gemini_cli.py",
    scope_prefixes=("gemini-cli",),
    columns={"operation": (Values(a.OPERATION, _OPERATIONS),)},
)
