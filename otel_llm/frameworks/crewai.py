"""CrewAI: crews and flows as workflows, agents, tools and tasks, by the events of its bus; each current while it runs.

The bus hands events to listeners in other threads, too late to be current; we look at each where it is emitted, on the
thread and in the task of what it reports. CrewAI pairs ends with starts by a stack that gets out of step where a start
has no end, so an end is taken for that of the last start of its kind by the same object. Calls of models are no steps.

CrewAI's own telemetry goes to its makers, if the user lets it, by a provider of its own: we keep our attributes off it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from ..failures import guarded
from ..inheritance import ContextProcessor, attach_to, detach_from
from ..patching import on_undo, patch, patch_path
from .current import CurrentSteps
from .steps import AGENT, TASK, WORKFLOW, Run, open_retrieval, open_step, open_tool

TELEMETRY: Final = "crewai.telemetry.telemetry:Telemetry.__init__"
_FLOW: Final = "flow_started"
_TOOL: Final = "tool_usage_started"
_FAILURES: Final = ("_failed", "_error")


def instrument(module: ModuleType) -> None:
    """Follow the bus of `crewai.events`."""
    bus = import_module(f"{module.__name__}.event_bus").CrewAIEventsBus
    events = _Events(import_module(f"{module.__name__}.event_context").VALID_EVENT_PAIRS)
    patch(bus, "emit", lambda emit: _following(emit, events.follow))
    patch(bus, "aemit", lambda emit: _following_async(emit, events.follow))
    patch(bus, "_enter_runtime_scope", lambda enter: _before(enter, events.begin_kickoff))
    patch(bus, "_exit_runtime_scope", lambda leave: _before(leave, events.end_kickoff))
    patch_path(TELEMETRY, _unmarked)
    on_undo(events.steps.end_all)


def _following(emit: Callable[..., Any], follow: Callable[[Any, Any], None]) -> Callable[..., Any]:
    def hooked(bus: Any, source: Any, event: Any, *args: Any, **kwargs: Any) -> Any:
        result = emit(bus, source, event, *args, **kwargs)
        guarded(follow, source, event)
        return result

    return hooked


def _following_async(emit: Callable[..., Any], follow: Callable[[Any, Any], None]) -> Callable[..., Any]:
    async def hooked(bus: Any, source: Any, event: Any, *args: Any, **kwargs: Any) -> Any:
        result = await emit(bus, source, event, *args, **kwargs)
        guarded(follow, source, event)
        return result

    return hooked


def _before(bracket: Callable[..., Any], action: Callable[[], None]) -> Callable[..., Any]:
    def hooked(*args: Any, **kwargs: Any) -> Any:
        guarded(action)
        return bracket(*args, **kwargs)

    return hooked


def _unmarked(init: Callable[..., None]) -> Callable[..., None]:
    def hooked(telemetry: Any, *args: Any, **kwargs: Any) -> None:
        init(telemetry, *args, **kwargs)
        guarded(_take_off, getattr(telemetry, "provider", None))

    return hooked


def _take_off(provider: Any) -> None:
    chain = getattr(provider, "_active_span_processor", None)
    for processor in getattr(chain, "_span_processors", ()):
        if isinstance(processor, ContextProcessor):
            detach_from(provider, processor)
    attach_to(provider, _Nothing())


class _Nothing(ContextProcessor):
    """Stands where our processor is put on every provider, and puts nothing on its spans."""

    def __init__(self) -> None:
        super().__init__(drain=lambda seconds_max: None, end_open=lambda chain: None)

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """They are not for the user."""


class _Begun(NamedTuple):
    """A start in the running code: by which object, of what kind, with which event."""

    source: int
    type: str
    event_id: str


#: Stands for the beginning of a kickoff, which CrewAI brackets whatever happens inside.
_KICKOFF: Final = _Begun(0, "", "")
_begun: Final[ContextVar[tuple[_Begun, ...]]] = ContextVar("otel-llm-crewai", default=())


class _Events:
    """What is open, by the id of the event that began it."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self.steps: CurrentSteps[str] = CurrentSteps()
        self._starts = {end: start for end, start in pairs.items() if start in _STEPS}

    def follow(self, source: Any, event: Any) -> None:
        """Begin or end a step, in the code that emits the event."""
        if event.type in _STEPS:
            self._begin(source, event)
        elif event.type in self._starts:
            self._end(event, _Begun(id(source), self._starts[event.type], ""))

    def _begin(self, source: Any, event: Any) -> None:
        if event.type == _FLOW and getattr(type(source), "is_crewai_internal", False):
            return  # an agent is a flow inside
        is_inside = get_current_span().get_span_context().is_valid
        outer = None if is_inside else self.steps.context(event.parent_event_id)
        begun = _begun.get()
        parent = next((one.event_id for one in reversed(begun) if one is not _KICKOFF), event.parent_event_id)
        self.steps.begin(event.event_id, _STEPS[event.type](event, outer), parent)
        self.steps.enter(event.event_id)
        _begun.set((*begun, _Begun(id(source), event.type, event.event_id)))

    def _end(self, event: Any, wanted: _Begun) -> None:
        begun = _begun.get()
        for place in reversed(range(len(begun))):
            if begun[place][:2] == wanted[:2]:
                self._drop(begun[place + 1 :])
                _begun.set(begun[:place])
                self._finish(begun[place].event_id, event)
                return
        if set(begun) <= {_KICKOFF}:  # it began in other code, which this is the end of
            self._finish(event.started_event_id, event)

    def _finish(self, event_id: str, event: Any) -> None:
        failed = event.type.endswith(_FAILURES)
        error = self.steps.raised(event_id) if failed else None
        failure = str(event.error) if failed and error is None else None
        result = getattr(event, "output", None) if self._starts[event.type] == _TOOL else None
        self.steps.end(event_id, error, result=result, failure=failure)

    def _drop(self, begun: tuple[_Begun, ...]) -> None:
        """End what has no end of its own, from the inside."""
        for one in reversed(begun):
            self.steps.end(one.event_id, self.steps.raised(one.event_id))

    def begin_kickoff(self) -> None:
        """A crew or a flow is about to run here."""
        _begun.set((*_begun.get(), _KICKOFF))

    def end_kickoff(self) -> None:
        """It has run. Where it was interrupted or cancelled, CrewAI has reported no ends."""
        begun = _begun.get()
        if _KICKOFF not in begun:
            return
        place = len(begun) - 1 - begun[::-1].index(_KICKOFF)
        inside = begun[place + 1 :]
        if isinstance(sys.exception(), Exception | None):
            _begun.set(begun[:place] + inside)
            return
        _begun.set(begun[:place])
        context = otel_context.get_current()  # CrewAI has put it back already
        for one in inside[:1]:
            self.steps.end_below(one.event_id, sys.exception())
        self._drop(inside)
        otel_context.attach(context)


