"""Running a generator inside a context, step by step: nothing stays attached while it is suspended at a `yield`.

What it has entered itself by then is put aside, too, and is there again in its next step, on whatever thread.
Everything that is sent or thrown in, `GeneratorExit` of a close included, reaches the generator itself, which decides.
A fault of ours is counted and changes nothing of that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Protocol

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


def drive(inner: Generator[Any, Any, Any], start: Callable[[], Running]) -> Generator[Any, Any, Any]:
    """The generator, each step of it inside the context of what `start` makes at the first step."""
    running = guarded(start)
    context = None if running is None else running.context
    step, argument = inner.send, None
    error: BaseException | None = None
    try:
        while True:
            token = attach(context)
            try:
                item = step(argument)
                context = left_by(token)
            except StopIteration as stop:
                return stop.value
            finally:
                detach(token)
            argument = None
            try:
                argument, step = (yield item), inner.send
            except BaseException as thrown:
                argument, step = thrown, inner.throw
    except BaseException as raised:
        error = raised
        raise
    finally:
        if running is not None:
            guarded(running.end, error)
        del error


def driving_async(
    function: Callable[..., AsyncGenerator[Any, Any]], make: Callable[[], Callable[[], Running]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """`drive` for the asynchronous generators that a function makes: one like it, whose generators are driven.

    What surrounds one is started by what `make` answers.
    """

    async def driven(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        running = guarded(make())
        context = None if running is None else running.context
        step, argument = inner.asend, None
        error: BaseException | None = None
        try:
            while True:
                token = attach(context)
                try:
                    item = await step(argument)
                    context = left_by(token)
                except StopAsyncIteration:
                    return
                finally:
                    detach(token)
                argument = None
                try:
                    argument, step = (yield item), inner.asend
                except BaseException as thrown:
                    argument, step = thrown, inner.athrow
        except BaseException as raised:
            error = raised
            raise
        finally:
            if running is not None:
                guarded(running.end, error)
            del error

    return driven
