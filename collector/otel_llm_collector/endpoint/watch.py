"""Ends a query whose time is over, or whose client has gone."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final

from otel_llm.errors import OtelLlmError

from ..process import is_readable

if TYPE_CHECKING:
    import duckdb

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 0.05
#: Some functions of DuckDB are not interrupted. After so long, or as long again as a query may take, the process ends
#: instead, and is started again; after so many times that where others take all cores.
_GRACE_S_MAX: Final = 5.0
_STARVED: Final = 4
#: The exit code of a process that ended itself because of such a query.
STUCK: Final = 75


class Why(Enum):
    """Why a query was ended."""

    LATE = "late"
    GONE = "gone"


class EndedError(OtelLlmError):
    """The query was ended. `why` says by what."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class Watch:
    """Watches over one query of a client's, which has `seconds_max` from when it is worked on.

    One that is not to go on and does not hear it ends the process; `say` is called before, with what there is to say.
    """

    def __init__(self, client: socket.socket, seconds_max: float, say: Callable[[str], object]) -> None:
        self._client = client
        self._seconds_max = seconds_max
        self._say = say
        self._deadline = math.inf
        self._done = threading.Event()

    def check(self) -> None:
        """Raise EndedError where the query is not to go on."""
        if self._is_gone():
            raise EndedError(Why.GONE, "the client has gone")
        if time.monotonic() > self._deadline:
            message = (
                f"the query took longer than {self._seconds_max:g} s (sql_seconds_max): ask for fewer days, or less"
            )
            raise EndedError(Why.LATE, message)

    @contextlib.contextmanager
    def over(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Interrupt what runs on the connection once it is not to go on; EndedError is then what the block raises.

        Its time begins here: to start the process and to open the lake is no fault of the query's.
        """
        self._deadline = time.monotonic() + self._seconds_max
        thread = threading.Thread(target=self._look, args=[connection], daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self.check()
            raise
        finally:
            self._done.set()
            thread.join()

    def _look(self, connection: duckdb.DuckDBPyConnection) -> None:
        ended_at: float | None = None
        used_s = 0.0
        while not self._done.wait(_LOOK_S):
            now = time.monotonic()
            if ended_at is None:
                ended_at = now if now > self._deadline or self._is_gone() else None
                used_s = time.process_time()
            if ended_at is None:
                continue
            with contextlib.suppress(Exception):  # closed by now, or between two statements
                connection.interrupt()
            if self._is_stuck(now - ended_at, time.process_time() - used_s):
                self._end_process()

    def _is_stuck(self, over_s: float, used_s: float) -> bool:
        """Whether it should have heard by now: a process that gets no core has not had the time to."""
        grace_s = min(_GRACE_S_MAX, self._seconds_max)
        return min(over_s, used_s) > grace_s or over_s > _STARVED * grace_s

    def _end_process(self) -> None:
        _LOG.error("a query could not be interrupted: this process ends, and is started again when it is asked")
        with contextlib.suppress(OSError):  # the client has gone
            self._say(
                f"the query took longer than {self._seconds_max:g} s (sql_seconds_max), in a function that cannot be "
                "interrupted; the process that answers queries was ended for it: do not ask this again"
            )
        os._exit(STUCK)

    def _is_gone(self) -> bool:
        """Whether the client has closed its end: it says nothing after its request."""
        return is_readable(self._client) and not self._client.recv(1, socket.MSG_PEEK)