def _crew(event: Any, outer: Context | None) -> Run:
    return open_step(WORKFLOW, event.crew_name or "crew", outer=outer)


def _flow(event: Any, outer: Context | None) -> Run:
    return open_step(WORKFLOW, event.flow_name, outer=outer)


def _method(event: Any, outer: Context | None) -> Run:
    return open_step(TASK, event.method_name, outer=outer)


def _task(event: Any, outer: Context | None) -> Run:
    """A task without a name is called by who does it: its description is a prompt."""
    agent = getattr(event.task, "agent", None)
    name = getattr(event.task, "name", None) or getattr(agent, "role", None)
    return open_step(TASK, _line(name) or "unnamed", outer=outer)


def _agent(event: Any, outer: Context | None) -> Run:
    return open_step(AGENT, _line(event.agent.role), outer=outer)


def _lite_agent(event: Any, outer: Context | None) -> Run:
    return open_step(AGENT, _line(event.agent_info.get("role")), outer=outer)


def _tool(event: Any, outer: Context | None) -> Run:
    return open_tool(event.tool_name, outer=outer, arguments=event.tool_args)


def _memory(event: Any, outer: Context | None) -> Run:
    return open_retrieval("memory", outer=outer, query=event.query)


def _knowledge(event: Any, outer: Context | None) -> Run:
    return open_retrieval("knowledge", outer=outer)


def _guardrail(event: Any, outer: Context | None) -> Run:
    return open_step(TASK, "guardrail", outer=outer)


def _reasoning(event: Any, outer: Context | None) -> Run:
    return open_step(TASK, "reasoning", outer=outer)


def _line(text: Any) -> str:
    """Roles come from YAML, with line breaks."""
    return " ".join(str(text or "").split())


#: Events that begin a step.
_STEPS: Final[Mapping[str, Callable[[Any, Context | None], Run]]] = {
    "agent_execution_started": _agent,
    "agent_reasoning_started": _reasoning,
    "crew_kickoff_started": _crew,
    _FLOW: _flow,
    "knowledge_search_query_started": _knowledge,
    "lite_agent_execution_started": _lite_agent,
    "llm_guardrail_started": _guardrail,
    "memory_query_started": _memory,
    "method_execution_started": _method,
    "task_started": _task,
    _TOOL: _tool,
}
