"""What is entered where: one `with` object may be entered by many threads and tasks at once, and again inside itself.

The innermost entry of the running code is kept in a context variable, which every thread and task has for itself. So
an object finds its own entry on leaving, and what it attached is detached where it was attached and nowhere else.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, Generic, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from .failures import guarded, swallow

T = TypeVar("T")


def attach(context: Context | None) -> Token[Context] | None:
    """Make a context the running code's, if there is one. Never raises."""
    if context is None:
        return None
    try:
        return otel_context.attach(context)
    except Exception as fault:
        swallow("entering", fault)
        return None


def left_by(attached: Token[Context] | None) -> Context | None:
    """What is the running code's context by now, where one was attached. Never raises."""
    return None if attached is None else guarded(otel_context.get_current)


def detach(attached: Token[Context] | None) -> None:
    """Put back what was the running code's context before. Never raises."""
    if attached is None:
        return
    try:
        otel_context.detach(attached)
    except Exception as fault:
        with suppress(RuntimeError, ValueError):  # it is back already, or was attached by other code
            attached.var.reset(attached)
        swallow("leaving", fault)


class Entries(Generic[T]):
    """The entries of one object that are open, wherever they are; each brings a value along."""

    def __init__(self) -> None:
        self._open: list[_Entry[T]] = []

    def enter(self, context: Context | None, value: T) -> None:
        """Run what follows inside the context, until `leave`; None leaves the running code in its own. Never raises."""
        entry = _Entry(self, value)
        entry.outer = _innermost.get()
        entry.attached = attach(context)
        entry.mark = _innermost.set(entry)
        self._open.append(entry)

    def leave(self) -> T | None:
        """End the running code's innermost entry of this object, else the last one made anywhere; None without any.

        Never raises.
        """
        entry = self._find()
        if entry is None:
            return None
        with suppress(ValueError):  # of two that end at once where neither began, both may have found this one
            self._open.remove(entry)
        try:
            _innermost.reset(entry.mark)
        except ValueError:
            return entry.value  # entered by other code, which keeps what is attached there
        detach(entry.attached)
        return entry.value

    def _find(self) -> _Entry[T] | None:
        entry = _innermost.get()
        while entry is not None:
            if entry.owner is self and entry in self._open:
                return entry
            entry = entry.outer
        return self._open[-1] if self._open else None


class _Entry(Generic[T]):
    __slots__ = ("attached", "mark", "outer", "owner", "value")

    attached: Token[Context] | None
    mark: Token[_Entry[Any] | None]
    outer: _Entry[Any] | None

    def __init__(self, owner: Entries[T], value: T) -> None:
        self.owner = owner
        self.value = value


_innermost: Final[ContextVar[_Entry[Any] | None]] = ContextVar("otel-llm-entered", default=None)
