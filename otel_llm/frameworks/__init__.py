"""Which frameworks are seen through their own callbacks, and the import that brings each of them in.

A framework's module here, `otel_llm.frameworks.<name>`, has one function: `instrument(module)`, called with the trigger
once the app has imported it. It registers with the framework what opens and ends steps (see `steps.py`) and leaves what
takes it back again in `patching.on_undo`. Calls of models are not its business: the transport hooks see those, below.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final

from ..content import Capture
from ..patching import on_undo, when_imported
from . import steps


@dataclass(frozen=True, slots=True)
class Framework:
    """One row: the name of the module in this folder, and the module of the framework whose import loads it."""

    name: str
    trigger: str

    def hook(self, module: ModuleType) -> None:
        """Load our side of it."""
        import_module(f".{self.name}", __name__).instrument(module)


#: One row a trigger, sorted. A framework that is reached at several places has several rows.
FRAMEWORKS: Final = (
    Framework("crewai", "crewai.events"),
    Framework("dspy", "dspy"),
    Framework("haystack", "haystack.tracing"),
    Framework("langchain", "langchain_core.runnables.config"),
    Framework("langchain", "langchain_core.tracers.context"),
    Framework("langgraph", "langgraph._internal._runnable"),
    Framework("langgraph", "langgraph.pregel.main"),
    Framework("llama_index", "llama_index_instrumentation"),
    Framework("mcp", "mcp.client.session"),
    Framework("mcp", "mcp.server.lowlevel.server"),
    Framework("openai_agents", "agents.tracing"),
)


def instrument(capture: Capture) -> None:
    """Hook each framework as soon as the app has imported it; `patching.undo` takes everything back."""
    steps.use_capture(capture)
    on_undo(functools.partial(steps.use_capture, None))
    for framework in FRAMEWORKS:
        when_imported(framework.trigger, framework.hook)
