"""The process that answers queries over HTTP, started with the first of them. The receiver hands them over.

A query is computed and written as a whole before its answer begins: what fails has a status that says so, and a client
that reads slowly holds bytes, no files. It stands back behind the processes that receive and convert, takes a bounded
amount of memory, writes no file, and is the first that the system ends when memory is short.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final

from otel_llm.errors import OtelLlmError
from otel_llm.failures import swallow

from ..logs import speak
from ..options import Config
from ..process import Orders, is_readable, leave_pandas_out, stand_back
from .answer import Answer, answer, bounds_of
from .lakes import Lakes
from .watch import STUCK
from .wire import MORE_S, SIGN, Asked

_LOG = logging.getLogger(__name__)
#: What the process takes besides its queries and their answers.
_OWN_BYTES: Final = 512 * 1024 * 1024
#: So long it waits for a request that was announced, and for a receiver that should have ended a slow client.
_STALL_S: Final = 30.0
#: How often it looks whether a query hangs.
_LOOK_S: Final = 1.0
_FIRST_TO_GO: Final = "1000"
FAULT: Final = Answer.failed(500, "fault", "the collector failed on this query; its log says where")


class Desk:
    """Answers by the configuration of now."""

    def __init__(self, config: Config) -> None:
        self._lakes = Lakes(Path(config.data))
        self._begun: dict[socket.socket, float] = {}  # queries that are worked on, and since when
        self.configure(config)

    def configure(self, config: Config) -> None:
        """From now on by this configuration."""
        self._config = config
        _bound_memory(config)

    def is_stuck(self, now: float) -> bool:
        """Whether a query goes on long after the last could wait for it; `now` is by the monotonic clock.

        What it hangs in does not hear that it should end.
        """
        return now - min(self._begun.copy().values(), default=now) > self._config.sql_seconds_max + 2 * MORE_S

    def warm_up(self) -> None:
        """Load what queries need, and open the lake, before the process stands back.

        Where all cores are taken it would take minutes then, and the first query would wait for it.
        """
        import deltalake
        import duckdb
        import pyarrow

        _LOG.debug(
            "duckdb %s, pyarrow %s, deltalake %s", duckdb.__version__, pyarrow.__version__, deltalake.__version__
        )
        try:
            with self._lakes.opened("UTC", bounds_of(self._config, None)) as connection:
                connection.execute("SELECT 1").fetchall()
        except OtelLlmError as error:  # nothing is there yet, or a bucket does not answer: the queries will say so
            _LOG.debug("%s", error)
        except Exception as error:
            swallow("opening the lake", error)

    def serve(self, client: socket.socket) -> None:
        """Answer the one request of a client."""
        with client, contextlib.suppress(OSError, ValueError):  # it has gone
            client.settimeout(_STALL_S)
            with client.makefile("rb") as stream:
                asked = Asked.read(stream)
            self._begun[client] = time.monotonic()
            try:
                said = self._answer(asked, client)
            finally:
                del self._begun[client]
            client.settimeout(self._config.sql_send_seconds_max + _STALL_S)
            said.send(client)

    def _answer(self, asked: Asked, client: socket.socket) -> Answer:
        try:
            return answer(asked, client, self._lakes, self._config)
        except Exception as error:
            swallow("answering a query", error)
            return FAULT


def _bound_memory(config: Config) -> None:
    """A query may take more than DuckDB counts: then an allocation fails, and the query with it."""
    answers = 2 * config.sql_queries_max * config.sql_answer_bytes_max
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (_OWN_BYTES + answers + config.sql_memory_bytes_max, hard))


def _go_first() -> None:
    """Where memory is short, this process is ended rather than one that keeps what it was sent."""
    with contextlib.suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def main() -> int:
    """Answer until the supervisor has gone."""
    leave_pandas_out()
    orders = Orders()
    config = Config.load(orders.first)
    speak("query", config)
    desk = Desk(config)
    desk.warm_up()
    stand_back(config.sql_niceness)
    _go_first()

    def configure(line: str) -> None:
        config = Config.load(line)
        speak("query", config)
        desk.configure(config)

    orders.follow(gone=lambda: os._exit(0), said=configure)
    channel = socket.socket(fileno=int(sys.argv[1]))
    while not desk.is_stuck(time.monotonic()):
        if is_readable(channel, _LOOK_S):
            _, files, *_ = socket.recv_fds(channel, len(SIGN), 1)
            for file in files:
                threading.Thread(target=desk.serve, args=[socket.socket(fileno=file)], daemon=True).start()
    _LOG.error("a query hangs: this process ends, and is started again when it is asked")
    os._exit(STUCK)


if __name__ == "__main__":
    sys.exit(main())
