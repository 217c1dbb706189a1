"""Haystack: what it reports to its tracer, whichever that is, and its tools.

Haystack has one tracer, behind a proxy, and it is the user's: so steps are opened where the proxy is asked for a span,
before the user's tracer is, which sees what it saw before. Pipelines, components and agents are steps. Tools are hooked
where they run, since a tracer is not told the outcome.

A step is current in the block that Haystack opens it for, unless that is in a generator, which would leak it to whoever
iterates: an asynchronous pipeline hands the span that it was given to its components, by which they find their parent.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from otel_llm_semconv import attributes as a

from ..context import current_scope
from ..entered import Entries
from ..failures import guarded
from ..patching import patch, patch_path
from .steps import AGENT, RETRIEVAL, TASK, WORKFLOW, Run, end_step, open_step, open_tool

_KEY: Final = otel_context.create_key("otel-llm-haystack")
_UNNAMED: Final = "Pipeline"
_IN_GENERATOR: Final = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
#: Raised to stop a pipeline where its user wants to look at it.
_STOPPED: Final = "BreakpointException"


@dataclass(frozen=True, slots=True)
class Place:
    """The innermost step around the running code: its name, whose it is, and the steps around that."""

    name: str
    owner: int | None
    is_agent: bool
    outer: Place | None

    def is_part_of(self, other: Place) -> bool:
        """True inside of that step, however deep."""
        place: Place | None = self
        while place is not None and place is not other:
            place = place.outer
        return place is not None


Step = tuple[Run, Place]
Opener = Callable[[Mapping[str, Any], Context], Step | None]


def instrument(module: ModuleType) -> None:
    """Hook the proxy of all tracers, and the methods that run a tool."""
    contexts: dict[int, Context] = {}
    patch(type(module.tracer), "trace", lambda trace: _watch(trace, contexts))
    for name in ("invoke", "invoke_async"):
        patch_path(f"haystack.tools.tool:Tool.{name}", _run_tool)


def _watch(trace: Callable[..., Any], contexts: dict[int, Context]) -> Callable[..., Any]:
    def hooked(*args: Any, **kwargs: Any) -> Any:
        theirs = trace(*args, **kwargs)
        operation = args[1] if len(args) > 1 else kwargs.get("operation_name")
        opener = _OPENERS.get(operation) if isinstance(operation, str) else None
        return theirs if opener is None else Traced(theirs, opener, kwargs, contexts)

    return hooked


class Traced(AbstractContextManager[Any]):
    """The user's tracer's block, and around it our step. `contexts` has what is inside of the spans that are open."""

    def __init__(self, theirs: Any, opener: Opener, told: Mapping[str, Any], contexts: dict[int, Context]) -> None:
        self._theirs = theirs
        self._opener = opener
        self._told = told
        self._contexts = contexts
        self._block: Block | None = None
        self._span: Any = None

    def __enter__(self) -> Any:
        in_generator = bool(sys._getframe(1).f_code.co_flags & _IN_GENERATOR)
        self._block = guarded(self._open, not in_generator)
        try:
            self._span = self._theirs.__enter__()
        except BaseException as error:
            self._end(error)
            raise
        if self._block is not None:
            self._contexts[id(self._span)] = self._block.inside
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            answer: bool | None = self._theirs.__exit__(kind, error, trace)
            return answer
        finally:
            self._end(None if type(error).__name__ == _STOPPED else error)

    def _open(self, is_current: bool) -> Block | None:
        step = self._opener(self._told.get("tags") or {}, self._outer())
        return None if step is None else Block(*step, is_current=is_current)

    def _outer(self) -> Context:
        """The running code's context if that is inside of the parent that is told, else the inside of the parent."""
        here = otel_context.get_current()
        parent = self._contexts.get(id(self._told.get("parent_span")), here)
        place, around = _place(here), _place(parent)
        return here if place is not None and around is not None and place.is_part_of(around) else parent

    def _end(self, error: BaseException | None) -> None:
        if self._block is not None:
            self._contexts.pop(id(self._span), None)
            guarded(self._block.end, error)


