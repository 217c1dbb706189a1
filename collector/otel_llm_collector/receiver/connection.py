"""HTTP/1.1 for one connection, over httptools: requests come out whole and bounded, one at a time; answers go in.

Own code because a general server costs a request several times what storing it does. What it leaves out, nobody who
sends OTLP needs: other protocols, trailers, answers of unknown length.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Protocol, cast

import httptools

from otel_llm.failures import swallow

from .refusals import BadRequestError, FaultError, RefusedError, TooLargeError, WrongMethodError

#: Bytes of a request's line and headers.
HEAD_BYTES_MAX: Final = 64 * 1024
#: From its first byte on a request may take so long, and a connection may say nothing for so long.
REQUEST_S_MAX: Final = 60.0
IDLE_S_MAX: Final = 75.0
#: A refused body up to so many bytes is read, and the connection goes on; else it is answered at once, and what still
#: comes is passed over for a while, so that the client reads the answer instead of a reset.
_REST_BYTES_MAX: Final = 1024 * 1024
_LINGER_S: Final = 2.0
#: Of a body of which so many bytes are still to come, these are read to where it stays. That is not of a very long
#: one, since it takes its memory before they are there.
_STRAIGHT_BYTES_MIN: Final = 64 * 1024
_STRAIGHT_BYTES_MAX: Final = 4 * 1024 * 1024
#: What else comes is read to here, whichever connection it is from: the parser copies what it keeps.
_ROOM: Final = memoryview(bytearray(256 * 1024))
#: A client that takes nothing of a long answer for so long is cut off.
STALL_S_MAX: Final = 15.0
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Request:
    """One request. Names of headers are in lower case. Its body is `parts`, or in `whole`. `held` bytes of the memory
    budget are its; `refused` says why it is not answered by the site. The site sets `on_gone` where there is no use in
    an answer without its client; `is_gone` once that was called, whatever it was then.
    """

    path: str = ""
    method: str = ""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    whole: io.BytesIO | None = None
    held: int = 0
    keep_alive: bool = False
    refused: RefusedError | None = None
    on_gone: Callable[[], object] | None = None
    is_gone: bool = False

    def header(self, name: bytes) -> str:
        """The value of a header, '' for none."""
        value = self.headers.get(name)
        return value.decode("latin-1").strip() if value else ""

    @property
    def length(self) -> int | None:
        """The bytes of its body, where it says so."""
        announced = self.headers.get(b"content-length", b"")
        return int(announced) if announced.isdigit() and b"transfer-encoding" not in self.headers else None

    def body(self) -> bytes:
        if self.whole is not None:
            return self.whole.getvalue()  # no copy, as nobody looks into it any more
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


class Rest(Protocol):
    """What follows of an answer, part by part as the client takes them, all of it in `seconds_max`."""

    @property
    def seconds_max(self) -> float: ...

    async def read(self) -> bytes:
        """The next part, nothing at the end. Raises OSError where it does not come."""
        ...

    def close(self, *, late: bool = False) -> None:
        """It is not read on; `late`, since the client did not take it in time. May be called again."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; its length, and whether the connection goes on, are added. `rest_bytes` of `rest` follow `body`."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    rest: Rest | None = None
    rest_bytes: int = 0


class Budget(Protocol):
    """Memory for requests, which all doors share."""

    def take(self, size: int) -> None:
        """Raises BusyError where there is no room."""

    def give(self, size: int) -> None: ...


class Site(Protocol):
    """What answers. `look` sees a request before its body; what it raises is answered without that."""

    @property
    def body_bytes_max(self) -> int: ...
    @property
    def budget(self) -> Budget: ...

    def look(self, request: Request) -> None: ...

    def refuse(self, request: Request, error: RefusedError) -> Answer: ...

    async def answer(self, request: Request) -> Answer: ...


class _Straight:
    """The rest of a long body, which is read to where it stays: copies of it would cost more than all else here."""

    def __init__(self, request: Request, length: int) -> None:
        request.whole = whole = io.BytesIO()
        whole.seek(length - 1)
        whole.write(b"\0")
        whole.seek(0)
        whole.writelines(request.parts)
        request.parts.clear()
        self._memory = whole.getbuffer()
        self._filled = whole.tell()

    def rest(self) -> memoryview:
        """Where the next bytes belong."""
        return self._memory[self._filled :]

    def add(self, size: int) -> bool:
        """So many more bytes are there. True with the last, after which the memory is the request's alone."""
        self._filled += size
        if self._filled < len(self._memory):
            return False
        self._memory.release()
        return True


