"""Who and what a call is for: session, user, properties, prompt, and the agent and workflow around it.

The values travel in the OpenTelemetry context under a private key, as one immutable `Scope`; they are never put into
W3C baggage, so they do not leave the process. Where several sources name the same thing, the order is: these
functions, then the body of the request (OpenAI's `user` and `metadata`), then what a parent span carries.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .entered import Entries
from .failures import swallow

__all__ = ["Binding", "Scope", "current_scope", "prompt", "properties", "session", "user", "with_scope"]

F = TypeVar("F", bound=Callable[..., Any])

_KEY: Final = otel_context.create_key("otel-llm-scope")


@dataclass(frozen=True, slots=True)
class Scope:
    """What was declared around the running code. `attributes` is complete; `names` yields to a span's own."""

    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    names: Mapping[str, AttributeValue] = field(default_factory=dict)  # nearest agent and workflow


_EMPTY: Final = Scope()


def current_scope(context: Context | None = None) -> Scope:
    """The scope of a context, or of the running code."""
    found = (otel_context.get_current() if context is None else context).get(_KEY)
    return cast(Scope, found) if found is not None else _EMPTY


def with_scope(scope: Scope) -> Context:
    """The running code's context with another scope."""
    return otel_context.set_value(_KEY, scope)


class Binding:
    """A context manager that is also a decorator of functions, coroutine functions and generators.

    It adds attributes to every span that is started inside. The body of a generator runs inside at each step, and
    nothing is left attached while it is suspended.
    """

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        self._attributes = dict(attributes)
        self._entries: Entries[None] = Entries()

    def __enter__(self) -> None:
        self._entries.enter(self._context(), None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entries.leave()

    def __call__(self, function: F) -> F:
        from .generators import drive, drive_async

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with Binding(self._attributes):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with Binding(self._attributes):
                return await function(*args, **kwargs)

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return drive(function(*args, **kwargs), self._start)

        @functools.wraps(function)
        def async_generator(*args: Any, **kwargs: Any) -> Any:
            return drive_async(function(*args, **kwargs), self._start)

        if inspect.iscoroutinefunction(function):
            return cast(F, coroutine)
        if inspect.isasyncgenfunction(function):
            return cast(F, async_generator)
        return cast(F, generator if inspect.isgeneratorfunction(function) else plain)

    def _start(self) -> _Bound:
        return _Bound(self._context())

    def _context(self) -> Context:
        scope = current_scope()
        return with_scope(replace(scope, attributes={**scope.attributes, **self._attributes}))


class _Bound:
    """One run of a generator inside a binding."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def end(self, error: BaseException | None) -> None:
        """Nothing is held."""


def session(id: str, name: str | None = None, path: str | None = None) -> Binding:
    """Calls inside belong to the session `id`; `name` is for people, `path` its place, such as `/intake/triage`."""
    return Binding(_texts({a.SESSION_ID: id, a.SESSION_NAME: name, a.SESSION_PATH: path}))


def user(id: str) -> Binding:
    """Calls inside are made on behalf of the end user `id`."""
    return Binding(_texts({a.USER_ID: id}))


def properties(**kv: str | bool | float | None) -> Binding:
    """Calls inside carry these properties, to group and filter by: `properties(department="cardiology")`.

    No value raises in the running app: None leaves the property out, and what is no text, number or true/false is
    written as `str()` has it.
    """
    found = {a.PROPERTY_PREFIX + key: _plain(value) for key, value in kv.items()}
    return Binding({name: value for name, value in found.items() if value is not None})


def prompt(name: str, version: str | None = None) -> Binding:
    """Calls inside use the prompt template `name` in this version."""
    return Binding(_texts({a.PROMPT_NAME: name, a.PROMPT_VERSION: version}))


def _texts(given: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """What was given, as text; None is left out, whatever the annotations say."""
    found = {name: _text(value) for name, value in given.items()}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> AttributeValue | None:
    return value if isinstance(value, str | bool | int | float) else _text(value)


def _text(value: Any) -> str | None:
    try:
        return None if value is None else str(value)
    except Exception as error:
        swallow("a value without text", error)
        return None
