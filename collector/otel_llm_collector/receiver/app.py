"""The receiver process: both doors over one intake, until told to stop.

It imports neither pyarrow nor duckdb. Its one line on standard output says where it listens.
"""

from __future__ import annotations

import argparse
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
from ..process import lock, watch_parent
from .grpc import GrpcDoor
from .http import HttpDoor
from .intake import Intake

_LOG = logging.getLogger(__name__)
_GRACE_S: Final = 2.0
_BACKLOG: Final = 1024
#: Largest request, before and after decompression (the OTLP specification's recommendation).
BODY_BYTES_MAX: Final = 64 * 1024 * 1024


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the receiver has one way to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(argv: list[str]) -> int:
    """Run the receiver until SIGTERM, SIGINT or the end of standard input."""
    options = _parse(argv)
    data = Path(options.data)
    logging.basicConfig(level=logging.WARNING, format="otel-llm receiver: %(message)s", stream=sys.stderr)
    try:
        with (
            lock(journal.journal_dir(data) / "receiver.lock", "receiver"),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_serve(options, data))
    except (OtelLlmError, OSError) as error:
        _LOG.error("%s", error)
        return 1
    return 0


async def _serve(options: argparse.Namespace, data: Path) -> None:
    stop = _stop_event()
    writer = journal.Writer(data)
    if writer.torn_bytes:
        _LOG.warning("cut %d bytes that were never acknowledged off the journal's tail", writer.torn_bytes)
    intake = Intake(writer)
    listener = _listen(options.http)
    grpc_door = GrpcDoor(intake, options.grpc, BODY_BYTES_MAX)
    server = _http_server(HttpDoor(intake, BODY_BYTES_MAX))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await grpc_door.start()
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    http_host, http_port = listener.getsockname()[:2]
    grpc_host = options.grpc.rpartition(":")[0]
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


def _stop_event() -> asyncio.Event:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch_parent(lambda: loop.call_soon_threadsafe(stop.set))
    return stop


def _listen(address: str) -> socket.socket:
    """A bound TCP socket for host:port; the error names the address."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise OtelLlmError(f"cannot listen on {address}: {error.strerror}; choose another port with --http") from None


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="otel_llm_collector.receiver.app")
    parser.add_argument("--data", required=True)
    parser.add_argument("--http", required=True)
    parser.add_argument("--grpc", required=True)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
