"""The listening side of HTTP: accepts, bounds how many there are, closes who is late, ends in order."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

from otel_llm.errors import OtelLlmError

from .connection import Connection, Site
from .refusals import BusyError, RefusedError

CONNECTIONS_MAX: Final = 2000
_BACKLOG: Final = 1024
_EVERYWHERE: Final = "::"
_SWEEP_S: Final = 5.0
_HANDSHAKE_S_MAX: Final = 10.0
_POLL_S: Final = 0.02


class HttpServer:
    """Serves a site at an address host:port; port 0 takes a free one. Speaks TLS where `tls` is given."""

    def __init__(self, site: Site, address: str, tls: ssl.SSLContext | None) -> None:
        self._site = site
        self._tls = tls
        self._socket = _listen(address)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    async def start(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.get_running_loop().create_server(
            self._connect,
            sock=self._socket,
            ssl=self._tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=_HANDSHAKE_S_MAX if self._tls else None,
        )
        self._sweep()

    async def stop(self, grace_s: float) -> None:
        """Take nothing new, answer what is under way, and end the rest after `grace_s` seconds."""
        assert self._server is not None
        self._server.close()
        if self._sweeping:
            self._sweeping.cancel()
        for connection in list(self._connections):
            connection.finish()
        deadline = asyncio.get_running_loop().time() + grace_s
        while self._connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - and a deadline
            await asyncio.sleep(_POLL_S)
        for connection in list(self._connections):
            connection.abort()

    def _connect(self) -> Connection:
        """A connection that may never come about: one whose TLS handshake fails is dropped without a word."""
        return Connection(self._site, self._come, self._connections.discard)

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
