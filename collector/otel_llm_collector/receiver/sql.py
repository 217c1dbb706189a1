"""The door for queries, `POST /v1/sql`: lets in who may ask, and hands on to the process that answers.

It knows nothing of SQL. That process is started by the supervisor once something lies in the channel for it; where it
ends in the midst of a query, the client is told to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Final

from ..endpoint.wire import LINE_BYTES_MAX, MORE_S, SIGN, Asked, Said
from ..options import Config, is_loopback
from .access import Access
from .connection import Answer, Request
from .refusals import BusyError, ForbiddenError, RefusedError, TooLargeError, WrongMethodError, WrongTypeError
from .telemetry import Telemetry
from .turns import Turns

PATH: Final = "/v1/sql"
#: Bytes of a query and its parameters.
QUERY_BYTES_MAX: Final = 1024 * 1024
_TYPES: Final = ("application/json", "application/sql", "text/plain")
_PART_BYTES: Final = 64 * 1024
_ENDED: Final = "the process that answers queries ended, and is started again; ask again in a moment, or for less"
_SILENT: Final = "the process that answers queries says nothing, and is started again where it hangs: ask again"


class SqlDoor:
    """Answers queries by the configuration of now. Without a `channel` there is nobody to answer them."""

    def __init__(self, access: Access, config: Config, telemetry: Telemetry, channel: socket.socket | None) -> None:
        self._access = access
        self._telemetry = telemetry
        self._channel = channel
        self._turns = Turns(config.sql_queries_max)
        telemetry.queries_running.set_function(lambda: self._turns.running)
        telemetry.queries_waiting.set_function(lambda: self._turns.waiting)
        self.configure(config)

    def configure(self, config: Config) -> None:
        """From now on by this configuration."""
        self._config = config
        self._turns.at_once = config.sql_queries_max

    def look(self, request: Request) -> None:
        """Refuse what no body can make good."""
        origin = request.header(b"origin")
        if origin and not self._access.allows(origin):
            raise ForbiddenError(f"pages of {origin} may not ask here: add it to cors_origins")
        if request.method == "OPTIONS" and origin:
            return
        if request.method != "POST":
            raise WrongMethodError(f"{PATH} takes POST, not {request.method}", "POST")
        self._check_sender(request)
        if (sent := _media_type(request)) not in _TYPES:
            raise WrongTypeError(f"send {', '.join(_TYPES)} as Content-Type, not {sent or 'nothing'}")
        if request.header(b"content-encoding") not in ("", "identity"):
            raise WrongTypeError("send the query without Content-Encoding")
        announced = request.header(b"content-length")
        if announced.isdigit() and int(announced) > QUERY_BYTES_MAX:
            raise _too_long()

    async def answer(self, request: Request) -> Answer:
        """Have a query answered. Raises RefusedError."""
        tenant = self._check_sender(request)
        if len(body := request.body()) > QUERY_BYTES_MAX:
            raise _too_long()
        asked = Asked(body, _media_type(request), request.header(b"accept"), tenant)
        await self._turn(request)
        client = None
        try:
            client = await self._hand_on()
            request.on_gone = client.close
            if request.is_gone:  # since the turn came
                client.close()
            said = await client.ask(asked, self._config.sql_seconds_max + MORE_S)
        except BaseException:
            if client:
                client.close()
            self._turns.end()
            raise
        client.on_close = self._end
        self._telemetry.asked(said.status)
        headers = tuple((name.encode(), value.encode()) for name, value in said.headers)
        return Answer(said.status, b"", headers, rest=client, rest_bytes=said.length)

    def refuse(self, error: RefusedError, status: int) -> Answer:
        """The answer that says why not."""
        self._telemetry.asked(status)
        word = type(error).__name__.removesuffix("Error").lower()
        body = json.dumps({"error": error.reason, "code": word}, ensure_ascii=False).encode()
        return Answer(status, body, ((b"content-type", b"application/json"),))

    def _check_sender(self, request: Request) -> str | None:
        """Whose rows the sender may see, None for all. Raises UnknownSenderError, ForbiddenError."""
        config = self._config
        if not config.sql_queries_max:
            raise ForbiddenError("this collector answers no queries: sql_queries_max is 0")
        if not (config.tokens or config.tls_client_authority or is_loopback(config.http)):
            raise ForbiddenError("others can reach this port: set tokens or tls_client_authority to ask here")
        tenant = self._access.tenant(request.header(b"authorization"))
        return None if not config.tokens or tenant in config.sql_tenants_all else tenant

    def _end(self, late: bool) -> None:
        self._turns.end()
        if late:
            self._telemetry.answers_cut.inc()

    async def _turn(self, request: Request) -> None:
        place = self._turns.ask()
        request.on_gone = place.cancel
        await asyncio.wait([place], timeout=self._config.sql_seconds_max)
        if not place.done():
            place.cancel()
        if place.cancelled():
            raise BusyError("others' queries took all the time that this one could wait; ask again in a moment")

    async def _hand_on(self) -> Conversation:
        if self._channel is None:
            raise BusyError(_ENDED)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._channel, [SIGN], [theirs.fileno()])
            except OSError as error:  # so many wait there already
                ours.close()
                raise BusyError(f"the process that answers queries takes no more ({error.strerror})") from None
        streams = await asyncio.open_connection(sock=ours, limit=LINE_BYTES_MAX)
        return Conversation(*streams, self._config.sql_send_seconds_max)


class Conversation:
    """One query's way to the process that answers it, and the rest of the answer for who asked.

    `on_close` is called once, with whether who asked did not read it in time.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds_max: float) -> None:
        self._reader = reader
        self._writer = writer
        self._left = 0
        self.seconds_max = seconds_max
        self.on_close: Callable[[bool], object] | None = None

    async def ask(self, asked: Asked, wait_s: float) -> Said:
        """Send the request, and wait for the beginning of the answer. Raises BusyError where none comes."""
        self._writer.write(asked.dump())
        try:
            said = Said.load(await asyncio.wait_for(self._reader.readline(), wait_s))
        except TimeoutError:
            raise BusyError(_SILENT) from None
        except (OSError, ValueError):
            raise BusyError(_ENDED) from None
        self._left = said.length
        return said

    async def read(self) -> bytes:
        """The next part, nothing at the end. Raises ConnectionError where it does not come."""
        if not self._left:
            return b""
        part = await self._reader.read(min(_PART_BYTES, self._left))
        if not part:
            raise ConnectionError(_ENDED)
        self._left -= len(part)
        return part

    def close(self, *, late: bool = False) -> None:
        """Have no more of it; `late`, since who asked did not read it in time. May be called again."""
        with contextlib.suppress(RuntimeError):  # the event loop has ended
            self._writer.transport.abort()
        if self.on_close:
            self.on_close(late)
            self.on_close = None


def _media_type(request: Request) -> str:
    return request.header(b"content-type").partition(";")[0].strip().lower() or "text/plain"


def _too_long() -> TooLargeError:
    return TooLargeError(f"the query is longer than {QUERY_BYTES_MAX} bytes")
