"""Asking from Python: the lake of a directory, a bucket or a running collector, and its answers as tables of others."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import html
import inspect
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from otel_llm.errors import NoDataError, OtelLlmError, UsageError

from .config import data_dir
from .query import Table, connect, named, sql, views_for
from .query.statements import readable_errors

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa

#: Rows that an answer shows of itself.
_SHOWN: Final = 50
_ARROW: Final = "application/vnd.apache.arrow.stream"


class Answer:
    """The rows of an answer. `total` is what all of them add up to, where a question says so, `notes` are remarks."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.total = table.total
        self.notes = table.notes

    def arrow(self) -> pa.Table:
        """As an Arrow table: money as decimals."""
        return self._table.data

    def pandas(self) -> pd.DataFrame:
        """As a pandas frame over Arrow's types: decimals stay exact, missing numbers stay missing."""
        with _needed("pandas"):
            import pandas as pd
        return self._table.data.to_pandas(types_mapper=pd.ArrowDtype)

    def polars(self) -> pl.DataFrame:
        """As a polars frame."""
        with _needed("polars"):
            import polars as pl
        frame = pl.from_arrow(self._table.data)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def relation(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """As a relation of a DuckDB connection, of one of its own without any."""
        import duckdb

        return (connection or duckdb.connect()).from_arrow(self._table.data)

    def rows(self) -> list[dict[str, Any]]:
        """As Python's values, a dict a row: money as Decimal, maps as dict."""
        return self._table.rows()

    def __len__(self) -> int:
        return self._table.data.num_rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    def __repr__(self) -> str:
        from .console import answer_table, result_table

        if self.total is None:
            return self._below(result_table(self._table.data.slice(0, _SHOWN)))
        return self._below(answer_table(self._table, limit=_SHOWN))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .render import column_values, plain_text

        data = self._table.data.slice(0, _SHOWN)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in data.column_names)
        cells = zip(*(column_values(column) for column in data.columns), strict=True)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(plain_text(v))}</td>' for v in row)}</tr>" for row in cells)
        return f"<table><tr>{head}</tr>{body}</table>{html.escape(self._below(''))}"

    def _below(self, text: str) -> str:
        more = [f"the first {_SHOWN} of {len(self):,} rows"] if len(self) > _SHOWN else []
        return text + "\n".join([*more, *self.notes])


class Source(Protocol):
    """Where answers come from."""

    def sql(self, query: str, parameters: Mapping[str, Any]) -> Table: ...

    def ask(self, question: str, arguments: Mapping[str, Any]) -> Table: ...

    def close(self) -> None: ...


class Lake:
    """A lake to be asked. Every question of `otel-llm` is a method, with the options of its command as arguments."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def sql(self, query: str, /, **parameters: Any) -> Answer:
        """The rows of one reading statement; `parameters` are the values of its `$name`s.

        Raises UsageError for what cannot be asked, NoDataError where there is nothing yet, OtelLlmError else.
        """
        return Answer(self._source.sql(query, {name: _plain(value) for name, value in parameters.items()}))

    def ask(self, question: str, /, *values: Any, **arguments: Any) -> Answer:
        """The answer to a question by its name: `ask("cost", by="user")` is `cost(by="user")`."""
        expected = named.signature(question)
        try:
            given = expected.bind(*values, **arguments).arguments
        except TypeError as error:
            raise UsageError(f"{question}: {error}; its arguments are {', '.join(expected.parameters)}") from None
        return Answer(self._source.ask(question, {name: _plain(value) for name, value in given.items()}))

    def close(self) -> None:
        """Let go of connections. The lake can be asked again."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    if TYPE_CHECKING:  # each of `named.NAMED` is a method: they are added below

        def __getattr__(self, name: str) -> Callable[..., Answer]: ...


def _method(name: str) -> Callable[..., Answer]:
    @functools.wraps(named.NAMED[name])
    def method(self: Lake, *values: Any, **arguments: Any) -> Answer:
        return self.ask(name, *values, **arguments)

    own = named.signature(name)
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = own.replace(  # type: ignore[attr-defined]  # inspect reads it
        parameters=[first, *own.parameters.values()], return_annotation="Answer"
    )
    method.__name__, method.__qualname__ = name, f"Lake.{name}"
    return method


for _name in named.NAMED:
    setattr(Lake, _name, _method(_name))


class Directory:
    """A data directory, or one that names a bucket."""

    def __init__(self, data: Path, tz: str) -> None:
        self._data, self._tz = data, tz

    def sql(self, query: str, parameters: Mapping[str, Any]) -> Table:
        with connect(self._data, tz=self._tz) as connection, readable_errors():
            return Table(sql(connection, query, parameters).read_all())

    def ask(self, question: str, arguments: Mapping[str, Any]) -> Table:
        texts = (value for value in arguments.values() if isinstance(value, str))
        with connect(self._data, tz=self._tz, views=views_for(*texts)) as connection:
            return named.answer(connection, question, arguments)

    def close(self) -> None:
        """Nothing is kept open."""


class Collector:
    """A running collector, over its HTTP port."""

    def __init__(self, url: str, token: str | None, tz: str, timeout_s: float) -> None:
        import urllib3

        self._url = url.rstrip("/") + "/v1/sql"
        self._tz = tz
        self._headers = {"content-type": "application/json", "accept": _ARROW}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout_s)

    def sql(self, query: str, parameters: Mapping[str, Any]) -> Table:
        return self._post({"query": query, "parameters": parameters})

    def ask(self, question: str, arguments: Mapping[str, Any]) -> Table:
        return self._post({"question": question, "arguments": arguments})

    def close(self) -> None:
        self._pool.clear()

    def _post(self, body: Mapping[str, Any]) -> Table:
        import pyarrow as pa
        import urllib3

        from .endpoint.parcel import unpacked
        from .render import plain_text

        sent = json.dumps({**body, "tz": self._tz}, default=plain_text).encode()
        try:
            answer = self._pool.request("POST", self._url, body=sent, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise OtelLlmError(f"no answer from {self._url}: {error}; is the collector running there?") from error
        if answer.status != 200:
            raise _refused(self._url, answer.status, answer.data)
        return unpacked(pa.ipc.open_stream(answer.data).read_all())


def open_lake(place: str | os.PathLike[str] | None, *, token: str | None, tz: str, timeout_s: float) -> Lake:
    """What `otel_llm_collector.open` answers."""
    address = os.fspath(place) if place is not None else ""
    if address.startswith(("http://", "https://")):
        return Lake(Collector(address, token, tz, timeout_s))
    if token is not None:
        raise UsageError(f"a token is for a collector, http://HOST:4318; {address or 'a directory'} asks for none")
    return Lake(Directory(data_dir(place), tz))


def _refused(url: str, status: int, body: bytes) -> OtelLlmError:
    """The error that an answer tells of."""
    kind = {400: UsageError, 404: NoDataError}.get(status, OtelLlmError)
    try:
        said = json.loads(body)
        return kind(said["error"])
    except (ValueError, TypeError, KeyError):
        return OtelLlmError(f"{url} answered with {status}: is this the HTTP port of a collector?")


def _plain(value: Any) -> Any:
    """An argument as JSON and DuckDB both have it."""
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return [_plain(one) for one in value]
    return value


@contextlib.contextmanager
def _needed(package: str) -> Iterator[None]:
    """Say how to install a package where the block finds it missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise OtelLlmError(f"{package} is not installed: pip install {package}") from error
