"""The receiver process: both doors over one intake, until told to stop.

It imports neither pyarrow nor duckdb. Its one line on standard output says where it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
import uvloop

from otel_llm.errors import OtelLlmError

from .. import journal
from ..logs import speak
from ..options import Config
from ..process import Orders, lock
from .grpc import GrpcDoor
from .http import HttpDoor
from .intake import Intake

_LOG = logging.getLogger(__name__)
_GRACE_S: Final = 2.0
_BACKLOG: Final = 1024


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the receiver has one way to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main() -> int:
    """Run the receiver until SIGTERM, SIGINT or the end of standard input."""
    orders = Orders()
    config = Config.load(orders.first)
    speak("receiver", config)
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


async def _serve(config: Config, orders: Orders) -> None:
    writer = journal.Writer(Path(config.data))
    if writer.torn_bytes:
        _LOG.warning("cut %d bytes that were never acknowledged off the journal's tail", writer.torn_bytes)
    intake = Intake(writer, config.memory_bytes_max)
    stop = _stop_event(orders, intake)
    listener = _listen(config.http)
    grpc_door = GrpcDoor(intake, config.grpc, config.body_bytes_max)
    server = _http_server(HttpDoor(intake, config.body_bytes_max))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await grpc_door.start()
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    http_host, http_port = listener.getsockname()[:2]
    grpc_host = config.grpc.rpartition(":")[0]
    sys.stdout.write(f"ready http={http_host}:{http_port} grpc={grpc_host}:{grpc_door.port}\n")
    sys.stdout.flush()
    await stop.wait()
    server.should_exit = True
    await asyncio.gather(serving, grpc_door.stop(_GRACE_S))
    await intake.close()


def _http_server(door: HttpDoor) -> _Server:
    return _Server(
        uvicorn.Config(
            door,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            http="httptools",
            server_header=False,
            date_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(_GRACE_S),
        )
    )


def _stop_event(orders: Orders, intake: Intake) -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def configure(line: str) -> None:
        config = Config.load(line)
        speak("receiver", config)
        intake.memory_bytes_max = config.memory_bytes_max

    orders.follow(
        gone=lambda: loop.call_soon_threadsafe(stop.set),
        said=lambda line: loop.call_soon_threadsafe(configure, line),
    )
    return stop


def _listen(address: str) -> socket.socket:
    """A bound TCP socket for host:port; the error names the address."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OtelLlmError(f"cannot listen on {address}: {error.strerror}; choose another port with --http") from None


if __name__ == "__main__":
    sys.exit(main())
