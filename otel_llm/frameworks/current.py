"""Steps that a framework begins and ends by two calls in the same code: current in between.

For frameworks whose callbacks run on the thread and in the task of what they report. What is attached is detached where
it was attached and nowhere else: an end that comes from other code ends the span and leaves that code's context alone.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from opentelemetry.context import Context

from ..entered import Entries
from .steps import OpenSteps, Run

__all__ = ["CurrentSteps"]

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Begun(Generic[K]):
    """What was being handled when a step began is not its own error; what it entered has to be left."""

    parent: K | None
    handled: BaseException | None
    entries: Entries[None] = field(default_factory=Entries)


class CurrentSteps(Generic[K]):
    """Steps by the framework's ids."""

    def __init__(self) -> None:
        self._open: OpenSteps[K] = OpenSteps()
        self._begun: dict[K, _Begun[K]] = {}

    def begin(self, key: K, run: Run, parent: K | None = None) -> None:
        """Remember what is open under the id; `parent` is for `end_below`."""
        self._open.add(key, run, run.context)
        self._begun[key] = _Begun(parent, sys.exception())
        if len(self._begun) > len(self._open):
            self._forget()

    def enter(self, key: K) -> None:
        """Make it the running code's context, until its end."""
        context, begun = self._open.context(key), self._begun.get(key)
        if context is not None and begun is not None:
            begun.entries.enter(context, None)

    def context(self, key: K | None) -> Context | None:
        """The context of what runs inside, None for what is not open."""
        return self._open.context(key)

    def run(self, key: K | None) -> Run | None:
        """The span under the id."""
        return self._open.run(key)

    def raised(self, key: K) -> BaseException | None:
        """The exception that the running code handles or passes on, if it came after the step began."""
        begun, error = self._begun.get(key), sys.exception()
        return None if begun is None or error is begun.handled else error

    def end(
        self, key: K, error: BaseException | None = None, *, result: object = None, failure: str | None = None
    ) -> None:
        """Put the running code's context back, and end the span; an id that is not open is none of our business."""
        begun = self._begun.pop(key, None)
        if begun is not None:
            begun.entries.leave()
        self._open.end(key, error, result=result, failure=failure)

    def end_below(self, key: K, error: BaseException | None) -> None:
        """End all that is open inside a step, in whatever thread or task, when nobody is going to."""
        for child in [each for each, begun in list(self._begun.items()) if begun.parent == key]:
            self.end_below(child, error)
            self.end(child, error)

    def end_all(self) -> None:
        """End all that is open, as if nothing had happened."""
        self._begun.clear()
        self._open.end_all()

    def _forget(self) -> None:
        """Drop the oldest of what is no longer open."""
        for key in list(self._begun):
            if self._open.run(key) is None:
                del self._begun[key]
                return
