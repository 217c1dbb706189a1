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

from .errors import UsageError

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
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        self._tokens.append(otel_context.attach(self._context()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        otel_context.detach(self._tokens.pop())

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
            return drive(function(*args, **kwargs), self._context())

        @functools.wraps(function)
        def async_generator(*args: Any, **kwargs: Any) -> Any:
            return drive_async(function(*args, **kwargs), self._context())

        if inspect.iscoroutinefunction(function):
            return cast(F, coroutine)
        if inspect.isasyncgenfunction(function):
            return cast(F, async_generator)
        return cast(F, generator if inspect.isgeneratorfunction(function) else plain)

    def _context(self) -> Context:
        scope = current_scope()
        return with_scope(replace(scope, attributes={**scope.attributes, **self._attributes}))


def session(id: str, name: str | None = None, path: str | None = None) -> Binding:
    """Calls inside belong to the session `id`; `name` is for people, `path` its place, such as `/intake/triage`."""
    found: dict[str, AttributeValue] = {a.SESSION_ID: str(id)}
    if name is not None:
        found[a.SESSION_NAME] = str(name)
    if path is not None:
        found[a.SESSION_PATH] = str(path)
    return Binding(found)


def user(id: str) -> Binding:
    """Calls inside are made on behalf of the end user `id`."""
    return Binding({a.USER_ID: str(id)})


def properties(**kv: str | bool | float) -> Binding:
    """Calls inside carry these properties, to group and filter by: `properties(department="cardiology")`."""
    for key, value in kv.items():
        if not isinstance(value, str | bool | int | float):
            raise UsageError(f"property {key!r} is a {type(value).__name__}, not text, a number or true/false")
    return Binding({a.PROPERTY_PREFIX + key: value for key, value in kv.items()})


def prompt(name: str, version: str | None = None) -> Binding:
    """Calls inside use the prompt template `name` in this version."""
    found: dict[str, AttributeValue] = {a.PROMPT_NAME: str(name)}
    if version is not None:
        found[a.PROMPT_VERSION] = str(version)
    return Binding(found)
