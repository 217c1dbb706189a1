"""DSPy: programs as workflows, agents and tasks, through its callbacks, each current while it runs.

DSPy calls back on the thread and in the task of the module, right before and right after it. Our callback is added
where DSPy asks for the callbacks, not to its settings: these belong to one thread, are copied, saved and replaced.
Models and adapters are no steps: the wire sees the calls, below the module that makes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from opentelemetry import context as otel_context

from ..entered import attach, detach
from ..failures import guarded, shielded
from ..patching import on_undo, patch
from .current import CurrentSteps
from .steps import AGENT, TASK, WORKFLOW, Kind, Run, open_step, open_tool

#: DSPy's own modules that let the model choose what to do next.
_AGENTS: Final = frozenset({"Avatar", "CodeAct", "RLM", "ReAct", "ReActV2"})
#: The name of a signature that was written as text.
_UNNAMED: Final = "StringSignature"


def instrument(module: ModuleType) -> None:
    """Add our callback, and give the threads of `dspy.Parallel` the context of who started them."""
    steps: CurrentSteps[str] = CurrentSteps()
    callback = _callback(module, steps)
    patch(type(module.settings), "get", lambda get: _adding(get, callback))
    patch(module.utils.parallelizer, "_bind_active_call_id", _bind_context)
    on_undo(steps.end_all)


def _adding(get: Callable[..., Any], callback: Any) -> Callable[..., Any]:
    def hooked(settings: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        found = get(settings, key, *args, **kwargs)
        return [*found, callback] if key == "callbacks" and isinstance(found, list) else found

    return hooked


def _bind_context(bind: Callable[..., Any]) -> Callable[..., Any]:
    """DSPy takes its own parent along into other threads here; so do we."""

    def hooked(*given: Any, **kwargs: Any) -> Callable[..., Any]:
        bound, context = bind(*given, **kwargs), guarded(otel_context.get_current)

        @functools.wraps(bound)
        def inside(*args: Any, **kwargs: Any) -> Any:
            attached = attach(context)
            try:
                return bound(*args, **kwargs)
            finally:
                detach(attached)

        return inside

    return hooked


def _callback(module: ModuleType, steps: CurrentSteps[str]) -> Any:
    """One of DSPy's callbacks: what it does not define does nothing."""
    active_call = module.utils.callback.ACTIVE_CALL_ID

    def begin(call_id: str, run: Run) -> None:
        steps.begin(call_id, run)
        steps.enter(call_id)

    @shielded
    def start(callback: Any, call_id: str, instance: Any, inputs: Any) -> None:
        kind = WORKFLOW if active_call.get() is None else TASK
        begin(call_id, open_step(_kind(instance) or kind, _name(instance)))

    @shielded
    def start_tool(callback: Any, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        arguments = inputs.get("kwargs", inputs)
        begin(call_id, open_tool(instance.name, description=instance.desc, arguments=arguments))

    @shielded
    def end(callback: Any, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        steps.end(call_id, exception)

    @shielded
    def end_tool(callback: Any, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        steps.end(call_id, exception, result=outputs)

    hooks = {"tool": (start_tool, end_tool)} | dict.fromkeys(("module", "evaluate", "compile"), (start, end))
    methods = {f"on_{what}_start": hook[0] for what, hook in hooks.items()}
    methods |= {f"on_{what}_end": hook[1] for what, hook in hooks.items()}
    return type("Steps", (module.utils.callback.BaseCallback,), methods)()


def _kind(instance: Any) -> Kind | None:
    """An agent, or None for all other modules."""
    return AGENT if any(_is_dspys(base) and base.__name__ in _AGENTS for base in type(instance).__mro__) else None


def _name(instance: Any) -> str:
    """The class of a program; for a module of DSPy's own the signature it was given, if that has a name."""
    if _is_dspys(type(instance)):
        signature = getattr(getattr(instance, "signature", None), "__name__", _UNNAMED)
        if signature != _UNNAMED:
            return str(signature)
    return type(instance).__name__


def _is_dspys(owner: type) -> bool:
    return owner.__module__.partition(".")[0] == "dspy"