class Block:
    """A step that is open, current where it can be."""

    def __init__(self, run: Run, place: Place, *, is_current: bool) -> None:
        self._run = run
        self._entries: Entries[None] = Entries()
        self.inside = otel_context.set_value(_KEY, place, run.context)
        if is_current:
            self._entries.enter(self.inside, None)

    def end(self, error: BaseException | None = None, result: Any = None) -> None:
        """Leave it and end it."""
        self._entries.leave()
        end_step(self._run, error, result=result)


def _run_tool(invoke: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the method: Haystack's own error quotes the arguments, the one behind it is the tool's."""

    def hooked(tool: Any, *args: Any, **kwargs: Any) -> Any:
        block = guarded(_open_tool, tool, kwargs)
        if block is None:
            return invoke(tool, *args, **kwargs)
        try:
            result = invoke(tool, *args, **kwargs)
        except BaseException as error:
            guarded(block.end, error.__cause__ or error)
            raise
        guarded(block.end, None, result)
        return result

    async def hooked_async(tool: Any, *args: Any, **kwargs: Any) -> Any:
        block = guarded(_open_tool, tool, kwargs)
        if block is None:
            return await invoke(tool, *args, **kwargs)
        try:
            result = await invoke(tool, *args, **kwargs)
        except BaseException as error:
            guarded(block.end, error.__cause__ or error)
            raise
        guarded(block.end, None, result)
        return result

    return hooked_async if inspect.iscoroutinefunction(invoke) else hooked


def _open_tool(tool: Any, arguments: Mapping[str, Any]) -> Block | None:
    place = _place(otel_context.get_current())
    if place is not None and place.owner == id(tool):
        return None  # one of the two methods calls the other
    run = open_tool(tool.name, description=tool.description, arguments=arguments)
    return Block(run, Place(tool.name, id(tool), is_agent=False, outer=place), is_current=True)


def _open_pipeline(tags: Mapping[str, Any], outer: Context) -> Step | None:
    """A pipeline: its name, if it has one, is in its metadata. A part of something without a name is none."""
    around = _place(outer)
    name = (tags.get("haystack.pipeline.metadata") or {}).get("name")
    if name is None and around is not None:
        return None
    is_hiding = name is None and a.WORKFLOW_NAME in current_scope(outer).names
    title = str(name or _UNNAMED)
    return open_step(TASK if is_hiding else WORKFLOW, title, outer=outer), _step_place(title, outer)


def _open_component(tags: Mapping[str, Any], outer: Context) -> Step:
    name = str(tags.get("haystack.component.name"))
    kind = str(tags.get("haystack.component.fully_qualified_type"))
    if kind.startswith("haystack.components.agents."):
        return open_step(AGENT, name, outer=outer), _step_place(name, outer, is_agent=True)
    return open_step(RETRIEVAL if kind.endswith("Retriever") else TASK, name, outer=outer), _step_place(name, outer)


def _open_agent(tags: Mapping[str, Any], outer: Context) -> Step | None:
    """An agent that runs by itself, or as a tool, whose name it has then. As a component it is known already."""
    around = _place(outer)
    if around is not None and around.is_agent:
        return None
    name = around.name if around is not None else "Agent"
    return open_step(AGENT, name, outer=outer), _step_place(name, outer)


def _step_place(name: str, outer: Context, *, is_agent: bool = False) -> Place:
    return Place(name, None, is_agent, _place(outer))


def _place(context: Context) -> Place | None:
    found = context.get(_KEY)
    return found if isinstance(found, Place) else None


_OPENERS: Final[dict[str, Opener]] = {
    "haystack.agent.run": _open_agent,
    "haystack.component.run": _open_component,
    "haystack.pipeline.run": _open_pipeline,
}
