"""One HTTP attempt of a recognised call, as every transport hook sees it: begin, send, receive or fail.

`begin` answers None for all other requests. The span is current only inside `with`, in one frame.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any, Final, NamedTuple, Protocol

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from .coexistence import is_suppressed, lets_through, suppress_others
from .driver import Call, Driver
from .event_stream import EventRecorder
from .failures import guarded, swallow
from .finisher import finisher
from .injection import Asking, with_usage
from .propagation import HANDED, LEAVING, ensure_guard, strip
from .providers import find_format
from .recognition import Body, Recogniser, Target
from .services import Services
from .stream import BinaryRecorder, Decoder, DocumentRecorder, Recorder, read_document
from .wire import EVENTS, FRAMES, LINES

#: Content type -> how its stream is cut into events.
FRAMINGS: Final = {
    "application/jsonl": LINES,
    "application/stream+json": LINES,
    "application/vnd.amazon.eventstream": FRAMES,
    "application/x-ndjson": LINES,
    "text/event-stream": EVENTS,
}
_BINARY: Final = ("audio/", "image/", "video/", "application/octet-stream")


class Transport(Protocol):
    """How one HTTP library's requests are read. Called only for what may be a call of a model."""

    def headers(self, request: Any) -> MutableMapping[str, Any]:
        """The request's headers, without regard to case; what is deleted here does not leave."""

    def port(self, request: Any) -> int | None:
        """The port that the request goes to, the scheme's own included."""

    def body(self, request: Any) -> Body:
        """The body where it is in memory, as bytes or as a form's fields; what streams is not touched."""


class UserCall:
    """One call of an SDK's method, which may make several HTTP attempts: they share one `Call`."""

    __slots__ = ("_is_over", "_latest", "_method", "_owner", "_token", "call")

    def __init__(self, method: object = None, owner: object = None) -> None:
        self.call: Call | None = None
        self._method, self._owner = method, owner
        self._is_over = False
        self._latest: Exchange | None = None

    def __enter__(self) -> None:
        """The method begins: what is asked inside are attempts of this call."""
        self._token = user_call.set(self)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """The method returned or raised. Never raises itself."""
        self._is_over = True
        try:
            if error is None:
                self.succeed()
            else:
                self.fail(error)
        except Exception as fault:
            swallow("ending a call", fault)
        finally:
            with suppress(ValueError):  # a coroutine is closed by other code than ran it, which has its own
                user_call.reset(self._token)

    def runs(self, method: object, owner: object) -> bool:
        """True while it is this object's method that runs: an SDK may call it again for a further attempt."""
        return not self._is_over and self._method is method and self._owner is owner

    def takes(self, target: Target) -> bool:
        """True where a request is an attempt of this call: the first, or the same again after the last has failed.

        Other requests are made inside the method, too: by hooks of the app, and by tasks that it starts there.
        """
        call, latest = self.call, self._latest
        if self._is_over or call is None or latest is None:
            return not self._is_over
        return latest.has_ended and call.is_open and target.path == call.target.path

    def add(self, exchange: Exchange) -> None:
        """An attempt that it took begins."""
        self.call, self._latest = exchange.call, exchange

    def succeed(self) -> None:
        """The method returned. A stream that it returned ends the call later."""
        if self._latest is not None and self.call is not None:
            if self.call.is_streaming:
                self._latest.outlive()
            else:
                self.call.finish()

    def fail(self, error: BaseException) -> None:
        """The method raised: no attempt is left."""
        if self.call is not None:
            self.call.finish(error, complete=not self.call.is_streaming)


user_call: Final[ContextVar[UserCall | None]] = ContextVar("otel-llm-user-call", default=None)


class Leaving(NamedTuple):
    """The request that is on its way, as the context says it to what runs inside; `outer` is the app's own context."""

    host: str
    path: str
    transport: Transport
    outer: Context


