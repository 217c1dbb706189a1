"""What surrounds a part of the app: a context manager that is also a decorator of functions of every kind.

A fault of ours where it begins or ends is counted: the app's code runs all the same, without a span of ours if need be,
and its context is put back whatever happens. What the app's own code raises goes on its way.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from .entered import Entries
from .failures import guarded
from .generators import Running, drive, driving_async

__all__ = ["Surrounding"]

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=Running)


class Surrounding(ABC, Generic[R]):
    """Each entry is a run of its own. One object may be entered by many threads and tasks at once, and inside itself.

    Used as a decorator it surrounds each call of a function, and a generator from its first step to its end: nothing
    is left attached while it is suspended.
    """

    def __init__(self) -> None:
        self._entries: Entries[R | None] = Entries()

    @abstractmethod
    def start(self) -> R:
        """Begin a run in the running code's context, without attaching anything. May raise."""

    @abstractmethod
    def maker(self, function: Callable[..., Any]) -> Callable[[], Self]:
        """What makes an object like this one for each call of a function that this one decorates. May raise."""

    def enter(self) -> R | None:
        """Begin a run, current until the exit; None where it could not begin. Never raises."""
        run = guarded(self.start)
        self._entries.enter(None if run is None else run.context, run)
        return run

    def __enter__(self) -> Any:
        return self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._entries.leave()
        if run is not None:
            guarded(run.end, error)

    def hand_on(self) -> None:
        """Leave the run without ending it: what it surrounds goes on elsewhere."""
        self._entries.leave()

    def __call__(self, function: F) -> F:
        return guarded(self._decorate_method, function) or function

    def _decorate_method(self, function: Any) -> Any:
        """What stands above `@staticmethod`, `@classmethod` or `@property` decorates the function in it."""
        if isinstance(function, staticmethod | classmethod):
            return type(function)(self._decorate(function.__func__))
        if isinstance(function, property):
            read = None if function.fget is None else self._decorate(function.fget)
            return property(read, function.fset, function.fdel, function.__doc__)
        return self._decorate(function)

    def _decorate(self, function: F) -> F:
        make = self.maker(function)

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with make():
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with make():
                return await function(*args, **kwargs)

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from drive(function(*args, **kwargs), make().start))

        async_generator = functools.wraps(function)(driving_async(function, lambda: make().start))

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            around = make()
            run = around.enter()
            try:
                made = function(*args, **kwargs)
            except BaseException as error:
                around.__exit__(type(error), error, None)
                raise
            if run is not None and (inspect.isgenerator(made) or inspect.isasyncgen(made)):
                around.hand_on()
                return drive(made, lambda: run) if inspect.isgenerator(made) else _drive_async(made, run)
            around.__exit__(None, None, None)
            return made

        if inspect.iscoroutinefunction(function):
            return cast(F, coroutine)
        if inspect.isasyncgenfunction(function):
            return cast(F, async_generator)
        if inspect.isgeneratorfunction(function):
            return cast(F, generator)
        return cast(F, wrapped if _wraps_generator(function) else plain)


def _drive_async(made: Any, run: Running) -> Any:
    return driving_async(lambda: made, lambda: lambda: run)()


def _wraps_generator(function: Callable[..., Any]) -> bool:
    """True where another decorator hides that the function is a generator: what it returns tells."""
    inner = inspect.unwrap(function)
    return inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner)
