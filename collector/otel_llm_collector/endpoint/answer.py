"""From a request to its answer: wait for what was sent before it, check, compute, write."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_llm.errors import NoDataError, OtelLlmError, UsageError

from ..options import Config
from ..query import Bounds, guard, named, sql
from ..query.statements import readable_errors
from . import request
from .formats import Size, TooLargeAnswerError, encode
from .freshness import wait_until_converted
from .lakes import Lakes
from .parcel import packed
from .request import Request
from .watch import EndedError, Watch
from .wire import Asked, Said

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: Since how many ms the oldest request waits that the answer does not know of; 0 where it knows of all.
LAG_HEADER: Final = "otel-llm-lag-ms"
_TOO_SLOW: Final = "too_slow"
#: Class of error -> status and the word for it; the first that fits.
_STATUSES: Final[dict[type[Exception], tuple[int, str]]] = {
    UsageError: (400, "wrong_query"),
    NoDataError: (404, "no_data"),
    TooLargeAnswerError: (413, "too_large"),
    EndedError: (504, _TOO_SLOW),
    OtelLlmError: (422, "failed"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of HTTP."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def failed(cls, status: int, word: str, message: str, lag_ms: int | None = None) -> Answer:
        """An error: a word for programs, a line for people."""
        body = json.dumps({"error": message, "code": word}, ensure_ascii=False).encode()
        return cls(status, (("content-type", "application/json"), *_lag(lag_ms)), body)

    def send(self, client: socket.socket) -> None:
        """Write it, as fast as it is taken. Raises OSError."""
        client.sendall(Said(self.status, self.headers, len(self.body)).dump())
        client.sendall(self.body)


def answer(asked: Asked, client: socket.socket, lakes: Lakes, config: Config) -> Answer:
    """The answer to a request of a client's, which may go meanwhile."""
    data, lag_ms = Path(config.data), None
    watch = Watch(client, config.sql_seconds_max, lambda why: Answer.failed(504, _TOO_SLOW, why).send(client))
    try:
        wanted = request.read(asked)
        lag_ms = wait_until_converted(data, watch.check)
        with lakes.opened(wanted.tz, bounds_of(config, asked.tenant)) as connection, watch.over(connection):
            body = _body(connection, wanted, config, watch.check)
    except MemoryError:
        return Answer.failed(422, "out_of_memory", _TOO_MUCH, lag_ms)
    except OtelLlmError as error:
        status, word = next(found for kind, found in _STATUSES.items() if isinstance(error, kind))
        if _is_memory(error):
            return Answer.failed(422, "out_of_memory", _TOO_MUCH, lag_ms)
        return Answer.failed(status, word, str(error).replace(config.data, "DATA"), lag_ms)
    return Answer(200, (("content-type", wanted.form.value), *_lag(lag_ms)), body)


def bounds_of(config: Config, tenant: str | None) -> Bounds:
    """What one query may take and see."""
    return Bounds(config.sql_memory_bytes_max // max(1, config.sql_queries_max), tenant)


_TOO_MUCH: Final = (
    "the query needs more memory than it may have (sql_memory_bytes_max): ask for fewer days or columns, or where the "
    "data is with `otel-llm sql`"
)


def _body(connection: duckdb.DuckDBPyConnection, wanted: Request, config: Config, check: Callable[[], None]) -> bytes:
    size = Size(config.sql_rows_max, config.sql_answer_bytes_max)
    with readable_errors():
        return encode(wanted.form, _rows(connection, wanted), size, check)


def _rows(connection: duckdb.DuckDBPyConnection, wanted: Request) -> pa.RecordBatchReader:
    if not wanted.question:
        guard.check(connection, wanted.query)
        return sql(connection, wanted.query, wanted.parameters)
    if isinstance(where := wanted.arguments.get("where"), str):
        guard.check_condition(connection, where)
    return packed(named.answer(connection, wanted.question, wanted.arguments)).to_reader()


def _is_memory(error: OtelLlmError) -> bool:
    """DuckDB says it by a class of its own, or, of a later batch, through Arrow."""
    return "Out of Memory Error" in str(error)


def _lag(lag_ms: int | None) -> tuple[tuple[str, str], ...]:
    return () if lag_ms is None else ((LAG_HEADER, str(lag_ms)),)
