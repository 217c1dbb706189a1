"""Opening and ending the step that a framework reports: one span, ended once, never with usage.

A framework that calls back with ids of its own keeps them in `OpenSteps`, which also knows the context that what runs
inside belongs to. Whoever can should make that context current around the framework's body, in one frame and never
across a `yield`: then calls, tools and spans of the app below it find their parent by themselves.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Status, StatusCode
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from ..content import Capture
from ..decorators import AGENT, RETRIEVAL, TASK, TOOL, WORKFLOW, Kind, Run
from ..encodable import clean
from ..failures import counts, guarded, swallow
from ..redaction import redacted

__all__ = [
    "AGENT",
    "RETRIEVAL",
    "TASK",
    "TOOL",
    "WORKFLOW",
    "Kind",
    "OpenSteps",
    "Run",
    "captures",
    "end_step",
    "failure_text",
    "open_retrieval",
    "open_step",
    "open_tool",
    "use_capture",
    "written",
]

K = TypeVar("K", bound=Hashable)

OPEN_MAX: Final = 10_000
#: What a step that the framework calls failed, without an exception, has as its error's type.
UNTYPED: Final = "_OTHER"
_capture: list[Capture] = []  # none or one


def use_capture(capture: Capture | None) -> None:
    """Put arguments and results of tools on their spans as this has it; None is off."""
    _capture[:] = [] if capture is None else [capture]


def captures() -> bool:
    """True where arguments and results are recorded: what makes them costs something only then."""
    return bool(_capture) and _capture[0].on_span


def written(value: Any) -> str | None:
    """Content as a span carries it: redacted, JSON within the limit. None where none is recorded or it cannot be."""
    return guarded(_write, value) if captures() else None


def failure_text(answer: Any) -> str:
    """What a failed step says, where that is an answer to a model and so content, too; else nothing."""
    return str(answer) if captures() else ""


def _write(value: Any) -> str | None:
    if isinstance(value, str) and value[:1] in ("{", "["):
        with suppress(ValueError):
            value = json.loads(value)
    return _capture[0].text(value)


def open_step(
    kind: Kind,
    name: str,
    *,
    outer: Context | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    carried: Mapping[str, AttributeValue] | None = None,
) -> Run:
    """Start a step inside `outer`, by default the running code's context. All spans inside get what is `carried`."""
    return Run(kind, name, attributes or {}, outer, carried)


def open_tool(
    name: str,
    *,
    outer: Context | None = None,
    call_id: str | None = None,
    description: str | None = None,
    arguments: Any = None,
) -> Run:
    """Start the run of a tool; `call_id` is the model's id of the request. Arguments are for captured content."""
    found: dict[str, AttributeValue] = {a.TOOL_TYPE: "function"}
    if call_id:
        found[a.TOOL_CALL_ID] = call_id
    if description:
        found[a.TOOL_DESCRIPTION] = description
    if arguments is not None and (text := written(arguments)) is not None:
        found[a.TOOL_CALL_ARGUMENTS] = text
    return open_step(TOOL, name, outer=outer, attributes=found)


def open_retrieval(name: str, *, outer: Context | None = None, query: str | None = None) -> Run:
    """Start a search of documents; the query is content."""
    text = None if query is None else written(query)
    return open_step(RETRIEVAL, name, outer=outer, attributes={} if text is None else {a.RETRIEVAL_QUERY: text})


def end_step(run: Run, error: BaseException | None = None, *, result: Any = None, failure: str | None = None) -> None:
    """End a step, once. `result` is a tool's; `failure` is the text of one that failed without an exception."""
    try:
        if result is not None and run.span.is_recording() and (text := written(result)) is not None:
            run.span.set_attribute(a.TOOL_CALL_RESULT, clean(text))
        if failure is not None:
            run.span.set_attribute(a.ERROR_TYPE, UNTYPED)
            run.span.set_status(Status(StatusCode.ERROR, redacted(clean(failure))))
    except Exception as fault:
        swallow("a step's result", fault)
    finally:
        run.end(error)


@dataclass(frozen=True, slots=True)
class _Open:
    run: Run | None
    context: Context


class OpenSteps(Generic[K]):
    """What is open, by the framework's ids. An id may stand for no span, only for the context it runs in.

    Of more than `open_max` the oldest is ended and counted: a framework may forget to report an end.
    """

    def __init__(self, open_max: int = OPEN_MAX) -> None:
        self._open: dict[K, _Open] = {}
        self._open_max = open_max
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: K, run: Run | None, context: Context) -> None:
        """Remember what is open under the id, and the context of what runs inside."""
        with self._lock:
            before = self._open.pop(key, None)
            self._open[key] = _Open(run, context)
            excess = self._open.pop(next(iter(self._open))) if len(self._open) > self._open_max else None
        for each in (before, excess):
            if each is not None and each.run is not None:
                counts["steps: too many open, or one id twice"] += 1
                each.run.end(None)

    def context(self, key: K | None) -> Context | None:
        """The context of what runs inside, None for what is not open."""
        found = None if key is None else self._open.get(key)
        return None if found is None else found.context

    def run(self, key: K | None) -> Run | None:
        """The span under the id, if it has one."""
        found = None if key is None else self._open.get(key)
        return None if found is None else found.run

    def end(
        self, key: K, error: BaseException | None = None, *, result: Any = None, failure: str | None = None
    ) -> None:
        """End what is open under the id; an id that is not open is none of our business."""
        with self._lock:
            found = self._open.pop(key, None)
        if found is not None and found.run is not None:
            end_step(found.run, error, result=result, failure=failure)

    def end_all(self) -> None:
        """End all that is open, as if nothing had happened."""
        while self._open:
            try:
                key = next(iter(self._open))
            except (StopIteration, RuntimeError):  # somebody else ends them, too
                continue
            self.end(key)
