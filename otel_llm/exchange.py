"""One HTTP attempt of a recognised call, as every transport hook sees it: begin, leave, receive or fail.

`begin` answers None for all other requests. The span is current only between `enter` and `leave`, in one frame.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, TypeAlias, cast

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import _SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY, Context

from .driver import Call, Driver
from .failures import swallow
from .finisher import finisher
from .propagation import LEAVING, ensure_guard, strip
from .providers import PATHS
from .recognition import Recogniser, Target
from .stream import Decoder, DocumentRecorder, EventRecorder, Recorder, read_document

EVENT_STREAM: Final = "text/event-stream"
_PORTS: Final = {"http": 80, "https": 443}


class UserCall:
    """One call of an SDK's method, which may make several HTTP attempts: they share one `Call`."""

    __slots__ = ("_is_over", "_latest", "_path", "call")

    def __init__(self) -> None:
        self.call: Call | None = None
        self._is_over = False
        self._latest: Exchange | None = None
        self._path = ""

    def takes(self, path: str, target: Target) -> bool:
        """True where a request is an attempt of this call: the first, or the same again after the last has failed.

        Other requests are made inside the method, too: by hooks of the app, and by tasks that it starts there.
        """
        call, latest = self.call, self._latest
        if self._is_over or call is None or latest is None:
            return not self._is_over
        return latest.has_ended and call.is_open and path == self._path and target.reader is call.target.reader

    def add(self, exchange: Exchange, path: str) -> None:
        """An attempt that it took begins."""
        self.call, self._latest, self._path = exchange.call, exchange, path

    def succeed(self) -> None:
        """The method returned. A stream that it returned ends the call later."""
        self._is_over = True
        try:
            if self.call is not None and not self.call.is_streaming:
                self.call.finish()
        except Exception as error:
            swallow("ending a call", error)

    def fail(self, error: BaseException) -> None:
        """The method raised: no attempt is left."""
        self._is_over = True
        try:
            if self.call is not None:
                self.call.finish(error, complete=not self.call.is_streaming)
        except Exception as fault:
            swallow("ending a call", fault)


user_call: Final[ContextVar[UserCall | None]] = ContextVar("otel-llm-user-call", default=None)
Entered: TypeAlias = "tuple[Token[Context], Token[UserCall | None]]"


class Passage:
    """A request on its way to a provider, made private. This much holds for those that call no model, too."""

    __slots__ = ("_context", "sent_ns")

    def __init__(self, context: Context) -> None:
        self._context = context
        self.sent_ns = 0

    def enter(self) -> Entered:
        """Make the way out private, and the call's span current. Pair it with `leave` in the same frame.

        What runs inside, and every task that is started inside, makes no attempts of the call.
        """
        self.sent_ns = time.perf_counter_ns()
        return otel_context.attach(self._context), user_call.set(None)

    def leave(self, entered: Entered) -> None:
        """Undo `enter`."""
        attached, hidden = entered
        restore(hidden)
        otel_context.detach(attached)

    def fail(self, error: BaseException) -> None:
        """No response came."""


class Exchange(Passage):
    """An attempt in flight. `has_ended` is True once it came to nothing or its whole answer is here."""

    __slots__ = ("_ends_call", "call", "has_ended")

    def __init__(self, call: Call, context: Context, *, ends_call: bool) -> None:
        super().__init__(context)
        self.call = call
        self._ends_call = ends_call
        self.has_ended = False

    @property
    def is_recording(self) -> bool:
        """False where nobody collects the span: then nothing has to be read."""
        return self.call.span.is_recording()

    def is_event_stream(self, headers: Mapping[str, str]) -> bool:
        """What the response's type says; where it says neither events nor JSON, what was asked for."""
        content_type = headers.get("content-type", "").lower()
        return EVENT_STREAM in content_type or (self.call.request.stream and "json" not in content_type)

    def fail(self, error: BaseException) -> None:
        """No response came."""
        self.has_ended = True
        try:
            if self._ends_call:
                self.call.finish(error)
        except Exception as fault:
            swallow("a failed attempt", fault)

    def receive(self, status: int, content: bytes) -> None:
        """The whole response came."""
        self.has_ended = True
        self.call.http_status = status
        read_document(self.call, content)
        # a foreign span's owner ends it before the SDK's method returns
        if self._ends_call or (self.call.is_foreign and status < 400):
            self.call.finish()

    def record(self, status: int, headers: Mapping[str, str], decoder: Decoder | None) -> Recorder:
        """The head of a response came: what to feed its body to."""
        self.call.http_status = status
        self.call.is_streaming = status < 400
        self.has_ended = status >= 400
        kind = EventRecorder if self.is_event_stream(headers) else DocumentRecorder
        # inside an SDK's method a failed attempt may be tried again: the method's end decides
        ends_call = self._ends_call or status < 400
        return kind(self.call, decoder, self.sent_ns, ends_call=ends_call)


class Exchanges:
    """Begins exchanges. `active` is False after `uninstrument()`: hooks that could not be removed pass through."""

    def __init__(self, driver: Driver, recogniser: Recogniser, *, http_spans: bool) -> None:
        self.active = True
        self._driver = driver
        self._recogniser = recogniser
        self._http_spans = http_spans

    def begin(self, method: str, path: str, host: str, request: Any) -> Passage | None:
        """The exchange of a request that calls a model, the passage of another one to a provider, else None.

        Strips what must not leave. Never raises.
        """
        try:
            if not self.active:
                return None
            if path.rsplit("/", 1)[-1] in PATHS and method == "POST" and (exchange := self._begin(path, host, request)):
                return exchange
            if self._recogniser.is_provider(host, request.headers):
                return self._pass(request)
        except Exception as error:
            swallow("begin", error)
        return None

    def _pass(self, request: Any) -> Passage:
        strip(request.headers)
        ensure_guard()
        return Passage(Context({**otel_context.get_current(), LEAVING: True}))

    def _begin(self, path: str, host: str, request: Any) -> Passage | None:
        target = self._recogniser.recognise(path, host, request.headers, _content(request))
        if target is None:
            return None
        if is_suppressed():
            return self._pass(request)
        strip(request.headers)
        ensure_guard()
        finisher.start()
        owner = user_call.get()
        if owner is not None and not owner.takes(path, target):
            owner = None
        call = (owner and owner.call) or self._driver.open(target, host, _port(request.url))
        call.begin_attempt()
        exchange = Exchange(call, self._context(call), ends_call=owner is None)
        if owner is not None:
            owner.add(exchange, path)
        return exchange

    def _context(self, call: Call) -> Context:
        values: dict[str, object] = {**otel_context.get_current(), LEAVING: True}
        if not self._http_spans:
            values[_SUPPRESS_HTTP_INSTRUMENTATION_KEY] = True
        return trace.set_span_in_context(call.span, Context(values))


def restore(token: Token[UserCall | None]) -> None:
    """Put `user_call` back, unless a coroutine is closed by other code than ran it, which has its own."""
    with suppress(ValueError):
        user_call.reset(token)


def is_suppressed() -> bool:
    """True where somebody switched instrumentation off, as exporters do around their own requests."""
    return bool(otel_context.get_value(_SUPPRESS_INSTRUMENTATION_KEY))


def _port(url: Any) -> int | None:
    return cast("int | None", url.port) or _PORTS.get(url.scheme)


def _content(request: Any) -> bytes | None:
    """The request's body where it is in memory; a body that streams is not touched."""
    content = getattr(request, "_content", None)
    return content if isinstance(content, bytes) else None
