"""LangGraph: which runs are graphs, which LangChain's callbacks do not say. See `langchain.py` for the rest."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ..failures import guarded
from ..patching import on_undo, patch
from .langchain import as_graph, enter_run

_GRAPHS: Final = "langgraph.pregel.main"
#: How a graph gets its callback manager, once a run.
_MANAGERS: Final = ("get_async_callback_manager_for_config", "get_callback_manager_for_config")


def instrument(module: ModuleType) -> None:
    """Hook the module: where a graph starts to run, or where a node does."""
    if module.__name__ != _GRAPHS:
        patch(module, "_set_config_context", enter_run)
        return
    live = [True]
    on_undo(live.clear)
    for name in _MANAGERS:
        patch(module, name, lambda get_manager: _mark(get_manager, live))


def _mark(get_manager: Callable[..., Any], live: list[bool]) -> Callable[..., Any]:
    def hooked(*args: Any, **kwargs: Any) -> Any:
        manager = get_manager(*args, **kwargs)
        return (guarded(as_graph, manager) or manager) if live else manager

    return hooked
