"""What goes along to services of the user's own: the trace, and who and what a call is for, as W3C baggage.

Nothing does unless `baggage_hosts` names the host, and never to a provider of models, whatever it names. A redirect to
a host that is not named takes nothing along. On the other side `inheritance.py` reads it, where `baggage_accept` says
that callers may be believed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from opentelemetry import baggage, propagate, trace
from opentelemetry import context as otel_context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan

from .coexistence import is_suppressed
from .context import current_scope
from .inheritance import VALUE_CHARS_MAX, goes_along, inherited_from
from .propagation import ensure_guard, strip

_BAGGAGE: Final = "baggage"
_KEY: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")  # a token of HTTP: no other name can stand in a header
_HOSTS_KEPT_MAX: Final = 1024
_W3C: Final = W3CBaggagePropagator()  # it bounds what it writes, and logs what it leaves out


class Services:
    """The hosts of the user's own services: names, with `*` for any text, or `.domain` for all hosts below it."""

    def __init__(self, hosts: Iterable[str], provider_of: Callable[[str], str | None]) -> None:
        expressions = [_compile(host.lower()) for host in hosts]

        def has(host: str) -> bool:
            return provider_of(host) is None and any(one.match(host.lower()) for one in expressions)

        self.has = functools.lru_cache(_HOSTS_KEPT_MAX)(has)

    def hand_on(self, host: str, headers: MutableMapping[str, Any], context: Context) -> Handed | None:
        """Put into a request's headers what goes along to its host; None where nothing does."""
        if not self.has(host) or is_suppressed(context):
            return None
        ensure_guard()
        handed = Handed(self, _carried_along(context))
        if _BAGGAGE in headers:
            context = _W3C.extract({_BAGGAGE: str(headers[_BAGGAGE])}, context)
        context = handed.added_to(context)
        found: dict[str, str] = {}
        propagate.inject(found, context)
        _W3C.inject(found, context)
        for name, value in found.items():
            headers[name] = value
        return handed


class Handed:
    """What goes along with one request, which may be sent on to somewhere else."""

    def __init__(self, services: Services, entries: Mapping[str, str]) -> None:
        self._services = services
        self._entries = entries
        self._is_astray = False

    def added_to(self, context: Context | None) -> Context:
        """The context, or the running code's, with the entries as its baggage, unless they have come to an end."""
        added = otel_context.get_current() if context is None else context
        for name, value in () if self._is_astray else self._entries.items():
            added = baggage.set_baggage(name, value, added)
        return added

    def follow(self, host: str, headers: MutableMapping[str, Any]) -> None:
        """The request is sent to this host now."""
        self._is_astray = not self._services.has(host)
        if self._is_astray:
            strip(headers)


def _compile(host: str) -> re.Pattern[str]:
    text = f"*{host}" if host.startswith(".") else host
    return re.compile(".*".join(map(re.escape, text.split("*"))) + r"\Z")


def _carried_along(context: Context) -> dict[str, str]:
    """Session, user, properties, prompt, agent and workflow of a context, as the spans in it have them."""
    scope, around = current_scope(context), trace.get_current_span(context)
    found = inherited_from(around) if isinstance(around, ReadableSpan) else {}
    found = {**found, **scope.names, **scope.attributes}
    return {
        name: str(value)[:VALUE_CHARS_MAX] for name, value in found.items() if goes_along(name) and _KEY.match(name)
    }
