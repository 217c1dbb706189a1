"""OpenTelemetry for LLM applications: every call of a model a span with tokens, cost and session.

    import otel_llm
    otel_llm.init()                      # or: opentelemetry-instrument python app.py, without touching the code

Nothing is loaded before it is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .context import prompt as prompt
    from .context import properties as properties
    from .context import session as session
    from .context import user as user
    from .decorators import agent as agent
    from .decorators import task as task
    from .decorators import tool as tool
    from .decorators import workflow as workflow
    from .instrument import init as init
    from .instrument import instrument as instrument
    from .instrument import uninstrument as uninstrument
    from .score import score as score
    from .score import traceparent as traceparent

_HOME = {
    "agent": "decorators",
    "init": "instrument",
    "instrument": "instrument",
    "prompt": "context",
    "properties": "context",
    "score": "score",
    "session": "context",
    "task": "decorators",
    "tool": "decorators",
    "traceparent": "score",
    "uninstrument": "instrument",
    "user": "context",
    "workflow": "decorators",
}
__all__ = [
    "agent",
    "init",
    "instrument",
    "prompt",
    "properties",
    "score",
    "session",
    "task",
    "tool",
    "traceparent",
    "uninstrument",
    "user",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `otel_llm.instrument` the function: importing the module of that name would put the module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _HOME or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
