"""OpenAI's Agents SDK: its traces and spans as workflows, agents, tools and tasks, each current while it runs.

The SDK traces itself and keeps its current span in a context variable, which it sets and resets in the task that runs
the step. At these places, `start` and `finish` of its spans and traces, our step begins and ends; a processor could not
make it current, is not told whether it should be, and is lost by `set_trace_processors`. Generations and responses are
no steps, since the wire sees these calls. What the user has switched off in the SDK's tracing is off here, too, and its
export to OpenAI is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from ..encodable import clean
from ..failures import guarded
from ..patching import on_undo, patch
from .current import CurrentSteps
from .steps import AGENT, TASK, WORKFLOW, Kind, Run, open_step, open_tool, written

HANDOFF: Final = "handoff"
#: Types of spans that are steps, and what their names begin with. Turns and tasks only group; the rest is on the wire.
_KINDS: Final[Mapping[str, tuple[Kind, str]]] = {
    "agent": (AGENT, ""),
    "custom": (TASK, ""),
    "guardrail": (TASK, "guardrail "),
}


def instrument(module: ModuleType) -> None:
    """Follow the spans and traces of `agents.tracing`."""
    tracing = _Tracing(module)
    for owner, begin, end in (
        (module.spans.SpanImpl, tracing.begin_span, tracing.end_span),
        (module.traces.TraceImpl, tracing.begin_trace, tracing.end_trace),
    ):
        patch(owner, "start", _starting(begin, tracing.enter))
        patch(owner, "finish", _finishing(end))
    on_undo(tracing.steps.end_all)


def _starting(begin: Callable[[Any], None], enter: Callable[[Any], None]) -> Callable[..., Any]:
    def wrap(start: Callable[..., None]) -> Callable[..., None]:
        def hooked(item: Any, *args: Any, **kwargs: Any) -> None:
            guarded(begin, item)
            start(item, *args, **kwargs)
            if kwargs.get("mark_as_current", args[0] if args else False):
                guarded(enter, item)

        return hooked

    return wrap


def _finishing(end: Callable[[Any], None]) -> Callable[..., Any]:
    def wrap(finish: Callable[..., None]) -> Callable[..., None]:
        def hooked(item: Any, *args: Any, **kwargs: Any) -> None:
            guarded(end, item)
            finish(item, *args, **kwargs)

        return hooked

    return wrap


def _key(item: Any) -> str:
    """A span's id; a trace's id may be used again while it is open, so there the object counts."""
    return str(getattr(item, "span_id", None) or id(item))


class _Tracing:
    """What the SDK has open."""

    def __init__(self, module: ModuleType) -> None:
        self.steps: CurrentSteps[str] = CurrentSteps()
        self._current_span: Callable[[], Any] = module.get_current_span

    def enter(self, item: Any) -> None:
        """What has begun is current from here on."""
        self.steps.enter(_key(item))

    def begin_trace(self, trace: Any) -> None:
        """A workflow; its group is the conversation it belongs to, its metadata are properties of all inside."""
        if self.steps.run(_key(trace)) is None:
            self.steps.begin(_key(trace), open_step(WORKFLOW, trace.name, carried=_carried(trace)))

    def end_trace(self, trace: Any) -> None:
        self.steps.end(_key(trace), self.steps.raised(_key(trace)))

    def begin_span(self, span: Any) -> None:
        run = None if span.started_at else self._open(span)
        if run is not None:
            self.steps.begin(_key(span), run)

    def _open(self, span: Any) -> Run | None:
        data = span.span_data
        # a parent that the app names itself goes before what is current
        current = self._current_span()
        is_implicit = span.parent_id == (current.span_id if current else None)
        outer = None if is_implicit else self.steps.context(span.parent_id)
        if data.type == "function":
            return open_tool(data.name, outer=outer)
        if data.type == HANDOFF:
            return open_step(TASK, HANDOFF, outer=outer)
        kind, prefix = _KINDS.get(data.type, (None, ""))
        return open_step(kind, prefix + data.name, outer=outer) if kind else None

    def end_span(self, span: Any) -> None:
        """With what it raised, else with what the SDK says went wrong inside and was handled."""
        run, data = self.steps.run(_key(span)), span.span_data
        if run is None:
            return
        if data.type == HANDOFF and data.to_agent:
            name = f"{HANDOFF} to {data.to_agent}"
            run.span.update_name(clean(f"{TASK.operation} {name}"))
            run.span.set_attribute(TASK.name_attribute, clean(name))
        if data.type == "function":
            _show_arguments(run, data.input)
        error = self.steps.raised(_key(span))
        failure = None if error or not span.error else str(span.error["message"])
        self.steps.end(_key(span), error, result=getattr(data, "output", None), failure=failure)


def _show_arguments(run: Run, arguments: Any) -> None:
    """They are not known when the span starts, and left out where the user says that they are sensitive."""
    text = None if arguments is None else written(arguments)
    if text is not None:
        run.span.set_attribute(a.TOOL_CALL_ARGUMENTS, clean(text))


def _carried(trace: Any) -> dict[str, AttributeValue]:
    metadata = (trace.metadata or {}).items()
    found = {a.PROPERTY_PREFIX + key: value for key, value in metadata if isinstance(value, str | bool | int | float)}
    return found | ({a.CONVERSATION_ID: trace.group_id} if trace.group_id else {})
