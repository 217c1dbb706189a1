"""LangChain: one callback handler for every run, and the context that a run's body finds itself in.

The handler opens and ends spans. What is worth one: a run at the top, a node of a graph, a tool, a retriever; prompts,
parsers and the parts of a sequence are not. Every run, with a span or without, is known by its id with the context that
is inside of it. LangChain runs each body in a copy of the caller's context, made by `set_config_context`: there that
context is attached, so that whatever runs below, in threads, tasks and streams, has its true parent. The copy is thrown
away when the body ends, so nothing is ever left attached in the app.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from inspect import iscoroutinefunction
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from ..coexistence import expect
from ..entered import Entries
from ..failures import guarded, shielded
from ..patching import on_undo, patch, patch_path
from .langchain_runs import Started, elsewhere, enter, open_chain, open_runs, open_tool_run, started
from .steps import Kind, failure_text, open_retrieval

ContextOf = Callable[[Mapping[str, Any]], Context | None]

_FRAME: Final = otel_context.create_key("otel-llm-langchain-frame")
_MODELS: Final = ("chat_models:BaseChatModel", "llms:BaseLLM")


def instrument(module: ModuleType) -> None:
    """Hook the module: where the context of a run's body is made, or where handlers are registered."""
    if hasattr(module, "register_configure_hook"):
        _register(module)
        return
    patch(module, "_set_config_context", enter_run)
    for model in _MODELS:
        for name in ("generate", "agenerate"):
            patch_path(f"langchain_core.language_models.{model}.{name}", lambda method: _surround(method, _parent))
    for name in ("invoke", "ainvoke"):
        patch_path(f"langchain_core.retrievers:BaseRetriever.{name}", lambda method: _surround(method, _frame))


def enter_run(set_config: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the function that prepares the copied context of a run's body: attach the inside of the run there."""

    def hooked(config: Any, *args: Any, **kwargs: Any) -> Any:
        guarded(_attach, config)
        return set_config(config, *args, **kwargs)

    return hooked


def _attach(config: Any) -> None:
    inside = elsewhere(_run_of(config.get("callbacks")))
    if inside is not None:
        otel_context.attach(inside)


def _run_of(callbacks: Any) -> UUID | None:
    found = getattr(callbacks, "parent_run_id", None)
    return found if isinstance(found, UUID) else None


def _parent(arguments: Mapping[str, Any]) -> Context | None:
    """What a model runs in: a sequence's batch runs its steps outside of the runs that they are for."""
    return elsewhere(_run_of(arguments.get("callbacks")))


def _frame(_: Mapping[str, Any]) -> Context:
    """What a retriever runs in: it has no context of its own, so its start may change this one."""
    return otel_context.set_value(_FRAME, True)


def _surround(method: Callable[..., Any], context_of: ContextOf) -> Any:
    """The method, run in the context that its arguments are given; left at its end, whatever was attached meanwhile."""

    def hooked(*args: Any, **kwargs: Any) -> Any:
        entries: Entries[None] = Entries()
        guarded(_enter_frame, entries, context_of, kwargs)
        try:
            return method(*args, **kwargs)
        finally:
            guarded(entries.leave)

    async def hooked_async(*args: Any, **kwargs: Any) -> Any:
        entries: Entries[None] = Entries()
        guarded(_enter_frame, entries, context_of, kwargs)
        try:
            return await method(*args, **kwargs)
        finally:
            guarded(entries.leave)

    return hooked_async if iscoroutinefunction(method) else hooked


def _enter_frame(entries: Entries[None], context_of: ContextOf, arguments: Mapping[str, Any]) -> None:
    context = context_of(arguments)
    if context is not None:
        entries.enter(context, None)


def as_graph(manager: Any) -> Any:
    """A copy of a graph's callback manager that reports its own run, and only that, as a graph's."""
    plain, graph = handlers()
    copy = manager.copy()
    copy.handlers = [each for each in copy.handlers if each is not plain] + [graph]
    if plain not in copy.inheritable_handlers:
        copy.inheritable_handlers = [*copy.inheritable_handlers, plain]
    return copy


def _register(module: ModuleType) -> None:
    ours = ContextVar("otel-llm-langchain-handler", default=handlers()[0])
    module.register_configure_hook(ours, inheritable=True)

    def remove() -> None:
        hooks = module._configure_hooks
        hooks[:] = [hook for hook in hooks if hook[0] is not ours]

    on_undo(remove)


@cache
def handlers() -> tuple[Any, Any]:
    """The handler of all runs, and the one of graphs, until `undo`."""
    base = import_module("langchain_core.callbacks.base").BaseCallbackHandler
    plain = _handler_class(base)(Started.as_chain)
    graph = _handler_class(base)(Started.as_graph)

    def retire() -> None:
        plain.active = graph.active = False
        handlers.cache_clear()
        open_runs.end_all()

    on_undo(retire)
    return plain, graph


def _handler_class(base: Any) -> Any:
    class Handler(base):  # type: ignore[misc]  # a class of the app's LangChain
        """Opens and ends what LangChain reports. Inline: in the caller's own context, one after the other."""

        run_inline = True
        raise_error = True  # what we raise is raised on purpose, in tests; see failures.py
        ignore_custom_event = ignore_llm = ignore_retry = True
        active = True

        def __init__(self, kind_of: Callable[[Started], Kind | None]) -> None:
            self._kind_of = kind_of

        @shielded
        def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **told: Any) -> None:
            if self.active:
                begun = started(serialized, run_id, told)
                kind = None if told.get("run_type") else self._kind_of(begun)
                enter(begun, None if kind is None else open_chain(begun, kind))

        @shielded
        def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
            if self.active:
                expect()

        @shielded
        def on_tool_start(self, serialized: Any, input_str: str, *, run_id: UUID, **told: Any) -> None:
            if self.active:
                begun = started(serialized, run_id, told)
                enter(begun, open_tool_run(begun, serialized or {}, input_str, told))

        @shielded
        def on_retriever_start(self, serialized: Any, query: str, *, run_id: UUID, **told: Any) -> None:
            if self.active:
                begun = started(serialized, run_id, told)
                inside = enter(begun, open_retrieval(begun.name, outer=begun.outer, query=query))
                if otel_context.get_value(_FRAME):
                    otel_context.attach(otel_context.set_value(_FRAME, None, inside))

        @shielded
        def on_tool_end(self, output: Any, *, run_id: UUID, **told: Any) -> None:
            content = getattr(output, "content", output)
            failed = getattr(output, "status", None) == "error"
            open_runs.end(run_id, result=content, failure=failure_text(content) if failed else None)

        @shielded
        def on_chain_end(self, outputs: Any, *, run_id: UUID, **told: Any) -> None:
            open_runs.end(run_id)

        @shielded
        def on_chain_error(self, error: BaseException, *, run_id: UUID, **told: Any) -> None:
            open_runs.end(run_id, None if _is_control_flow(error) else error)

        on_retriever_end = on_chain_end
        on_tool_error = on_retriever_error = on_chain_error

    return Handler


def _is_control_flow(error: BaseException) -> bool:
    """True for what LangGraph raises to stop or to jump, an interrupt among it."""
    return any(base.__name__ == "GraphBubbleUp" for base in type(error).__mro__)
