"""Running a generator inside a context, step by step: nothing stays attached while it is suspended at a `yield`.

What it has entered itself by then is put aside, too, and is there again in its next step, on whatever thread.
Everything that is sent or thrown in, `GeneratorExit` of a close included, reaches the generator itself, which decides.
A fault of ours is counted and changes nothing of that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Protocol, Self

from opentelemetry.context import Context

from .entered import attach, detach, left_by
from .failures import guarded


class Running(Protocol):
    """What surrounds a generator from its first step to its end."""

    @property
    def context(self) -> Context:
        """What its steps run in."""

    def end(self, error: BaseException | None) -> None:
        """The generator has returned, or raised this."""


class _Surrounded:
    """What a generator's steps run in, begun with the first, and ended with how the generator ends."""

    def __init__(self, start: Callable[[], Running]) -> None:
        self._running = guarded(start)
        self.context = None if self._running is None else self._running.context

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._running is not None:
            guarded(self._running.end, error)


def drive(inner: Generator[Any, Any, Any], start: Callable[[], Running]) -> Generator[Any, Any, Any]:
    """The generator, each step of it inside the context of what `start` makes at the first step."""
    step, argument = inner.send, None
    with _Surrounded(start) as around:
        while True:
            token = attach(around.context)
            try:
                item = step(argument)
                around.context = left_by(token)
            except StopIteration as stop:
                return stop.value
            finally:
                detach(token)
            argument = None
            try:
                argument, step = (yield item), inner.send
            except BaseException as thrown:
                argument, step = thrown, inner.throw


def driving_async(
    function: Callable[..., AsyncGenerator[Any, Any]], make: Callable[[], Callable[[], Running]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """`drive` for the asynchronous generators that a function makes: one like it, whose generators are driven.

    What surrounds one is started by what `make` answers.
    """

    async def driven(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        step, argument = inner.asend, None
        with _Surrounded(make()) as around:
            while True:
                token = attach(around.context)
                try:
                    item = await step(argument)
                    around.context = left_by(token)
                except StopAsyncIteration:
                    return
                finally:
                    detach(token)
                argument = None
                try:
                    argument, step = (yield item), inner.asend
                except BaseException as thrown:
                    argument, step = thrown, inner.athrow

    return driven
