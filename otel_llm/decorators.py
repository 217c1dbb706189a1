"""Spans for what happens around the calls: `@workflow`, `@agent`, `@tool` and `@task`, and `Run`, one run of any.

Each is a decorator, with or without arguments, of functions, coroutine functions and generators, and a context
manager: `with otel_llm.agent("triage"):`. Calls inside are its children and carry the nearest agent and workflow.
An exception is recorded, marks the span as an error and goes on its way.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .coexistence import is_suppressed
from .context import current_scope, with_scope
from .encodable import clean, clean_attributes, message_of
from .failures import swallow
from .redaction import redacted
from .surrounding import Surrounding
from .tracing import tracer

__all__ = ["agent", "task", "tool", "workflow"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Kind:
    """What a step is: its operation, the attribute of its name, and whether calls inside carry that name."""

    operation: str
    name_attribute: str
    is_carried: bool


WORKFLOW: Final = Kind(a.OPERATION_INVOKE_WORKFLOW, a.WORKFLOW_NAME, is_carried=True)
AGENT: Final = Kind(a.OPERATION_INVOKE_AGENT, a.AGENT_NAME, is_carried=True)
TOOL: Final = Kind(a.OPERATION_EXECUTE_TOOL, a.TOOL_NAME, is_carried=False)
TASK: Final = Kind(a.OPERATION_TASK, a.TASK_NAME, is_carried=False)
RETRIEVAL: Final = Kind(a.OPERATION_RETRIEVAL, a.TASK_NAME, is_carried=False)


class Step(Surrounding["Run"]):
    """One workflow, agent, tool or task: enter it, or decorate with it."""

    def __init__(self, kind: Kind, name: str | None, attributes: dict[str, AttributeValue] | None = None) -> None:
        super().__init__()
        self._kind = kind
        self._name = name
        self._attributes = attributes or {}

    def start(self) -> Run:
        return Run(self._kind, self._name or self._kind.operation, self._attributes)

    def maker(self, function: Callable[..., Any]) -> Callable[[], Step]:
        name = self._name or getattr(function, "__name__", None)
        return functools.partial(Step, self._kind, name, self._attributes)

    def __enter__(self) -> Span:
        run = self.enter()
        return trace.INVALID_SPAN if run is None else run.span

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class Run:
    """One run of a step: its span, and the context that its body runs in.

    It starts inside `outer`, by default the running code's context; what is `carried` goes on every span inside.
    Nothing is attached here.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        attributes: Mapping[str, AttributeValue],
        outer: Context | None = None,
        carried: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        names = {kind.name_attribute: name} if kind.is_carried else {}
        inside = _inside(outer, {**names, **(carried or {})})
        if is_suppressed(outer):
            self.span: Span = NonRecordingSpan(trace.get_current_span(outer).get_span_context())
        else:
            self.span = tracer().start_span(
                clean(f"{kind.operation} {name}"),
                context=inside,
                kind=SpanKind.INTERNAL,
                attributes=clean_attributes({a.OPERATION: kind.operation, kind.name_attribute: name, **attributes}),
            )
        self.context: Context = trace.set_span_in_context(self.span, inside)

    def end(self, error: BaseException | None) -> None:
        """End the span, with the error unless that is only the closing of a generator."""
        try:
            if error is not None and not isinstance(error, GeneratorExit):
                _record(self.span, error)
        except Exception as fault:
            swallow("recording an error", fault)
        finally:
            self.span.end()


def _inside(outer: Context | None, names: Mapping[str, AttributeValue]) -> Context:
    """A context, or the running code's, in which spans carry these names, too."""
    scope = current_scope(outer)
    return with_scope(replace(scope, names={**scope.names, **names}), outer)


def _record(span: Span, error: BaseException) -> None:
    message = redacted(message_of(error))
    span.set_attribute(a.ERROR_TYPE, clean(type(error).__qualname__))
    span.set_status(Status(StatusCode.ERROR, message))
    stack = redacted("".join(traceback.format_exception(error)))
    span.record_exception(error, clean_attributes({EXCEPTION_MESSAGE: message, EXCEPTION_STACKTRACE: stack}))


def _step(kind: Kind, function_or_name: Any, attributes: dict[str, AttributeValue]) -> Any:
    if callable(function_or_name) or isinstance(function_or_name, classmethod | property):
        return Step(kind, None, attributes)(function_or_name)
    return Step(kind, function_or_name, attributes)


@overload
def workflow(function: F, /) -> F: ...
@overload
def workflow(name: str | None = None) -> Step: ...
def workflow(name: Any = None) -> Any:
    """A whole run of several steps: the span `invoke_workflow {name}`. The name defaults to the function's."""
    return _step(WORKFLOW, name, {})


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(name: str | None = None, *, description: str | None = None) -> Step: ...
def agent(name: Any = None, *, description: str | None = None) -> Any:
    """An agent at work: the span `invoke_agent {name}`. The name defaults to the function's."""
    return _step(AGENT, name, {a.AGENT_DESCRIPTION: description} if description else {})


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(name: str | None = None, *, call_id: str | None = None) -> Step: ...
def tool(name: Any = None, *, call_id: str | None = None) -> Any:
    """A tool that a model asked for: the span `execute_tool {name}`; `call_id` is the model's id of the request."""
    attributes: dict[str, AttributeValue] = {a.TOOL_TYPE: "function"}
    if call_id:
        attributes[a.TOOL_CALL_ID] = call_id
    return _step(TOOL, name, attributes)


@overload
def task(function: F, /) -> F: ...
@overload
def task(name: str | None = None) -> Step: ...
def task(name: Any = None) -> Any:
    """Any other step: the span `task {name}`. The name defaults to the function's."""
    return _step(TASK, name, {})