class Passage:
    """A request on its way to a provider, made private. This much holds for those that call no model, too.

    The hook sends it inside `with`: private, the call's span current, and an error that comes out ends the attempt.
    What runs inside, and every task that is started inside, makes no attempts of the call. Entering and leaving never
    raise, and whatever fails, the app's context is put back.
    """

    __slots__ = ("_attached", "_context", "_hidden", "sent_ns")
    asking: Asking | None = None  # where we asked for more than the app did

    def __init__(self, context: Context) -> None:
        self._context = context
        self.sent_ns = 0

    def __enter__(self) -> None:
        self.sent_ns = time.perf_counter_ns()
        self._hidden = user_call.set(None)
        self._attached: Token[Context] | None = None
        try:
            self._attached = otel_context.attach(self._context)
        except Exception as error:
            swallow("entering", error)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is not None:
                self.fail(error)
        except Exception as fault:
            swallow("a failed attempt", fault)
        finally:
            try:
                user_call.reset(self._hidden)
                if self._attached is not None:
                    otel_context.detach(self._attached)
            except ValueError:
                pass  # a coroutine is closed by other code than ran it, which has a context of its own
            except Exception as fault:
                if self._attached is not None:
                    self._attached.var.reset(self._attached)
                swallow("leaving", fault)

    def fail(self, error: BaseException) -> None:
        """No response came."""

    def reads_at_once(self, streams: object) -> bool:
        """Whether the client is about to read a whole stream before it returns: `streams` is what it was told.

        Then the hook tells it not to, and reads the stream as it would have been: where that breaks off, what came
        counts.
        """
        return False


