"""LlamaIndex: a span handler at the root of its dispatchers.

LlamaIndex reports the begin and the end of every decorated method on the thread and in the task that it runs in, right
before and right after its body, which therefore is made current in between. What is a step is in the table below.
Everything else, models, embeddings and synthesizers among it, happens inside of one and finds its parent there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from opentelemetry import context as otel_context

from otel_llm_semconv import attributes as a

from ..context import current_scope
from ..entered import Entries
from ..failures import shielded
from ..patching import on_undo
from .steps import (
    AGENT,
    OPEN_MAX,
    TASK,
    WORKFLOW,
    OpenSteps,
    Run,
    captures,
    failure_text,
    open_retrieval,
    open_step,
    open_tool,
)

_KEY: Final = otel_context.create_key("otel-llm-llama-index")
_PACKAGES: Final = ("llama_index", "workflows")
#: Raised by a step or a tool that waits for somebody's answer, and is run again when it is there.
_WAITING: Final = "WaitingForEvent"


@dataclass(frozen=True, slots=True)
class Place:
    """What the running code is directly inside of: whose method; of which class, if it is the run of a workflow."""

    owner: int | None
    workflow: type | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """A method that begins: its name, `self`, its arguments, and where that happens."""

    name: str
    instance: Any
    arguments: Mapping[str, Any]
    place: Place | None


Step = tuple[Run | None, Place]


def instrument(module: ModuleType) -> None:
    """Add our handler to the root dispatcher, to which all others pass on what they report."""
    dispatcher = module.get_dispatcher()
    steps = Steps()
    handler = _handler(module.span_handlers.BaseSpanHandler, steps)
    dispatcher.add_span_handler(handler)

    def remove() -> None:
        dispatcher.span_handlers = [each for each in dispatcher.span_handlers if each is not handler]
        steps.retire()

    on_undo(remove)


def _handler(base: Any, steps: Steps) -> Any:
    class Handler(base):  # type: ignore[misc]  # the class of the app's LlamaIndex
        """Passes on what is reported; keeps nothing."""

        def span_enter(self, id_: str, bound_args: Any, instance: Any = None, **told: Any) -> None:
            steps.begin(id_, instance, bound_args)

        def span_exit(self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **told: Any) -> None:
            steps.end(id_, result=result)

        def span_drop(
            self, id_: str, bound_args: Any, instance: Any = None, err: BaseException | None = None, **told: Any
        ) -> None:
            steps.end(id_, error=err)

        def new_span(self, *args: Any, **kwargs: Any) -> None:
            """Abstract in the base, which asks for it in the methods that are replaced."""

        prepare_to_exit_span = prepare_to_drop_span = new_span

    return Handler()


class Steps:
    """What is open, and what was made current for it."""

    def __init__(self) -> None:
        self._active = True
        self._open: OpenSteps[str] = OpenSteps()
        self._entries: dict[str, Entries[None]] = {}

    @shielded
    def begin(self, id: str, instance: Any, bound_args: Any) -> None:
        """A method begins in the running code; an id is `Class.method-UUID`."""
        step = self._active and _open_method(id.partition("-")[0].rpartition(".")[2], instance, bound_args.arguments)
        if not step:
            return
        run, place = step
        inside = otel_context.set_value(_KEY, place, run.context if run else None)
        self._open.add(id, run, inside)
        entries = self._entries[id] = Entries()
        entries.enter(inside, None)
        if len(self._entries) > OPEN_MAX:
            self._entries.pop(next(iter(self._entries)))

    @shielded
    def end(self, id: str, result: Any = None, error: BaseException | None = None) -> None:
        """It returns or raises."""
        entries = self._entries.pop(id, None)
        if entries is None:
            return
        entries.leave()
        is_tool = hasattr(result, "is_error") and hasattr(result, "content")
        self._open.end(
            id,
            None if type(error).__name__ == _WAITING else error,
            result=result.content if is_tool and captures() else None,
            failure=failure_text(result.content) if is_tool and result.is_error else None,
        )

    def retire(self) -> None:
        """Open nothing any more, and end what is open."""
        self._active = False
        self._open.end_all()


def _open_method(name: str, instance: Any, arguments: Mapping[str, Any]) -> Step | None:
    found = otel_context.get_value(_KEY)
    place = found if isinstance(found, Place) else None
    method = Method(name, instance, arguments, place)
    if instance is None:
        return _open_step(method, place.workflow) if place is not None and place.workflow is not None else None
    if name not in _NAMES or (place is not None and place.owner == id(instance)):
        return None  # a method that another one of the same object is made of
    for base in type(instance).__mro__:
        opener = _METHODS.get((base.__name__, name))
        if opener is not None and base.__module__.startswith(_PACKAGES):
            return opener(method)
    return None


def _open_flow(method: Method) -> Step:
    """An engine or a pipeline: a workflow, unless it is part of one."""
    is_part = method.place is not None or a.WORKFLOW_NAME in current_scope().names
    run = open_step(TASK if is_part else WORKFLOW, type(method.instance).__name__)
    return run, Place(id(method.instance))


def _open_retriever(method: Method) -> Step:
    query = method.arguments.get("str_or_query_bundle")
    text = getattr(query, "query_str", query)
    run = open_retrieval(type(method.instance).__name__, query=text if isinstance(text, str) else None)
    return run, Place(id(method.instance))


def _open_tool(method: Method) -> Step:
    """A tool; the id of the request is known to the step around it."""
    told = method.instance.metadata
    run = open_tool(
        told.get_name(),
        call_id=method.place.call_id if method.place else None,
        description=told.description,
        arguments=method.arguments.get("kwargs") or method.arguments.get("args") or method.arguments.get("input"),
    )
    return run, Place(id(method.instance))


def _open_run(method: Method) -> Step:
    """A run of a workflow; an agent is one, too, which has a name of its own."""
    kind = type(method.instance)
    place = Place(id(method.instance), kind)
    if _is_agent(kind):
        told = method.instance.description
        attributes = {a.AGENT_DESCRIPTION: str(told)} if told else {}
        return open_step(AGENT, str(method.instance.name), attributes=attributes), place
    name = getattr(method.instance, "_workflow_name", None) or kind.__name__
    return open_step(WORKFLOW, str(name)), place


def _open_step(method: Method, workflow: type) -> Step:
    """A step of a workflow. Of the framework's own only an agent's turn among several agents is worth a span."""
    event = method.arguments.get("ev")
    place = Place(None, call_id=getattr(event, "tool_id", None))
    own = getattr(workflow, method.name, None)
    if own is None or not own.__module__.startswith(_PACKAGES):
        return open_step(TASK, method.name), place
    agent = getattr(event, "current_agent_name", None)
    if method.name == "run_agent_step" and agent and not _is_agent(workflow):
        return open_step(AGENT, str(agent)), place
    return None, place


def _is_agent(kind: type) -> bool:
    return any(base.__name__ == "BaseWorkflowAgent" for base in kind.__mro__)


#: Which methods are steps: of which class, by which name.
_METHODS: Final[dict[tuple[str, str], Callable[[Method], Step]]] = {
    ("BaseChatEngine", "achat"): _open_flow,
    ("BaseChatEngine", "astream_chat"): _open_flow,
    ("BaseChatEngine", "chat"): _open_flow,
    ("BaseChatEngine", "stream_chat"): _open_flow,
    ("BaseQueryEngine", "aquery"): _open_flow,
    ("BaseQueryEngine", "query"): _open_flow,
    ("BaseRetriever", "aretrieve"): _open_retriever,
    ("BaseRetriever", "retrieve"): _open_retriever,
    ("BaseTool", "__call__"): _open_tool,
    ("BaseTool", "acall"): _open_tool,
    ("BaseTool", "call"): _open_tool,
    ("IngestionPipeline", "arun"): _open_flow,
    ("IngestionPipeline", "run"): _open_flow,
    ("Workflow", "run"): _open_run,
}
_NAMES: Final = frozenset(name for _, name in _METHODS)
