"""Asking about one trace only the files that have rows of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .opening import glob_escape

if TYPE_CHECKING:
    import duckdb


@contextmanager
def files_of_trace(connection: duckdb.DuckDBPyConnection, table: str, trace_id: str) -> Iterator[None]:
    """Have the table's view read the files with rows of a trace alone, as long as the block runs.

    Which those are is told by their Bloom filters; a view over all files is planned by the footer of each, for longer
    than it takes to answer.
    """
    variable = f"{table}_files"
    (files,) = connection.execute(f"SELECT getvariable('{variable}')").fetchone() or (None,)
    if not files or len(files) == 1:
        yield
        return
    rows = connection.execute(
        "SELECT DISTINCT filename FROM read_parquet(?, hive_partitioning = false) WHERE trace_id = ?",
        [files, trace_id],
    ).fetchall()
    found = [glob_escape(path) for (path,) in rows] or files[:1]
    connection.execute(f"SET VARIABLE {variable} = ?", [found])
    try:
        yield
    finally:
        connection.execute(f"SET VARIABLE {variable} = ?", [files])