class Exchange(Passage):
    """An attempt in flight. `has_ended` is True once it came to nothing or its whole answer is here."""

    __slots__ = ("_ends_call", "_recorder", "asking", "call", "has_ended")

    def __init__(self, call: Call, context: Context, *, ends_call: bool) -> None:
        self._context = context
        self.sent_ns = 0
        self.call = call
        self._ends_call = ends_call
        self._recorder: AttemptRecorder | None = None
        self.has_ended = False
        self.asking = None

    def reads_at_once(self, streams: object) -> bool:
        """True where the request asks for a stream and the client was not told to leave it unread."""
        return self.call.request.stream and not streams

    @property
    def hides_usage(self) -> bool:
        """True where the app must not see the chunk that we asked for."""
        return self.asking is not None and not self.asking.was_refused

    @property
    def is_recording(self) -> bool:
        """False where nobody collects the span or counts the call: then nothing has to be read."""
        return self.call.is_recording

    def framing(self, headers: Mapping[str, str]) -> str | None:
        """How the response is cut into events, None where it is one document.

        The response's type says it; where that is neither a stream's nor JSON, what was asked for.
        """
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        framing = FRAMINGS.get(content_type)
        if framing is None and self.call.request.stream and "json" not in content_type:
            return self.call.target.reader.FRAMING
        return framing

    def fail(self, error: BaseException) -> None:
        """No response came."""
        if self.has_ended:
            return
        self.has_ended = True
        self.call.end_attempt(error=error)
        if self._ends_call:
            self.call.finish(error)

    def give_up(self, error: Exception) -> None:
        """A fault of ours: the call ends with what is known of it. Never raises."""
        guarded(self.call.finish, complete=False)
        swallow("receive", error)

    def receive(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        """The whole response came, decoded."""
        is_object = content.startswith(b"{") and self.call.target.reader.FRAMING != LINES
        if not is_object and self.framing(headers) is not None:
            recorder = self.record(status, headers, None)
            recorder.feed(content)
            recorder.exhaust()
            return
        self.has_ended = True
        self._read_head(status, headers)
        read_document(self.call, content)
        # a foreign span's owner ends it before the SDK's method returns
        if self._ends_call or (self.call.is_foreign and status < 400):
            self.call.finish()

    def record(self, status: int, headers: Mapping[str, str], decoder: Decoder | None) -> Recorder:
        """The head of a response came: what to feed its body to, as it came; the decoder undoes its encoding."""
        self._read_head(status, headers)
        self.call.is_streaming = status < 400
        self.has_ended = status >= 400
        # inside an SDK's method a failed attempt may be tried again: the method's end decides
        ends_call = self._ends_call or status < 400
        framing = self.framing(headers)
        if framing is not None:
            return EventRecorder(self.call, decoder, self.sent_ns, ends_call=ends_call, framing=framing)
        if headers.get("content-type", "").lower().startswith(_BINARY):
            return BinaryRecorder(self.call, decoder, self.sent_ns, ends_call=ends_call)
        if self._ends_call or self.call.is_foreign:
            return DocumentRecorder(self.call, decoder, self.sent_ns, ends_call=ends_call)
        self._recorder = AttemptRecorder(self, decoder)
        return self._recorder

    def outlive(self) -> None:
        """The SDK's method returned with a body that is still being read."""
        if self._recorder is not None:
            self._recorder.end_call()

    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self.call.http_status = status
        if status >= 400:
            self.call.end_attempt(retry_after=headers.get("retry-after"))
        self.call.target.reader.read_headers(headers, self.call.answer)


class AttemptRecorder(DocumentRecorder):
    """A document's body inside an SDK's method, which may read it, fail at it and try again, or hand it on unread."""

    def __init__(self, exchange: Exchange, decoder: Decoder | None) -> None:
        super().__init__(exchange.call, decoder, exchange.sent_ns, ends_call=False)
        self._exchange = exchange

    def exhaust(self) -> None:
        super().exhaust()
        self._exchange.has_ended = True

    def fail(self, error: BaseException) -> None:
        if not self._done and not self._ends_call and not self._exchange.has_ended:
            self._exchange.has_ended = True
            self._call.end_attempt(error=error)
        super().fail(error)

    def end_call(self) -> None:
        """From now on the body's end is the call's: the method has returned."""
        self._ends_call = True


class Exchanges:
    """Begins exchanges. `active` is False after `uninstrument()`: hooks that could not be removed pass through."""

    def __init__(
        self, driver: Driver, recogniser: Recogniser, *, http_spans: bool, services: Services | None = None
    ) -> None:
        self.active = True
        self._driver = driver
        self._recogniser = recogniser
        self._http_spans = http_spans
        self._services = services

    @property
    def captures(self) -> bool:
        """True where content is read."""
        return self._driver.capture.reads

    def begin(self, method: str, path: str, host: str, request: Any, transport: Transport) -> Passage | None:
        """The exchange of a request that calls a model, the passage of another one to a provider, else None.

        Strips what must not leave. Never raises.
        """
        try:
            if not self.active:
                return None
            headers = transport.headers(request)
            wire_format = find_format(path) if method == "POST" else None
            if wire_format is not None:
                context = otel_context.get_current()
                leaving = Leaving(host, path, transport, context)
                if LEAVING in context and _is_handed_down(context[LEAVING], leaving):
                    return None
                target = self._recogniser.recognise(wire_format, path, host, headers, transport.body(request))
                if target is not None:
                    if is_suppressed(context) and not lets_through(context):
                        return make_private(headers)
                    strip(headers)
                    found = self._begin(target, leaving, transport.port(request), context)
                    if self._driver.asks_usage:
                        found.asking = _ask_usage(target, host, request, transport)
                    return found
            return self._pass_on(host, headers)
        except Exception as error:
            swallow("begin", error)
        return None

    def _pass_on(self, host: str, headers: MutableMapping[str, Any]) -> Passage | None:
        """The passage of a request that calls no model."""
        if self._recogniser.is_provider(host, headers):
            return make_private(headers)
        return None if self._services is None else _hand_on(self._services, host, headers)

    def _begin(self, target: Target, leaving: Leaving, port: int | None, context: Context) -> Exchange:
        ensure_guard()
        finisher.start()
        owner = user_call.get()
        if owner is not None and not owner.takes(target):
            owner = None
        call = (owner and owner.call) or self._driver.open(target, leaving.host, port, context)
        call.begin_attempt()
        exchange = Exchange(call, self._context(call, leaving, context), ends_call=owner is None)
        if owner is not None:
            owner.add(exchange)
        return exchange

    def _context(self, call: Call, leaving: Leaving, context: Context) -> Context:
        values: dict[str, object] = {**context, LEAVING: leaving, _SPAN_KEY: call.span}
        suppress_others(values, http_spans=self._http_spans)
        return Context(values)


def _is_handed_down(under_way: object, asked: Leaving) -> bool:
    """True where a request is one that is under way already, which one HTTP library sends through another."""
    if not isinstance(under_way, Leaving):
        return False
    return under_way[:2] == asked[:2] and under_way.transport is not asked.transport


def _ask_usage(target: Target, host: str, request: Any, transport: Transport) -> Asking | None:
    """Have the stream's usage sent along, where the transport can hide it from the app."""
    replace = getattr(transport, "replace_body", None)
    body = with_usage(target, host) if replace is not None else None
    return None if replace is None or body is None else Asking(host, target.body.get("model"), replace(request, body))


def _hand_on(services: Services, host: str, headers: MutableMapping[str, Any]) -> Passage | None:
    """The passage of a request to a service of the user's, or of another one that is made inside of such."""
    context = otel_context.get_current()
    handed = services.hand_on(host, headers, context)
    return None if handed is None and HANDED not in context else Passage(Context({**context, HANDED: handed}))


def make_private(headers: MutableMapping[str, Any]) -> Passage:
    """The passage of a request whose headers these are; what must not leave is stripped from them."""
    strip(headers)
    ensure_guard()
    return Passage(Context({**otel_context.get_current(), LEAVING: True}))
