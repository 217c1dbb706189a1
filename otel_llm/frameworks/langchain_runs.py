"""LangChain's runs: what is open, where a run starts, and which runs are worth a span.

A run is at the top, or part of the run around it, which is in the context of whatever runs inside. So a run that
LangChain takes for a part of one further out, because nobody told it better, is still placed where it really runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from ..context import current_scope
from .steps import AGENT, TASK, WORKFLOW, Kind, OpenSteps, Run, open_step, open_tool

_KEY: Final = otel_context.create_key("otel-llm-langchain-run")
#: What LangChain and LangGraph call a run that nobody named.
_UNNAMED: Final = ("Runnable", "LangGraph")
_AGENT_INTEGRATION: Final = "langchain_create_agent"
#: Every run that is open, with a span or without.
open_runs: Final[OpenSteps[UUID]] = OpenSteps()


@dataclass(frozen=True, slots=True)
class Inside:
    """The innermost run around the running code, with the agent and the node it belongs to, as they are marked."""

    run_id: UUID
    agent: str | None
    place: str | None
    outer: Inside | None

    def is_part_of(self, run_id: UUID | None) -> bool:
        """True inside of that run, however deep."""
        inside: Inside | None = self
        while inside is not None and inside.run_id != run_id:
            inside = inside.outer
        return inside is not None


@dataclass(frozen=True, slots=True)
class Started:
    """What a callback says about a run that starts, and where it starts."""

    run_id: UUID
    name: str
    metadata: Mapping[str, Any]
    outer: Context

    @property
    def around(self) -> Inside | None:
        """The run that it is part of."""
        return _innermost(self.outer)

    @property
    def agent(self) -> str | None:
        """The agent that it is or belongs to: the mark is inherited by all runs inside."""
        if self.metadata.get("lc_agent_name"):
            return str(self.metadata["lc_agent_name"])
        return _AGENT_INTEGRATION if self.metadata.get("ls_integration") == _AGENT_INTEGRATION else None

    @property
    def place(self) -> str | None:
        """The node of a graph that it is or belongs to: one execution of it, with those around it."""
        found = self.metadata.get("langgraph_checkpoint_ns")
        return str(found) if found else None

    @property
    def is_node(self) -> bool:
        """True for a node of a graph, as opposed to what runs inside of it."""
        is_entered = self.around is None or self.around.place != self.place
        return is_entered and self.place is not None and self.name == self.metadata.get("langgraph_node")

    def as_chain(self) -> Kind | None:
        """What it is where it is no graph: names that LangChain gives are those of no workflow."""
        if self.is_node:
            return TASK
        if self.around is not None:
            return None
        return TASK if self.name.startswith(_UNNAMED) else WORKFLOW

    def as_graph(self) -> Kind | None:
        """What it is where it is a graph: an agent where the mark is new. Without a name it hides no workflow's."""
        around = self.around
        if self.agent and (around is None or around.agent != self.agent or self.name == self.agent):
            return AGENT
        if not self.name.startswith(_UNNAMED):
            return WORKFLOW
        if around is not None:
            return None
        return TASK if a.WORKFLOW_NAME in current_scope(self.outer).names else WORKFLOW

    def carried(self) -> dict[str, AttributeValue]:
        """What all spans inside get: the thread of a graph is the conversation."""
        thread = self.metadata.get("thread_id")
        return {a.CONVERSATION_ID: str(thread)} if thread else {}


def elsewhere(run_id: UUID | None) -> Context | None:
    """The inside of a run, None where the running code is there already."""
    here = _innermost(otel_context.get_current())
    return None if here is not None and here.is_part_of(run_id) else open_runs.context(run_id)


def _innermost(context: Context) -> Inside | None:
    found = context.get(_KEY)
    return found if isinstance(found, Inside) else None


def started(serialized: Any, run_id: UUID, told: Mapping[str, Any]) -> Started:
    """A run that starts: in the running code's context if that is inside of its parent, else in its parent's."""
    name = told.get("name") or (serialized or {}).get("name") or "run"
    outer = elsewhere(told.get("parent_run_id")) or otel_context.get_current()
    return Started(run_id, str(name), told.get("metadata") or {}, outer)


def enter(begun: Started, run: Run | None) -> Context:
    """Remember what is open: a run with its span, if it has one. Answers the context of what runs inside."""
    here = Inside(begun.run_id, begun.agent, begun.place, begun.around)
    inside = otel_context.set_value(_KEY, here, run.context if run else begun.outer)
    open_runs.add(begun.run_id, run, inside)
    return inside


def open_chain(begun: Started, kind: Kind) -> Run:
    """The span of a chain, a graph, a node."""
    name = begun.name
    if kind is AGENT:
        name = str(begun.metadata.get("lc_agent_name") or begun.name)
    return open_step(kind, name, outer=begun.outer, carried=begun.carried())


def open_tool_run(begun: Started, serialized: Mapping[str, Any], input_str: str, told: Mapping[str, Any]) -> Run:
    """The span of a tool."""
    return open_tool(
        str(serialized.get("name") or begun.name),
        outer=begun.outer,
        call_id=told.get("tool_call_id"),
        description=serialized.get("description"),
        arguments=told.get("inputs") or input_str,
    )
