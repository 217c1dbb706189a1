"""The context follows work into threads: who and what a call is for, and the step that it belongs to.

Tasks and coroutines take the context along by themselves, threads do not. A thread gets that of the code that starts
it, and each piece of work handed to a pool that of the code that hands it on. Nothing but the OpenTelemetry context
goes along, and nothing of a request that is under way: what is started inside of it may outlive it.

`opentelemetry-instrumentation-threading` does as much for threads that do not define a `run` of their own, and would
take a request's marks along, and our own threads and the exporters'; beside it, both hand on the same.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .entered import attach, detach
from .failures import guarded
from .patching import on_undo, patch, when_imported
from .propagation import HANDED, LEAVING

#: Modules whose threads serve everybody: what they work on brings its own context, or has none.
_SERVANTS: Final = ("concurrent.futures", "multiprocessing", "opentelemetry", "otel_llm")
#: Methods of `multiprocessing.pool.ThreadPool` whose first argument is the work; all others end in these.
_POOL: Final = ("apply_async", "_map_async", "imap", "imap_unordered")


_is_on = False


def instrument() -> None:
    """Hook threads, and pools as soon as the app has imported them."""
    _switch(True)
    on_undo(functools.partial(_switch, False))
    patch(threading.Thread, "start", _wrap_start)
    when_imported("concurrent.futures.thread", lambda module: patch(module.ThreadPoolExecutor, "submit", _wrap_submit))
    when_imported("multiprocessing.pool", _hook_pool)


def _switch(on: bool) -> None:
    """A hook that could not be removed, since somebody has wrapped it, passes through."""
    global _is_on
    _is_on = on


def carried() -> Context | None:
    """The context that goes along from here; None where there is nothing in it."""
    if not _is_on:
        return None
    context = otel_context.get_current()
    outer = getattr(context.get(LEAVING), "outer", context)
    return Context({key: value for key, value in outer.items() if key not in (LEAVING, HANDED)}) or None


def _wrap_start(start: Callable[..., Any]) -> Callable[..., Any]:
    def hooked(thread: Any, *args: Any, **kwargs: Any) -> Any:
        guarded(_hand_to, thread)
        return start(thread, *args, **kwargs)

    return hooked


def _hand_to(thread: threading.Thread) -> None:
    """Have the thread's `run`, whoever defines it, run in this context."""
    context = None if thread.ident is not None or _serves(thread) else carried()
    if context is None:
        return
    own, run = vars(thread), thread.run
    had = own.get("run")

    def inside() -> None:
        if had is None:
            own.pop("run", None)
        else:
            own["run"] = had
        token = attach(context)
        try:
            run()
        finally:
            detach(token)

    own["run"] = inside


def _serves(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    module = getattr(type(thread) if target is None else target, "__module__", None) or ""
    return module.startswith(_SERVANTS)


def _wrap_submit(submit: Callable[..., Any]) -> Callable[..., Any]:
    def hooked(pool: Any, *args: Any, **kwargs: Any) -> Any:
        return submit(pool, *(guarded(_carry, pool, args) or args), **kwargs)

    return hooked


def _hook_pool(module: ModuleType) -> None:
    for name in _POOL:
        patch(module.Pool, name, lambda method: _wrap_pool(method, module.ThreadPool))


def _wrap_pool(method: Callable[..., Any], threads: type[Any]) -> Callable[..., Any]:
    def hooked(pool: Any, *args: Any, **kwargs: Any) -> Any:
        given = guarded(_carry, pool, args) if isinstance(pool, threads) else None
        return method(pool, *(given or args), **kwargs)

    return hooked


def _carry(pool: Any, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The arguments with the work made to run in this context; None where they stay as they are."""
    context = None if not args or _pickles(pool) else carried()
    if context is None:
        return None
    work = args[0]

    def inside(*given: Any, **named: Any) -> Any:
        token = attach(context)
        try:
            return work(*given, **named)
        finally:
            detach(token)

    return (inside, *args[1:])


def _pickles(pool: Any) -> bool:
    """True for a pool of interpreters (Python 3.14), which sends its work away."""
    module = sys.modules.get("concurrent.futures.interpreter")
    return module is not None and isinstance(pool, module.InterpreterPoolExecutor)
