"""The listening side of HTTP: accepts, bounds how many there are, closes who is late, ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

from otel_llm.errors import OtelLlmError

from .connection import Connection, Site
from .refusals import BusyError, RefusedError

_LOG = logging.getLogger(__name__)
CONNECTIONS_MAX: Final = 2000
_BACKLOG: Final = 1024
_EVERYWHERE: Final = "::"
_SWEEP_S: Final = 5.0
_HANDSHAKE_S_MAX: Final = 10.0
_POLL_S: Final = 0.02
_PAUSE_S: Final = 1.0


class HttpServer:
    """Serves a site at an address host:port; port 0 takes a free one. Speaks TLS where `tls` is given."""

    def __init__(self, site: Site, address: str, tls: ssl.SSLContext | None) -> None:
        self._site = site
        self._tls = tls
        self._socket = _listen(address)
        self._connections: set[Connection] = set()
        self._arriving: set[asyncio.Task[None]] = set()  # those that are not through with TLS yet
        self._stop_accepting: Callable[[], object] = self._socket.close
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def connections(self) -> int:
        """How many there are, with those that are not through with TLS yet."""
        return len(self._connections) + len(self._arriving)

    async def start(self) -> None:
        """Accept connections from now on."""
        loop = asyncio.get_running_loop()
        if self._tls is None:
            server = await loop.create_server(self._connect, sock=self._socket, backlog=_BACKLOG)
            self._stop_accepting = server.close
        else:
            self._socket.setblocking(False)
            self._stop_accepting = loop.create_task(self._accept(self._tls)).cancel
        self._sweep()

    async def stop(self, grace_s: float) -> None:
        """Take nothing new, answer what is under way, and end the rest after `grace_s` seconds."""
        self._stop_accepting()
        if self._sweeping:
            self._sweeping.cancel()
        for arriving in self._arriving:
            arriving.cancel()
        for connection in list(self._connections):
            connection.finish()
        deadline = asyncio.get_running_loop().time() + grace_s
        while self._connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - and a deadline
            await asyncio.sleep(_POLL_S)
        for connection in list(self._connections):
            connection.abort()

    def _connect(self) -> Connection:
        return Connection(self._site, self._come, self._connections.discard)

    async def _accept(self, tls: ssl.SSLContext) -> None:
        """Accept what is to speak TLS. As many may be on their way as may be there: a server of the library counts none
        before it is through.
        """
        loop = asyncio.get_running_loop()
        with self._socket:
            while True:
                try:
                    accepted, _ = await loop.sock_accept(self._socket)
                except OSError as error:  # no more files: those that are late are closed soon
                    _LOG.warning("no connection can be accepted: %s", error)
                    await asyncio.sleep(_PAUSE_S)
                    continue
                if len(self._arriving) >= CONNECTIONS_MAX:
                    accepted.close()
                    continue
                arriving = loop.create_task(self._secure(accepted, tls))
                self._arriving.add(arriving)
                arriving.add_done_callback(self._arriving.discard)

    async def _secure(self, accepted: socket.socket, tls: ssl.SSLContext) -> None:
        """A connection that may never come about: one whose TLS handshake fails is dropped without a word."""
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._connect, accepted, ssl=tls, ssl_handshake_timeout=_HANDSHAKE_S_MAX
            )

    def _come(self, connection: Connection) -> RefusedError | None:
        is_full = len(self._connections) >= CONNECTIONS_MAX
        self._connections.add(connection)
        return BusyError(f"{CONNECTIONS_MAX} connections are open already; come again in a moment") if is_full else None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in list(self._connections):
            connection.close_if_late(loop.time())
        self._sweeping = loop.call_later(_SWEEP_S, self._sweep)


def _listen(address: str) -> socket.socket:
    """A bound TCP socket for host:port; the error names the address. [::] is IPv4's, too, as it is for gRPC."""
    host, _, port = address.rpartition(":")
    host, family = host.strip("[]"), socket.AF_INET6 if ":" in host else socket.AF_INET
    is_both = host == _EVERYWHERE and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG, dualstack_ipv6=is_both)
    except OSError as error:
        why = (error.strerror or "").partition(" (while")[0]  # the address stands before
        raise OtelLlmError(f"cannot listen on {address}: {why}; choose another address with --http") from None