class Connection(asyncio.BufferedProtocol):
    """One connection. `come` is called with it once it is there, `gone` at its end.

    Where `come` gives a reason to refuse it, all that it does is to say so.
    """

    def __init__(
        self,
        site: Site,
        come: Callable[[Connection], RefusedError | None],
        gone: Callable[[Connection], object],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._site = site
        self._come = come
        self._gone = gone
        self._parser = httptools.HttpRequestParser(self)
        self._request = Request()
        self._url = b""
        self._head_size = 0
        self._straight: _Straight | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._is_last = False  # nothing more is read; what waits is answered
        self._is_reading = False
        self._can_write = True
        self._on_write: asyncio.Future[None] | None = None
        self._in_hand: Request | None = None
        self._since = self._loop.time()

    # --- what the server asks -----------------------------------------------------------------------------------

    def close_if_late(self, now: float) -> None:
        """Close a connection that has said nothing for too long, or takes too long to say it."""
        if self._task is None and now - self._since > (REQUEST_S_MAX if self._is_reading else IDLE_S_MAX):
            self._transport.close()

    def finish(self) -> None:
        """Answer what is under way, take nothing more."""
        self._is_last = True
        if self._task is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # --- the transport's calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if (refused := self._come(self)) is not None:
            self._end(refused)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_last = True
        for request in (*self._waiting, self._request):
            self._give_back(request)
        self._waiting.clear()
        self._tell_gone()
        self._gone(self)

    def get_buffer(self, _: int) -> memoryview:
        return _ROOM if self._straight is None else self._straight.rest()

    def buffer_updated(self, size: int) -> None:
        if self._is_last:
            return
        if self._straight is None:
            self._read(_ROOM[:size])
            self._read_straight()
        elif self._straight.add(size):
            self._straight, self._parser = None, httptools.HttpRequestParser(self)
            self._complete()

    def _read(self, data: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._end(cause if isinstance(cause, RefusedError) else BadRequestError(f"this is not HTTP/1.1: {error}"))

    def eof_received(self) -> bool:
        """A client that has sent all it wants may still wait for the answer, but not for one that takes long."""
        self.finish()
        if self._tell_gone():
            return False
        return self._task is not None and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._can_write = False

    def resume_writing(self) -> None:
        self._can_write = True
        if self._on_write is not None and not self._on_write.done():
            self._on_write.set_result(None)
        self._next()

    # --- the parser's calls -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._request, self._url, self._head_size = Request(), b"", 0
        self._is_reading, self._since = True, self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        if not self._request.method:  # a trailer, behind the body, changes nothing of what was looked at
            self._request.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        request = self._request
        request.method = self._parser.get_method().decode("latin-1")
        request.path = _path(self._url).decode("latin-1")
        request.keep_alive = self._parser.should_keep_alive()
        try:
            self._site.look(request)
            if (request.length or 0) > self._site.body_bytes_max:
                raise too_large(self._site.body_bytes_max)
        except RefusedError as error:
            if not _is_short(request):
                raise
            request.refused = error
        else:
            if b"expect" in request.headers:
                self._transport.write(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        if self._request.refused is None:
            self._hold(len(part))
            self._request.parts.append(part)

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():
            self._complete()

    # --- one after the other --------------------------------------------------------------------------------------

    def _read_straight(self) -> None:
        """Leave the parser out of what is left of a long body."""
        request = self._request
        if not self._is_reading or not request.method or request.refused is not None or self._is_last:
            return
        length = request.length or 0
        if length > _STRAIGHT_BYTES_MAX or length - request.held < _STRAIGHT_BYTES_MIN:
            return
        try:
            self._hold(length - request.held)
        except RefusedError as error:
            self._end(error)
        else:
            self._straight = _Straight(request, length)

    def _hold(self, size: int) -> None:
        """Take memory for more of the body."""
        if self._request.held + size > self._site.body_bytes_max:
            raise too_large(self._site.body_bytes_max)
        self._site.budget.take(size)
        self._request.held += size

    def _complete(self) -> None:
        self._is_reading, self._since = False, self._loop.time()
        self._waiting.append(self._request)
        self._request = Request()
        self._next()

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_BYTES_MAX:
            raise TooLargeError(f"the headers are larger than {HEAD_BYTES_MAX} bytes")

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Java's client offers HTTP/2 with its first request, and the parser takes the body for the other protocol."""
        asked = self._request
        if asked.method == "CONNECT":
            self._end(WrongMethodError("this is no proxy: send to its own paths", "GET, POST"))
            return
        kept = {name: value for name, value in asked.headers.items() if name not in (b"upgrade", b"connection")}
        lines = [b"%s %s HTTP/1.1" % (asked.method.encode(), self._url), *(b"%s: %s" % pair for pair in kept.items())]
        self._parser = httptools.HttpRequestParser(self)
        self._read(b"\r\n".join([*lines, b"\r\n"]) + rest)

    def _next(self) -> None:
        """Begin with the next request, if there is one and nothing is under way."""
        if self._task is None and self._waiting and self._can_write:
            self._task = self._loop.create_task(self._answer(self._waiting.popleft()))
        self._read_on(not self._waiting)

    def _read_on(self, wanted: bool) -> None:
        """Take no more from a client that asks faster than it is answered."""
        if wanted != self._transport.is_reading() and not self._transport.is_closing():
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    async def _answer(self, request: Request) -> None:
        self._in_hand = request
        try:
            is_last = await self._answer_whole(request)
        finally:
            self._in_hand = self._task = None
        if is_last:
            self._transport.close()
        else:
            self._next()

    async def _answer_whole(self, request: Request) -> bool:
        """Answer a request to the end. True where nothing follows on the connection."""
        try:
            answer = await self._answer_of(request)
        finally:
            self._give_back(request)
        if self._transport.is_closing():  # nobody is there any more to read it
            if answer.rest is not None:
                answer.rest.close()
            return True
        self._since = self._loop.time()
        is_last = not request.keep_alive or (self._is_last and not self._waiting)
        self._write(request, answer, is_last)
        if answer.rest is not None and not await self._send(answer.rest):
            self._transport.abort()
        return is_last or (self._is_last and not self._waiting)

    async def _send(self, rest: Rest) -> bool:
        """Send what follows, no faster than the client takes it. False where it ends before its end."""
        deadline = self._loop.time() + rest.seconds_max
        try:
            while not self._transport.is_closing() and (part := await rest.read()):
                self._transport.write(part)
                await self._room(min(STALL_S_MAX, deadline - self._loop.time()))
        except TimeoutError:
            rest.close(late=True)
            return False
        except OSError:  # the source's, or the client has gone
            return False
        finally:
            rest.close()
        return not self._transport.is_closing()

    async def _room(self, wait_s: float) -> None:
        """Wait until more can be written. Raises TimeoutError."""
        if not self._can_write and not self._transport.is_closing():
            self._on_write = self._loop.create_future()
            await asyncio.wait_for(self._on_write, wait_s)

    def _tell_gone(self) -> bool:
        """Tell the site that nobody waits any more for what is under way, if it wants to know that."""
        if self._on_write is not None and not self._on_write.done():
            self._on_write.set_exception(ConnectionResetError())
        if self._in_hand is None or self._in_hand.on_gone is None:
            return False
        self._in_hand.is_gone = True
        self._in_hand.on_gone()
        return True

    async def _answer_of(self, request: Request) -> Answer:
        if request.refused is not None:
            return self._site.refuse(request, request.refused)
        try:
            return await self._site.answer(request)
        except Exception as error:
            swallow("answering a request", error)
            return self._site.refuse(request, FaultError("the collector failed on this request; its log says where"))

    def _write(self, request: Request, answer: Answer, is_last: bool) -> None:
        head = [_STATUS[answer.status], b"content-length: %d\r\n" % (len(answer.body) + answer.rest_bytes)]
        head += [b"%s: %s\r\n" % header for header in answer.headers]
        if is_last:
            head.append(b"connection: close\r\n")
        body = b"" if request.method == "HEAD" else answer.body
        self._transport.write(b"".join([*head, b"\r\n", body]))

    def _end(self, error: RefusedError) -> None:
        """Say why, unless others still wait for their answers, and close: what follows cannot be read."""
        if self._is_last:
            return
        self._is_last = True
        self._give_back(self._request)
        if self._task is None:
            self._write(self._request, self._site.refuse(self._request, error), is_last=True)
            self._loop.call_later(_LINGER_S, self._transport.close)
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def _give_back(self, request: Request) -> None:
        self._site.budget.give(request.held)
        request.held = 0


def _path(target: bytes) -> bytes:
    """The path of a request's target, which names the host, too, where a client takes us for a proxy."""
    path = target.partition(b"?")[0]
    if path[:7].lower() == b"http://" or path[:8].lower() == b"https://":
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path


def _is_short(request: Request) -> bool:
    """Whether the body that follows is worth passing over to keep the connection."""
    if b"transfer-encoding" in request.headers or b"expect" in request.headers:
        return False
    announced = request.headers.get(b"content-length", b"0")
    return announced.isdigit() and int(announced) <= _REST_BYTES_MAX


def too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes; send smaller batches")
