"""The receiver process: both doors over one intake, until told to stop.

It imports neither pyarrow nor duckdb. Its one line on standard output says where it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import uvloop

from otel_llm.errors import OtelLlmError, UsageError

from .. import journal
from ..logs import speak
from ..options import Config
from ..process import Orders, lock
from .access import Access, GrpcCertificates, load_certificates, tls_context
from .grpc import GrpcDoor
from .http import HttpDoor
from .intake import Intake
from .pages import Pages
from .room import Room
from .server import HttpServer
from .sql import SqlDoor
from .telemetry import Telemetry

_LOG = logging.getLogger(__name__)
_GRACE_S: Final = 2.0
#: For HTTP connections, as many as there may be, those of gRPC, and the journal.
_FILES: Final = 16 * 1024
#: The thread that writes has little to do and everybody waits for it: it gets its turns at once, not after 5 ms each.
_SWITCH_S: Final = 0.0002


def main() -> int:
    """Run the receiver until SIGTERM, SIGINT or the end of standard input."""
    orders = Orders()
    config = Config.load(orders.first)
    speak("receiver", config)
    sys.setswitchinterval(_SWITCH_S)
    _allow_files()
    try:
        with (
            lock(journal.journal_dir(Path(config.data)) / "receiver.lock", "receiver"),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(config, orders))
    except (OtelLlmError, OSError) as error:
        _LOG.error("%s", error)
        return 1
    return 0


class Receiver:
    """Both doors over one intake, by one configuration."""

    def __init__(self, config: Config, channel: socket.socket | None) -> None:
        data = Path(config.data)
        writer = journal.Writer(data)
        if writer.torn_bytes:
            _LOG.warning("cut %d bytes that were never acknowledged off the journal's tail", writer.torn_bytes)
        self._tls = tls_context(config)
        self._access = Access(config)
        self._certificates = GrpcCertificates(config)
        telemetry, limit = Telemetry(data), config.body_bytes_max
        self._intake = Intake(writer, Room(data, config), telemetry, config.memory_bytes_max)
        self._pages = Pages(self._intake, telemetry)
        self._queries = SqlDoor(self._access, config, telemetry, channel)
        site = HttpDoor(self._intake, self._access, self._pages.by_path, self._queries, limit)
        self._http = HttpServer(site, config.http, self._tls)
        telemetry.connections.set_function(lambda: self._http.connections)
        credentials = self._certificates.credentials() if self._tls else None
        self._grpc = GrpcDoor(self._intake, self._access, config.grpc, limit, credentials)

    def configure(self, line: str) -> None:
        """Take over what of a new configuration can be. What cannot be used changes nothing."""
        config = Config.load(line)
        speak("receiver", config)
        try:
            if self._tls and config.tls_certificate:
                load_certificates(self._tls, config)
                self._certificates.configure(config)
        except UsageError as error:
            _LOG.error("the certificates stay as they were: %s", error)
        self._access.configure(config)
        self._queries.configure(config)
        self._intake.room.configure(config)
        self._intake.budget.bytes_max = config.memory_bytes_max

    async def serve(self, stop: asyncio.Event) -> None:
        """Answer until told to stop, then say what is under way and close the journal."""
        await self._http.start()
        await self._grpc.start()
        sys.stdout.write(f"ready http={self._http.address} grpc={self._grpc.address}\n")
        sys.stdout.flush()
        await stop.wait()
        self._pages.is_stopping = True
        await asyncio.gather(self._http.stop(_GRACE_S), self._grpc.stop(_GRACE_S))
        await self._intake.close()


async def _serve(config: Config, orders: Orders) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    receiver = Receiver(config, _channel())
    orders.follow(
        gone=lambda: loop.call_soon_threadsafe(stop.set),
        said=lambda line: loop.call_soon_threadsafe(receiver.configure, line),
    )
    await receiver.serve(stop)


def _allow_files() -> None:
    """A connection is an open file, and a process has 1024 unless it asks for more: then the journal gets none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _FILES)), hard))


def _channel() -> socket.socket | None:
    """Where queries are handed on: a socket that the supervisor has opened, if it did."""
    if len(sys.argv) < 2:
        return None
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.setblocking(False)
    return channel


if __name__ == "__main__":
    sys.exit(main())
