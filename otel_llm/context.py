"""Who and what a call is for: session, user, properties, prompt, and the agent and workflow around it.

The values travel in the OpenTelemetry context under a private key, as one immutable `Scope`; they are never put into
W3C baggage, so they do not leave the process. Where several sources name the same thing, the order is: these
functions, then the body of the request (OpenAI's `user` and `metadata`), then what a parent span carries.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .failures import guarded
from .surrounding import Surrounding

__all__ = ["Binding", "Scope", "current_scope", "prompt", "properties", "session", "user", "with_scope"]

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


def with_scope(scope: Scope, context: Context | None = None) -> Context:
    """A context, or the running code's, with another scope."""
    return otel_context.set_value(_KEY, scope, context)


class Binding(Surrounding["Bound"]):
    """A context manager that is also a decorator: it adds attributes to every span that is started inside."""

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__()
        self._attributes = attributes

    def start(self) -> Bound:
        scope = current_scope()
        return Bound(with_scope(replace(scope, attributes={**scope.attributes, **self._attributes})))

    def maker(self, function: Callable[..., Any]) -> Callable[[], Binding]:
        return functools.partial(Binding, self._attributes)

    def __enter__(self) -> None:
        self.enter()


class Bound(NamedTuple):
    """One run of what is inside a binding."""

    context: Context

    def end(self, error: BaseException | None) -> None:
        """Nothing is held."""


def session(id: str, name: str | None = None, path: str | None = None) -> Binding:
    """Calls inside belong to the session `id`; `name` is for people, `path` its place, such as `/intake/triage`."""
    return _binding(_text, {a.SESSION_ID: id, a.SESSION_NAME: name, a.SESSION_PATH: path})


def user(id: str) -> Binding:
    """Calls inside are made on behalf of the end user `id`."""
    return _binding(_text, {a.USER_ID: id})


def properties(**kv: str | bool | float | None) -> Binding:
    """Calls inside carry these properties, to group and filter by: `properties(department="cardiology")`.

    No value raises in the running app: None leaves the property out, and what is no text, number or true/false is
    written as `str()` has it.
    """
    return _binding(_plain, {a.PROPERTY_PREFIX + key: value for key, value in kv.items()})


def prompt(name: str, version: str | None = None) -> Binding:
    """Calls inside use the prompt template `name` in this version."""
    return _binding(_text, {a.PROMPT_NAME: name, a.PROMPT_VERSION: version})


def _binding(read: Callable[[Any], AttributeValue], given: Mapping[str, Any]) -> Binding:
    """What was given, as it is read; None is left out, whatever the annotations say."""
    found = {name: guarded(read, value) for name, value in given.items() if value is not None}
    return Binding({name: value for name, value in found.items() if value is not None})


def _plain(value: Any) -> AttributeValue:
    return value if isinstance(value, str | bool | int | float) else _text(value)


def _text(value: Any) -> str:
    return str(value)
