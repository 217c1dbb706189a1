"""What stands in a Parquet file beside its rows."""

from __future__ import annotations

from pathlib import Path

import duckdb


def bloom_columns(path: Path) -> set[str]:
    """The columns that carry a Bloom filter, as DuckDB sees them."""
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT path_in_schema FROM parquet_metadata('{path}') WHERE bloom_filter_offset IS NOT NULL"
        ).fetchall()
    return {row[0] for row in found}
