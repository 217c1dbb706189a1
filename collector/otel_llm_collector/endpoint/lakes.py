"""Connections to the lake that are kept while no table changes: opening one takes longer than most queries."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..query import Bounds, all_live_files, connect_to, rolled_up

if TYPE_CHECKING:
    import duckdb

#: Connections that wait for a query like the last one.
KEPT_MAX: Final = 4
_Key = tuple[str, Bounds, str]


class Lakes:
    """The lake of one data directory, for strangers."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._kept: list[tuple[_Key, duckdb.DuckDBPyConnection]] = []

    @contextlib.contextmanager
    def opened(self, tz: str, bounds: Bounds) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the lake as it is now, for the block alone. It is kept where the block raises nothing."""
        files = all_live_files(self._data)
        rolled = rolled_up(self._data) if bounds.tenant is None else {}
        key = (repr(sorted([*files.items(), *rolled.items()])), bounds, tz)
        connection = self._take(key) or connect_to(self._data, files, rolled=rolled, tz=tz, bounds=bounds)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._keep(key, connection)

    def _take(self, key: _Key) -> duckdb.DuckDBPyConnection | None:
        with self._lock:
            place = next((n for n, (kept, _) in enumerate(self._kept) if kept == key), None)
            return None if place is None else self._kept.pop(place)[1]

    def _keep(self, key: _Key, connection: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._kept.append((key, connection))
            over = [self._kept.pop(0) for _ in range(len(self._kept) - KEPT_MAX)]
        for _, one in over:
            one.close()
